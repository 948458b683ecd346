"""A disk that is full while the process of a notebook writes: the good page stays, and no half of one takes its place.

The disk is a limit on the size of files, which the process meets as it meets a full disk: in the middle of a write.
"""

import json
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import pytest
from synthetic_notebooks import write_notebook

from ntmlib.workbook import places, worker
from ntmlib.workbook.records import RunRecord
from ntmlib.workbook.report import run_report
from ntmlib.workbook.worker import NOTEBOOK, PAGE, RECORD

pytestmark = pytest.mark.slow


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let this process write files of at most so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def whole(folder: Path) -> bool:
    """Whether page and notebook are complete."""
    with suppress(OSError, ValueError):
        json.loads((folder / NOTEBOOK).read_text("utf-8"))
        return (folder / PAGE).read_text("utf-8").endswith("</html>\n")
    return False


def has_record(folder: Path) -> bool:
    """Whether there is what the report goes by."""
    with suppress(OSError, ValueError):
        return RunRecord.from_json((folder / RECORD).read_text("utf-8")).name == "01-a"
    return False


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Do all that a worker does but for running the notebook, with so much room; return the folder."""
    notebook = write_notebook(tmp_path / "notebooks", "01-a", "print('good')")
    executed = nbformat.read(notebook, as_version=4)
    monkeypatch.setattr(worker, "execute", lambda task, announce: (executed, None, 1.0))

    def do(size: int) -> Path:
        folder = tmp_path / str(size)
        folder.mkdir()
        task = {"notebook": str(notebook), "folder": str(folder), "values": {}, "commit": "", "timeout": None}
        with suppress(OSError), room_for(size):
            worker.work(task, lambda **event: None)
        return folder

    return do


def sizes(folder: Path) -> list[int]:
    """Return sizes up to that of the largest file: too small for each of them, and just enough."""
    made = [(folder / name).stat().st_size for name in (NOTEBOOK, PAGE, RECORD)]
    return sorted({0, 1, *(size + more for size in made for more in (-1, 0)), *range(500, max(made), max(made) // 20)})


def test_no_size_at_which_a_worker_finds_no_room_leaves_a_record_of_half_a_page(work):
    complete = work(10_000_000)
    assert whole(complete)
    assert has_record(complete)
    folders = [work(size) for size in sizes(complete)]
    assert len(folders) >= 20
    assert [folder for folder in folders if has_record(folder) and not whole(folder)] == []
    assert sum(not has_record(folder) for folder in folders) >= 15


def test_a_worker_that_does_not_notice_would_be_caught(work, monkeypatch):
    """The planted fault."""
    complete, real = work(10_000_000), Path.write_text

    def careless(path: Path, *arguments: str, **keywords: str) -> None:
        with suppress(OSError):
            real(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "write_text", careless)
    folders = [work(size) for size in sizes(complete)]
    assert [folder for folder in folders if has_record(folder) and not whole(folder)]


@pytest.mark.parametrize("size", [1000, 8000], ids=["no notebook", "no page"])
def test_a_report_whose_worker_finds_no_room_keeps_the_good_page_and_says_why(tmp_path, monkeypatch, size):
    real = subprocess.Popen

    def in_small_room(*arguments, **options):
        return real(*arguments, **options, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))

    notebooks = write_notebook(tmp_path / "notebooks", "01-a", "print('good')").parent
    reports = tmp_path / "reports"
    reports.mkdir()
    for kind in (".html", ".ipynb"):
        (reports / f"01-a{kind}").write_text("the good one from before")
    monkeypatch.setattr(places.subprocess, "Popen", in_small_room)
    assert run_report(out=reports, notebooks=notebooks) == 1
    assert {(reports / f"01-a{kind}").read_text() for kind in (".html", ".ipynb")} == {"the good one from before"}
    failed = RunRecord.from_json((reports / "01-a.failed.json").read_text("utf-8"))
    assert "File too large" in failed.error
    assert (reports / "01-a.failed.html").read_text("utf-8").endswith("</html>\n")
    assert not list(reports.glob(".run-*"))
