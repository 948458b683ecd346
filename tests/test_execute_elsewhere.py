"""Notebooks whose process is lost with its computer: tried again in a new folder, and not for ever."""

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic_notebooks import write_notebook

from ntmlib.cluster.connection import Ending, Submitted
from ntmlib.workbook import export
from ntmlib.workbook.execute import MOST_LOSSES, Task, run_notebooks
from ntmlib.workbook.places import EVENTS, Hear, _Task
from ntmlib.workbook.records import RunRecord, installed_versions, now
from ntmlib.workbook.worker import NOTEBOOK, PAGE, RECORD

LOST = Ending(None, "its node was lost", lost=True)


class Elsewhere:
    """A place that is far away: what becomes of each start is written down beforehand."""

    def __init__(self, *endings: Ending) -> None:
        self.endings, self.folders, self.stopped = list(endings), list[Path](), 0

    def __enter__(self) -> "Elsewhere":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, message: dict[str, Any], hear: Hear) -> "Started":
        folder = Path(message["folder"])
        assert list(folder.iterdir()) == []
        self.folders.append(folder)
        ending = self.endings.pop(0)
        if ending.code == 0:
            write_everything(folder, Path(message["notebook"]))
        hear({"cell": 1, "of": 2})
        hear(None)
        return Started(self, ending)


class Started:
    def __init__(self, place: Elsewhere, ending: Ending) -> None:
        self.place, self.ending = place, ending

    def wait(self) -> Ending:
        return self.ending

    def stop(self) -> None:
        self.place.stopped += 1


def write_everything(folder: Path, notebook: Path) -> None:
    record = RunRecord(
        name=notebook.stem, status="done", started=now(), seconds=1.0, parameters={}, commit="c",
        versions=installed_versions(), **export.read_story(read(notebook)),
    )  # fmt: skip
    (folder / RECORD).write_text(record.to_json(), "utf-8")
    for name in (NOTEBOOK, PAGE):
        (folder / name).write_text("", "utf-8")


def read(notebook: Path) -> Any:
    import nbformat

    return nbformat.read(notebook, as_version=4)


@pytest.fixture
def task(tmp_path):
    write_notebook(tmp_path / "notebooks", "01-good", "x = 1", "print(x)")
    return Task(tmp_path / "notebooks" / "01-good.ipynb", {}, tmp_path / "work" / "01-good")


def run(task: Task, place: Elsewhere) -> tuple[Task, RunRecord]:
    found: list[tuple[Task, RunRecord]] = []
    run_notebooks(
        [task], place=place, jobs=2, timeout=None, commit="c", watch=lambda jobs: None,
        finished=lambda *outcome: found.append(outcome),
    )  # fmt: skip
    ((ended, record),) = found
    return ended, record


def test_a_notebook_that_is_lost_is_tried_again_in_a_new_folder(task):
    """In the old one, a process that was given up may still be writing."""
    place = Elsewhere(LOST, LOST, Ending(0))
    ended, record = run(task, place)
    assert record.done
    assert (ended.losses, ended.folder) == (2, place.folders[-1])
    assert len(set(place.folders)) == 3
    assert all(folder.parent == task.folder.parent and folder.is_dir() for folder in place.folders)


def test_one_that_is_always_lost_fails_in_the_end_and_says_how(task):
    place = Elsewhere(*[LOST] * (MOST_LOSSES + 1))
    ended, record = run(task, place)
    assert len(place.folders) == MOST_LOSSES + 1
    assert record.status == "failed"
    assert record.error == "the process that ran the notebook failed: its node was lost"
    assert "its node was lost" in (ended.folder / PAGE).read_text("utf-8")


def test_one_whose_folder_is_nowhere_to_be_found_is_not_tried_again(task):
    place = Elsewhere(Ending(None, "its folder is not on node-2"))
    _, record = run(task, place)
    assert record.error == "the process that ran the notebook failed: its folder is not on node-2"


class Submission(Submitted):
    """What Ray gives for a process, as far as ``_Task`` looks at it."""

    def __init__(self, ending: Ending | Exception, events: Path, lines: bytes) -> None:
        self.ending = ending
        events.write_bytes(lines)

    def wait(self) -> Ending:
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending


def hear_all(ending: Ending | Exception, events: Path, lines: bytes) -> tuple[list[Any], Ending]:
    import queue

    heard: queue.Queue[Any] = queue.Queue()
    task = _Task(Submission(ending, events, lines), events, heard.put)
    found = [heard.get(timeout=20)]
    while found[-1] is not None:
        found.append(heard.get(timeout=20))
    return found, task.wait()


def test_a_torn_line_is_passed_over_and_the_end_is_heard(tmp_path):
    lines = json.dumps({"cell": 1}).encode() + b"\n\0\0\0\0\n" + json.dumps({"cell": 2}).encode() + b'\n{"cell'
    found, ending = hear_all(LOST, tmp_path / EVENTS, lines)
    assert found == [{"cell": 1}, {"cell": 2}, None]
    assert ending == LOST


def test_an_error_in_waiting_ends_the_notebook(tmp_path):
    found, ending = hear_all(RuntimeError("the driver is gone"), tmp_path / EVENTS, b"")
    assert found == [None]
    assert ending == Ending(None, "it cannot be waited for: the driver is gone")
