"""Whether a machine that reads brackets keeps a stack: where its heads are, against what is open."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ntmlib.ntm import NTM, Trace
from ntmlib.tasks.languages.brackets import NONE_OPEN, follow, nesting
from ntmlib.tasks.languages.next_symbols import NextSymbols

EMPTIED = {"nothing": 0, "slot 0": 1, "memory": None}  # the slot up to which a memory is emptied


@dataclass(frozen=True)
class StackHeads:
    """Where the first pair of heads was while brackets streamed past, and what was open then.

    Attributes:
        depth: brackets open after each step.
        opened: the step at which the innermost of them was opened; -1 where none is open.
        write_slot: the slot with most of the write head's weighting.
        read_slot: the slot with most of the read head's.
        slots: size of the memory.
    """

    depth: Int[Tensor, "batch time"]
    opened: Int[Tensor, "batch time"]
    write_slot: Int[Tensor, "batch time"]
    read_slot: Int[Tensor, "batch time"]
    slots: int

    @property
    def written_at_depth(self) -> float:
        """Share of all steps at which the write head is on the slot whose number is the depth."""
        return _share(self.write_slot == self.depth % self.slots)

    @property
    def read_below(self) -> float:
        """Share of all steps at which the read head is on the slot below that."""
        return _share(self.read_slot == (self.depth - 1) % self.slots)

    @property
    def returns(self) -> Bool[Tensor, "batch time"]:
        """The closing brackets around which another bracket is open, which is the innermost one from then on."""
        closes = self.depth.diff(dim=1, prepend=self.depth.new_zeros(len(self.depth), 1)) < 0
        return closes & (self.opened >= 0)

    @property
    def fetched(self) -> float:
        """Share of the returns at which the read head was, one step before, on the slot that is needed from now on.

        It is the slot that was written when the bracket was opened that is now the innermost one.
        """
        return _share(self.read_slot.roll(1, 1)[self.returns] == self._written_then()[self.returns])

    @property
    def rewritten(self) -> float:
        """Share of the returns at which the write head is on that slot again."""
        return _share(self.write_slot[self.returns] == self._written_then()[self.returns])

    def fetches(self, example: int = 0) -> list[tuple[int, int]]:
        """Pair steps: when a bracket was opened, and when it must have been looked up, one step before each return."""
        steps = self.returns[example].nonzero().flatten().tolist()
        return [(int(self.opened[example, step]), step - 1) for step in steps]

    def _written_then(self) -> Int[Tensor, "batch time"]:
        return self.write_slot.gather(1, self.opened.clamp_min(0))


def follow_heads(trace: Trace, kinds: int) -> StackHeads:
    """Say for each step of a trace what is open and where the first pair of heads is.

    Args:
        trace: of balanced texts without padding, as ``NextSymbols`` presents them.
        kinds: of brackets.

    Raises:
        ValueError: the trace's inputs are not such texts.
    """
    inputs = trace.inputs
    if inputs.shape[-1] != 2 * kinds or not (inputs.sum(-1) == 1).all():
        raise ValueError(f"trace must be of texts of {2 * kinds} symbols, one at every step, without padding")
    depth, opened = map(torch.from_numpy, nesting(inputs.argmax(-1).cpu().numpy(), kinds))
    if (depth < 0).any():
        raise ValueError("trace must be of texts that close no bracket that is not open")
    write_slot, read_slot = (record.weighting[:, :, 0].argmax(-1).cpu() for record in (trace.write, trace.read))
    return StackHeads(depth, opened, write_slot, read_slot, trace.memory.shape[2])


@torch.no_grad()
def wrong_steps(machine: NTM, task: NextSymbols, text: str, *, emptied: str = "nothing") -> list[int]:
    """Return the steps of a balanced text after which a machine says wrongly which brackets may come next.

    Args:
        machine: trained on the task; it gets 32 slots more than the text has symbols.
        task: which kinds of brackets there are.
        text: brackets.
        emptied: what is put back to what it held at first whenever nothing is open, and so nothing need be remembered:
            one of ``EMPTIED``.

    Raises:
        ValueError: emptied is none of these, or text closes a bracket that is not open, or has other symbols.
    """
    if emptied not in EMPTIED:
        raise ValueError(f"emptied must be one of {', '.join(EMPTIED)}; got {emptied!r}")
    inputs = task.encode(text)
    right, innermost = follow(inputs.argmax(-1).numpy(), task.kinds)
    if not right.all():
        raise ValueError(f"text must close no bracket that is not open; got {text!r}")
    machine = machine.with_slots(len(text) + 32, shared=True)
    state = machine.initial_state(1)
    first = state.memory.clone()
    wrong = []
    for step, inside in enumerate(innermost[0].tolist()):
        logits, state = machine(inputs[:, step : step + 1], state)
        expected = [place < task.kinds or place - task.kinds == inside for place in range(2 * task.kinds)]
        if (logits[0, 0] > 0).tolist() != expected:
            wrong.append(step)
        if inside == NONE_OPEN:
            kept_from = first.shape[1] if EMPTIED[emptied] is None else EMPTIED[emptied]
            state = replace(state, memory=torch.cat([first[:, :kept_from], state.memory[:, kept_from:]], 1))
    return wrong


def _share(held: Bool[Tensor, "*any"]) -> float:
    return float(held.float().mean())
