"""What the words of a text cost a model when they come for the first time, and when they come again.

A word is a run of letters. Everything else ends it, the apostrophe too: "Hamlet's" is the word "Hamlet" and a word of
one letter, "woo'd" is "woo" and "d". Two occurrences are of the same word if they are spelled alike, capitals included,
because what can be copied is characters: "Mother" at the beginning of a line is not an occurrence of "mother".
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped

from ntmlib.tasks.base import check_whole
from ntmlib.tasks.text import Corpus
from ntmlib.training.intervals import Interval, paired_interval

DISTANCES = (100, 300, 1_000, 10_000)  # characters
FIRST, FIRST_OF_SEVERAL = "first", "first of several"

_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Occurrences:
    """Words of a part of a text, in the order of the text, and what they cost several models.

    Attributes:
        words: as they are spelled.
        places: where each begins in the part, in characters.
        since: characters between the end of the last occurrence of the word and the beginning of this one; infinite
            where it is the first.
        comes_again: whether it is a first occurrence that has a later one.
        letters: how many letters of each are counted.
        nats: what these letters cost each model together.
    """

    words: Shaped[np.ndarray, " words"]
    places: Int[np.ndarray, " words"]
    since: Float[np.ndarray, " words"]
    comes_again: Bool[np.ndarray, " words"]
    letters: Int[np.ndarray, " words"]
    nats: Mapping[str, Float[np.ndarray, " words"]]

    def groups(self, distances: Sequence[int] = DISTANCES) -> dict[str, Bool[np.ndarray, " words"]]:
        """Say which words are in which group.

        The groups are the first occurrences; those of them whose word comes again, which can be compared with the
        others word by word; and the later occurrences, by how far away the last one is. The second group is a part of
        the first; the others have no word in common.

        Args:
            distances: the largest distance of each group, in characters, increasing.

        Raises:
            ValueError: distances are not whole numbers of at least 1 that increase.
        """
        for distance in distances:
            check_whole("distances", distance)
        if not distances or list(distances) != sorted(set(distances)):
            raise ValueError(f"distances must be at least one number, increasing; got {list(distances)}")
        first = np.isinf(self.since)
        members = {FIRST: first, FIRST_OF_SEVERAL: self.comes_again}
        nearest = 0
        for distance in distances:
            members[f"up to {distance:,}"] = (self.since > nearest) & (self.since <= distance)
            nearest = distance
        members[f"beyond {nearest:,}"] = (self.since > nearest) & ~first
        return members


@dataclass(frozen=True)
class Row:
    """A group of words and what they cost.

    Attributes:
        group: which words: "first", "first of several", "up to 100" characters since the last occurrence, and so on.
        num_words: how many.
        nats_per_letter: mean cost of a counted letter to each model; not a number where there are no words.
    """

    group: str
    num_words: int
    nats_per_letter: Mapping[str, float]


def find_occurrences(
    corpus: Corpus,
    part: str,
    costs: Mapping[str, Float[np.ndarray, "streams characters"]],
    *,
    min_letters: int = 5,
    from_letter: int = 3,
    max_in_training: int | None = 200,
    only_names: bool = False,
    within: int | None = None,
) -> Occurrences:
    """Find the rare words of a part of a text, and sum what their last letters cost.

    The first letters of a word are left out: before them nobody can know that it comes.

    Where several streams were read, each from a fresh state, a word is the first if it is the first in its stream. Left
    out is a word that two streams share, one that was not read to its end, and one with which the part begins or ends,
    because it may be cut off.

    Args:
        corpus: the text.
        part: "validation", "train" or, where the corpus has one, "test".
        costs: for each model what ``character_nats`` says of this part; all with the same streams. The cost of the
            part's very first character is not among them: column 0 belongs to the second.
        min_letters: letters of the shortest words that are counted.
        from_letter: the first letter whose cost counts, from 1 on, and at most ``min_letters``.
        max_in_training: how often a word may occur in the training part, in capitals or not; None for no limit.
        only_names: leave out what occurs with a small first letter anywhere in the training part or in this one. Names
            are left, and rare words that happen to occur only at the beginning of a line or sentence.
        within: characters after which an occurrence is forgotten: a word farther than this from its last occurrence
            counts as a first. By default never.

    Raises:
        ValueError: a number is out of its range, there are no costs, or they are not of this part.
    """
    check_whole("min_letters", min_letters)
    check_whole("from_letter", from_letter)
    if from_letter > min_letters:
        raise ValueError(f"from_letter must be at most min_letters ({min_letters}); got {from_letter}")
    if max_in_training is not None:
        check_whole("max_in_training", max_in_training, 0)
    if within is not None:
        check_whole("within", within)
    text = corpus.decode(corpus.part(part))
    in_a_row = _lay_out(costs, len(text))
    streams = len(next(iter(costs.values())))
    piece, counted = _piece(len(text), streams), _counted_words(corpus, text, min_letters, max_in_training, only_names)
    was_read = ~np.isnan(next(iter(in_a_row.values())))
    forgotten = len(text) if within is None else within

    words: list[str] = []
    places, since, came_again = [], [], set()
    last: dict[tuple[int, str], tuple[float, int]] = {}  # where the word ended in this stream, and its first's number
    for word, begin in find_words(text):
        stream, end = begin // piece, begin + len(word)
        if word not in counted or begin == 0 or end == len(text):
            continue
        # A stream is asked for what follows its first character, and for the first one of the next.
        one_stream = stream * piece < begin + from_letter - 1 and end - 1 <= (stream + 1) * piece
        if not one_stream or not was_read[end - 1]:
            continue
        ended, first = last.get((stream, word), (-math.inf, len(words)))
        distance = begin - ended
        if distance > forgotten:
            distance, first = math.inf, len(words)
        else:
            came_again.add(first)
        last[stream, word] = end, first
        words.append(word)
        places.append(begin)
        since.append(distance)

    begins = np.array(places, dtype=np.int64)
    letters = np.array([len(word) - from_letter + 1 for word in words], dtype=np.int64)
    return Occurrences(
        words=np.array(words, dtype=np.str_),
        places=begins,
        since=np.array(since, dtype=np.float64),
        comes_again=np.isin(np.arange(len(words)), list(came_again)),
        letters=letters,
        nats={model: _sums(values, begins + from_letter - 1, letters) for model, values in in_a_row.items()},
    )


def tabulate(occurrences: Occurrences, distances: Sequence[int] = DISTANCES) -> list[Row]:
    """Give for each group of words their number and what a letter costs each model on average."""
    rows = []
    for group, members in occurrences.groups(distances).items():
        letters = int(occurrences.letters[members].sum())
        means = {
            model: float(nats[members].sum()) / letters if letters else math.nan
            for model, nats in occurrences.nats.items()
        }
        rows.append(Row(group, int(members.sum()), means))
    return rows


def compare(
    occurrences: Occurrences,
    a: str,
    b: str,
    distances: Sequence[int] = DISTANCES,
    *,
    generator: torch.Generator | None = None,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Give for each group what a letter costs one model more than another, with an interval (``paired_interval``).

    Occurrences of the same word are drawn together. The means are those of the table.

    Args:
        occurrences: with the costs of both.
        a: name of the first model.
        b: name of the second; where the first is better, differences are below 0.
        distances: of the groups; a group with fewer than two different words is left out.
        generator: draws the words; by default one seeded with 0, anew for each group.
        level: how often an interval should hold the truth.

    Raises:
        ValueError: there are no costs of a model with this name.
    """
    for name, model in {"a": a, "b": b}.items():
        if model not in occurrences.nats:
            raise ValueError(f"{name} must be one of the models {', '.join(occurrences.nats)}; got {model!r}")
    differences = {}
    for group, members in occurrences.groups(distances).items():
        words, letters = occurrences.words[members], occurrences.letters[members]
        if len(np.unique(words)) < 2:
            continue
        first, second = (occurrences.nats[model][members] / letters for model in (a, b))
        differences[group] = paired_interval(first, second, words, weights=letters, generator=generator, level=level)
    return differences


def find_words(text: str) -> Iterator[tuple[str, int]]:
    """Yield the words of a text, its longest runs of letters, and where they begin."""
    return ((match.group(), match.start()) for match in _WORD.finditer(text))


def _counted_words(
    corpus: Corpus, text: str, min_letters: int, max_in_training: int | None, only_names: bool
) -> set[str]:
    """Return the words of the text that are long and rare enough and, if so wished, always capitalised."""
    everywhere = Counter(word for word, _ in find_words(corpus.decode(corpus.part("train"))))
    in_training: Counter[str] = Counter()
    for word, times in everywhere.items():
        in_training[word.lower()] += times
    there = {word for word, _ in find_words(text)}
    small = {word for word in there | set(everywhere) if word[0].islower()}
    no_names = {word.lower() for word in small} if only_names else set()
    most = math.inf if max_in_training is None else max_in_training
    return {
        word
        for word in there
        if len(word) >= min_letters and in_training[word.lower()] <= most and word.lower() not in no_names
    }


def _piece(characters: int, streams: int) -> int:
    """Characters asked for in each stream but the last, as ``Text.pages`` cuts a part."""
    return -(-(characters - 1) // streams)


def _lay_out(
    costs: Mapping[str, Float[np.ndarray, "_ _"]], characters: int
) -> dict[str, Float[np.ndarray, " characters"]]:
    """Lay the costs of all streams one behind the other: a number for each character that was read."""
    if len({values.shape for values in costs.values()}) != 1:
        shapes = ", ".join(f"{model} {list(values.shape)}" for model, values in costs.items())
        raise ValueError(f"costs must be of one or more models, of one shape; got {shapes or 'none'}")
    missing = [np.isnan(values) for values in costs.values()]
    if any((other != missing[0]).any() for other in missing[1:]):
        raise ValueError("costs must be of the same characters for all models; got some that only some models read")
    streams, columns = missing[0].shape
    piece = _piece(characters, streams) if streams else 0
    beyond = np.arange(columns) >= (characters - 1 - np.arange(streams) * piece)[:, None]
    has_holes = (missing[0][:, :-1] & ~missing[0][:, 1:]).any()
    if not 0 < columns <= piece or (beyond & ~missing[0]).any() or has_holes:
        raise ValueError(
            f"costs must be those of the {characters - 1:,} characters behind the first of this part, or of the "
            f"beginnings of its pieces; got {streams} x {columns:,}, of them {(~missing[0]).sum():,} numbers"
        )
    laid_out = {}
    for model, values in costs.items():
        padded = np.full((streams, piece), np.nan)
        padded[:, :columns] = values
        laid_out[model] = np.concatenate([[np.nan], padded.ravel()])[:characters]
    return laid_out


def _sums(
    values: Float[np.ndarray, " characters"], begins: Int[np.ndarray, " words"], lengths: Int[np.ndarray, " words"]
) -> Float[np.ndarray, " words"]:
    """Sum so many values from each beginning on; the pieces do not overlap and end before the last value."""
    if not len(begins):
        return np.zeros(0)
    edges = np.stack([begins, begins + lengths], 1)
    return np.add.reduceat(values, edges.ravel())[::2]
