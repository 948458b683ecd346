"""How well a machine does a task: bits of cost, wrong answers, sequences all right."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ntmlib.ntm import NTM
from ntmlib.tasks import Batch, Task
from ntmlib.tasks.base import BITS, SYMBOLS, Uncertain, answer_type, chance_right, check_answer_type

BITS_PER_NAT = 1 / math.log(2)
MOST_AT_ONCE = 50  # sequences run together, which bounds the memory an evaluation takes


@dataclass(frozen=True)
class Report:
    """What an evaluation found. Answers are those wanted at the steps that are scored.

    An answer is what can be right or wrong by itself: a bit or, where a task answers in symbols, a symbol. Names
    speak of bits; of such a task read ``num_bits`` and ``bit_errors`` as numbers of symbols, ``bits_right`` as the
    share of the symbols that are right, and ``bits_per_bit`` as bits per symbol: an even guess among k symbols costs
    log2(k), 2.32 for five. Costs are in bits either way.

    Attributes:
        length: length of all sequences in the task's unit; None if each drew its own.
        slots: slots of the memory; None for a model without one.
        num_sequences: sequences tried.
        num_bits: answers wanted in all sequences together.
        bits_per_sequence: mean cost of a sequence in bits, as in the paper's figures.
        bits_per_bit: mean cost of an answer in bits; a fair coin costs 1.
        bit_errors: wrong answers in all sequences together.
        exact: share of the sequences without a wrong answer.
        optimal_bits_per_sequence: what the same sequences cost the best possible predictor; 0 where the answer
            can be known.
        answer_type: what an answer is: ``"bits"`` or ``"symbols"``.
        chance_right: share of the answers that are right by guessing evenly, among the symbols that the task guesses
            among: the fifteen tasks of the Chomsky hierarchy leave out ``$``, which ends an answer once, while their
            ``chance_bits`` are those of a guess among all symbols.
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
    answer_type: str = BITS
    chance_right: float = 0.5

    @property
    def excess_bits(self) -> float:
        """Bits per sequence above the best possible predictor's, on the same sequences."""
        return self.bits_per_sequence - self.optimal_bits_per_sequence

    @property
    def bits_right(self) -> float:
        """Share of the answers that are right."""
        return 1 - self.bit_errors / self.num_bits

    @property
    def bit_errors_per_sequence(self) -> float:
        """Mean number of wrong answers in a sequence."""
        return self.bit_errors / self.num_sequences


def answer_nats(
    logits: Float[Tensor, "*steps outputs"], targets: Float[Tensor, "*steps outputs"], kind: str, reduction: str
) -> Float[Tensor, "..."]:
    """Say what answers cost in nats: the only definition of the cost.

    A bit costs the cross-entropy of a sigmoid. A symbol costs that of a softmax over the outputs of its step.

    Args:
        logits: outputs of the model.
        targets: what they should be; a symbol is the largest of its step.
        kind: type of the answers, ``"bits"`` or ``"symbols"``.
        reduction: ``"sum"`` for one number, or ``"none"`` for a cost per bit, per symbol with the steps in one row.

    Raises:
        ValueError: there is no such type of answers.
    """
    check_answer_type("kind", kind)
    if kind == SYMBOLS:
        symbols = targets.flatten(0, -2).argmax(-1)
        return F.cross_entropy(logits.flatten(0, -2), symbols, reduction=reduction)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction=reduction)


def cost_nats(logits: Float[Tensor, "batch time outputs"], batch: Batch) -> Float[Tensor, ""]:
    """Sum the cross-entropy of all scored answers, in nats."""
    return answer_nats(logits[batch.mask], batch.targets[batch.mask], batch.answer_type, "sum")


def count_errors(logits: Float[Tensor, "batch time outputs"], batch: Batch) -> Int[Tensor, " batch"]:
    """Count the wrong answers in each sequence: bits on the wrong side of 1/2, symbols that another one outbids.

    Of several symbols with the same highest output the first one counts as the answer.
    """
    if batch.answer_type == SYMBOLS:
        return ((logits.argmax(-1) != batch.targets.argmax(-1)) & batch.mask).sum(1)
    return (((logits > 0) != (batch.targets > 0.5)) & batch.mask[..., None]).sum((1, 2))


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
        machine: an ``NTM``, or a baseline without memory.
        task: what it should do.
        length: length of every sequence, in the task's unit, also beyond what was trained;
            by default each draws its own as in training.
        num_sequences: sequences to try.
        generator: draws the sequences; by default one seeded with 0, so that every machine gets the same.
        slots: run the machine with this many slots instead of its own.
        engine: engine of an ``NTM``; by default the fastest.

    Raises:
        ValueError: a number is out of its range, slots are asked of a model without memory, or the task and its batches
            do not answer in the same way.
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
        _check_answers(task, batch)
        with torch.no_grad():
            logits, _ = run(batch.inputs.to(device), lengths=lengths_for(machine, batch), **options)
        logits = logits.cpu()
        wrong = count_errors(logits, batch)
        nats += float(cost_nats(logits.double(), replace(batch, targets=batch.targets.double())))
        num_bits += batch.num_answers
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
        answer_type=answer_type(task),
        chance_right=chance_right(task),
    )


def _check_answers(task: Task, batch: Batch) -> None:
    """Refuse a task that says one thing of its answers while its batches, which decide the cost, say another."""
    if answer_type(task) != batch.answer_type:
        raise ValueError(
            f"task {task.name!r} must have the answer_type of its batches, {batch.answer_type!r}, and unless "
            f"that is {BITS!r} a chance_right too; got {answer_type(task)!r}"
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
