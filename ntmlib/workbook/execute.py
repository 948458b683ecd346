"""Run notebooks side by side, each in an operating-system process of its own, and let none outlive this one."""

import contextlib
import dataclasses
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntmlib.cluster.connection import Ending
from ntmlib.workbook.parameters import Value
from ntmlib.workbook.places import LOG, Place
from ntmlib.workbook.records import RunRecord, installed_versions, now
from ntmlib.workbook.worker import NOTEBOOK, PAGE, RECORD

MOST_LOSSES = 3  # of one notebook, with the computers it ran on


@dataclass(frozen=True)
class Task:
    """One notebook to run with these values injected, in this (new, private) folder; lost so many times so far."""

    notebook: Path
    values: dict[str, Value]
    folder: Path
    losses: int = 0

    @property
    def name(self) -> str:
        """``NN-name``."""
        return self.notebook.stem

    def again(self) -> "Task":
        """The same once more, in another folder: in the first one, a process that was given up may still be writing."""
        losses = self.losses + 1
        return dataclasses.replace(self, losses=losses, folder=self.folder.with_name(f"{self.name}-again-{losses}"))


class Job:
    """A task that is running.

    Attributes:
        cell: number of the code cell that runs now.
        of: how many code cells there are.
    """

    def __init__(
        self, task: Task, place: Place, *, timeout: float | None, commit: str, news: "queue.Queue[tuple[Job, Any]]"
    ):
        self.task, self.cell, self.of, self._commit = task, 0, 0, commit
        self.started, self.started_at = time.monotonic(), now()
        self._reason = ""
        task.folder.mkdir(parents=True)
        message = {
            "notebook": str(task.notebook),
            "folder": str(task.folder),
            "values": task.values,
            "timeout": timeout,
            "commit": commit,
        }
        self._running = place.start(message, lambda event: news.put((self, event)))

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started

    def hear(self, event: dict[str, Any]) -> None:
        """Take note of what the worker says."""
        self.cell, self.of = event.get("cell", self.cell), event.get("of", self.of)
        self._reason = event.get("reason", self._reason)

    def stop(self) -> None:
        """End kernel and worker at once. What they were writing is in the temporary folder only."""
        self._running.stop()

    def finish(self) -> RunRecord | None:
        """Called once the worker has said its last: read the record, or write one for a worker that died.

        None where the worker was lost with its computer, and is to be tried elsewhere.
        """
        ending = self._running.wait()
        with contextlib.suppress(OSError, ValueError):
            return RunRecord.from_json((self.task.folder / RECORD).read_text(encoding="utf-8"))
        if ending.lost and self.task.losses < MOST_LOSSES:
            return None
        return self._obituary(ending)

    def _obituary(self, ending: Ending) -> RunRecord:
        import nbformat

        from ntmlib.workbook import export
        from ntmlib.workbook.worker import clean

        last: list[str] = []
        with contextlib.suppress(OSError):  # a task that never began has no log
            last = (self.task.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = self._reason or (last[-1] if last else "")
        notebook = nbformat.read(self.task.notebook, as_version=4)
        with contextlib.suppress(OSError, ValueError):
            notebook = nbformat.read(self.task.folder / NOTEBOOK, as_version=4)
        clean(notebook)
        record = RunRecord(
            name=self.task.name,
            status="failed",
            started=self.started_at,
            seconds=round(self.seconds, 2),
            parameters=dict(self.task.values),
            commit=self._commit,
            versions=installed_versions(),
            failed_cell=self.cell,
            error=f"the process that ran the notebook {_how(ending)}" + (f": {why}" if why else ""),
            **export.read_story(notebook),
        )
        nbformat.write(notebook, self.task.folder / NOTEBOOK)
        (self.task.folder / PAGE).write_text(export.page(notebook, record, strict=False), encoding="utf-8")
        (self.task.folder / RECORD).write_text(record.to_json(), encoding="utf-8")
        return record


def _how(ending: Ending) -> str:
    if ending.reason or ending.code is None:
        return f"failed: {ending.reason}"
    return f"was killed by signal {-ending.code}" if ending.code < 0 else f"ended with status {ending.code}"


def run_notebooks(
    tasks: Iterable[Task],
    *,
    place: Place,
    jobs: int,
    timeout: float | None,
    commit: str,
    finished: Callable[[Task, RunRecord], None],
    watch: Callable[[Sequence[Job]], None],
) -> None:
    """Run all tasks, at most ``jobs`` at a time; whatever interrupts this ends every kernel on the way out.

    Args:
        place: where their processes run; entered already.
        timeout: seconds that one cell may take, or None for any.
        commit: goes into the records.
        finished: called once per task, with its record, while its folder still exists.
        watch: called about once a second and at every new cell with the running jobs.
    """
    waiting, running = deque(tasks), list[Job]()
    news: queue.Queue[tuple[Job, Any]] = queue.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(Job(waiting.popleft(), place, timeout=timeout, commit=commit, news=news))
            with contextlib.suppress(queue.Empty):
                job, event = news.get(timeout=1)
                if event is not None:
                    job.hear(event)
                else:
                    record = job.finish()
                    running.remove(job)
                    if record is None:
                        waiting.appendleft(job.task.again())
                    else:
                        finished(job.task, record)
            watch(running)
    finally:
        with ThreadPoolExecutor(max_workers=len(running) or 1) as pool:  # each may have to wait for its node
            list(pool.map(Job.stop, running))
