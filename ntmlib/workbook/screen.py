"""What `ntm report` prints: one line per notebook, and on a terminal one that moves while they run."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ntmlib.workbook.execute import Job
from ntmlib.workbook.records import RunRecord


class Screen:
    """The lines, numbered as notebooks come to their end."""

    def __init__(self, total: int):
        self._total, self._done = total, 0
        self._moving = sys.stdout.isatty()
        self._drawn = 0

    def line(self, text: str) -> None:
        """Print one line that stays."""
        self._erase()
        print(text, flush=True)

    def finished(self, record: RunRecord, out: Path) -> None:
        """Say how a run went, where its error is, and why it was run."""
        text = f"{record.status:<6} {record.seconds:7.1f} s"
        if not record.done:
            where = f"cell {record.failed_cell}: " if record.failed_cell else ""
            text += f"  {where}{record.error}  ({_relative(out / record.page)})"
        self._count(record.name, text + (f"  run because {record.why}" if record.why else ""))

    def kept(self, record: RunRecord) -> None:
        """Say that an earlier run was kept, and why."""
        started = record.started[:16].replace("T", " ")
        self._count(record.name, f"kept              nothing has changed since {started}; --force runs it again")

    def _count(self, name: str, text: str) -> None:
        self._done += 1
        self.line(f"[{self._done}/{self._total}] {name:<24} {text}")

    def watch(self, running: Sequence[Job]) -> None:
        """Show what is running now."""
        if not self._moving:
            return
        parts = [f"{job.task.name} cell {job.cell} of {job.of or '?'}, {job.seconds:.0f} s" for job in running]
        text = "  ".join(parts)[: shutil.get_terminal_size().columns - 1]
        self._erase()
        print(text, end="", flush=True)
        self._drawn = len(text)

    def _erase(self) -> None:
        if self._drawn:
            print("\r" + " " * self._drawn + "\r", end="")
            self._drawn = 0


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
