"""Languages of equal counts: a^n b^n is context-free, a^n b^n c^n is not."""

import numpy as np
import torch

from ntmlib.tasks.languages.base import Language


class EqualBlocks(Language):
    """Some number of each symbol, in the order of the alphabet: ``aabb``, or ``aabbcc``; also none of each."""

    def __init__(self, name: str, symbols: str) -> None:
        self.name, self.symbols = name, symbols
        self.shortest = self.period = len(symbols)

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        each = lengths[:, None] // len(self.symbols)
        return (np.arange(lengths.max()) // each).clip(max=len(self.symbols) - 1)

    def prefixes(self, texts: np.ndarray) -> np.ndarray:
        in_order = np.ones(texts.shape, dtype=bool)
        in_order[:, 1:] = np.logical_and.accumulate(texts[:, 1:] >= texts[:, :-1], 1)
        counts = (texts[..., None] == np.arange(len(self.symbols))).cumsum(1)
        equal: np.ndarray = (counts == counts[..., :1]).all(-1)
        return in_order & equal
