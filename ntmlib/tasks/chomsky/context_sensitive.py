"""Context-sensitive, on strings: more than a stack is needed."""

from dataclasses import dataclass

import numpy as np
import torch

from ntmlib.tasks.base import check_whole
from ntmlib.tasks.chomsky.base import Drawn, Transduction, draw_symbols

HOLE, FILLER = 2, 3


@dataclass(frozen=True)
class DuplicateString(Transduction):
    """Write the text twice.

    For ``length`` 3::

        step    0 1 2 3 4 5 6 7 8
        input   1 0 0 . . . . . .     .: empty
        target        1 0 0 1 0 0
        scored        # # # # # #
    """

    name = "duplicate_string"
    level = "context-sensitive"
    text_symbols = ("0", "1")
    answer_symbols = ("0", "1")

    def answer_length(self, length: int) -> int:
        return 2 * length

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        text = draw_symbols((len(lengths), lengths.max()), 2, generator)
        place = np.arange(2 * text.shape[1]) % lengths[:, None]
        return Drawn(text, lengths, np.take_along_axis(text, place, 1), 2 * lengths)


@dataclass(frozen=True)
class MissingDuplicateString(Transduction):
    """Read a word twice, with a hole in one of the two: say what was there.

    For ``length`` 8, where the word is 0 1 1 0 (``?``: the hole)::

        step    0 1 2 3 4 5 6 7 8
        input   0 1 1 0 0 ? 1 0 .     .: empty
        target                  1
        scored                  #

    Where ``length`` is odd, the last symbol is a filler, ``_``. Of one symbol no word can be
    made: that text is 1, and so is the answer.

    **With one hole this is parity in disguise.** Every symbol of a word that comes twice occurs
    an even number of times, so the missing one makes the ones even again: a machine with two
    states is always right, and no string is ever compared. The task is published as a
    context-sensitive one; a machine that solves it has shown no such thing. With two ``holes`` or
    more, each at another place of the word, the answer is all the missing symbols in the order
    of their holes; parity tells only how many of them are ones, evenly or not, and the word must be
    looked up. For ``length`` 8 and two holes::

        step    0 1 2 3 4 5 6 7 8 9
        input   0 ? 1 0 0 1 1 ? . .
        target                  1 0
        scored                  # #

    A word with fewer symbols than ``holes`` has a hole for each of its symbols.

    Args:
        holes: how many symbols are missing; 1 is the published task.
    """

    holes: int = 1

    name = "missing_duplicate_string"
    level = "context-sensitive"
    text_symbols = ("0", "1", "?", "_")
    answer_symbols = ("0", "1")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("holes", self.holes)

    def answer_length(self, length: int) -> int:
        return min(self.holes, max(length // 2, 1))

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        batch_size, halves = len(lengths), lengths // 2
        word = draw_symbols((batch_size, max(int(halves.max()), 1)), 2, generator)
        word[halves == 0] = 1
        place = np.arange(lengths.max())
        text = np.take_along_axis(word, place % halves.clip(1)[:, None], 1)
        text[place >= 2 * halves.clip(1)[:, None]] = FILLER

        # Places of the word in random order: the first ones are missing, each in one of its two copies.
        ranking = torch.rand(word.shape, generator=generator, dtype=torch.float64).numpy()
        ranking[np.arange(word.shape[1]) >= halves[:, None]] = 1
        missing = np.minimum(self.holes, halves)
        chosen = ranking.argsort(1)[:, : self.holes]
        holes = chosen + halves[:, None] * draw_symbols(chosen.shape, 2, generator)
        none = 2 * lengths.max()  # behind every text
        holes = np.sort(np.where(np.arange(chosen.shape[1]) < missing[:, None], holes, none), 1)

        answer = np.take_along_axis(word, holes % halves.clip(1)[:, None], 1)
        row, column = np.nonzero(holes < none)
        text[row, holes[row, column]] = HOLE
        return Drawn(text, lengths, answer, missing.clip(1))


@dataclass(frozen=True)
class OddsFirst(Transduction):
    """Write the first, third, fifth ... symbol of the text, then the second, fourth ...

    For ``length`` 5::

        step    0 1 2 3 4 5 6 7 8 9
        input   1 1 0 0 1 . . . . .     .: empty
        target            1 0 1 1 0
        scored            # # # # #

    Differs from the authors' code, which counts places from 0 and so begins with the second
    symbol; their text, and the examples in their code, are as here.
    """

    name = "odds_first"
    level = "context-sensitive"
    text_symbols = ("0", "1")
    answer_symbols = ("0", "1")

    def answer_length(self, length: int) -> int:
        return length

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        text = draw_symbols((len(lengths), lengths.max()), 2, generator)
        odds = (lengths + 1)[:, None] // 2
        step = np.arange(text.shape[1])
        place = np.where(step < odds, 2 * step, 2 * (step - odds) + 1)
        return Drawn(text, lengths, np.take_along_axis(text, place.clip(max=text.shape[1] - 1), 1), lengths)


@dataclass(frozen=True)
class BucketSort(Transduction):
    """Write the symbols of the text in order; there are five of them.

    For ``length`` 5::

        step    0 1 2 3 4 5 6 7 8 9
        input   3 0 4 0 2 . . . . .     .: empty
        target            0 0 2 3 4
        scored            # # # # #
    """

    name = "bucket_sort"
    level = "context-sensitive"
    text_symbols = ("0", "1", "2", "3", "4")
    answer_symbols = ("0", "1", "2", "3", "4")

    def answer_length(self, length: int) -> int:
        return length

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        text = draw_symbols((len(lengths), lengths.max()), 5, generator)
        padded = np.where(np.arange(text.shape[1]) < lengths[:, None], text, 5)
        return Drawn(text, lengths, np.sort(padded, 1), lengths)
