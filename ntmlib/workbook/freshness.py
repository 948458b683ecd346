"""Whether a notebook has to run again: what its page was made of, and what of that is different now."""

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ntmlib.workbook.records import RunRecord

SAID = {
    "notebook": "the notebook had changed",
    "library": "ntmlib had changed",
    "data": "data had changed",
    "packages": "Python or an installed package had changed",
}


def shared_ingredients(folder: Path) -> dict[str, str]:
    """Checksums of what every notebook of a folder depends on: library, data and packages.

    Args:
        folder: of the notebooks. Data are the files in it that are no notebooks, and those in ``data`` beside it.
    """
    package = Path(__file__).resolve().parents[1]
    library = (path for path in package.rglob("*") if path.suffix in (".py", ".js", ".css"))
    beside = (path for path in folder.glob("*") if path.suffix != ".ipynb" and not path.name.startswith("."))
    return {
        "library": _of_files(package, library),
        "data": _of_files(folder.parent, [*beside, *(folder.parent / "data").rglob("*")]),
        "packages": _packages(),
    }


@cache
def _packages() -> str:
    installed = sorted({f"{found.name} {found.version}" for found in metadata.distributions()})
    return _digest(json.dumps([sys.version, platform.system(), platform.machine(), installed]).encode())


def ingredients(notebook: Path, shared: Mapping[str, str]) -> dict[str, str]:
    """Checksums of what one notebook's page depends on, its parameters apart.

    Only what is executed or shown counts: whoever opens a notebook and saves it with outputs has changed nothing.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    parts = [
        [cell["cell_type"], "".join(cell["source"]), cell.get("metadata", {}).get("tags"), cell.get("attachments")]
        for cell in cells
    ]
    return {"notebook": _digest(json.dumps(parts).encode()), **shared}


def reason_to_run(
    out: Path,
    last: RunRecord | None,
    made_of: Mapping[str, str],
    parameters: Mapping[str, Any],
    *,
    force: bool = False,
) -> str:
    """Why a notebook has to run, in words that follow "because"; empty when its page would come out the same.

    Args:
        out: folder of the pages.
        last: record of the last good run, if there is one.
        made_of: what `ingredients` says now.
        parameters: every parameter's value in the run that is asked for.
        force: run whatever was found.
    """
    if last is None or not (out / last.page).is_file():
        return "it had no page yet"
    if (out / f"{last.name}.failed.json").exists():
        return "its last run had failed"
    if force:
        return "of --force"
    if not last.made_of or not last.written:
        return "its page did not say what it was made of"
    try:
        there = checksums({kind: out / f"{last.name}{kind}" for kind in last.written})
    except OSError:
        there = {}
    if there != last.written:  # a report was killed between two files, or somebody wrote into one
        return "its page was not the one that its record tells of"
    reasons = [said for name, said in SAID.items() if last.made_of.get(name) != made_of.get(name)]
    for name in dict.fromkeys([*parameters, *last.parameters]):
        before, now = last.parameters.get(name), parameters.get(name)
        if before != now:
            reasons.append(f"{name} is {str(now)[:60]} and was {str(before)[:60]}")
    return ", ".join(reasons)


def checksums(files: Mapping[str, Path]) -> dict[str, str]:
    """A checksum of each file's content."""
    return {name: _digest(path.read_bytes()) for name, path in files.items()}


def _of_files(home: Path, paths: Iterable[Path]) -> str:
    """One checksum of names and contents; the order in which a folder lists its files does not matter."""
    found = {path.relative_to(home).as_posix(): path for path in paths if path.is_file()}
    total = hashlib.sha256()
    for name, path in sorted(found.items()):
        with open(path, "rb") as file:
            total.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
