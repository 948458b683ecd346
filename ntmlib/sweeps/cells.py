"""One cell is one operating-system process and one folder: start the process, read how the folder stands.

``DIRECTORY/<cell name>/`` is an ordinary run. ``DIRECTORY/logs/<cell name>.txt`` holds what the process says while it
lives; a cell that failed for good leaves it behind as ``<cell name>.failed.txt``, the reason in its last line.
"""

import contextlib
import json
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ntmlib.cluster import errand
from ntmlib.cluster.connection import Ending
from ntmlib.sweeps.plan import Cell
from ntmlib.training import Diverged, RunRefused
from ntmlib.training.durable import write_durably
from ntmlib.training.folders import CONFIG, RESULT
from ntmlib.training.runs import stored_config

DONE, FAILED, REFUSED, DIVERGED, INTERRUPTED = 0, 1, 2, 3, 130  # how the process of a cell ends, as `ntm train` does
LOGS = "logs"
# -P: a torch.py in the user's working folder is nobody's torch
WORKER = ("-P", "-m", "ntmlib.sweeps.worker")


@dataclass(frozen=True)
class Outcome:
    """How a cell stands.

    Attributes:
        name: of the cell.
        status: "solved", "unsolved", "diverged", "failed" (its process died, or refused the folder) or "missing"
            (not begun, or not at its end).
        result: what the run's ``result.json`` says; empty where there is none.
        error: what went wrong, in one line; empty where nothing did.
    """

    name: str
    status: str
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether the same call would have nothing left to do here."""
        return self.status not in ("failed", "missing")

    @property
    def went_wrong(self) -> bool:
        """Whether somebody should look at it."""
        return self.status in ("failed", "diverged")


def read_outcome(cell: Cell, directory: Path) -> Outcome:
    """Read how a cell stands, from files only.

    Raises:
        RunRefused: the folder of the cell holds another run, or files that cannot be read.
    """
    folder = directory / cell.name
    if (folder / CONFIG).exists():
        _compare(cell, folder)
        try:
            result = json.loads((folder / RESULT).read_bytes())
            if result["status"] == "diverged":
                return Outcome(cell.name, "diverged", result, str(Diverged(result["update"], result["what"])))
            return Outcome(cell.name, result["status"], result)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunRefused(f"directory must hold a run: {folder / RESULT} cannot be used: {error}") from error
    with contextlib.suppress(OSError):
        lines = _failed_log(cell, directory).read_text("utf-8", "replace").splitlines()
        return Outcome(cell.name, "failed", error=lines[-1] if lines else "unknown reason")
    return Outcome(cell.name, "missing")


def _compare(cell: Cell, folder: Path) -> None:
    """Refuse a folder that holds another run than the cell's, by the first difference."""
    there, here = stored_config(folder).to_dict(), cell.config.to_dict()
    for name in here:
        if here[name] != there[name] and name != "threads":
            raise RunRefused(f"directory holds another run: {folder} has {name} {there[name]!r}, not {here[name]!r}")


def prepare(cell: Cell, directory: Path) -> tuple[tuple[str, ...], bytes, str]:
    """Make ready for the process of a cell, and say what it is started with, see ``errand.start``."""
    (directory / LOGS).mkdir(parents=True, exist_ok=True)
    _failed_log(cell, directory).unlink(missing_ok=True)
    _log(cell, directory).unlink(missing_ok=True)
    folder = str((directory / cell.name).absolute())
    return (*WORKER, folder), json.dumps(cell.config.to_dict()).encode(), str(_log(cell, directory).absolute())


def start(cell: Cell, directory: Path) -> subprocess.Popen[bytes]:
    """Start the process of a cell on this computer."""
    return errand.start(*prepare(cell, directory))


def finish(cell: Cell, directory: Path, ending: Ending) -> Outcome:
    """Say how a cell stands whose process has ended; the log of one that failed stays."""
    with contextlib.suppress(RunRefused):  # somebody changed the folder meanwhile: the others go on
        outcome = read_outcome(cell, directory)
        if outcome.ended:
            forget(cell, directory)
            return outcome
    return Outcome(cell.name, "failed", error=_reason(ending, _log(cell, directory)))


def give_up(outcome: Outcome, cell: Cell, directory: Path) -> None:
    """Keep what the process of a failed cell said, the reason in the last line."""
    said = _log(cell, directory).read_bytes() if _log(cell, directory).exists() else b""
    write_durably(_failed_log(cell, directory), said + f"\n{outcome.error}\n".encode())
    _log(cell, directory).unlink(missing_ok=True)


def forget(cell: Cell, directory: Path) -> None:
    """Put away the log of a cell that is at its end, or was stopped and is neither done nor failed."""
    _log(cell, directory).unlink(missing_ok=True)


def _log(cell: Cell, directory: Path) -> Path:
    return directory / LOGS / f"{cell.name}.txt"


def _failed_log(cell: Cell, directory: Path) -> Path:
    return directory / LOGS / f"{cell.name}.failed.txt"


def _reason(ending: Ending, log: Path) -> str:
    """Say in one line why a process ended before its run did."""
    code = ending.code
    if code is None or ending.reason:
        return f"the process failed: {ending.reason}"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the process was killed by {signal.Signals(-code).name}"
        return f"the process was killed by signal {-code}"
    said = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    return f"the process ended with status {code}" + (f": {said[-1]}" if said else "")
