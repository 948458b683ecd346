"""Keep what a sweep found, small enough for a repository: every seed's numbers, all curves, one machine's weights."""

import csv
import hashlib
import io
import json
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ntmlib.sweeps.cells import read_outcome
from ntmlib.sweeps.plan import Cell
from ntmlib.tasks import Continuous
from ntmlib.training import History, Report, RunRefused, export_run, load_run
from ntmlib.training.durable import write_durably
from ntmlib.training.examination import EXAMINATIONS, SEED, examine
from ntmlib.training.history import EVALUATIONS

SWEEP, SEEDS, CURVES, EXAMINATION, SUMS = "sweep.toml", "seeds.csv", "curves.csv", "examination.csv", "SHA256SUMS"
VALIDATION = "validation.csv"  # of texts only
REPRESENTATIVE = "representative"  # folder of the kept run whose seed is the median one
THRESHOLDS = {"sequences_to_1_bit": 1.0, "sequences_to_0.1_bit": 0.1}  # bits per sequence
SEQUENCES_PER_MEAN = 1000  # a threshold is passed, and the final cost taken, as a mean over this many
_WORDS = {"": None, "True": True, "False": False}
POINTS = 100  # of a kept learning curve
_FROM_RESULT = (
    "restarts",
    "stalled_at",
    "num_parameters",
    "sequences",
    "seconds",
    "cpu_seconds",
    "solved_at_sequences",
    "exact",
)


@dataclass(frozen=True)
class Kept:
    """A sweep as it was kept.

    Attributes:
        folder: where it lies.
        seeds: one row for each cell: how it ended, its cost, when it passed each threshold (None: never).
        curves: rows of cell, sequences and mean bits per sequence since the row before; ``full`` says whether all
            of them were drawn at full difficulty.
        examination: one row for each cell and question.
        validation: of a text one row for each time that a cell was tried on what is held out: the sequences it had
            trained on, and what a character cost in bits.
    """

    folder: Path
    seeds: list[dict[str, Any]]
    curves: list[dict[str, Any]]
    examination: list[dict[str, Any]]
    validation: list[dict[str, Any]] = field(default_factory=list)


def keep_sweep(
    file: str | os.PathLike[str], cells: Sequence[Cell], directory: str | os.PathLike[str], to: str | os.PathLike[str]
) -> Kept:
    """Examine the machines of a sweep that has come to its end and write what was found.

    A sweep without a grid also gets one machine, the representative: of all seeds, failures included, ordered by
    when they reached 0.1 bit per sequence and then by their final cost, the middle one (of an even number the better
    of the two).

    Args:
        file: the sweep's TOML file, of which a copy is kept.
        cells: its cells.
        directory: folder the sweep was trained in. Answers are stored there, and not asked for twice.
        to: folder to write, such as ``data/runs/copy-feedforward``.

    Raises:
        RunRefused: a cell has not come to its end.
    """
    source, target = Path(directory), Path(to)
    outcomes = [read_outcome(cell, source) for cell in cells]
    for outcome in outcomes:
        if not outcome.ended:
            raise RunRefused(f"directory must hold a sweep at its end; {source / outcome.name} is {outcome.status}")
    histories = [History.read(source / cell.name / "history.csv") for cell in cells]
    seeds, examination = [], []
    for cell, outcome, history in zip(cells, outcomes, histories, strict=True):
        row = {"cell": cell.name, **cell.varied, "seed": cell.seed, "status": outcome.status}
        row |= {name: outcome.result.get(name) for name in _FROM_RESULT}
        row |= passed(history, cell.config.make_task().max_length, cell.config.batch_size)
        seeds.append({**row, "weights_sha256": outcome.result.get("weights_sha256")})
        if outcome.status != "diverged":
            answers = _answers(source, cell, outcome.result["weights_sha256"])
            examination += [{"cell": cell.name, "question": name, **report} for name, report in answers.items()]
    curves = _curves(cells, histories)
    target.mkdir(parents=True, exist_ok=True)
    if not any(cell.varied for cell in cells):
        middle = representative(seeds)
        if seeds[middle]["status"] != "diverged":
            export_run(source / cells[middle].name, target / REPRESENTATIVE)
    tables = {SEEDS: seeds, CURVES: curves, EXAMINATION: examination}
    validation = [row for cell in cells for row in _validation(cell, source)]
    if validation:
        tables[VALIDATION] = validation
    files = {name: _to_csv(rows) for name, rows in tables.items()} | {SWEEP: Path(file).read_bytes()}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    for name, data in {**files, SUMS: sums.encode()}.items():
        write_durably(target / name, data)
    return Kept(target, seeds, curves, examination, validation)


def read_kept(folder: str | os.PathLike[str]) -> Kept:
    """Read a kept sweep.

    Raises:
        OSError: a table is missing.
        ValueError: a table is not the one its checksum was taken of.
    """
    tables = []
    sums = dict(line.split()[::-1] for line in Path(folder, SUMS).read_text("utf-8").splitlines())
    for name in (SEEDS, CURVES, EXAMINATION, *(VALIDATION,) * (VALIDATION in sums)):
        data = Path(folder, name).read_bytes()
        if hashlib.sha256(data).hexdigest() != sums.get(name):
            raise ValueError(f"{Path(folder, name)} must be the file its checksum in {SUMS} was taken of")
        rows = csv.DictReader(io.StringIO(data.decode("utf-8")))
        tables.append([{key: _value(text) for key, text in row.items()} for row in rows])
    if inexact := [str(row["cell"]) for row in tables[0] if row.get("exact") is False]:
        warnings.warn(f"not exact: {folder} holds runs that went on elsewhere: {', '.join(inexact)}", stacklevel=2)
    return Kept(Path(folder), *tables)


def passed(history: History, full_length: int, batch_size: int) -> dict[str, int | float | None]:
    """Say after how many sequences a run passed each threshold, and where it ended.

    Only sequences drawn at full difficulty count: a threshold is passed when the mean over the last
    ``SEQUENCES_PER_MEAN`` of them is below it.
    """
    window = math.ceil(SEQUENCES_PER_MEAN / batch_size)
    full = history["top_length"] >= full_length
    bits = np.where(full, history["bits_per_sequence"], np.inf)
    totals = np.concatenate([[0.0], np.cumsum(np.where(full, bits, 0.0))])
    outside = np.concatenate([[0], np.cumsum(~full)])
    means = (totals[window:] - totals[:-window]) / window if len(bits) >= window else np.array([])
    whole = (outside[window:] == outside[:-window]) if len(bits) >= window else np.array([], bool)
    found: dict[str, int | float | None] = {}
    for name, threshold in THRESHOLDS.items():
        below = np.flatnonzero(whole & (means < threshold))
        found[name] = int(history["sequences"][below[0] + window - 1]) if len(below) else None
    return {**found, "final_bits": float(means[-1]) if len(means) and whole[-1] else None}


def representative(seeds: Sequence[Mapping[str, Any]]) -> int:
    """Return the position of the middle seed."""

    def rank(position: int) -> tuple[float, float]:
        values = (seeds[position]["sequences_to_0.1_bit"], seeds[position]["final_bits"])
        when, final = (math.inf if value is None else float(value) for value in values)
        return when, final

    return sorted(range(len(seeds)), key=rank)[(len(seeds) - 1) // 2]


def _answers(source: Path, cell: Cell, weights: str) -> dict[str, dict[str, Any]]:
    """Examine a cell's machine, or read what it said when it was examined with these weights."""
    path = source / "examinations" / f"{cell.name}.json"
    columns = [field.name for field in fields(Report)]
    asked = {"weights": weights, "seed": SEED, "questions": repr(EXAMINATIONS[cell.config.task]), "columns": columns}
    if path.exists():
        stored = json.loads(path.read_bytes())
        if stored["asked"] == asked:
            found: dict[str, dict[str, Any]] = stored["answers"]
            return found
    run = load_run(source / cell.name)
    answers = {name: _row(report) for name, report in examine(run.machine, run.config).items()}
    path.parent.mkdir(exist_ok=True)
    write_durably(path, json.dumps({"asked": asked, "answers": answers}, indent=1).encode())
    return answers


def _row(report: Report) -> dict[str, Any]:
    return {**asdict(report), "bits_right": report.bits_right, "excess_bits": report.excess_bits}


def _curves(cells: Sequence[Cell], histories: Sequence[History]) -> list[dict[str, Any]]:
    """Thin all histories to means between the same numbers of sequences."""
    most = max(int(history["sequences"][-1]) for history in histories)
    rows = []
    for cell, history in zip(cells, histories, strict=True):
        block = np.ceil(history["sequences"] / most * POINTS)
        full = history["top_length"] >= cell.config.make_task().max_length
        for number in np.unique(block):
            inside = block == number
            rows.append(
                {
                    "cell": cell.name,
                    "sequences": int(history["sequences"][inside][-1]),
                    "bits": round(float(history["bits_per_sequence"][inside].mean()), 4),
                    "full": int(full[inside].all()),
                }
            )
    return rows


def _validation(cell: Cell, source: Path) -> list[dict[str, Any]]:
    """Say what a text's held out part cost a cell on the way; nothing for other tasks."""
    if not isinstance(cell.config.make_task(), Continuous):
        return []
    rows = History.read(source / cell.name / "evaluations.csv", EVALUATIONS).rows()
    size = cell.config.batch_size
    return [
        {"cell": cell.name, "sequences": row["update"] * size, "bits": round(row["bits_per_bit"], 5)} for row in rows
    ]


def _to_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def _value(text: str) -> Any:
    """Read a cell of a table: nothing, yes or no, a whole number, a number, or text."""
    if text in _WORDS:
        return _WORDS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
