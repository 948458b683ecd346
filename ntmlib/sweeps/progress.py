"""What there is to see while a sweep is going on: one line in a terminal, a line per finished cell elsewhere."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from ntmlib.sweeps.cells import Outcome


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep has come.

    Attributes:
        total: cells of the sweep.
        done: cells at their end, solved or not, in this call or an earlier one.
        solved: how many of them are solved.
        wrong: cells that failed or diverged.
        running: names of the cells being trained now.
        seconds: since this call began.
        seconds_left: estimate from the cells that ended in this call; None before the first has.
        ended: the cell that has just ended; None when only time has passed.
    """

    total: int
    done: int
    solved: int
    wrong: int
    running: tuple[str, ...]
    seconds: float
    seconds_left: float | None
    ended: Outcome | None = None

    def line(self) -> str:
        """Say it in one line."""
        parts = [f"{self.done} of {self.total} cells done ({self.solved} solved)", f"{len(self.running)} running"]
        if self.wrong:
            parts.append(f"{self.wrong} failed or diverged")
        if self.done + self.wrong == self.total:
            parts.append(f"{in_words(self.seconds)}")
        else:
            parts.append(
                "time left unknown yet" if self.seconds_left is None else f"{in_words(self.seconds_left)} left"
            )
        return ", ".join(parts)


SweepWatch = Callable[[SweepProgress], None]


def narrate(stream: TextIO | None = None) -> SweepWatch:
    """Return a watcher that keeps one line up to date in a terminal, and prints one per ended cell elsewhere."""
    out = stream or sys.stderr
    terminal = out.isatty()

    def show(progress: SweepProgress) -> None:
        ended = progress.ended
        start = "\r\x1b[2K" if terminal else ""
        if ended is not None and (ended.went_wrong or not terminal):
            out.write(f"{start}[{progress.done + progress.wrong}/{progress.total}] {describe(ended)}\n")
        if terminal:
            out.write(start + progress.line())
        out.flush()

    return show


def describe(outcome: Outcome) -> str:
    """Say in one line how a cell ended."""
    result = outcome.result
    if outcome.went_wrong:
        verb = "" if outcome.status == "diverged" else "failed: "  # "diverged at update 7" says so itself
        return f"{outcome.name}: {verb}{outcome.error}"
    if outcome.status == "solved":
        return (
            f"{outcome.name}: solved after {result['solved_at_sequences']:,} sequences, "
            f"{in_words(result['seconds'])} of training"
        )
    if outcome.status == "unsolved":
        return (
            f"{outcome.name}: not solved in {result['sequences']:,} sequences, "
            f"{result['bits_per_sequence']:.3g} bits per sequence, {in_words(result['seconds'])} of training"
        )
    return f"{outcome.name}: {outcome.status}"


def in_words(seconds: float) -> str:
    """Say a time from seconds to days, with two units at most."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
