"""Regular languages: a finite number of states is enough."""

import numpy as np
import torch

from ntmlib.tasks.languages.base import Language, draw_bits, draw_uniform


class Parity(Language):
    """Texts with an even number of ones: ``0110``.

    The one language here that is nothing but a count: a text is spoiled by changing one symbol, which no
    edit that keeps the counts could do. The count's size tells nothing, only whether it is even.
    """

    name = "parity"
    symbols = "01"
    shortest = 1

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        texts = draw_bits(lengths, generator)
        inside = np.arange(texts.shape[1]) < lengths[:, None]
        odd = (texts * inside).sum(1) % 2
        texts[np.arange(len(texts)), self._anywhere(lengths, generator)] ^= odd
        return texts

    def edit(self, texts: np.ndarray, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        texts[np.arange(len(texts)), self._anywhere(lengths, generator)] ^= 1
        return texts

    def prefixes(self, texts: np.ndarray) -> np.ndarray:
        even: np.ndarray = texts.cumsum(1) % 2 == 0
        return even

    @staticmethod
    def _anywhere(lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        return (draw_uniform((len(lengths),), generator) * lengths).astype(np.int64)


class EvenPairs(Language):
    """Texts in which the pairs 01 and 10 are together even in number: ``0110``. So the first symbol is the last.

    Of two symbols no member can be spoiled by letting them change places, so texts have at least three.
    """

    name = "even_pairs"
    symbols = "01"
    shortest = 3

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        texts = draw_bits(lengths, generator)
        texts[np.arange(len(texts)), lengths - 1] = texts[:, 0]
        return texts

    def edit(self, texts: np.ndarray, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """Let the last symbol change places with one inside: an exchange within the text could change nothing."""
        rows, last = np.arange(len(texts)), lengths - 1
        inner = 1 + (draw_uniform((len(texts),), generator) * (lengths - 2)).astype(np.int64)
        texts[rows, last], texts[rows, inner] = texts[rows, inner], texts[rows, last]
        return texts

    def prefixes(self, texts: np.ndarray) -> np.ndarray:
        return texts == texts[:, :1]


class Alternation(Language):
    """``(ab)*``: ab again and again, ``ababab``."""

    name = "ab_star"
    symbols = "ab"
    shortest = 2
    period = 2

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        return np.tile(np.arange(lengths.max()) % 2, (len(lengths), 1))

    def prefixes(self, texts: np.ndarray) -> np.ndarray:
        turn = np.arange(texts.shape[1]) % 2
        return self.hopeful(texts) & (turn == 1)

    def hopeful(self, texts: np.ndarray) -> np.ndarray:
        hopeful: np.ndarray = np.logical_and.accumulate(texts == np.arange(texts.shape[1]) % 2, 1)
        return hopeful
