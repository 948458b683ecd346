"""What is kept beside each page: one small JSON file, from which the index is made."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, get_origin

from ntmlib import __version__

FORMAT = 1
_RESULT = {"name", "value", "shown", "unit", "paper", "source"}


@dataclass(frozen=True)
class RunRecord:
    """One run of one notebook.

    Attributes:
        name: ``NN-name``, as the notebook's file.
        status: ``done`` or ``failed``.
        title: the notebook's first heading.
        question: the paragraph of the notebook that starts with ``**Question.**``, without that word.
        started: local time with its offset, ISO 8601.
        seconds: from the start of the kernel to the end of the last cell.
        parameters: every parameter's value in this run.
        changed: for each parameter that differs from the notebook's own default, default and value.
        results: what the notebook published, the main result first (see `ntmlib.workbook.results`).
        commit: of the repository the notebook lives in, with ``+`` when files were changed since; empty without git.
        versions: of Python, ntmlib and what its results depend on.
        failed_cell: number of the code cell that failed, counted as Jupyter does; 0 when none did.
        error: last line of that error.
        cover: first picture of the run as a data address, or empty.
        cover_text: what the picture shows.
        why: why it was run, in words that follow "because"; empty when nobody asked.
        made_of: checksums of what the page depends on (see `ntmlib.workbook.freshness`).
        written: checksums of the page and of the executed notebook, by ending.
        kept: when a later report found nothing changed and kept this run, as ``started``; else empty.
    """

    name: str
    status: str
    title: str = ""
    question: str = ""
    started: str = ""
    seconds: float = 0.0
    parameters: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, list[Any]] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    failed_cell: int = 0
    error: str = ""
    cover: str = ""
    cover_text: str = ""
    why: str = ""
    made_of: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    kept: str = ""

    @property
    def done(self) -> bool:
        """Whether every cell ran to its end without an error."""
        return self.status == "done"

    @property
    def page(self) -> str:
        """Name of this run's page; a failed run never takes the name of a good one."""
        return f"{self.name}.html" if self.done else f"{self.name}.failed.html"

    def to_json(self) -> str:
        """The record as JSON, in a fixed order."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "RunRecord":
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is no record of this format.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise ValueError(f"a run record must be a JSON object with format {FORMAT}")
        names = {f.name for f in fields(cls)}
        if not {"name", "status"} <= set(content) <= names:
            raise ValueError(f"a run record must have the fields {sorted(names)}; got {sorted(content)}")
        kinds = {f.name: get_origin(f.type) or f.type for f in fields(cls)}
        for name, value in content.items():
            if type(value) is not kinds[name] and not (kinds[name] is float and type(value) is int):
                raise ValueError(f"a run record's {name} must be {kinds[name]}; got {type(value).__name__}")
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in content.get("changed", {}).values()):
            raise ValueError("a run record must hold default and value of each changed parameter")
        if not all(isinstance(row, dict) and row.keys() >= _RESULT for row in content.get("results", [])):
            raise ValueError(f"a run record's results must each have {sorted(_RESULT)}")
        return cls(**content)


def read_records(folder: Path, suffix: str) -> dict[str, RunRecord]:
    """All records ``NN-name<suffix>`` in a folder by notebook; a file that cannot be read counts as not there."""
    found = {}
    for file in sorted(folder.glob(f"[0-9][0-9]-*{suffix}")):
        if suffix == ".json" and file.name.endswith(".failed.json"):
            continue
        with contextlib.suppress(OSError, ValueError):
            record = RunRecord.from_json(file.read_text(encoding="utf-8"))
            found[record.name] = record
    return found


def put_in_place(temporary: Path, final: Path) -> None:
    """Give a finished file its final name in one step, so that nobody ever reads half of it.

    Both paths must be on the same file system. The bytes are on the disk before the name is.
    """
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, final)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def now() -> str:
    """Local time with its offset, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on, without importing any."""
    versions = {"python": ".".join(str(part) for part in sys.version_info[:3]), "ntmlib": __version__}
    for package in ("torch", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def current_commit(folder: Path) -> str:
    """Short hash of the commit the folder is at, with ``+`` when tracked files were changed; empty without git."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
