"""Numbers that others have published, each with how sure we can be of it, to stand beside ours."""

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ntmlib import tasks

COLUMNS = ("task", "model", "quantity", "condition", "value", "unit", "evidence", "source")
MODELS = ("NTM feed-forward", "NTM LSTM", "LSTM")
OTHERS = ("RNN", "Stack-RNN", "Tape-RNN", "Transformer", "Baby-NTM")  # models that Graves et al. did not try
EVIDENCE = {
    "text": "read in the source itself",
    "figure": "read off a figure, so rough",
    "reported": "second-hand, as somebody reports it",
    "computed": "computed for this workbook",
}
IN_WORDS = "in words"  # the unit of a value that is no number
_SEQUENCES = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})*) sequences")


@dataclass(frozen=True)
class Published:
    """One published fact.

    Attributes:
        task: name of the task, or "all".
        model: one of ``MODELS`` or ``OTHERS``, or "any".
        quantity: what was measured or chosen, such as "parameters", "cost" or "training cost".
        condition: when or on what, such as "length 120" or "100,000 sequences"; may be empty.
        value: a number; a few words where the unit is "in words".
        unit: such as "bits per sequence"; may be empty.
        evidence: a word of ``EVIDENCE``.
        source: where it stands, such as "Table 1".
    """

    task: str
    model: str
    quantity: str
    condition: str
    value: float | str
    unit: str
    evidence: str
    source: str

    @property
    def after_sequences(self) -> int | None:
        """Sequences trained on, where the condition is a number of them."""
        found = _SEQUENCES.fullmatch(self.condition)
        return int(found[1].replace(",", "")) if found else None

    @property
    def plain(self) -> str:
        """The value as a table shows it."""
        return self.value if isinstance(self.value, str) else f"{self.value:,.10g}"

    @property
    def shown(self) -> str:
        """The value and how far to trust it."""
        return self.plain if self.evidence == "text" else f"{self.plain} ({self.evidence})"


def read_published(path: str | os.PathLike[str]) -> list[Published]:
    """Read a table of published facts, such as ``data/published/graves2014.csv``.

    Raises:
        OSError: there is no such file.
        ValueError: the columns are others, or a row says something that cannot be; the message names the line.
    """
    with open(path, encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file)) or [[]]
    if tuple(header) != COLUMNS:
        raise ValueError(f"{Path(path)} must have the columns {','.join(COLUMNS)}; got {','.join(header)!r}")
    facts = []
    for number, line in enumerate(lines, 2):
        try:
            facts.append(_fact(line))
        except ValueError as error:
            raise ValueError(f"{Path(path)}, line {number}: {error}") from error
    return facts


def find_published(
    facts: Iterable[Published], task: str, model: str, quantity: str, condition: str | None = None
) -> list[Published]:
    """Pick the facts about one task, model and quantity, and one condition unless that is None."""
    wanted = (task, model, quantity)
    return [
        fact
        for fact in facts
        if (fact.task, fact.model, fact.quantity) == wanted and condition in (None, fact.condition)
    ]


def training_points(facts: Iterable[Published], task: str) -> dict[str, list[tuple[int, float]]]:
    """Return the published learning curve of each model: sequences seen, and bits per sequence."""
    points: dict[str, list[tuple[int, float]]] = {}
    for fact in facts:
        if fact.task == task and fact.quantity == "training cost" and fact.after_sequences is not None:
            points.setdefault(fact.model, []).append((fact.after_sequences, float(fact.value)))
    return points


def costs_by_condition(facts: Iterable[Published], task: str) -> dict[str, dict[str, float]]:
    """Return the published cost of each trained model under each condition, in bits per sequence."""
    costs: dict[str, dict[str, float]] = {}
    for fact in facts:
        if (fact.task, fact.quantity) == (task, "cost"):
            costs.setdefault(fact.model, {})[fact.condition] = float(fact.value)
    return costs


def _fact(line: list[str]) -> Published:
    """Check a row and turn its value into a number where it is one."""
    if len(line) != len(COLUMNS):
        raise ValueError(f"a row must have {len(COLUMNS)} values; got {len(line)}")
    row = dict(zip(COLUMNS, line, strict=True))
    known = {
        "task": ("all", *tasks.names()),
        "model": ("any", *MODELS, *OTHERS),
        "evidence": tuple(EVIDENCE),
    }
    for name, words in known.items():
        if row[name] not in words:
            raise ValueError(f"{name} must be one of {', '.join(words)}; got {row[name]!r}")
    for name in ("quantity", "value", "source"):
        if not row[name].strip():
            raise ValueError(f"{name} must not be empty")
    if row["unit"] == IN_WORDS:
        return Published(**row)
    if not re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", row["value"]):
        raise ValueError(f"value must be a number unless the unit is {IN_WORDS!r}; got {row['value']!r}")
    return Published(**{**row, "value": float(row["value"])})  # type: ignore[arg-type]
