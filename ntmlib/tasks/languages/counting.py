"""Languages of equal counts: a^n b^n is context-free, a^n b^n c^n is not."""

import numpy as np
import torch

from ntmlib.tasks.languages.base import Language, draw_uniform


class EqualBlocks(Language):
    """Some number of each symbol, in the order of the alphabet: ``aabb``, or ``aabbcc``; also none of each.

    Where symbols change places the counts stay equal, and the order alone tells a near miss. So in half of the edits
    one block ends somewhere else instead, and the next one begins there: ``aaabbc``, which only a count can tell.
    """

    def __init__(self, name: str, symbols: str) -> None:
        self.name, self.symbols = name, symbols
        self.shortest = self.period = len(symbols)

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        each = lengths[:, None] // len(self.symbols)
        return (np.arange(lengths.max()) // each).clip(max=len(self.symbols) - 1)

    def edit(self, texts: np.ndarray, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        exchanged = super().edit(texts.copy(), lengths, generator)
        coin, which, where = draw_uniform((3, len(texts)), generator)
        each, kinds = lengths // len(self.symbols), len(self.symbols)
        ends = each[:, None] * np.arange(1, kinds)
        moved = 1 + (which * (kinds - 1)).astype(np.int64)
        ends[np.arange(len(texts)), moved - 1] = (moved - 1) * each + (where * (2 * each + 1)).astype(np.int64)
        shifted = (np.arange(texts.shape[1])[:, None] >= ends[:, None, :]).sum(-1)
        return np.where((coin < 0.5)[:, None], shifted, exchanged)

    def prefixes(self, texts: np.ndarray) -> np.ndarray:
        counts = self._counts(texts)
        equal: np.ndarray = (counts == counts[..., :1]).all(-1)
        return _in_order(texts) & equal

    def hopeful(self, texts: np.ndarray) -> np.ndarray:
        counts, first = self._counts(texts), self._counts(texts)[..., :1]
        complete = (counts == first) | (np.arange(len(self.symbols)) >= texts[..., None])  # all blocks before this one
        fits: np.ndarray = (complete & (counts <= first)).all(-1)
        return np.logical_and.accumulate(_in_order(texts) & fits, 1)

    def _counts(self, texts: np.ndarray) -> np.ndarray:
        return (texts[..., None] == np.arange(len(self.symbols))).cumsum(1)


def _in_order(texts: np.ndarray) -> np.ndarray:
    in_order = np.ones(texts.shape, dtype=bool)
    in_order[:, 1:] = np.logical_and.accumulate(texts[:, 1:] >= texts[:, :-1], 1)
    return in_order
