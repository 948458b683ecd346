"""The table of the Chomsky hierarchy: how right each machine is beyond its training lengths, and what is published."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ntmlib import tasks
from ntmlib.sweeps.published import IN_WORDS, Published, find_published
from ntmlib.sweeps.scoreboard import Score, find_scores

LENGTHS = (50, 100, 200, 500)
FIRST_UNSEEN, LAST = 41, 500  # the published score is the mean over these lengths
SOLVED = 0.9  # share of the symbols right at which a task counts as solved, as published
ACCURACY, SOLVED_IN_WORDS = "symbols right", "solved"  # the published quantities
PUBLISHED_MODELS = ("RNN", "Stack-RNN", "Tape-RNN", "Transformer", "LSTM")
HIERARCHY_COLUMNS = (
    "task",
    "level",
    "model",
    "seeds",
    *(f"right at {length}" for length in LENGTHS),
    *(f"exact at {length}" for length in LENGTHS),
    "mean 41 to 500",
    "90 % (best, median)",
    "published",
)
Row = tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """A share over all seeds; one whose training broke counts as 0. In text it is in percent, rounded down."""

    highest: float
    median: float
    lowest: float

    def __str__(self) -> str:
        shares = (self.highest, self.median, self.lowest)
        return " / ".join(f"{math.floor(1000 * share + 1e-6) / 10:g}" for share in shares)


@dataclass(frozen=True)
class Standing:
    """How one model does at one task, beyond the lengths it was trained on.

    Attributes:
        task: its name.
        level: of the hierarchy.
        model: as ``Score`` calls it.
        num_seeds: seeds tried.
        right: for each length the share of the symbols that are right.
        exact: for each length the share of the sequences without a wrong symbol.
        mean_right: share of the symbols that are right over lengths 41 to 500, where lengths between those asked
            are taken to lie on a straight line between them: the published score is the mean over all of them.
    """

    task: str
    level: str
    model: str
    num_seeds: int
    right: dict[int, Spread]
    exact: dict[int, Spread]
    mean_right: Spread

    @property
    def solved(self) -> bool:
        """Whether the best seed gets 90 % of the symbols right, the published sense of solved."""
        return self.mean_right.highest >= SOLVED

    @property
    def mostly_solved(self) -> bool:
        """Whether the median seed does."""
        return self.mean_right.median >= SOLVED


def standing(score: Score, suffix: str = "") -> Standing:
    """Say how a model does at a task of the hierarchy.

    Args:
        score: its kept sweep.
        suffix: what the questions are called behind their length, such as ", 700 slots": there the memory has the same
            size at 50, 100 and 500 (200 is not asked); without one it has 32 slots more than the length.

    Raises:
        ValueError: the task is not one of the fifteen, or nobody was asked this.
    """
    level = {task.name: task.level for task in tasks.CHOMSKY}.get(score.task)
    if level is None:
        raise ValueError(f"score must be of a task of the Chomsky hierarchy; got {score.task!r}")
    asked = [length for length in (40, *LENGTHS) if not suffix or f"length {length}{suffix}" in score.questions]
    right, exact = (
        {length: _shares(score, f"length {length}{suffix}", column) for length in asked}
        for column in ("bits_right", "exact")
    )
    unseen = np.arange(FIRST_UNSEEN, LAST + 1)
    curves = np.array([right[length] for length in asked]).T
    means = [float(np.interp(unseen, asked, curve).mean()) for curve in curves]
    return Standing(
        score.task,
        level,
        score.model,
        score.num_seeds,
        {length: _spread(right[length]) for length in asked if length > FIRST_UNSEEN},
        {length: _spread(exact[length]) for length in asked if length > FIRST_UNSEEN},
        _spread(means),
    )


def standings(scores: Iterable[Score], suffix: str = "") -> list[Standing]:
    """Say how every model does at every task of the hierarchy that was kept, in the order of the published table."""
    scores = list(scores)
    return [standing(score, suffix) for task in tasks.CHOMSKY for score in find_scores(scores, task.name).values()]


def hierarchy_rows(
    found: Iterable[Standing], facts: Sequence[Published], columns: Sequence[str] = HIERARCHY_COLUMNS
) -> list[Row]:
    """Write standings as text, highest / median / lowest seed in percent.

    Args:
        found: what ``standings`` gives.
        facts: published ones; of those only the scores whose evidence we have seen are in our tables.
        columns: some of ``HIERARCHY_COLUMNS``, in any order.

    Raises:
        ValueError: there is no such column.
    """
    for column in columns:
        if column not in HIERARCHY_COLUMNS:
            raise ValueError(f"columns must be some of {', '.join(HIERARCHY_COLUMNS)}; got {column!r}")
    places = [HIERARCHY_COLUMNS.index(column) for column in columns]
    rows = [
        (
            one.task.replace("_", " "),
            one.level,
            one.model,
            str(one.num_seeds),
            *(str(one.right.get(length, "")) for length in LENGTHS),
            *(str(one.exact.get(length, "")) for length in LENGTHS),
            str(one.mean_right),
            f"{_yes(one.solved)}, {_yes(one.mostly_solved)}",
            published_scores(facts, one.task),
        )
        for one in found
    ]
    return [tuple(row[place] for place in places) for row in rows]


def not_kept(found: Iterable[Standing]) -> list[str]:
    """Name the tasks of the hierarchy that no standing is about."""
    kept = {one.task for one in found}
    return [task.name.replace("_", " ") for task in tasks.CHOMSKY if task.name not in kept]


def medians_by_level(found: Iterable[Standing]) -> dict[str, dict[str, dict[int, float]]]:
    """Lay out for each level and task the median share of symbols right at each length; nothing for a task not kept.

    Of a task at which several machines were tried, the one whose median seed does best; baselines do not count.
    """
    table: dict[str, dict[str, dict[int, float]]] = {}
    machines = [one for one in found if one.model.startswith("NTM")]
    for task in tasks.CHOMSKY:
        tried = [one for one in machines if one.task == task.name]
        best = max(tried, key=lambda one: one.mean_right.median, default=None)
        right = {} if best is None else {length: spread.median for length, spread in best.right.items()}
        table.setdefault(task.level, {})[task.name.replace("_", " ")] = right
    return table


def chances() -> dict[str, float]:
    """Return for each task of the hierarchy the share of symbols that guessing gets right."""
    return {task.name.replace("_", " "): task().chance_right for task in tasks.CHOMSKY}


def published_scores(facts: Sequence[Published], task: str) -> str:
    """Write what is published of a task: percent of the symbols right, or in words whether it is solved.

    Each with how far to trust it.
    """
    kinds = {ACCURACY: "{model} {fact.shown}", SOLVED_IN_WORDS: "{model} solved: {fact.shown}"}
    return "; ".join(
        text.format(model=model, fact=fact)
        for model in PUBLISHED_MODELS
        for quantity, text in kinds.items()
        for fact in find_published(facts, task, model, quantity)
    )


def published_budget(facts: Sequence[Published]) -> str:
    """Say in a sentence what the published scores cost: nothing of ours was trained on so many sequences."""
    protocol = {
        fact.quantity: fact.plain
        for fact in facts
        if (fact.task, fact.model) == ("all", "any") and fact.unit != IN_WORDS
    }
    return (
        f"published scores: best of {protocol['seeds']} seeds and {protocol['learning rates']} learning rates, each "
        f"{protocol['updates']} updates of {protocol['sequences an update']} sequences"
    )


def our_budget(scores: Iterable[Score]) -> str:
    """Say in a sentence what ours cost: sequences of a seed, restarts included."""
    costs = [row["sequences"] for score in scores for row in score.kept.seeds if row["sequences"] is not None]
    return f"ours: {min(costs):,} to {max(costs):,} sequences a seed, {statistics.median_low(costs):,} in the median"


def _shares(score: Score, question: str, column: str) -> list[float]:
    return [0.0 if math.isinf(share) else share for share in score.answers(question, column)]


def _spread(values: Sequence[float]) -> Spread:
    return Spread(max(values), statistics.median_low(values), min(values))


def _yes(held: bool) -> str:
    return "yes" if held else "no"
