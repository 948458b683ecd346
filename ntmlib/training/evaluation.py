"""How well a machine does a task: bits of cost, wrong bits, sequences all right."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ntmlib.ntm import NTM
from ntmlib.tasks import Batch, Task
from ntmlib.tasks.base import Uncertain

BITS_PER_NAT = 1 / math.log(2)
MOST_AT_ONCE = 50  # sequences run together, which bounds the memory an evaluation takes


@dataclass(frozen=True)
class Report:
    """What an evaluation found. Bits are those of the targets at the steps that are scored.

    Attributes:
        length: length of all sequences in the task's unit; None if each drew its own.
        slots: slots of the memory; None for a model without one.
        num_sequences: sequences tried.
        num_bits: target bits in all sequences together.
        bits_per_sequence: mean cost of a sequence in bits, as in the paper's figures.
        bits_per_bit: mean cost of a target bit in bits; a fair coin costs 1.
        bit_errors: wrong bits in all sequences together.
        exact: share of the sequences without a wrong bit.
        optimal_bits_per_sequence: what the same sequences cost the best possible predictor; 0 where the answer
            can be known.
    """

    length: int | None
    slots: int | None
    num_sequences: int
    num_bits: int
    bits_per_sequence: float
    bits_per_bit: float
    bit_errors: int
    exact: float
    optimal_bits_per_sequence: float = 0.0

    @property
    def excess_bits(self) -> float:
        """Bits per sequence above the best possible predictor's, on the same sequences."""
        return self.bits_per_sequence - self.optimal_bits_per_sequence

    @property
    def bits_right(self) -> float:
        """Share of the bits that are right."""
        return 1 - self.bit_errors / self.num_bits

    @property
    def bit_errors_per_sequence(self) -> float:
        """Mean number of wrong bits in a sequence."""
        return self.bit_errors / self.num_sequences


def cost_nats(logits: Float[Tensor, "batch time outputs"], batch: Batch) -> Float[Tensor, ""]:
    """Sum the cross-entropy of all scored target bits, in nats."""
    return F.binary_cross_entropy_with_logits(logits[batch.mask], batch.targets[batch.mask], reduction="sum")


def lengths_for(model: nn.Module, batch: Batch) -> Int[Tensor, " batch"] | None:
    """Return the lengths a model should be told, for outputs at the steps that are scored.

    An ``NTM`` skips finished sequences and saves time. torch's LSTM is two to three times slower
    when told, and what comes after a sequence's end cannot change what came before.
    """
    return batch.ragged_lengths if isinstance(model, NTM) else None


def evaluate(
    machine: nn.Module,
    task: Task,
    *,
    length: int | None = None,
    num_sequences: int = 100,
    generator: torch.Generator | None = None,
    slots: int | None = None,
    engine: str | None = None,
) -> Report:
    """Try a machine on fresh sequences.

    Args:
        machine: an ``NTM`` or an ``LSTM``.
        task: what it should do.
        length: length of every sequence, in the task's unit, also beyond what was trained;
            by default each draws its own as in training.
        num_sequences: sequences to try.
        generator: draws the sequences; by default one seeded with 0, so that every machine gets the same.
        slots: run the machine with this many slots instead of its own.
        engine: engine of an ``NTM``; by default the fastest.

    Raises:
        ValueError: a number is out of its range, or slots are asked of a model without memory.
    """
    for name, value in {"num_sequences": num_sequences, "length": length, "slots": slots}.items():
        if isinstance(value, bool) or not (isinstance(value, int) or (value is None and name != "num_sequences")):
            raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}")
        if value is not None and value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}")
    if slots is not None:
        if not isinstance(machine, NTM):
            raise ValueError(f"slots must be None for a model without memory; got {slots}")
        machine = machine.with_slots(slots)
    generator = generator or torch.Generator().manual_seed(0)
    run: Callable[..., Any] = machine
    options = {} if engine is None else {"engine": engine}
    device = next((parameter.device for parameter in machine.parameters()), torch.device("cpu"))

    nats, optimal, num_bits, errors, exact = 0.0, 0.0, 0, 0, 0
    for start in range(0, num_sequences, MOST_AT_ONCE):
        batch = task.sample(min(MOST_AT_ONCE, num_sequences - start), generator=generator, length=length)
        with torch.no_grad():
            logits, _ = run(batch.inputs.to(device), lengths=lengths_for(machine, batch), **options)
        logits = logits.cpu()
        wrong = (((logits > 0) != (batch.targets > 0.5)) & batch.mask[..., None]).sum((1, 2))
        nats += float(cost_nats(logits.double(), _double(batch)))
        num_bits += int(batch.mask.sum()) * batch.targets.shape[-1]
        errors += int(wrong.sum())
        exact += int((wrong == 0).sum())
        optimal += float(task.optimal_bits(batch).sum()) if isinstance(task, Uncertain) else 0.0
    return Report(
        length=length,
        slots=machine.config.slots if isinstance(machine, NTM) else None,
        num_sequences=num_sequences,
        num_bits=num_bits,
        bits_per_sequence=nats * BITS_PER_NAT / num_sequences,
        bits_per_bit=nats * BITS_PER_NAT / num_bits,
        bit_errors=errors,
        exact=exact / num_sequences,
        optimal_bits_per_sequence=optimal / num_sequences,
    )


def evaluate_lengths(
    machine: nn.Module,
    task: Task,
    lengths: Iterable[int],
    *,
    num_sequences: int = 100,
    seed: int = 0,
    slots: int | None = None,
) -> list[Report]:
    """Try a machine at several lengths; those of one seed are the same sequences for every machine."""
    return [
        evaluate(
            machine,
            task,
            length=length,
            num_sequences=num_sequences,
            generator=torch.Generator().manual_seed(seed),
            slots=slots,
        )
        for length in lengths
    ]


def _double(batch: Batch) -> Batch:
    return Batch(batch.inputs, batch.targets.double(), batch.mask, batch.lengths)
