"""Passages of a text that are read twice: whether a model writes the second time what it read the first time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Integer
from torch import nn

from ntmlib.baselines import NGram
from ntmlib.tasks.base import check_whole
from ntmlib.tasks.text import Corpus
from ntmlib.training.texts import WINDOW

SKIPPED = 8  # characters of a passage after which hardly anything else in the last thousand fits
ROWS = 50  # texts read side by side; with WINDOW, what bounds memory
TEXTS = 200


class Condition(NamedTuple):
    """How a passage is repeated.

    Attributes:
        passage: its characters.
        distance: characters between the end of its first reading and the beginning of the second.
    """

    passage: int
    distance: int


CONDITIONS = (
    Condition(16, 0),
    Condition(32, 0),
    Condition(48, 0),
    Condition(48, 100),
    Condition(48, 300),
    Condition(48, 1_000),
)


@dataclass(frozen=True)
class Planted:
    """Texts in which a passage comes twice, at the same places in all of them.

    Attributes:
        codes: the texts.
        first: where the passage is read first.
        second: where it is read again.
    """

    codes: Integer[np.ndarray, "count length"]
    first: slice
    second: slice


@dataclass(frozen=True)
class RepeatCosts:
    """What the characters of the passages cost.

    Attributes:
        first: in nats, at the first reading.
        second: at the second.
        is_right: whether the character was the likeliest to the model, at the second reading.
    """

    first: Float[np.ndarray, "count passage"]
    second: Float[np.ndarray, "count passage"]
    is_right: Bool[np.ndarray, "count passage"]


@dataclass(frozen=True)
class RepeatSummary:
    """What a character of a passage cost on average, but for the passage's beginning.

    Attributes:
        first_nats: at the first reading.
        second_nats: at the second.
        right: share of the characters that were the likeliest to the model, at the second reading.
    """

    first_nats: float
    second_nats: float
    right: float


def plant(
    corpus: Corpus,
    part: str,
    *,
    passage: int,
    distance: int,
    count: int,
    generator: torch.Generator,
    whole_words: bool = False,
    before: int = 32,
    after: int = 8,
) -> Planted:
    """Make texts in which a passage comes twice.

    Each is drawn from anywhere in the part: some text, the passage, the text that follows it for ``distance``
    characters, the passage again, and then the text goes on where it was left. Nothing marks the join.

    Args:
        corpus: the text.
        part: "validation", "train" or, where the corpus has one, "test".
        passage: characters of a passage.
        distance: characters between its end and its second beginning; 0 repeats it at once.
        count: texts.
        generator: draws the windows of the part, each with replacement.
        whole_words: let passages begin where a word does, behind white space, and let what follows them and what
            follows the second reading do so too; by default anywhere.
        before: characters read before the passage, at least 1, because a text's first is shown and not asked for.
        after: characters behind the second reading.

    Raises:
        ValueError: a number is out of its range, the part is too short, or no words of it lie as far apart as asked.
    """
    check_whole("passage", passage)
    check_whole("distance", distance, 0)
    check_whole("count", count)
    check_whole("before", before)
    check_whole("after", after, 0)
    text = corpus.part(part)
    join = before + passage + distance
    window = join + after
    if window > len(text):
        raise ValueError(
            f"before, passage, distance and after together must be at most {len(text):,}, the characters of {part}; "
            f"got {window:,}"
        )
    starts = np.arange(len(text) - window + 1)
    if whole_words:
        begins = _word_begins(corpus, text)
        starts = starts[begins[starts + before] & begins[starts + before + passage] & begins[starts + join]]
        if not len(starts):
            raise ValueError(
                f"passage and distance must be such that words of {part} begin {passage} and {passage + distance} "
                "characters behind the beginning of a word; with whole_words there are none"
            )
    drawn = starts[torch.randint(len(starts), (count,), generator=generator).numpy()]
    order = np.concatenate([np.arange(join), np.arange(before, before + passage), np.arange(join, window)])
    return Planted(text[drawn[:, None] + order], slice(before, before + passage), slice(join, join + passage))


def repeat_costs(machine: nn.Module, corpus: Corpus, planted: Planted) -> RepeatCosts:
    """Let a model read planted texts, each from a fresh state, and say what the passages cost.

    Args:
        machine: an ``NTM`` or a baseline, trained on the corpus.
        corpus: the text, whose characters it knows.
        planted: at least one text.
    """
    nats, right = [], []
    for start in range(0, len(planted.codes), ROWS):
        row_nats, row_right = _read(machine, len(corpus.alphabet), planted.codes[start : start + ROWS].astype(np.int64))
        nats.append(row_nats)
        right.append(row_right)
    costs, is_right = np.concatenate(nats), np.concatenate(right)
    # Column 0 belongs to the second character.
    first, second = (slice(place.start - 1, place.stop - 1) for place in (planted.first, planted.second))
    return RepeatCosts(costs[:, first], costs[:, second], is_right[:, second])


def summarise(costs: RepeatCosts, skip: int = SKIPPED) -> RepeatSummary:
    """Take the means over all passages.

    Args:
        costs: of the passages.
        skip: characters left out at the beginning of each passage, in both readings: only after a few of them can
            anybody notice that it comes again.

    Raises:
        ValueError: skip is below 0 or leaves nothing.
    """
    check_whole("skip", skip, 0)
    passage = costs.first.shape[1]
    if skip >= passage:
        raise ValueError(f"skip must be fewer than the {passage} characters of a passage; got {skip}")
    return RepeatSummary(
        *(float(values[:, skip:].mean()) for values in (costs.first, costs.second, costs.is_right)),
    )


def measure_repeats(
    machine: nn.Module,
    corpus: Corpus,
    part: str = "validation",
    conditions: Sequence[Condition] = CONDITIONS,
    *,
    count: int = TEXTS,
    skip: int = SKIPPED,
    whole_words: bool = False,
    seed: int = 0,
) -> dict[Condition, RepeatSummary]:
    """Let a model read planted texts of several conditions; the same texts for every model.

    Args:
        machine: an ``NTM`` or a baseline, trained on the corpus.
        corpus: the text.
        part: "validation", "train" or, where the corpus has one, "test".
        conditions: how the passages are repeated.
        count: texts of each condition.
        skip: characters left out at the beginning of each passage.
        whole_words: whether passages begin and end where words begin.
        seed: of the generator that draws the texts, anew for each condition.

    Raises:
        ValueError: a number is out of its range, or the part is too short.
    """
    summaries = {}
    for condition in conditions:
        generator = torch.Generator().manual_seed(seed)
        planted = plant(corpus, part, **condition._asdict(), count=count, whole_words=whole_words, generator=generator)
        summaries[condition] = summarise(repeat_costs(machine, corpus, planted), skip)
    return summaries


def measure_counting(
    ngram: NGram,
    corpus: Corpus,
    part: str = "validation",
    conditions: Sequence[Condition] = CONDITIONS,
    *,
    count: int = TEXTS,
    skip: int = SKIPPED,
    seed: int = 0,
) -> dict[Condition, tuple[float, float]]:
    """Let n-grams read the planted texts of ``measure_repeats`` and count on while they read each of them.

    Args:
        ngram: which has counted the training part.
        corpus: the text.
        part: "validation", "train" or, where the corpus has one, "test".
        conditions: how the passages are repeated.
        count: texts of each condition.
        skip: characters left out at the beginning of each passage.
        seed: of the generator that draws the texts.

    Returns:
        For each condition the nats of a character at the first reading and at the second.
    """
    found = {}
    for condition in conditions:
        generator = torch.Generator().manual_seed(seed)
        planted = plant(corpus, part, **condition._asdict(), count=count, generator=generator)
        costs = np.stack([ngram.costs(text, adaptive=True) for text in planted.codes])
        first, second = (float(costs[:, place][:, skip:].mean()) for place in (planted.first, planted.second))
        found[condition] = (first, second)
    return found


def _word_begins(corpus: Corpus, text: Integer[np.ndarray, " characters"]) -> Bool[np.ndarray, " places"]:
    """Say where a word begins: where white space ends. Of the first character, and behind the last, nobody knows."""
    is_space = np.array([character.isspace() for character in corpus.alphabet])[text]
    return np.concatenate([[False], is_space[:-1] & ~is_space[1:], [False]])


def _read(
    machine: nn.Module, symbols: int, codes: Int[np.ndarray, "rows length"]
) -> tuple[Float[np.ndarray, "rows asked"], Bool[np.ndarray, "rows asked"]]:
    """Read texts side by side; returns what each character but the first costs, and whether it was the likeliest."""
    run: Callable[..., Any] = machine
    device = next((parameter.device for parameter in machine.parameters()), torch.device("cpu"))
    shown, asked = torch.from_numpy(codes[:, :-1]), torch.from_numpy(codes[:, 1:])
    state, nats, right = None, [], []
    for start in range(0, shown.shape[1], WINDOW):
        steps = slice(start, start + WINDOW)
        with torch.no_grad():
            logits, state = run(F.one_hot(shown[:, steps], symbols).float().to(device), state)
        logits = logits.cpu()
        nats.append(F.cross_entropy(logits.double().transpose(1, 2), asked[:, steps], reduction="none"))
        right.append(logits.argmax(-1) == asked[:, steps])
    return torch.cat(nats, 1).numpy(), torch.cat(right, 1).numpy()
