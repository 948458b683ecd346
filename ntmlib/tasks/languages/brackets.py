"""Dyck languages: brackets of one kind or more, each closed by its own."""

import numpy as np
import torch

from ntmlib.tasks.languages.base import Language, draw_uniform

OPENING, CLOSING = "([{<«/", ")]}>»\\"


class Dyck(Language):
    """Texts of brackets of some kinds in which each one is closed by one of its kind: ``([]())[]``.

    Members of a length are drawn evenly, and so are the kinds.

    Args:
        kinds: kinds of brackets, 1 to 6.

    Raises:
        ValueError: there are no such kinds.
    """

    shortest = 2
    period = 2

    def __init__(self, kinds: int) -> None:
        self.kinds = kinds
        self.name = f"dyck_{kinds}"
        self.symbols = bracket_symbols(kinds)

    def members(self, lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
        opens = _draw_balanced(lengths, generator)
        kind = (draw_uniform(opens.shape, generator) * self.kinds).astype(np.int64)
        _, before = _levels(opens)
        kind = np.where(opens, kind, kind.ravel()[before])
        return np.where(opens, kind, self.kinds + kind)

    def prefixes(self, texts: np.ndarray) -> np.ndarray:
        right, innermost = follow(texts, self.kinds)
        return right & (innermost == NONE_OPEN)

    def hopeful(self, texts: np.ndarray) -> np.ndarray:
        return follow(texts, self.kinds)[0]


NONE_OPEN = -1


def bracket_symbols(kinds: int) -> str:
    """Return the alphabet: all opening brackets, then the closing ones in the same order.

    Raises:
        ValueError: there are no such kinds.
    """
    if isinstance(kinds, bool) or not isinstance(kinds, int) or not 1 <= kinds <= len(OPENING):
        raise ValueError(f"kinds must be a whole number from 1 to {len(OPENING)}; got {kinds!r}")
    return OPENING[:kinds] + CLOSING[:kinds]


def follow(texts: np.ndarray, kinds: int) -> tuple[np.ndarray, np.ndarray]:
    """Read brackets one after the other.

    Returns:
        For each step, whether no bracket so far closed what was not open, and the kind of the innermost bracket
        that is open after it, ``NONE_OPEN`` if none is. The kind has no meaning after a mistake.
    """
    opens, kind = texts < kinds, texts % kinds
    _, before = _levels(opens)
    known = before >= 0
    matches = known & opens.ravel()[before] & (kind.ravel()[before] == kind)
    right = np.logical_and.accumulate(opens | matches, 1)
    _, opened = nesting(texts, kinds)
    return right, np.where(opened >= 0, np.take_along_axis(kind, opened.clip(0), 1), NONE_OPEN)


def nesting(texts: np.ndarray, kinds: int) -> tuple[np.ndarray, np.ndarray]:
    """Count open brackets.

    Returns:
        For each step, how many brackets are open after it, and the step at which the innermost of them was opened,
        ``NONE_OPEN`` if none is. Neither has a meaning after a mistake.
    """
    opens, steps = texts < kinds, texts.shape[1]
    keys, _ = _levels(opens)
    height = np.where(opens, 1, -1).cumsum(1)
    order = keys.ravel().argsort()
    level = _key(height, np.arange(steps))  # the last bracket so far on the level we are on is the one that is open
    found = order[np.searchsorted(keys.ravel()[order], level.ravel(), side="right").reshape(texts.shape) - 1]
    return height, np.where(height > 0, found % steps, NONE_OPEN)


def _key(level: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Number all steps so that sorting puts together those of a row on one level, in order of time."""
    rows, steps = level.shape
    row = np.arange(rows)[:, None]
    key: np.ndarray = (row * (2 * steps + 2) + level + steps) * steps + step  # levels lie between -steps and steps
    return key


def _levels(opens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair brackets by how deep they lie, whatever their kinds.

    Returns:
        For each step a key (``_key``) of its level, the depth inside its bracket, and the place in the flat array of
        the step before it on the same level: for a closing bracket, the one it closes. It is -1 where there is none.
    """
    height = np.where(opens, 1, -1).cumsum(1)
    steps = opens.shape[1]
    keys = _key(np.where(opens, height, height + 1), np.arange(steps))
    order = keys.ravel().argsort()
    group = keys.ravel()[order] // steps
    before = np.full(opens.size, -1)
    before[order[1:]] = np.where(group[1:] == group[:-1], order[:-1], -1)
    return keys, before.reshape(opens.shape)


def _draw_balanced(lengths: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Draw for each length where brackets open, all balanced texts of that length being equally likely.

    Any order of n opening and n + 1 closing brackets on a ring can be read from exactly one place on so that nothing
    is closed that is not open until the very last bracket (the cycle lemma); the last one is dropped.
    """
    ring = lengths[:, None] + 1
    place = np.arange(int(lengths.max()) + 1)
    shuffled = draw_uniform((len(lengths), len(place)), generator)
    order = np.where(place < ring, shuffled, 2.0).argsort(1)  # of each row's own places, then those behind its ring
    opens = order < lengths[:, None] // 2
    height = np.where(place < ring, np.where(opens, 1, -1), 0).cumsum(1)
    start = height.argmin(1)[:, None] + 1  # behind the first place where it is lowest
    read: np.ndarray = np.take_along_axis(opens, (start + place) % ring, 1)[:, :-1]
    return read
