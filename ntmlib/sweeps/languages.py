"""Kept sweeps of recognition, language by language."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ntmlib.sweeps.keep import SEEDS, SWEEP, read_kept
from ntmlib.sweeps.plan import read_sweep

Answers = dict[str, dict[str, dict[int, list[float]]]]
_AT_LENGTH = re.compile(r"length ([0-9]+)")


def answers_by_language(
    folder: str | os.PathLike[str], sweeps: Mapping[str, str], column: str = "bits_right"
) -> Answers:
    """Collect what every seed answered at every length asked, with a memory that grows with the length.

    A seed whose training broke got nothing right.

    Args:
        folder: of kept sweeps, such as ``data/runs``.
        sweeps: for each model's name the sweep it is from, with a grid over languages or without; one that was not
            kept is left out.
        column: of the examination.

    Returns:
        For each language, model and length a share for each seed.

    Raises:
        ValueError: a file is damaged.
    """
    found: Answers = {}
    for model, name in sweeps.items():
        path = Path(folder, name)
        if not (path / SEEDS).exists():
            continue
        asked: dict[tuple[str, int], float] = {}
        for row in read_kept(path).examination:
            if match := _AT_LENGTH.fullmatch(str(row["question"])):
                asked[row["cell"], int(match[1])] = float(row[column])
        lengths = sorted({length for _, length in asked})
        for cell in read_sweep(path / SWEEP).cells:
            language = cell.config.task_options["language"]
            seeds = found.setdefault(language, {}).setdefault(model, {length: [] for length in lengths})
            for length in lengths:
                seeds[length].append(asked.get((cell.name, length), 0.0))
    return found
