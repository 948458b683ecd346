"""What a formal language is here: an exact membership test, texts that are in it, and texts that are just not."""

from abc import ABC, abstractmethod

import numpy as np
import torch

TRIES = 8  # edits tried at once, of which the first is taken that leads out of the language: faster, not different


class Language(ABC):
    """A set of texts over a small alphabet. Texts are rows of numbers, places in ``symbols``.

    What lies behind the end of a row has no meaning. One of ``are_members`` and ``prefixes``
    holds the definition, the other follows from it.

    Attributes:
        name: to ask for it by.
        symbols: the alphabet.
        shortest: length of the shortest texts drawn, at which there are members and non-members.
        period: members are that far apart in length, from ``shortest`` on.
        accepts_empty: whether the empty text is in it.
    """

    name: str
    symbols: str
    shortest: int
    period: int = 1
    accepts_empty: bool = True

    def fit(self, lengths: np.ndarray) -> np.ndarray:
        """Return for each length the next shorter one, or itself, that texts are drawn of, and at least the shortest.

        Members and non-members have the same lengths, so that no length tells which is which.
        """
        lengths = lengths.clip(min=self.shortest)
        return lengths - (lengths - self.shortest) % self.period

    @abstractmethod
    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """Draw a text of the language for each length, one that ``fit`` gives."""

    def non_members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """Draw a text outside the language for each length: an edited member that fell out of it.

        A member is drawn anew for each try, because some cannot be spoiled by an edit: where all symbols are
        the same, no two can change places.
        """
        texts = np.zeros((len(lengths), int(lengths.max())), dtype=np.int64)
        waiting = np.arange(len(lengths))
        while len(waiting):
            tried = lengths[waiting].repeat(TRIES)
            edited = self.edit(self.members(tried, generator), tried, generator)
            outside = ~self.are_members(edited, tried).reshape(-1, TRIES)
            first = outside.argmax(1) + TRIES * np.arange(len(waiting))
            found = outside.any(1)
            texts[waiting[found], : edited.shape[1]] = edited[first[found]]
            waiting = waiting[~found]
        return texts

    def edit(self, texts: np.ndarray, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """Let two symbols change places, and with a chance of one half each a second and a third pair.

        All symbols stay, so their counts tell nothing.
        """
        rows = np.arange(len(texts))
        for chance in (1.0, 0.5, 0.5):
            chosen = draw_uniform((3, len(texts)), generator)
            first, second = (chosen[:2] * lengths).astype(np.int64)
            second = np.where(chosen[2] < chance, second, first)
            texts[rows, first], texts[rows, second] = texts[rows, second], texts[rows, first]
        return texts

    def are_members(self, texts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Say of each text whether it is in the language; no length is 0."""
        return self.prefixes(texts)[np.arange(len(texts)), lengths - 1]

    def prefixes(self, texts: np.ndarray) -> np.ndarray:
        """Say of the first symbol of each row, the first two, the first three ... whether they are in the language."""
        whole = [self.are_members(texts[:, :end], np.full(len(texts), end)) for end in range(1, texts.shape[1] + 1)]
        return np.stack(whole, 1)

    def hopeful(self, texts: np.ndarray) -> np.ndarray:
        """Say of the first symbol of each row, the first two ... whether something can follow that makes a member.

        In most languages something always can. A member itself is hopeful too.
        """
        return np.ones(texts.shape, dtype=bool)

    def accepts(self, text: object) -> bool:
        """Say whether a text, which is a string, is in the language, exactly.

        Raises:
            ValueError: the text is no string, or has a symbol that is not of the alphabet.
        """
        numbers = self.numbers(text)
        return bool(self.are_members(numbers, np.array([numbers.size]))[0]) if numbers.size else self.accepts_empty

    def numbers(self, text: object) -> np.ndarray:
        """Turn a text, which is a string, into one row of numbers.

        Raises:
            ValueError: the text is no string, or has a symbol that is not of the alphabet.
        """
        if not isinstance(text, str):
            raise ValueError(f"text must be a string; got {text!r}")
        if any(symbol not in self.symbols for symbol in text):
            raise ValueError(f"text must consist of the symbols {' '.join(self.symbols)}; got {text!r}")
        return np.array([[self.symbols.index(symbol) for symbol in text]], dtype=np.int64)


def draw_uniform(shape: tuple[int, ...], generator: torch.Generator) -> np.ndarray:
    """Draw numbers from 0 to below 1: double precision, so that times a length they stay below it."""
    return torch.rand(shape, generator=generator, dtype=torch.float64).numpy()


def draw_bits(lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Draw a row of zeros and ones for each length, evenly."""
    return torch.randint(2, (len(lengths), int(lengths.max())), generator=generator).numpy()
