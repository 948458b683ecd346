"""Kept sweeps of texts: what a character costs each model, and what the model cost."""

import json
import math
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ntmlib.sweeps.keep import SWEEP
from ntmlib.sweeps.plan import read_sweep
from ntmlib.sweeps.scoreboard import Score, find_scores
from ntmlib.training import TrainConfig

TEXT_COLUMNS = ("model", "parameters", "seeds", "characters read", "CPU seconds", "nats", "bits")
NATS_PER_BIT = math.log(2)
Row = tuple[str, ...]


@dataclass(frozen=True)
class TextStanding:
    """How one model does on a text.

    Attributes:
        model: as ``Score`` calls it.
        text: name of the corpus.
        sha256: checksum of its file.
        num_parameters: numbers that training changed.
        characters: read in training, those read again counted again.
        cpu_seconds: of the processor in training, for each seed.
        nats: mean cost of a character of the held out part for each seed, read in one stream; infinity where training
            broke.
        curves: for each seed the cost of the held out part on the way, in several streams: characters read and nats.
    """

    model: str
    text: str
    sha256: str
    num_parameters: int
    characters: int
    cpu_seconds: tuple[float, ...]
    nats: tuple[float, ...]
    curves: tuple[tuple[tuple[int, float], ...], ...]

    @property
    def row(self) -> Row:
        """The standing as text: the median over seeds, with the lowest and the highest."""
        return (
            self.model,
            f"{self.num_parameters:,}",
            str(len(self.nats)),
            f"{self.characters:,}",
            f"{statistics.median_low(self.cpu_seconds):,.0f}",
            _spread(self.nats),
            _spread([nats / NATS_PER_BIT for nats in self.nats]),
        )


def text_standings(scores: Iterable[Score], text: str) -> list[TextStanding]:
    """Say how every model does on a text that was kept, the plain recipes first."""
    of_text = [score for score in scores if score.task == "text" and _config(score).task_options["text"] == text]
    return [_standing(score) for score in find_scores(of_text, "text").values()]


def save_standings(standings: Sequence[TextStanding], file: str | os.PathLike[str]) -> None:
    """Write standings to a file, for a text that is not shipped: its sweeps cannot be read where it is not."""
    Path(file).write_text(json.dumps([asdict(one) for one in standings], indent=1) + "\n", "utf-8")


def load_standings(file: str | os.PathLike[str]) -> list[TextStanding]:
    """Read standings back that were written to a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged.
    """
    try:
        rows = json.loads(Path(file).read_text("utf-8"))
        return [TextStanding(**{name: _frozen(value) for name, value in row.items()}) for row in rows]
    except (TypeError, AttributeError) as problem:
        raise ValueError(f"{file} does not hold standings of a text: {problem}") from problem


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _config(score: Score) -> TrainConfig:
    return read_sweep(score.kept.folder / SWEEP).cells[0].config


def _standing(score: Score) -> TextStanding:
    config = _config(score)
    window = config.make_task().max_length
    curves: dict[str, list[tuple[int, float]]] = {str(row["cell"]): [] for row in score.kept.seeds}
    for row in score.kept.validation:
        curves[row["cell"]].append((row["sequences"] * window, row["bits"] * NATS_PER_BIT))
    return TextStanding(
        score.model,
        config.task_options["text"],
        config.task_options["sha256"],
        score.num_parameters,
        max(row["sequences"] or 0 for row in score.kept.seeds) * window,
        tuple(score.costs("cpu_seconds")),
        tuple(bits * NATS_PER_BIT for bits in score.answers("validation", "bits_per_bit")),
        tuple(map(tuple, curves.values())),
    )


def _spread(values: Sequence[float]) -> str:
    middle = f"{statistics.median_low(values):.3f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3f} to {max(values):.3f})"
