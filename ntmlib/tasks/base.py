"""What a task is: something that draws batches of sequences with the answers wanted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BITS, SYMBOLS = "bits", "symbols"  # what the outputs of a step are together
ANSWER_TYPES = (BITS, SYMBOLS)


@dataclass(frozen=True)
class Batch:
    """Sequences and what should come out of them.

    ``mask`` is true at the steps whose outputs are scored; ``lengths`` counts the steps of
    each sequence, the rest of its row is padding (zeros, never scored).

    ``answer_type`` says what one answer is. With ``"bits"`` every output of a scored step is
    an answer of its own, a bit; with ``"symbols"`` the outputs of a scored step are one answer
    together, a symbol of an alphabet, and exactly one of the step's targets is 1.

    Raises:
        ValueError: there is no such type of answers.
    """

    inputs: Float[Tensor, "batch time features"]
    targets: Float[Tensor, "batch time outputs"]
    mask: Bool[Tensor, "batch time"]
    lengths: Int[Tensor, " batch"]
    answer_type: str = BITS

    def __post_init__(self) -> None:
        check_answer_type("answer_type", self.answer_type)

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device; a batch that is there already, itself."""
        if self.inputs.device == device:
            return self
        parts = {name: getattr(self, name).to(device) for name in ("inputs", "targets", "mask", "lengths")}
        return replace(self, **parts)

    @property
    def ragged_lengths(self) -> Int[Tensor, " batch"] | None:
        """``lengths`` where sequences differ; ``None`` where all fill the batch, which costs less to run."""
        return None if bool((self.lengths == self.inputs.shape[1]).all()) else self.lengths

    @property
    def num_answers(self) -> int:
        """Answers wanted in all sequences together: scored bits, or scored symbols."""
        each = 1 if self.answer_type == SYMBOLS else self.targets.shape[-1]
        return int(self.mask.sum()) * each


@runtime_checkable  # the tests check types
class Task(Protocol):
    """One algorithmic task; every task file has one class like this."""

    @property
    def name(self) -> str:
        """Name to ask for it by."""
        ...

    @property
    def input_channels(self) -> tuple[str, ...]:
        """What each input channel means, for pictures."""
        ...

    @property
    def output_channels(self) -> tuple[str, ...]:
        """What each output channel means, for pictures."""
        ...

    @property
    def min_length(self) -> int:
        """Shortest sequence drawn."""
        ...

    @property
    def max_length(self) -> int:
        """Longest sequence drawn, itself included."""
        ...

    @property
    def chance_bits(self) -> float:
        """Mean cost in bits per sequence of the best answer that uses no memory of the content."""
        ...

    def up_to(self, length: int) -> "Task":
        """Return the same task no harder than this: a stage of a curriculum.

        Args:
            length: longest sequence drawn, from ``min_length`` to ``max_length``. Where
                something else grows with it (repeats), the task says so.
        """
        ...

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        """Draw a batch.

        Args:
            batch_size: sequences.
            generator: the only source of randomness.
            length: the same length for all, also beyond ``max_length``; by default each
                sequence draws its own between ``min_length`` and ``max_length``, both included.
        """
        ...


@runtime_checkable
class Uncertain(Task, Protocol):
    """A task whose answer nobody can know for sure, so that even the best predictor pays something."""

    def optimal_bits(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Cost in bits of each sequence to the best possible predictor."""
        ...


@runtime_checkable
class Continuous(Task, Protocol):
    """A task whose sequences go on from one batch to the next: a text that is read window by window."""

    def begin(self, batch_size: int, *, generator: torch.Generator) -> Int[Tensor, " batch"]:
        """Draw places to read on from."""
        ...

    def read_on(self, places: Int[Tensor, " batch"], length: int) -> tuple[Batch, Int[Tensor, " batch"]]:
        """Return the sequences that begin at these places, and the places where the next ones do."""
        ...

    def pages(self, part: str, streams: int, length: int, characters: int | None = None) -> Iterator[Batch]:
        """Go through a part of the text, such as "validation", in streams side by side; every batch goes on."""
        ...


@runtime_checkable
class Symbolic(Task, Protocol):
    """A task that does not answer in bits; any task may say so with these two."""

    @property
    def answer_type(self) -> str:
        """That of its batches: ``"symbols"``."""
        ...

    @property
    def chance_right(self) -> float:
        """Share of the answers that are right by guessing evenly."""
        ...


def answer_type(task: Task) -> str:
    """Say what the answers to a task are: ``"bits"``, unless it says otherwise."""
    return task.answer_type if isinstance(task, Symbolic) else BITS


def chance_right(task: Task) -> float:
    """Share of the answers that are right by guessing evenly: half of the bits, unless the task says otherwise."""
    return task.chance_right if isinstance(task, Symbolic) else 0.5


def check_answer_type(name: str, value: object) -> None:
    """Refuse what is neither of the two types of answers: taken for bits, symbols would have another cost."""
    if value not in ANSWER_TYPES:
        raise ValueError(f"{name} must be one of {', '.join(ANSWER_TYPES)}; got {value!r}")


def check_whole(name: str, value: object, low: int = 1) -> None:
    """Refuse a setting that is not a whole number of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(f"{name} must be a whole number of at least {low}; got {value!r}")


def check_range(task: object, low: str = "min_length", high: str = "max_length") -> None:
    """Refuse two settings of a task, both inclusive, that are not positive whole numbers or in the wrong order."""
    first, last = getattr(task, low), getattr(task, high)
    check_whole(low, first)
    check_whole(high, last)
    if first > last:
        raise ValueError(f"{low} must be at most {high} ({last}); got {first}")


def draw_lengths(
    batch_size: int, low: int, high: int, length: int | None, generator: torch.Generator
) -> Int[Tensor, " batch"]:
    """Give each sequence a length: the one asked for, or one drawn from ``low`` to ``high``, both included."""
    check_whole("batch_size", batch_size)
    if length is None:
        return torch.randint(low, high + 1, (batch_size,), generator=generator)
    check_whole("length", length)
    return torch.full((batch_size,), length)
