"""Languages of a word and its mirror image, or its copy."""

import numpy as np
import torch

from ntmlib.tasks.languages.base import Language, draw_bits


class Palindromes(Language):
    """Texts that are the same backwards: ``abba``, ``aba``. Nothing says where the middle is."""

    name = "palindromes"
    symbols = "ab"
    shortest = 3

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        place, mirrored = _mirror(lengths)
        return np.take_along_axis(draw_bits(lengths, generator), np.minimum(place, mirrored), 1)

    def are_members(self, texts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return _same_backwards(texts, lengths)


class MarkedPalindromes(Language):
    """A word, a mark and the word backwards: ``ab#ba``; the word may be empty."""

    name = "marked_palindromes"
    symbols = "ab#"
    shortest = 3
    period = 2
    accepts_empty = False

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        place, mirrored = _mirror(lengths)
        texts = np.take_along_axis(draw_bits(lengths, generator), np.minimum(place, mirrored), 1)
        texts[np.arange(len(texts)), lengths // 2] = self.symbols.index("#")
        return texts

    def are_members(self, texts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        mark = (texts == self.symbols.index("#")) & (np.arange(texts.shape[1]) < lengths[:, None])
        one_mark = mark.sum(1) == 1
        # The only mark of a text that is the same backwards is its own mirror image: it is in the middle.
        return one_mark & _same_backwards(texts, lengths)

    def hopeful(self, texts: np.ndarray) -> np.ndarray:
        """Before the mark always; behind it, while each symbol mirrors one before the mark."""
        place, is_mark = np.arange(texts.shape[1]), texts == self.symbols.index("#")
        marks = is_mark.cumsum(1)
        mark = np.where(marks > 0, is_mark.argmax(1)[:, None], texts.shape[1])
        partner = 2 * mark - place
        mirrored = np.take_along_axis(texts, partner.clip(0, texts.shape[1] - 1), 1)
        fits = (place <= mark) | ((partner >= 0) & (mirrored == texts))
        hopeful: np.ndarray = np.logical_and.accumulate((marks <= 1) & fits, 1)
        return hopeful


class Squares(Language):
    """``ww``: a word and the same word again, ``abbabb``. Nothing says where the second one begins."""

    name = "ww"
    symbols = "ab"
    shortest = 4
    period = 2

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        texts = draw_bits(lengths, generator)
        place = np.arange(texts.shape[1]) % (lengths // 2)[:, None]
        return np.take_along_axis(texts, place, 1)

    def are_members(self, texts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        place, half = np.arange(texts.shape[1]), lengths[:, None] // 2
        partner = (place + half).clip(max=texts.shape[1] - 1)
        same = (np.take_along_axis(texts, partner, 1) == texts) | (place >= half)
        whole: np.ndarray = same.all(1) & (lengths % 2 == 0)
        return whole


def _mirror(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every place, and for each row the place that mirrors it; behind the end, the place itself."""
    place = np.tile(np.arange(lengths.max()), (len(lengths), 1))
    return place, np.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)


def _same_backwards(texts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    place, mirrored = _mirror(lengths)
    used = texts[:, : place.shape[1]]
    same: np.ndarray = (np.take_along_axis(used, mirrored, 1) == used).all(1)
    return same
