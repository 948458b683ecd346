"""Where the processes of cells run: on this computer, or on a cluster through Ray. The pool judges both alike."""

import math
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from ntmlib.cluster.connection import Connection, Ending, Submitted
from ntmlib.cluster.errand import close
from ntmlib.sweeps import cells as processes
from ntmlib.sweeps.plan import Cell
from ntmlib.sweeps.resources import Resources
from ntmlib.training.folders import RESULT

SECONDS_TO_FREE_A_FOLDER = 120.0  # Ray itself gives a node that hears nothing from the others a minute
SECONDS_TO_SEE_A_RESULT = 60.0  # a file system over a network may not show a new file before
SECONDS_BETWEEN_LOOKS = 0.5


@runtime_checkable
class Work(Protocol):
    """A cell whose process was asked for."""

    def begun(self) -> bool:
        """Whether the process runs, or has run."""

    def wait(self) -> Ending:
        """Wait until it has ended; called once, from a thread of its own."""

    def interrupt(self) -> None:
        """Ask it to save a checkpoint and stop."""

    def terminate(self) -> None:
        """Ask it again, harder."""

    def kill(self) -> None:
        """End it at once."""


@runtime_checkable
class Engine(Protocol):
    """Where cells run. It is entered when there is something to do, and left when nothing runs any more."""

    def __enter__(self) -> "Engine":
        """Get ready."""

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""

    def start(self, cell: Cell, directory: Path, *, again: bool) -> Work:
        """Ask for the process of a cell.

        Args:
            cell: what to train.
            directory: folder of the sweep.
            again: whether an earlier process was lost, and might not know it yet.
        """


class Local:
    """Processes of this computer, started at once."""

    def __enter__(self) -> "Local":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, cell: Cell, directory: Path, *, again: bool = False) -> "_Process":
        return _Process(processes.start(cell, directory))


@dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[bytes]

    def begun(self) -> bool:
        return True

    def wait(self) -> Ending:
        code = self.process.wait()
        close(self.process)
        return Ending(code)

    def interrupt(self) -> None:
        if os.name == "nt":
            self.process.terminate()
        else:
            self.process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()


class Ray:
    """Processes on the nodes of a cluster, each inside a task of Ray Core; every node must see the sweep's folder.

    Args:
        address: of the cluster; None for one of our own on this computer, see ``Connection``.
        resources: what to set aside for each cell.
        cpus: cores that a cluster of our own may use.

    Raises:
        ValueError: see ``Connection``.
    """

    def __init__(self, address: str | None = None, *, resources: Resources | None = None, cpus: int = 1) -> None:
        self._resources = resources or Resources()
        self._connection = Connection(address, cpus=max(cpus, math.ceil(self._resources.cpus)))

    def __enter__(self) -> "Ray":
        self._connection.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.__exit__()

    def start(self, cell: Cell, directory: Path, *, again: bool) -> "_Task":
        arguments, message, log = processes.prepare(cell, directory)
        submitted = self._connection.submit(
            arguments,
            message,
            log,
            busy=processes.REFUSED,
            patience=SECONDS_TO_FREE_A_FOLDER if again else 0.0,
            cpus=self._resources.cpus,
            gpus=self._resources.gpus,
        )
        return _Task(submitted, Path(log), directory / cell.name / RESULT)


class _Task:
    def __init__(self, submitted: Submitted, log: Path, result: Path) -> None:
        self._submitted, self._log, self._result, self._begun = submitted, log, result, False

    def begun(self) -> bool:
        self._begun = self._begun or self._log.exists()  # the node makes it, right before it starts the process
        return self._begun

    def wait(self) -> Ending:
        ending = self._submitted.wait()
        deadline = time.monotonic() + SECONDS_TO_SEE_A_RESULT
        while ending.code in (processes.DONE, processes.DIVERGED) and time.monotonic() < deadline:
            if self._result.exists():
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return ending

    def interrupt(self) -> None:
        self._submitted.interrupt()

    def terminate(self) -> None:
        self._submitted.kill()  # the cell notices that nobody waits for it any more

    def kill(self) -> None:
        self._submitted.kill()
