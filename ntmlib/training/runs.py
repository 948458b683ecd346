"""Runs: one call trains, keeps everything in a folder, goes on after an interruption, or finds the work done.

A folder holds ``config.json`` (written first), ``history.csv``, ``evaluations.csv``, ``checkpoints/`` and
``result.json`` (written last).
"""

import json
import os
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ntmlib.tasks import Task
from ntmlib.training import folders
from ntmlib.training.checkpoints import Checkpoint, fingerprint, load_latest, save
from ntmlib.training.config import TrainConfig
from ntmlib.training.durable import write_durably
from ntmlib.training.environment import differences, environment
from ntmlib.training.folders import CHECKPOINTS, CONFIG, RESULT, RunRefused
from ntmlib.training.history import EVALUATIONS, History
from ntmlib.training.loop import Diverged, Trainer
from ntmlib.training.models import Model
from ntmlib.training.process import interruptions, threads
from ntmlib.training.progress import Watch
from ntmlib.training.stored_state import check_state

ENDS = ("solved", "unsolved", "diverged")


@dataclass(frozen=True)
class Run:
    """What training gave.

    Attributes:
        machine: the trained model, with its full memory.
        history: a row for each update.
        evaluations: a row for each evaluation and length.
        config: what was asked for.
        solved_at: update at which the task was solved; None if it was not.
        result: summary, the same as in ``result.json``.
        directory: folder of the run; None if it was kept in memory only.
        interrupted: whether it was stopped before its end; the same call goes on.
    """

    machine: Model
    history: History
    evaluations: History
    config: TrainConfig
    solved_at: int | None
    result: Mapping[str, Any]
    directory: Path | None
    interrupted: bool = False

    @property
    def task(self) -> Task:
        """What the machine was trained to do."""
        return self.config.make_task()


def train(
    config: TrainConfig,
    directory: str | os.PathLike[str] | None = None,
    watch: Watch | None = None,
    resume: bool = True,
) -> Run:
    """Train a machine.

    Args:
        config: what to train; see ``presets`` for good ones.
        directory: folder to keep the run in. If it holds this run already, a finished one is
            returned as it is and an unfinished one goes on as if it had never stopped.
        watch: called with a ``Progress`` at most twice a second and at the end.
        resume: whether an unfinished run in the folder may go on; if not, it is refused.

    Raises:
        RunRefused: the folder cannot be used; the message says why, and nothing was changed.
        Diverged: a loss, gradient or weight was not finite. The last good checkpoint is kept.
        OSError: writing failed (a full disk); the last checkpoint written is kept.
    """
    with (
        threads(config.threads),
        interruptions() as interrupted,
        closing(training(config, directory, watch, resume, interrupted)) as run,
    ):
        state = go_on(run)
        while isinstance(state, Trainer):
            state = go_on(run, advance(state))
    if isinstance(state, Diverged):
        raise state
    return state


Training = Generator[Trainer, None, Run]


def training(
    config: TrainConfig,
    directory: str | os.PathLike[str] | None,
    watch: Watch | None,
    resume: bool,
    interrupted: Sequence[int],
) -> Training:
    """Do all of a run but its updates: hand out the trainer whenever one is due, return the run at the end.

    Whoever drives it makes the update, or throws in the ``Diverged`` that it ended with; ``train`` has the rest.
    """
    try:
        trainer = Trainer(config)
    except ValueError as error:
        raise RunRefused(str(error)) from error
    now = environment(config)
    if directory is None:
        yield from trainer.updates(watch, None, interrupted)
        return as_run(trainer, _summary(trainer, now, exact=True, ended=trainer.finished), None)
    with folders.opened(directory) as folder:
        fresh = not (folder / CONFIG).exists()
        if not fresh:
            _compare(config, folder)
            _refuse_diverged(folder)
            if not resume and not (folder / RESULT).exists():
                raise RunRefused(f"directory holds an unfinished run: {folder}; resume it (--resume) or choose another")
        else:
            write_durably(folder / CONFIG, config.to_json().encode())
        return (yield from _training_in(folder, trainer, now, watch, interrupted))


def go_on(run: Training, failure: Diverged | None = None) -> Trainer | Run | Diverged:
    """Let a run do what comes before its next update, or after its last.

    Args:
        run: the run.
        failure: how the update diverged that was made since, if it did.

    Returns:
        The trainer if an update is due, otherwise what became of the run.
    """
    try:
        return next(run) if failure is None else run.throw(failure)
    except StopIteration as end:
        return cast(Run, end.value)
    except Diverged as error:
        return error


def advance(trainer: Trainer) -> Diverged | None:
    """Make one update; returns how it diverged, if it did."""
    try:
        trainer.advance()
    except Diverged as error:
        return error
    return None


def _training_in(
    folder: Path, trainer: Trainer, now: dict[str, Any], watch: Watch | None, interrupted: Sequence[int]
) -> Training:
    """Train in a folder that is ours, from its newest usable checkpoint or from the start."""
    exact = True

    def restore(checkpoint: Checkpoint) -> None:
        nonlocal exact
        check_state(checkpoint.state, ("history_bytes", "evaluations_bytes", "environment", "exact"))
        trainer.restore(checkpoint)
        _attach(trainer, folder, checkpoint.state["history_bytes"], checkpoint.state["evaluations_bytes"])
        changed = differences(checkpoint.state["environment"], now)
        exact = checkpoint.state["exact"] and not changed
        if changed and not trainer.finished:
            warnings.warn(
                f"resuming is not bitwise exact here: {'; '.join(changed)}", stacklevel=7
            )  # whoever called train

    def keep() -> None:
        checkpoint = trainer.checkpoint()
        state = {**checkpoint.state, "environment": now, "exact": exact}
        save(folder / CHECKPOINTS, trainer.update, Checkpoint(checkpoint.tensors, state), trainer.sync_rows)

    try:
        if load_latest(folder / CHECKPOINTS, restore) is None:
            _attach(trainer, folder, 0, 0)
        if trainer.finished and (result := stored_result(folder)):
            return as_run(trainer, result, folder)
        yield from trainer.updates(watch, keep, interrupted)
        ended = trainer.finished
        result = _summary(trainer, now, exact=exact, ended=ended)
        if ended:
            _write_json(folder / RESULT, result)
        return as_run(trainer, result, folder)
    except Diverged as error:
        trainer.history.sync()
        record = {"status": "diverged", "update": error.update, "what": error.what, "environment": now}
        _write_json(folder / RESULT, record)
        raise
    finally:
        try:
            trainer.history.close()  # writes what is left, which a full disk does not take
        finally:
            trainer.evaluations.close()


def _attach(trainer: Trainer, folder: Path, history_bytes: int, evaluations_bytes: int) -> None:
    """Let the trainer's tables go on in the folder's files, from the bytes a checkpoint knows of."""
    trainer.history.close()
    trainer.evaluations.close()
    trainer.history, trainer.evaluations = History(), History(EVALUATIONS)
    trainer.history.attach(folder / folders.HISTORY, history_bytes)
    trainer.evaluations.attach(folder / folders.EVALUATIONS, evaluations_bytes)


def _compare(config: TrainConfig, folder: Path) -> None:
    """Refuse a folder whose run differs; only the number of threads may, which is then recorded."""
    stored = stored_config(folder)
    for name, here in _flat(config).items():
        there = _flat(stored).get(name)
        if here != there and name != "threads":
            raise RunRefused(f"directory holds another run: {folder} has {name} {there!r}, asked for {here!r}")


def _flat(config: TrainConfig) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.to_dict().items():
        flat |= {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def stored_config(folder: Path) -> TrainConfig:
    """Read the config of the run in a folder, or refuse the folder."""
    try:
        return TrainConfig.from_json((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunRefused(f"directory must hold a run: {folder / CONFIG} cannot be used: {error}") from error


def _refuse_diverged(folder: Path) -> None:
    """Do not train again to the same non-finite number."""
    result = stored_result(folder)
    if result and result["status"] == "diverged":
        raise Diverged(result["update"], result["what"])


def stored_result(folder: Path) -> dict[str, Any] | None:
    """Read how the run in a folder ended, None if it has not; or refuse the folder."""
    try:
        result = json.loads((folder / RESULT).read_bytes())
        if not (result["status"] in ENDS and (result["status"] != "diverged" or int(result["update"]) > 0)):
            raise ValueError(f"status must be one of {', '.join(ENDS)}; got {result['status']!r}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RunRefused(f"directory must hold a run: {folder / RESULT} cannot be used: {error}") from error
    return dict(result, what=str(result.get("what"))) if result["status"] == "diverged" else dict(result)


def _summary(trainer: Trainer, now: dict[str, Any], *, exact: bool, ended: bool) -> dict[str, Any]:
    """Say how the run ended, in plain values."""
    window = trainer.config.solved_window
    solved = "unsolved" if trainer.solved_at is None else "solved"
    return {
        "status": solved if ended else "interrupted",
        "solved_at": trainer.solved_at,
        "stalled_at": trainer.stalled_at,
        "restarts": trainer.restarts,
        "skipped_updates": int(np.isinf(trainer.history["gradient_norm"]).sum()),
        "best_at": trainer.best and trainer.best.update,
        "solved_at_sequences": trainer.solved_at and trainer.solved_at * trainer.config.batch_size,
        "updates": trainer.update,
        "sequences": trainer.update * trainer.config.batch_size,
        "seconds": trainer.seconds,
        "cpu_seconds": trainer.cpu_seconds,
        "bits_per_bit": float(trainer.history["loss"][-window:].mean()) if trainer.update else None,
        "bits_per_sequence": float(trainer.history["bits_per_sequence"][-window:].mean()) if trainer.update else None,
        "chance_bits": trainer.task.chance_bits,
        "num_parameters": trainer.model.num_parameters,
        "evaluations": [row for row in trainer.evaluations.rows() if row["update"] == trainer.update],
        "weights_sha256": fingerprint(dict(trainer.final_model().state_dict())),
        "exact": exact,
        "environment": now,
    }


def as_run(trainer: Trainer, result: Mapping[str, Any], folder: Path | None) -> Run:
    """Put together what training gave."""
    return Run(
        machine=trainer.final_model().cpu(),  # wherever it was trained
        history=trainer.history,
        evaluations=trainer.evaluations,
        config=trainer.config,
        solved_at=trainer.solved_at,
        result=result,
        directory=folder,
        interrupted=result["status"] == "interrupted",
    )


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    write_durably(path, (json.dumps(values, indent=2) + "\n").encode())
