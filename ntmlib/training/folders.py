"""The folder of a run: may we write here, and are we alone?"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ntmlib.training.durable import TEMPORARY, sweep, write_durably

CONFIG, HISTORY, EVALUATIONS, RESULT = "config.json", "history.csv", "evaluations.csv", "result.json"
CHECKPOINTS, LOCK = "checkpoints", ".lock"


class RunRefused(ValueError):  # noqa: N818  # a refusal, not a fault
    """A run cannot start or go on; nothing was changed, and the message says what to do."""


@contextmanager
def opened(directory: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a folder ready for a run and keep other runs out of it, until the block or the process ends.

    Raises:
        RunRefused: the folder cannot be written to, holds something else, or is in use by another process.
    """
    folder = Path(directory)
    try:
        if folder.is_dir() and not (folder / CONFIG).exists() and (found := _foreign(folder)):
            raise RunRefused(f"directory must be empty or hold a run; {folder} holds {found[0]!r} but no {CONFIG}")
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        lock = open(folder / LOCK, "a+b")  # noqa: SIM115  # closing it gives the lock back
    except OSError as error:
        raise RunRefused(f"directory cannot be written to: {folder}: {error.strerror or error}") from error
    with lock:
        if not _take(lock):
            lock.seek(0)
            holder = lock.read(200).decode("utf-8", "replace").strip() or "another process"
            raise RunRefused(f"directory is in use: {folder} is being trained in by {holder}")
        lock.truncate(0)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        lock.write(f"pid {os.getpid()} on {socket.gethostname()} since {started}\n".encode())
        lock.flush()
        try:
            for part in (folder, folder / CHECKPOINTS):
                sweep(part)
                probe = part / f".probe{TEMPORARY}"
                try:
                    write_durably(probe, b"can this folder be written to?\n")
                finally:
                    probe.unlink(missing_ok=True)
        except OSError as error:
            raise RunRefused(f"directory cannot be written to: {error.strerror or error}") from error
        yield folder


def _foreign(folder: Path) -> list[str]:
    """Return names in a folder that no run of ours would have put there before its config."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in (CHECKPOINTS, LOCK) and not path.name.endswith(TEMPORARY)
    )


# The system gives a lock back when its holder ends, however it ends.
if sys.platform == "win32":
    import msvcrt

    def _take(lock: BinaryIO) -> bool:
        """Lock one byte far past the text, so that others can still read who holds it."""
        lock.seek(1 << 20)
        try:
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _take(lock: BinaryIO) -> bool:
        """Lock the file, unless another process has."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
