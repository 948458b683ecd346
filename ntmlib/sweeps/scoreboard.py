"""Kept sweeps as the rows of a scoreboard: what was learned, how often, and at what cost."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ntmlib.sweeps.keep import SEEDS, SWEEP, Kept, read_kept
from ntmlib.sweeps.plan import Sweep, read_sweep
from ntmlib.sweeps.published import MODELS

Quartiles = tuple[float, float, float]


@dataclass(frozen=True)
class Score:
    """A kept sweep without a grid: one model on one task, with many seeds.

    Every figure is over all seeds. One that never arrived counts as infinity, so that failures pull a quartile up
    instead of dropping out of it.

    Attributes:
        name: of the sweep.
        task: what was learned.
        model: as ``published.MODELS`` calls it, with what is special about the recipe behind a comma.
        num_parameters: of each machine.
        kept: the tables.
    """

    name: str
    task: str
    model: str
    num_parameters: int
    kept: Kept

    @property
    def num_seeds(self) -> int:
        """Seeds tried."""
        return len(self.kept.seeds)

    def costs(self, column: str) -> list[float]:
        """Return what each seed has in a column of ``seeds.csv``, infinity where it has nothing."""
        return [math.inf if row[column] is None else float(row[column]) for row in self.kept.seeds]

    def answers(self, question: str, column: str = "bits_per_sequence") -> list[float]:
        """Return what each seed answered to a question of the examination, infinity where it could not be asked.

        Raises:
            ValueError: nobody was asked this.
        """
        found = {row["cell"]: float(row[column]) for row in self.kept.examination if row["question"] == question}
        if not found:
            raise ValueError(f"question must be one of {', '.join(self.questions)}; got {question!r}")
        return [found.get(row["cell"], math.inf) for row in self.kept.seeds]

    @property
    def questions(self) -> tuple[str, ...]:
        """What the machines were asked; the first question is what they were trained on."""
        return tuple(dict.fromkeys(row["question"] for row in self.kept.examination))

    @property
    def final_bits(self) -> list[float]:
        """Cost of each machine after its training, in bits per sequence, on the same fresh sequences for all."""
        return self.answers(self.questions[0]) if self.questions else [math.inf] * self.num_seeds


@dataclass(frozen=True)
class Ablation:
    """A kept sweep with a grid: the same task with other settings.

    Attributes:
        name: of the sweep.
        task: what was learned.
        settings: what the grid varies, without the part of the config they belong to.
        solved_after: for each combination of values the sequences after which each seed was solved, infinity for
            one that never was.
    """

    name: str
    task: str
    settings: tuple[str, ...]
    solved_after: dict[tuple[str, ...], list[float]]


def read_ablations(folder: str | os.PathLike[str]) -> list[Ablation]:
    """Read all kept sweeps of a folder that have a grid.

    Raises:
        OSError: a table is missing.
        ValueError: a file is damaged.
    """
    ablations = []
    for path, sweep in _sweeps(folder):
        if sweep.grid:
            solved: dict[tuple[str, ...], list[float]] = {}
            for row in read_kept(path).seeds:
                values = tuple(str(row[name]).replace("_", " ") for name in sweep.grid)
                after = row["solved_at_sequences"]
                solved.setdefault(values, []).append(math.inf if after is None else float(after))
            settings = tuple(name.rpartition(".")[2].replace("_", " ") for name in sweep.grid)
            ablations.append(Ablation(sweep.name, sweep.task, settings, solved))
    return ablations


def read_scores(folder: str | os.PathLike[str]) -> list[Score]:
    """Read all kept sweeps of a folder that have no grid, such as those of ``data/runs``.

    Raises:
        OSError: a table is missing.
        ValueError: a file is damaged.
    """
    scores = []
    for path, sweep in _sweeps(folder):
        if not sweep.grid:
            kept = read_kept(path)
            num_parameters = max(row["num_parameters"] or 0 for row in kept.seeds)  # nothing where a seed diverged
            scores.append(Score(sweep.name, sweep.task, _model(sweep), num_parameters, kept))
    return scores


def find_scores(scores: Iterable[Score], task: str) -> dict[str, Score]:
    """Pick the sweeps of one task, by model: the plain recipes first, each in the order of ``published.MODELS``."""
    return {score.model: score for score in sorted(scores, key=lambda s: _rank(s.model)) if score.task == task}


def answers_by_model(
    models: Mapping[str, Score], questions: Iterable[str], column: str = "bits_per_sequence"
) -> dict[str, dict[str, list[float]]]:
    """Collect for each model and question what its seeds answered."""
    asked = list(questions)
    return {model: {question: score.answers(question, column) for question in asked} for model, score in models.items()}


def quartiles(values: Sequence[float]) -> Quartiles:
    """Return the lower quartile, median and upper quartile, each of them one of the values.

    Of an even number of values the median is the lower one of the two in the middle, as with the representative.
    """
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), method="inverted_cdf")
    return float(low), float(middle), float(high)


def _sweeps(folder: str | os.PathLike[str]) -> list[tuple[Path, Sweep]]:
    paths = sorted(path.parent for path in Path(folder).glob(f"*/{SEEDS}"))
    return [(path, read_sweep(path / SWEEP)) for path in paths]


def _model(sweep: Sweep) -> str:
    config = sweep.cells[0].config
    plain = {"lstm": "LSTM", "rnn": "RNN", "transformer": "Transformer"}.get(config.model) or (
        "NTM LSTM" if config.model_options["controller"] == "lstm" else "NTM feed-forward"
    )
    recipe = (
        sweep.preset.removeprefix("lstm-")
        .removeprefix("transformer-")
        .removesuffix("quick")
        .strip("-")
        .replace("-", " ")
    )
    return f"{plain}, {recipe}" if recipe else plain


def _rank(model: str) -> tuple[str, int]:
    plain, _, recipe = model.partition(", ")
    return recipe, (*MODELS, "RNN", "Transformer").index(plain)
