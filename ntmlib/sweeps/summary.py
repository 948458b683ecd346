"""One table of a whole sweep: a row per cell, read from the cells' folders, as a file and for a notebook."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ntmlib.sweeps.cells import read_outcome
from ntmlib.sweeps.plan import Cell
from ntmlib.sweeps.progress import in_words
from ntmlib.training.durable import write_durably

SUMMARY = "summary.csv"
WENT_ON_ELSEWHERE = "not exact: it went on with other versions, or on another machine"
_FROM_RESULT = (
    "solved_at_sequences",
    "sequences",
    "seconds",
    "bits_per_sequence",
    "num_parameters",
    "restarts",
    "exact",
)


def summarize(cells: Sequence[Cell], directory: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Say how each cell of a sweep stands; nothing is changed.

    Returns:
        For each cell its name, the values of the grid under their dotted names, seed, status, what its
        ``result.json`` says (None where it says nothing), and what went wrong.

    Raises:
        RunRefused: the folder of a cell holds another run.
    """
    rows = []
    for cell in cells:
        outcome = read_outcome(cell, Path(directory))
        row = {"cell": cell.name, **cell.varied, "seed": cell.seed, "status": outcome.status}
        row |= {name: outcome.result.get(name) for name in _FROM_RESULT}
        rows.append({**row, "error": outcome.error})
    return rows


def write_summary(rows: Sequence[Mapping[str, Any]], directory: str | os.PathLike[str]) -> Path:
    """Write the table as ``summary.csv`` in the folder of the sweep and return its path.

    Raises:
        ValueError: there are no rows.
        OSError: the file cannot be written; an older one is as it was.
    """
    if not rows:
        raise ValueError("rows must hold at least one cell; got none")
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    path = Path(directory, SUMMARY)
    write_durably(path, text.getvalue().encode())
    return path


def read_summary(directory: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Read the table that ``ntm sweep`` left in the folder of a sweep, as texts.

    Raises:
        ValueError: there is none, or it is no such table.
    """
    path = Path(directory, SUMMARY)
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"directory must hold the {SUMMARY} of a sweep; {path}: {reason}") from error
    needed = {"cell", "seed", "status", "error", *_FROM_RESULT}
    if not rows or not needed <= set(rows[0]) or any(None in row or None in row.values() for row in rows):
        raise ValueError(f"directory must hold the {SUMMARY} of a sweep; {path} is no such table")
    return rows


def summary_table(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]], str]:
    """Say how a sweep went, for people: ``views.Table(*summary_table(read_summary(folder)))`` in a notebook.

    Args:
        rows: from ``read_summary``, or from ``summarize`` while the sweep is going on.

    Returns:
        Headings; a row of texts for each cell, those that failed or diverged first; and a sentence that counts them.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("rows must hold at least one cell; got none")
    columns = ("cell", "state", "solved after", "sequences", "bits per sequence", "training", "remarks")
    statuses = [str(row["status"]) for row in rows]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    ordered = sorted(rows, key=lambda row: row["status"] not in ("failed", "diverged"))  # stable
    texts: list[tuple[str, ...]] = [
        (
            str(row["cell"]),
            str(row["status"]),
            _shown(row["solved_at_sequences"], "{:,.0f}"),
            _shown(row["sequences"], "{:,.0f}"),
            _shown(row["bits_per_sequence"], "{:.3g}"),
            "" if row["seconds"] in (None, "") else in_words(float(row["seconds"])),
            str(row["error"]) or (WENT_ON_ELSEWHERE if str(row["exact"]) == "False" else ""),
        )
        for row in ordered
    ]
    return columns, texts, f"{len(rows):,} cells: {counts}"


def _shown(value: Any, form: str) -> str:
    return "" if value in (None, "") else form.format(float(value))
