"""Writing what a view shows to a file: checked before anything is created, and whole or not at all."""

import contextlib
import os
from pathlib import Path


def check_path(path: str | os.PathLike[str], suffix: str) -> Path:
    """Return a path that a file can be written to.

    Raises:
        ValueError: the name does not end as it should, the folder is not there, or a folder stands in its place.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"path must be a file name that ends in {suffix}; got {path!r}")
    found = Path(path)
    if found.suffix.lower() != suffix:
        raise ValueError(f"path must end in {suffix}; got {str(path)!r}")
    if not found.parent.is_dir():
        raise ValueError(f"path must be in a folder that is there; got {str(path)!r}")
    if found.is_dir():
        raise ValueError(f"path must be a file; got the folder {str(path)!r}")
    return found


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name in the same folder and rename it: nobody finds a part of it.

    Raises:
        OSError: it cannot be written; what was there before is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
