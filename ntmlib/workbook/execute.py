"""Run notebooks side by side, each in an operating-system process of its own, and let none outlive this one."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntmlib.workbook.parameters import Value
from ntmlib.workbook.records import RunRecord, installed_versions, now
from ntmlib.workbook.worker import NOTEBOOK, PAGE, RECORD, kill_group


@dataclass(frozen=True)
class Task:
    """One notebook to run with these values injected, in this (new, private) folder."""

    notebook: Path
    values: dict[str, Value]
    folder: Path

    @property
    def name(self) -> str:
        """``NN-name``."""
        return self.notebook.stem


class Job:
    """A task that is running.

    Attributes:
        cell: number of the code cell that runs now.
        of: how many code cells there are.
    """

    def __init__(self, task: Task, *, timeout: float | None, commit: str, news: "queue.Queue[tuple[Job, Any]]"):
        self.task, self.cell, self.of, self._commit = task, 0, 0, commit
        self.started, self.started_at = time.monotonic(), now()
        self._kernel: int | None = None
        self._reason = ""
        self._news = news
        task.folder.mkdir(parents=True)
        message = {
            "notebook": str(task.notebook),
            "folder": str(task.folder),
            "values": task.values,
            "timeout": timeout,
            "commit": commit,
        }
        with open(task.folder / "log.txt", "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ntmlib.workbook.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=task.notebook.parent,
                env=environment(task.folder),
                start_new_session=True,  # Ctrl-C reaches only us; we end the others
            )
        # Standard input stays open: its end tells the worker that we are gone.
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.started

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._news.put((self, json.loads(line)))
        self._news.put((self, None))

    def hear(self, event: dict[str, Any]) -> None:
        """Take note of what the worker says."""
        self._kernel = event.get("kernel", self._kernel)
        self.cell, self.of = event.get("cell", self.cell), event.get("of", self.of)
        self._reason = event.get("reason", self._reason)

    def stop(self) -> None:
        """End kernel and worker at once. What they were writing is in the temporary folder only."""
        kill_group(self._kernel)
        if self._process.poll() is None:
            kill_group(self._process.pid)
        self._process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def finish(self) -> RunRecord:
        """Called once the worker has closed its output: read the record, or write one for a worker that died."""
        try:
            code = self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            code = 0
        self.stop()
        with contextlib.suppress(OSError, ValueError):
            return RunRecord.from_json((self.task.folder / RECORD).read_text(encoding="utf-8"))
        return self._obituary(code)

    def _obituary(self, code: int) -> RunRecord:
        import nbformat

        from ntmlib.workbook import export
        from ntmlib.workbook.worker import clean

        last = (self.task.folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
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
            error=f"the process that ran the notebook {how}" + (f": {why}" if why else ""),
            **export.read_story(notebook),
        )
        nbformat.write(notebook, self.task.folder / NOTEBOOK)
        (self.task.folder / PAGE).write_text(export.page(notebook, record, strict=False), encoding="utf-8")
        (self.task.folder / RECORD).write_text(record.to_json(), encoding="utf-8")
        return record


def environment(folder: Path) -> dict[str, str]:
    """The environment of a worker and its kernel: the same for everybody, one thread each, this copy of ntmlib."""
    mine = dict(os.environ)
    package_home = Path(__file__).resolve().parents[2]
    if package_home.name != "site-packages":  # a checkout: let the worker find the code that is running now
        mine["PYTHONPATH"] = os.pathsep.join(filter(None, [str(package_home), mine.get("PYTHONPATH", "")]))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        mine[name] = "1"  # cores are used across notebooks, and results do not depend on their number
    mine["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    mine["IPYTHONDIR"] = str(folder / "ipython")  # no start-up files, profiles or history of the user
    mine["PYTHONUNBUFFERED"] = "1"
    mine.pop("PYTHONSTARTUP", None)
    mine.pop("PYTHONWARNINGS", None)
    return mine


def run_notebooks(
    tasks: Iterable[Task],
    *,
    jobs: int,
    timeout: float | None,
    commit: str,
    finished: Callable[[Task, RunRecord], None],
    watch: Callable[[Sequence[Job]], None],
) -> None:
    """Run all tasks, at most ``jobs`` at a time; whatever interrupts this ends every kernel on the way out.

    Args:
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
                running.append(Job(waiting.popleft(), timeout=timeout, commit=commit, news=news))
            with contextlib.suppress(queue.Empty):
                job, event = news.get(timeout=1)
                if event is not None:
                    job.hear(event)
                else:
                    record = job.finish()
                    running.remove(job)
                    finished(job.task, record)
            watch(running)
    finally:
        for job in running:
            job.stop()
