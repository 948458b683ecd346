"""Writing a file so that a reader finds the old one or the new one, whole, whatever happens in between."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

TEMPORARY = ".tmp"


def write_durably(path: Path, data: bytes, first: Callable[[], object] | None = None) -> None:
    """Replace a file: temporary file in the same folder, fsync, rename, fsync of the folder.

    Args:
        path: the file.
        data: what it shall hold.
        first: makes durable what must be so before the file has its name. It is called when the bytes have been
            handed over and not been waited for yet: the disk then takes all of it at once.

    Raises:
        OSError: the disk is full or fails; the message names the file and the bytes needed,
            the old file is as it was, and no temporary file is left.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        with _named(path, data):
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with _named(path, data):
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(handle, rest) :]
            if first is not None:
                first()
            with _named(path, data):
                os.fsync(handle)
        finally:
            os.close(handle)
        with _named(path, data):
            os.replace(temporary, path)
            sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def _named(path: Path, data: bytes) -> Iterator[None]:
    """Let an error of the disk say which file it was about, and how large that is."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"{reason} while writing {len(data):,} bytes to {path}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed process left; only under the folder's lock."""
    for path in folder.glob(f".*{TEMPORARY}"):
        path.unlink(missing_ok=True)
