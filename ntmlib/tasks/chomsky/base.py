"""What the fifteen tasks share: how text and answer are laid out in time, one symbol for a step."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log2
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ntmlib.tasks.base import SYMBOLS, Batch, check_range, draw_lengths

NOTHING = -1  # where a row of numbers holds no symbol
SEQUENCES_COUNTED = 2048  # for the mean length of an answer that no formula gives


@dataclass(frozen=True)
class Drawn:
    """Texts and their answers as numbers of symbols, a row each; what lies behind the end of a row has no meaning.

    Attributes:
        text: ``[batch, symbols]``.
        text_lengths: symbols of each text.
        answer: ``[batch, symbols]``.
        answer_lengths: symbols of each answer.
        scored: how many of them count, from the first on; None for all.
        on_the_way: ``[batch, symbols]``, for each symbol of a text what should be answered at its step, NOTHING where
            nothing should; None where there are no answers before the text is over.
    """

    text: np.ndarray
    text_lengths: np.ndarray
    answer: np.ndarray
    answer_lengths: np.ndarray
    scored: np.ndarray | None = None
    on_the_way: np.ndarray | None = None


@dataclass(frozen=True)
class Transduction(ABC):
    """Read a text, then write another one: what the fifteen tasks of Delétang et al. have in common.

    For a text of 4 symbols and an answer of 3 (letters: symbols, ``.``: none, ``#``: one)::

        step            0 1 2 3 4 5 6
        input  symbol   t e x t . . .     one-hot, a channel for each symbol of the text
               empty    . . . . # # #     nothing to read: write
        target symbol   . . . . a b c     one-hot: one answer for a step, a symbol
        scored          . . . . # # #

    With ``end_symbol`` one more channel says in a step of its own that the text is over::

        step            0 1 2 3 4 5 6 7
        input  symbol   t e x t . . . .
               end      . . . . # . . .
               empty    . . . . . # # #
        target symbol   . . . . . a b c
        scored          . . . . . # # #

    The format, alphabets and answers are those of "Neural networks and the Chomsky hierarchy"
    (Delétang et al., ICLR 2023), whose machines train on lengths 1 to 40 and are tested on 41 to
    500; the end symbol is ours. Nothing tells a machine how long the text is going to be. Where
    an answer ends before its steps do, it closes with a symbol of its own, ``$``; what follows
    is ``0`` and is not scored. There the authors train on those steps, and leave them out of
    the accuracy only; here they are left out of both.

    Args:
        max_length: longest text drawn, in symbols, itself included.
        min_length: shortest text drawn, in symbols.
        end_symbol: whether a step of its own says that the text is over.

    Raises:
        ValueError: a length is not a positive whole number, the lengths are in the wrong order, or end_symbol is
            neither true nor false.
    """

    max_length: int = 40
    min_length: int = 1
    end_symbol: bool | int = False  # an int so that a wrong one meets the ValueError below

    name: ClassVar[str]
    level: ClassVar[str]
    text_symbols: ClassVar[tuple[str, ...]]
    answer_symbols: ClassVar[tuple[str, ...]]
    answer_type: ClassVar[str] = SYMBOLS

    def __post_init__(self) -> None:
        check_range(self)
        if not isinstance(self.end_symbol, bool):
            raise ValueError(f"end_symbol must be true or false; got {self.end_symbol!r}")

    @property
    def input_channels(self) -> tuple[str, ...]:
        return (*self.text_symbols, *(("end",) if self.end_symbol else ()), "empty")

    @property
    def output_channels(self) -> tuple[str, ...]:
        return self.answer_symbols

    @property
    def chance_right(self) -> float:
        """Share of the answers that are right by an even guess among all symbols but ``$``, which ends an answer once.

        ``chance_bits`` is the cost of another guess, which has ``$`` among its symbols: one that ruled it out would pay
        without end where it comes.
        """
        return 1 / sum(symbol != "$" for symbol in self.answer_symbols)

    @property
    def chance_bits(self) -> float:
        """Cost of an even guess among all symbols of the answer, ``$`` included, at every scored step.

        Where some answers are more frequent (products are often 0), who knows it pays a little less.
        """
        return log2(len(self.answer_symbols)) * self.mean_scored()

    def answer_length(self, length: int) -> int:
        """Steps of the answer to a text of this length."""
        return 1

    def mean_scored(self) -> float:
        """Mean number of scored steps."""
        lengths = range(self.min_length, self.max_length + 1)
        return sum(map(self.answer_length, lengths)) / len(lengths)

    def up_to(self, length: int) -> "Transduction":
        return replace(self, max_length=min(length, self.max_length))

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        lengths = draw_lengths(batch_size, self.min_length, self.max_length, length, generator).numpy()
        drawn = self._draw(lengths, generator)
        start = drawn.text_lengths[:, None] + self.end_symbol  # of the answer
        end = start + drawn.answer_lengths[:, None]
        steps = np.arange(end.max())
        rows = np.arange(batch_size)[:, None]

        reading = steps < drawn.text_lengths[:, None]
        writing = (steps >= start) & (steps < end)
        shown = np.where(writing, len(self.input_channels) - 1, NOTHING)
        longest = min(drawn.text.shape[1], len(steps))
        shown[:, :longest] = np.where(reading[:, :longest], drawn.text[:, :longest], shown[:, :longest])
        if self.end_symbol:
            shown[rows[:, 0], drawn.text_lengths] = len(self.text_symbols)
        place = (steps - start).clip(0, drawn.answer.shape[1] - 1)
        wanted = np.where(writing, drawn.answer[rows, place], NOTHING)
        scored = writing if drawn.scored is None else writing & (steps < start + drawn.scored[:, None])
        if drawn.on_the_way is not None:
            wanted[:, :longest] = np.where(reading[:, :longest], drawn.on_the_way[:, :longest], wanted[:, :longest])
            scored = scored | (reading & (wanted != NOTHING))
        return Batch(
            _one_hot(shown, len(self.input_channels)),
            _one_hot(wanted, len(self.answer_symbols)),
            torch.from_numpy(scored),
            torch.from_numpy(end[:, 0]),
            SYMBOLS,
        )

    @abstractmethod
    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        """Draw a text of each length, and answer it."""


@dataclass(frozen=True)
class Terminated(Transduction):
    """A task whose answer ends with ``$`` where the text decides, often before its steps do."""

    def mean_scored(self) -> float:
        """Mean number of scored steps, ``$`` included: estimated from 2,048 sequences, always the same."""
        return count_scored(self)


@lru_cache(maxsize=256)
def count_scored(task: Transduction) -> float:
    """Mean number of scored steps, estimated from 2,048 sequences, always the same."""
    batch = task.sample(SEQUENCES_COUNTED, generator=torch.Generator().manual_seed(0))
    return float(batch.mask.sum()) / SEQUENCES_COUNTED


def draw_symbols(shape: tuple[int | np.integer, ...], kinds: int, generator: torch.Generator) -> np.ndarray:
    """Draw numbers from 0 to ``kinds - 1``, evenly."""
    return torch.randint(kinds, [int(size) for size in shape], generator=generator).numpy()


def draw_below(limits: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Draw a number from 0 to one less than its limit for each, evenly."""
    # Double precision below 1 times a count stays below the count.
    uniform = torch.rand(limits.shape, generator=generator, dtype=torch.float64).numpy()
    return (uniform * limits).astype(np.int64)


def single(answer: np.ndarray) -> dict[str, np.ndarray]:
    """Make an answer of one symbol for each text."""
    return {"answer": answer[:, None], "answer_lengths": np.ones(len(answer), dtype=np.int64)}


def close(answers: list[list[int]], terminator: int, answer_lengths: np.ndarray) -> dict[str, np.ndarray]:
    """End each answer with its terminator and zeros; what comes after the terminator is not scored."""
    answer = np.zeros((len(answers), int(answer_lengths.max())), dtype=np.int64)
    for row, symbols in zip(answer, answers, strict=True):
        row[: len(symbols)] = symbols
        row[len(symbols)] = terminator
    scored = np.array([len(symbols) + 1 for symbols in answers])
    return {"answer": answer, "answer_lengths": answer_lengths, "scored": scored}


def _one_hot(numbers: np.ndarray, kinds: int) -> Tensor:
    return torch.from_numpy((numbers[..., None] == np.arange(kinds)).astype(np.float32))
