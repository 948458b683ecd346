"""One table of a whole sweep: a row per cell, read from the cells' folders."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ntmlib.sweeps.cells import read_outcome
from ntmlib.sweeps.plan import Cell
from ntmlib.training.durable import write_durably

SUMMARY = "summary.csv"
_FROM_RESULT = ("solved_at_sequences", "sequences", "seconds", "bits_per_sequence", "num_parameters", "restarts")


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
