"""Dynamic n-grams: predict coin tosses whose bias hangs on the last few results (section 4.4 of the paper)."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ntmlib.tasks.base import Batch, check_range, check_whole, draw_lengths

LONGEST_CONTEXT = 16  # a table has 2 ** context entries, and every sequence of a batch has a table


@dataclass(frozen=True)
class DynamicNGrams:
    """Predict the next bit of a source met for the first time.

    Every sequence draws a table of its own: for each of the ``2 ** context`` ways the last
    ``context`` bits can look, the probability that a 1 comes next, from Beta(1/2, 1/2). The
    first ``context`` bits are tosses of a fair coin, all others follow the table. Nobody is
    shown the table; whoever counts what followed what can guess it ever better.

    For ``length`` 6 (``a`` to ``f``: the bits of the sequence, ``.``: zero)::

        step           0 1 2 3 4 5
        input   bit    . a b c d e     the bit before this one
        target  next   a b c d e f     this one
        scored         # # # # # #

    One input and one output channel, as the parameter counts in the paper imply. ``length``
    counts bits, and a sequence takes as many steps. It may be shorter than a context: then
    there is nothing to learn in it.

    A fair coin pays one bit per step, 200 for a sequence. Even the best predictor pays about
    133.3 bits on average, for what the coins decide and for learning the table. That varies
    much between sequences (standard deviation 36), so judge a machine by what it pays more
    than ``optimal_bits`` on the same batch.

    Differs from the paper, which does not say what comes in before the first bit and whether
    the bits before the first full context are scored: here a zero comes in and all steps count.

    Args:
        max_length: longest sequence drawn, in bits, itself included.
        min_length: shortest sequence drawn, in bits.
        context: bits that the next one depends on.

    Raises:
        ValueError: a setting is not a positive whole number, the lengths are in the wrong
            order, or the context is longer than 16 bits.
    """

    max_length: int = 200
    min_length: int = 200
    context: int = 5

    name = "dynamic_ngrams"

    def __post_init__(self) -> None:
        check_range(self)
        check_whole("context", self.context)
        if self.context > LONGEST_CONTEXT:
            raise ValueError(f"context must be at most {LONGEST_CONTEXT}; got {self.context}")

    @property
    def input_channels(self) -> tuple[str, ...]:
        return ("bit",)

    @property
    def output_channels(self) -> tuple[str, ...]:
        return ("next bit",)

    @property
    def chance_bits(self) -> float:
        """What a fair coin pays, one bit for every step: 200."""
        return (self.min_length + self.max_length) / 2

    def up_to(self, length: int) -> "DynamicNGrams":
        """Return the same task with sequences of at most ``length`` bits; ``min_length`` comes down with it."""
        check_whole("length", length)
        return replace(self, max_length=length, min_length=min(self.min_length, length))

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        lengths = draw_lengths(batch_size, self.min_length, self.max_length, length, generator)
        # Beta(1/2, 1/2) is the arcsine law, and this is its inverse distribution function. It turns
        # uniform numbers from our own generator into draws; torch's Beta would use the global one.
        tables = torch.sin(torch.rand(batch_size, 2**self.context, generator=generator) * (math.pi / 2)) ** 2
        return self._throw(tables, lengths, generator)

    def sample_from(
        self,
        tables: Float[Tensor, "batch contexts"],
        *,
        generator: torch.Generator,
        length: int | None = None,
    ) -> Batch:
        """Draw a sequence from each of some tables of one's own, in place of those the task draws.

        Args:
            tables: for each sequence the probability of a 1 after each context, which is the place in the table
                read as a binary number, the oldest bit first.
            generator: tosses the coins.
            length: bits of every sequence; by default each draws its own.

        Raises:
            ValueError: a table does not have ``2 ** context`` entries, or one is not from 0 to 1.
        """
        if tables.shape[1] != 2**self.context:
            raise ValueError(f"tables must have {2**self.context} entries each; got {tables.shape[1]}")
        if not ((tables >= 0) & (tables <= 1)).all():
            raise ValueError(f"tables must be from 0 to 1; got {tables.min():g} to {tables.max():g}")
        lengths = draw_lengths(len(tables), self.min_length, self.max_length, length, generator)
        return self._throw(tables, lengths, generator)

    def _throw(
        self, tables: Float[Tensor, "batch contexts"], lengths: Int[Tensor, " batch"], generator: torch.Generator
    ) -> Batch:
        """Toss the coins of the tables."""
        batch_size, longest = len(tables), int(lengths.max())
        coins = torch.rand(longest, batch_size, generator=generator)
        bits = torch.from_numpy(_toss(tables.numpy(), coins.numpy(), self.context)).T

        scored = torch.arange(longest) < lengths[:, None]
        inputs = torch.zeros(batch_size, longest, 1)
        inputs[:, 1:, 0] = (bits[:, :-1] & scored[:, 1:]).float()
        targets = (bits & scored).float()[..., None]
        return Batch(inputs, targets, scored, lengths)

    def optimal_probabilities(self, batch: Batch) -> Float[Tensor, "batch time"]:
        """Say how likely a 1 is to the best predictor there can be, which knows how tables are drawn (eq. 10).

        That is ``(N1 + 1/2) / (N0 + N1 + 1)``, where this context has been followed by ``N1``
        ones and ``N0`` zeros so far, and 1/2 for the first ``context`` bits. Steps of padding
        get a number too; it means nothing.

        Args:
            batch: sequences of this task, with the same ``context``.
        """
        bits = batch.targets[..., 0].long()
        rows = torch.arange(len(bits), device=bits.device)
        counts = batch.targets.new_zeros(len(bits), 2**self.context, 2)
        latest = torch.zeros_like(rows)  # the last bits as one binary number
        probabilities = torch.full_like(batch.targets[..., 0], 0.5)
        for step in range(bits.shape[1]):
            if step >= self.context:
                zeros, ones = counts[rows, latest].unbind(-1)
                probabilities[:, step] = (ones + 0.5) / (zeros + ones + 1)
                counts[rows, latest, bits[:, step]] += 1
            latest = (2 * latest + bits[:, step]) % 2**self.context
        return probabilities

    def optimal_bits(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Cost in bits of each sequence to the best predictor there can be: no machine does better on average.

        Args:
            batch: sequences of this task, with the same ``context``.
        """
        one = self.optimal_probabilities(batch)
        cost = -torch.where(batch.targets[..., 0] == 1, one, 1 - one).log2()
        return (cost * batch.mask).sum(1)


def _toss(tables: np.ndarray, coins: np.ndarray, context: int) -> np.ndarray:
    """Turn uniform numbers, ``[time batch]``, into bits: a 1 wherever the number is below the probability of a 1.

    In NumPy, whose small steps took a quarter of the time of torch's (16 sequences of 200 bits: 0.6 against 2.1 ms).
    """
    bits = coins < 0.5
    table_start = np.arange(len(tables)) * tables.shape[1]
    probabilities = tables.ravel()
    latest = np.zeros(len(tables), dtype=np.int64)  # the last bits as one binary number
    for step, coin in enumerate(coins):
        if step >= context:
            np.less(coin, probabilities.take(table_start + latest), out=bits[step])
        latest = (2 * latest + bits[step]) & (tables.shape[1] - 1)
    return bits
