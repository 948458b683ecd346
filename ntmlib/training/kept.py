"""Runs to keep: read one without changing it, and export one small enough for a repository.

A kept run is a folder with ``config.json``, ``history.csv``, ``evaluations.csv``, ``result.json``,
``weights.safetensors`` and ``SHA256SUMS``, which ``sha256sum -c`` can check.
"""

import hashlib
import os
import warnings
from pathlib import Path

import torch

from ntmlib.training import folders
from ntmlib.training.checkpoints import Checkpoint, CheckpointError, load_latest, pack, read
from ntmlib.training.durable import write_durably
from ntmlib.training.folders import CHECKPOINTS, CONFIG, RESULT, RunRefused
from ntmlib.training.history import EVALUATIONS, History
from ntmlib.training.loop import Trainer
from ntmlib.training.models import load_weights
from ntmlib.training.runs import Run, as_run, stored_config, stored_result
from ntmlib.training.stored_state import check_state

WEIGHTS, CHECKSUMS = "weights.safetensors", "SHA256SUMS"


def load_run(directory: str | os.PathLike[str]) -> Run:
    """Read a run without changing anything: a finished one, an unfinished one, or one kept by ``export_run``.

    One that went on with other versions or on another machine than it began with comes with a warning, which a report
    shows: nobody can get its numbers again.

    Raises:
        RunRefused: the folder holds no run.
        ValueError: its weights or tables are damaged; the message names the file.
    """
    folder = Path(directory)
    trainer = Trainer(stored_config(folder), torch.device("cpu"))  # wherever it was trained
    history_bytes = evaluations_bytes = None

    def take(checkpoint: Checkpoint) -> None:
        nonlocal history_bytes, evaluations_bytes
        check_state(checkpoint.state, ("history_bytes", "evaluations_bytes"))
        _take_weights(trainer, checkpoint)
        history_bytes, evaluations_bytes = checkpoint.state["history_bytes"], checkpoint.state["evaluations_bytes"]

    if (folder / WEIGHTS).exists():
        try:
            _take_weights(trainer, read(folder / WEIGHTS))
        except CheckpointError as error:
            raise CheckpointError(f"{folder / WEIGHTS}: {error}") from error
    elif load_latest(folder / CHECKPOINTS, take) is None:
        raise RunRefused(f"directory must hold a run with a checkpoint; {folder} has none yet")
    trainer.history = History.read(folder / folders.HISTORY, size=history_bytes)
    if (folder / folders.EVALUATIONS).exists():
        trainer.evaluations = History.read(folder / folders.EVALUATIONS, EVALUATIONS, size=evaluations_bytes)
    result = stored_result(folder) or {"status": "interrupted"}
    if not result.get("exact", True):
        warnings.warn(
            f"not exact: the run in {folder} went on with other versions, or on another machine, than it began with",
            stacklevel=2,
        )
    return as_run(trainer, result, folder)


def _take_weights(trainer: Trainer, checkpoint: Checkpoint) -> None:
    check_state(checkpoint.state, ("update", "solved_at"))
    load_weights(trainer.model, checkpoint)
    trainer.restore_average(checkpoint)
    trainer.restore_best(checkpoint)
    trainer.update, trainer.solved_at = checkpoint.state["update"], checkpoint.state["solved_at"]


def export_run(
    directory: str | os.PathLike[str], to: str | os.PathLike[str], *, max_rows: int = 2000
) -> dict[str, str]:
    """Write a small copy of a finished run: weights, history, evaluations, config, result.

    Args:
        directory: folder of the run.
        to: folder to write; created, or emptied of an earlier export's files.
        max_rows: a longer history is thinned to this many rows, costs averaged over equal blocks.

    Returns:
        SHA-256 of each file written, by name.

    Raises:
        RunRefused: the run has not come to its end, or the folder to write cannot be made.
    """
    source, target = Path(directory), Path(to)
    run = load_run(source)
    if run.result["status"] not in ("solved", "unsolved"):
        raise RunRefused(f"directory must hold a finished run; the one in {source} is {run.result['status']}")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunRefused(f"to cannot be written to: {target}: {error.strerror or error}") from error
    state = {"update": run.result["updates"], "solved_at": run.solved_at}
    weights = {f"model/{name}": value for name, value in run.machine.state_dict().items()}
    files = {
        CONFIG: run.config.to_json().encode(),
        folders.HISTORY: run.history.thinned(max_rows).to_csv(),
        folders.EVALUATIONS: run.evaluations.to_csv(),
        WEIGHTS: pack(Checkpoint(weights, state)),
        RESULT: (source / RESULT).read_bytes(),
    }
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files[CHECKSUMS] = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
    for name, data in files.items():
        write_durably(target / name, data)
    return sums
