"""How a machine counts in repeat copy: when it stops for each number asked for, and which part holds the number."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntmlib.machine import MachineState
from ntmlib.ntm import NTM, Trace
from ntmlib.tasks.base import check_whole
from ntmlib.tasks.repeat_copy import RepeatCopy

EXTRA_COPIES = 2  # silence after the last copy wanted, in copies: time to notice a machine that does not stop


@dataclass(frozen=True)
class Counted:
    """What a machine did when asked for a number of copies.

    Attributes:
        asked: copies it was asked for.
        right: copies without a wrong bit from the first one on, up to the first that has one.
        ended: when the first end marker came, in copies; None if none did. A fraction is a marker inside a copy.
    """

    asked: int
    right: int
    ended: float | None


def count_copies(
    machine: nn.Module, task: RepeatCopy, asked: Iterable[int], *, length: int = 5, seed: int = 0
) -> list[Counted]:
    """Ask for the same vectors once for each number, and see when the machine says that it is done.

    Args:
        machine: an ``NTM`` or an ``LSTM``.
        task: how the number is told.
        asked: numbers of copies, also outside the task's range.
        length: vectors in the sequence.
        seed: draws the vectors.

    Raises:
        ValueError: a number is not a positive whole one.
    """
    found = []
    for repeats in asked:
        check_whole("asked", repeats)
        inputs, start = _question(task, repeats, length, seed)
        silence = inputs.new_zeros(1, length * (repeats + EXTRA_COPIES) + 1, inputs.shape[-1])
        with torch.no_grad():
            logits = machine(torch.cat([inputs, silence], 1))[0][0, start:]
        wanted = inputs[0, :length, : task.bits].repeat(repeats, 1)
        wrong = ((logits[: len(wanted), : task.bits] > 0) != (wanted > 0.5)).any(-1).view(repeats, length).any(-1)
        right = int(wrong.int().argmax()) if wrong.any() else repeats
        ended = _first_marker(logits[None])[0].item() / length
        found.append(Counted(repeats, right, ended if ended >= 0 else None))
    return found


@dataclass(frozen=True)
class CountSearch:
    """Where a machine keeps the count: what became of a run when one part of its state was another run's.

    Both runs hear the same vectors; one is asked for ``asked`` copies, the donor for ``other``. Before each
    step of the answer one part of the first run's state is replaced by the donor's, and the run goes on.

    Attributes:
        trace: the first run, left alone.
        start: step at which the answer starts.
        length: vectors in a copy.
        asked: copies asked of the first run.
        other: copies asked of the donor.
        parts: names of what is replaced: each slot by its number, then the memory as a whole, each head's
            weighting, all weightings together, the read vectors and, of an LSTM, the controller's state.
        copies: for each step of the answer and each part, the copies after which the run ended; negative if never.
    """

    trace: Trace
    start: int
    length: int
    asked: int
    other: int
    parts: tuple[str, ...]
    copies: Float[Tensor, "steps parts"]

    def carriers(self) -> list[tuple[str, ...]]:
        """Name, for each step, the parts that alone make the run end where the donor would."""
        moved = (self.copies == self.other).tolist()
        return [tuple(part for part, yes in zip(self.parts, row, strict=True) if yes) for row in moved]

    def slot(self, step: int) -> int | None:
        """Return the one slot that carries the count at a step of the answer; None if no slot does, or several do."""
        slots = [int(part) for part in self.carriers()[step] if part.isdigit()]
        return slots[0] if len(slots) == 1 else None


def find_count(
    machine: NTM, task: RepeatCopy, *, length: int = 4, asked: int = 3, other: int = 6, seed: int = 0
) -> CountSearch:
    """Search a machine's state for the count, by exchanging one part after the other at every step of an answer.

    Args:
        machine: the machine; few slots make the search faster.
        task: how the number is told.
        length: vectors in the sequence.
        asked: copies asked of the run that is changed.
        other: copies asked of the run that the parts come from.
        seed: draws the vectors.

    Raises:
        ValueError: a number is not a positive whole one, or asked and other are the same.
    """
    for name, value in {"length": length, "asked": asked, "other": other}.items():
        check_whole(name, value)
    if asked == other:
        raise ValueError(f"other must differ from asked; got {other} for both")
    inputs, start = _question(task, asked, length, seed)
    donor_inputs, donor_start = _question(task, other, length, seed)
    silence = inputs.new_zeros(1, length * (max(asked, other) + EXTRA_COPIES) + 1, inputs.shape[-1])
    rows: list[Tensor] = []
    with torch.no_grad():
        state, donor = machine(inputs[:, :start])[1], machine(donor_inputs[:, :donor_start])[1]
        for step in range(length * asked + 1):
            parts, mixed = exchange(state, donor)
            logits, _ = machine(silence.expand(len(parts), -1, -1), mixed)
            ended = _first_marker(logits)
            rows.append(torch.where(ended < 0, ended, (ended + step) / length))
            state, donor = machine(silence[:, :1], state)[1], machine(silence[:, :1], donor)[1]
    trace = machine.trace(torch.cat([inputs[:, :start], silence[:, : length * asked + 1]], 1))
    return CountSearch(trace, start, length, asked, other, parts, torch.stack(rows))


def exchange(state: MachineState, donor: MachineState) -> tuple[tuple[str, ...], MachineState]:
    """Copy a state many times over, each copy with one part taken from another state.

    Args:
        state: the state of one sequence.
        donor: a state of the same sizes, also of one sequence.

    Returns:
        The name of each copy's foreign part (see ``CountSearch.parts``), and the copies as a batch.
    """
    slots, heads = state.memory.shape[1], state.read_weighting.shape[1]
    numbers = [""] if heads == 1 else [f" {head + 1}" for head in range(heads)]
    parts = [*map(str, range(slots)), "memory", *(f"{kind} head{n}" for n in numbers for kind in ("write", "read"))]
    parts += ["all heads", "read vector", *["controller"] * bool(state.controller)]

    mixed = state.map(lambda part: part.repeat(len(parts), *[1] * (part.ndim - 1)))
    every = torch.arange(slots)
    mixed.memory[every, every] = donor.memory[0]
    mixed.memory[slots] = donor.memory[0]
    for head, number in enumerate(numbers):
        mixed.write_weighting[parts.index(f"write head{number}"), head] = donor.write_weighting[0, head]
        mixed.read_weighting[parts.index(f"read head{number}"), head] = donor.read_weighting[0, head]
    mixed.write_weighting[parts.index("all heads")] = donor.write_weighting[0]
    mixed.read_weighting[parts.index("all heads")] = donor.read_weighting[0]
    mixed.read_vector[parts.index("read vector")] = donor.read_vector[0]
    for part, given in zip(mixed.controller, donor.controller, strict=True):
        part[-1] = given[0]
    return tuple(parts), mixed


def count_codes(
    machine: NTM, task: RepeatCopy, slot: int, asked: Iterable[int], *, length: int = 4, step: int = 1, seed: int = 0
) -> Float[Tensor, "counts width"]:
    """Return what a slot holds, at a step of the answer, for each number of copies asked for.

    Everything else is the same for all of them: the vectors, their places and the time.
    """
    codes = []
    for repeats in asked:
        check_whole("asked", repeats)
        inputs, start = _question(task, repeats, length, seed)
        with torch.no_grad():
            codes.append(machine(inputs[:, : start + step])[1].memory[0, slot])
    return torch.stack(codes)


def _question(task: RepeatCopy, repeats: int, length: int, seed: int) -> tuple[Float[Tensor, "1 time features"], int]:
    """Return one sequence's inputs, the vectors the same for any number of repeats, and where the answer starts."""
    fixed = replace(task, min_repeats=repeats, max_repeats=repeats)
    batch = fixed.sample(1, length=length, generator=torch.Generator().manual_seed(seed))
    return batch.inputs, int(batch.mask[0].int().argmax())


def _first_marker(logits: Float[Tensor, "batch time outputs"]) -> Float[Tensor, " batch"]:
    """Return the step of the first end marker of each sequence, -1 where there is none."""
    marked = logits[..., -1] > 0
    return torch.where(marked.any(1), marked.int().argmax(1), -1).float()
