"""Our numbers beside the published ones, as rows of text for a table."""

import math
from collections.abc import Iterable, Mapping, Sequence

from ntmlib.sweeps.published import IN_WORDS, MODELS, Published, find_published
from ntmlib.sweeps.scoreboard import Score, find_scores, quartiles

COST_COLUMNS = (
    "task",
    "model",
    "size (paper's)",
    "reached 1 bit",
    "after",
    "reached 0.1 bit",
    "after",
    "bits at the end",
    "paper's",
)
FACT_COLUMNS = ("who", "task", "what", "when", *MODELS)
ANSWER_COLUMNS = ("condition", "model", "seeds without an error", "bits per sequence", "paper")
Row = tuple[str, ...]


def shown(values: Sequence[float], unit: str = "") -> str:
    """Write the median of all seeds and in brackets their quartiles; "never" is what a failed seed counts as."""
    low, middle, high = (_number(value) for value in quartiles(values))
    return f"{middle}{unit} [{low} to {high}]" if low != high else f"{middle}{unit}"


def cost_rows(scores: Iterable[Score], facts: Sequence[Published], titles: Mapping[str, str]) -> list[Row]:
    """Say what each model needed for each task; the columns are ``COST_COLUMNS``.

    Args:
        scores: our kept sweeps.
        facts: the paper's.
        titles: the tasks in order, each with the name the table gives it.
    """
    rows: list[Row] = []
    scores = list(scores)
    for task, title in titles.items():
        for model, score in find_scores(scores, task).items():
            parameters = find_published(facts, task, model, "parameters", "")
            curve = [f for f in find_published(facts, task, model, "training cost") if f.after_sequences is not None]
            last = max(curve, key=lambda fact: fact.after_sequences or 0, default=None)
            rows.append(
                (
                    title,
                    model,
                    f"{score.num_parameters:,}" + "".join(f" ({fact.shown})" for fact in parameters),
                    *_reached(score.costs("sequences_to_1_bit")),
                    *_reached(score.costs("sequences_to_0.1_bit")),
                    shown(score.final_bits),
                    "" if last is None else last.shown,
                )
            )
    return rows


def answer_rows(models: Mapping[str, Score], facts: Iterable[Published], questions: Iterable[str]) -> list[Row]:
    """Say how the machines of one task answered questions; the columns are ``ANSWER_COLUMNS``.

    Args:
        models: our kept sweeps of the task, by model.
        facts: the paper's.
        questions: names of questions of the task's examination.
    """
    facts = list(facts)
    rows: list[Row] = []
    for question in questions:
        for model, score in models.items():
            exact = score.answers(question, "exact")
            told = [
                fact.shown
                for quantity in ("cost", "generalisation")
                for fact in find_published(facts, score.task, model, quantity, question)
            ]
            perfect = f"{sum(share == 1 for share in exact)} of {len(exact)}"
            rows.append((question, model, perfect, shown(score.answers(question)), "; ".join(told)))
    return rows


def fact_rows(facts: Iterable[Published]) -> list[Row]:
    """Put published facts about the same thing into one row; the columns are ``FACT_COLUMNS``.

    What holds for any model is shown for all of them.
    """
    rows: dict[Row, dict[str, str]] = {}
    units: dict[Row, str] = {}
    for fact in facts:
        who = fact.source if fact.evidence == "text" else f"{fact.source} ({fact.evidence})"
        about = (who, fact.task.replace("_", " "), fact.quantity, fact.condition)
        models = MODELS if fact.model == "any" else (fact.model,)
        rows.setdefault(about, {}).update(dict.fromkeys(models, fact.plain))
        if fact.unit != IN_WORDS and fact.unit not in fact.quantity:
            units[about] = f", {fact.unit}"
    return [
        (*about[:2], about[2] + units.get(about, ""), about[3], *(values.get(model, "") for model in MODELS))
        for about, values in rows.items()
    ]


def _reached(costs: Sequence[float]) -> tuple[str, str]:
    arrived = sum(map(math.isfinite, costs))
    return f"{arrived} of {len(costs)}", shown(costs) if arrived else ""


def _number(value: float) -> str:
    """Write a cost with three significant digits, a number of sequences in full."""
    if math.isinf(value):
        return "never"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" if value >= 100 else f"{value:.3g}"
