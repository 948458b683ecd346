"""Start a process of ours and wait for it, here or on a node of a cluster; standard library only.

What runs on a node is this file, imported there: a node needs its own ntmlib, and only texts travel. A worker of Ray
that waits for a process thus loads no torch and stays small.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS_BETWEEN_LOOKS = 0.05
SECONDS_BETWEEN_TRIES = 1.0
NO_FOLDER = -1000  # no process ends with this status


def start(arguments: Sequence[str], message: bytes, log: str) -> subprocess.Popen[bytes]:
    """Start a process of this Python, with one line on its standard input, which then stays open.

    When standard input closes, the process is to end, so that none outlives whoever started it. It has a session of
    its own, so that Ctrl-C in a terminal reaches only us.

    Args:
        arguments: what follows the name of the interpreter.
        message: the line.
        log: file for what the process says; its folder must be there.
    """
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment(),
            start_new_session=True,
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once; its status says so
        process.stdin.write(message + b"\n")
        process.stdin.flush()
    return process


def close(process: subprocess.Popen[bytes]) -> None:
    """Close our end of a process's standard input."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def run(
    arguments: Sequence[str],
    message: bytes,
    log: str,
    busy: int | None = None,
    patience: float = 0.0,
    stop_by_closing: bool = False,
) -> tuple[int, str]:
    """Run a process to its end: this is the task that a cluster carries out, in the main thread of one of its workers.

    Cancelling the task asks the process to stop. Killing the worker ends it, because its input closes.

    Args:
        arguments: see ``start``.
        message: see ``start``.
        log: see ``start``.
        busy: status with which the process says that another one holds its folder; None where it has no such.
        patience: seconds in which a busy folder is tried again: a node that was given up may need time to end its own.
        stop_by_closing: a process that was asked to stop finds its input closed; otherwise it gets SIGINT.

    Returns:
        The status of the process, negative for a signal, ``NO_FOLDER`` where the log could not be made; and the
        name of this computer.
    """
    host = os.uname().nodename if hasattr(os, "uname") else ""
    deadline = time.monotonic() + patience
    with _asked_to_stop() as asked:
        while True:
            try:
                process = start(arguments, message, log)
            except OSError:
                return NO_FOLDER, host
            code = _end_of(process, asked, stop_by_closing)
            if code != busy or asked or time.monotonic() > deadline:
                return code, host
            time.sleep(SECONDS_BETWEEN_TRIES)


def environment() -> dict[str, str]:
    """The environment of a process: one thread, whatever library asks, and the ntmlib that is running now."""
    mine = dict(os.environ)
    for name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        mine[f"{name}_NUM_THREADS"] = "1"
    home = Path(__file__).resolve().parents[2]
    if home.name != "site-packages":  # a checkout
        mine["PYTHONPATH"] = os.pathsep.join(filter(None, [str(home), mine.get("PYTHONPATH", "")]))
    return mine


def _end_of(process: subprocess.Popen[bytes], asked: list[int], stop_by_closing: bool) -> int:
    """Wait for a process, and pass on a request to stop."""
    passed_on = False
    try:
        while True:
            try:
                return process.wait(SECONDS_BETWEEN_LOOKS)
            except subprocess.TimeoutExpired:
                if asked and not passed_on:
                    if stop_by_closing:
                        close(process)
                    else:
                        process.send_signal(signal.SIGINT)
                    passed_on = True
    finally:
        close(process)


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Let an interrupt become an entry in a list, so that it never strikes between starting a process and noting it."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
