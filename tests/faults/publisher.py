"""Puts made-up pages in place in forked children that get killed: `ntm report` but for the running of notebooks.

Reads one job as JSON from each line of standard input, answers with how the child ended and which calls it made. A job
says ``out``, the ``version`` to write, and dies ``at`` the so-many-th file-system call, or is ``full`` from then on.
"""

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ntmlib.workbook import index, records, report
from ntmlib.workbook.execute import Task
from ntmlib.workbook.records import RunRecord
from ntmlib.workbook.worker import NOTEBOOK, PAGE, RECORD

SIZE = 100_000  # bytes of a page; a copy takes more than one write


def watch_calls(job: dict[str, Any]) -> list[str]:
    made: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            made.append(name)
            if len(made) == job.get("at"):
                os.kill(os.getpid(), signal.SIGKILL)
            if len(made) >= job.get("full", 10**9) and name != "unlink":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
            return real(*arguments, **keywords)

        return call

    for name in ("open", "fsync", "replace", "unlink", "mkdir"):
        setattr(os, name, watched(name, getattr(os, name)))
    return made


def naive(made: Path, final: Path) -> None:
    """Copy a file to its final name bit by bit, as writing it there does."""
    data = made.read_bytes()
    with open(final, "wb", buffering=0) as file:
        for start in range(0, len(data), SIZE // 10):
            file.write(data[start : start + SIZE // 10])
            os.fsync(file.fileno())


def publish(out: Path, version: int) -> None:
    """Do what `ntm report` does around a run, with a run that takes no time."""
    work = report._workplace(out)
    try:
        task = Task(Path("01-a.ipynb"), {}, work / "01-a")
        task.folder.mkdir()
        record = RunRecord(name="01-a", status="done", title=str(version), started=str(version))
        (task.folder / PAGE).write_text(f"<html>{version}{'x' * SIZE}</html>\n")
        (task.folder / NOTEBOOK).write_text(json.dumps({"version": version, "filler": "x" * SIZE}))
        (task.folder / RECORD).write_text(record.to_json())
        report._publish(task, record, out)
        made = task.folder / "index.html"
        made.write_text(index.index_page(out), encoding="utf-8")
        records.put_in_place(made, out / "index.html")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            if job.get("naive"):
                report.put_in_place = records.put_in_place = naive
            calls, end = watch_calls(job), "done"
            try:
                for version in range(job["version"], job["version"] + job.get("times", 1)):
                    publish(Path(job["out"]), version)
            except (OSError, ValueError) as error:
                end = repr(error)
            os.write(writing, json.dumps([end, len(calls)]).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            said = answer.read()
        os.waitpid(child, 0)
        print(said or json.dumps(["killed", 0]), flush=True)


if __name__ == "__main__":
    main()
