"""What a task is: something that draws batches of sequences with the answers wanted."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Sequences and what should come out of them.

    ``mask`` is true at the steps whose outputs are scored; ``lengths`` counts the steps of
    each sequence, the rest of its row is padding (zeros, never scored).
    """

    inputs: Float[Tensor, "batch time features"]
    targets: Float[Tensor, "batch time outputs"]
    mask: Bool[Tensor, "batch time"]
    lengths: Int[Tensor, " batch"]

    @property
    def ragged_lengths(self) -> Int[Tensor, " batch"] | None:
        """``lengths`` where sequences differ; ``None`` where all fill the batch, which costs less to run."""
        return None if bool((self.lengths == self.inputs.shape[1]).all()) else self.lengths


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

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        """Draw a batch.

        Args:
            batch_size: sequences.
            generator: the only source of randomness.
            length: the same length for all, also beyond ``max_length``; by default each
                sequence draws its own between ``min_length`` and ``max_length``, both included.
        """
        ...


def draw_lengths(
    batch_size: int, low: int, high: int, length: int | None, generator: torch.Generator
) -> Int[Tensor, " batch"]:
    """Give each sequence a length: the one asked for, or one drawn from ``low`` to ``high``, both included."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1; got {batch_size!r}")
    if length is None:
        return torch.randint(low, high + 1, (batch_size,), generator=generator)
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise ValueError(f"length must be a whole number of at least 1; got {length!r}")
    return torch.full((batch_size,), length)
