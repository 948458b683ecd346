"""Where the processes of notebooks run: on this computer, or on a cluster through Ray."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ntmlib.cluster.connection import Connection, Ending, Submitted
from ntmlib.workbook.worker import environment, kill_group

LOG, EVENTS = "log.txt", "events.jsonl"
SECONDS_TO_END = 20.0  # for a process that has said all it has to say
SECONDS_TO_STOP = 10.0  # for a process on another computer, to end its kernel
SECONDS_BETWEEN_LOOKS = 0.2

Hear = Callable[[dict[str, Any] | None], None]


@runtime_checkable
class Running(Protocol):
    """The process of a notebook."""

    def wait(self) -> Ending:
        """Called once it has said its last: how it ended."""

    def stop(self) -> None:
        """End it and its kernel at once. What they were writing is in their own folder only."""


@runtime_checkable
class Place(Protocol):
    """Where notebooks run. It is entered when there is something to do, and left when nothing runs any more."""

    def __enter__(self) -> "Place":
        """Get ready."""

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""

    def start(self, message: dict[str, Any], hear: Hear) -> Running:
        """Ask for the process of a notebook.

        Args:
            message: what it is told, see ``worker``; ``folder`` is there and empty.
            hear: called with each of its events, and with None after the last, from a thread of its own.
        """


class Here:
    """Processes of this computer."""

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, message: dict[str, Any], hear: Hear) -> "_Process":
        return _Process(message, hear)


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Read what a process says, but for lines that a crash has left torn."""
    for line in lines:
        with contextlib.suppress(ValueError):
            yield json.loads(line)


class _Process:
    def __init__(self, message: dict[str, Any], hear: Hear):
        self._kernel: int | None = None
        self._hear = hear
        folder = Path(message["folder"])
        with open(folder / LOG, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ntmlib.workbook.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=Path(message["notebook"]).parent,
                env=environment(folder),
                start_new_session=True,  # Ctrl-C reaches only us; we end the others
            )
        # Standard input stays open: its end tells the worker that we are gone.
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            for event in _events(self._process.stdout):
                self._kernel = event.get("kernel", self._kernel)
                self._hear(event)
        finally:
            self._hear(None)

    def wait(self) -> Ending:
        try:
            code = self._process.wait(timeout=SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            code = 0
        self.stop()
        return Ending(code)

    def stop(self) -> None:
        kill_group(self._kernel)
        if self._process.poll() is None:
            kill_group(self._process.pid)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Cluster:
    """Processes on the nodes of a cluster, each inside a task of Ray Core that has a core to itself.

    Every node must see the notebooks and the folder of the report under the same names. What a process says comes
    through a file in its folder, and what it leaves lies there too.

    Args:
        address: of the cluster; None for one of our own on this computer, see ``Connection``.
        cpus: cores that a cluster of our own may use.

    Raises:
        ValueError: see ``Connection``.
    """

    def __init__(self, address: str | None, *, cpus: int):
        self._connection = Connection(address, cpus=cpus)

    def __enter__(self) -> "Cluster":
        self._connection.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.__exit__()

    def start(self, message: dict[str, Any], hear: Hear) -> "_Task":
        folder = Path(message["folder"])
        events = folder / EVENTS
        submitted = self._connection.submit(
            ("-P", "-m", "ntmlib.workbook.worker"),
            json.dumps({**message, "events": str(events)}).encode(),
            str(folder / LOG),
            cpus=1,
            gpus=0,
            stop_by_closing=True,  # its kernel must go with it
        )
        return _Task(submitted, events, hear)


class _Task:
    def __init__(self, submitted: Submitted, events: Path, hear: Hear):
        self._submitted, self._events, self._hear = submitted, events, hear
        self._ending: Ending | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        threading.Thread(target=self._listen, daemon=True).start()

    def _watch(self) -> None:
        try:
            self._ending = self._submitted.wait()
        except Exception as error:  # nobody would ever hear of it
            self._ending = Ending(None, f"it cannot be waited for: {error}")
        finally:
            self._ended.set()

    def _listen(self) -> None:
        read, last = 0, False
        try:
            while not last:
                last = self._ended.wait(SECONDS_BETWEEN_LOOKS)
                with contextlib.suppress(OSError):  # not there yet, or its file system is slow
                    said = self._events.read_bytes()
                    whole = said.rfind(b"\n") + 1
                    new, read = said[read:whole], max(read, whole)
                    for event in _events(new.splitlines()):
                        self._hear(event)
        finally:
            self._hear(None)

    def wait(self) -> Ending:
        assert self._ending is not None  # the last event came after it
        return self._ending

    def stop(self) -> None:
        if self._ended.is_set():
            return
        self._submitted.interrupt()
        if not self._ended.wait(SECONDS_TO_STOP):
            self._submitted.kill()
            self._ended.wait(SECONDS_TO_STOP)
