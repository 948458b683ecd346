"""What there is to see while a run is going on, and one line of it for a terminal."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from ntmlib.ntm import Trace
from ntmlib.tasks.base import BITS
from ntmlib.training.history import History


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        history: the rows so far; it grows on while the run does.
        update: updates made.
        max_updates: updates after which the run ends in any case, fewer once the task is solved.
        sequences: sequences seen.
        seconds: spent training.
        chance_bits: cost in bits per sequence of guessing.
        rate: sequences per second.
        seconds_left: until ``max_updates`` at this rate; a run that is solved ends earlier.
        solved_at: update at which the task was solved, None before.
        finished: whether this is the last report of the run.
        answer_type: what the answers to the task are, ``"bits"`` or ``"symbols"``.
        interrupted: whether this is the last report because someone stopped the run.
        trace: runs the machine as it is now on a short sequence, always the same one; gives None for a model without
            heads. It takes some hundredths of a second, and changes nothing.
    """

    history: History
    update: int
    max_updates: int
    sequences: int
    seconds: float
    chance_bits: float
    rate: float
    seconds_left: float
    solved_at: int | None
    finished: bool
    answer_type: str = BITS
    interrupted: bool = False
    trace: Callable[[], Trace | None] = lambda: None

    def line(self) -> str:
        """Say it in one line."""
        recent = self.history["loss"][-20:]
        cost = f"{recent.mean():.3f} bits per {self.answer_type.removesuffix('s')}" if len(recent) else "no cost yet"
        solved = "" if self.solved_at is None else f", solved at update {self.solved_at:,}"
        if self.finished:
            ending = f"{'stopped after ' if self.interrupted else ''}{self.seconds:.1f} s"
        else:
            ending = f"{self.rate:,.0f} sequences/s, at most {_duration(self.seconds_left)} left"
        return f"update {self.update:,} of {self.max_updates:,}, {self.sequences:,} sequences, {cost}{solved}, {ending}"


Watch = Callable[[Progress], None]


def terminal_line(stream: TextIO | None = None) -> Watch | None:
    """Return a watcher that keeps one line up to date, or None where nobody watches (no terminal)."""
    out = stream or sys.stderr
    if not out.isatty():
        return None

    def show(progress: Progress) -> None:
        out.write("\r\x1b[2K" + progress.line() + ("\n" if progress.finished else ""))
        out.flush()

    return show


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
