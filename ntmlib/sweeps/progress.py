"""What there is to see while a sweep is going on: a table in a terminal, a line per finished cell elsewhere."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from ntmlib.sweeps.cells import Outcome
from ntmlib.sweeps.pace import Running

MOST_ROWS = 20  # of running cells
# Elsewhere than in a terminal a line says how things stand when none was written for so long; later, rarer.
SECONDS_OF_SILENCE = 60.0
SHARE_OF_SILENCE = 0.05


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
        seconds_left: estimate from the cells that ended in this call; before the first has, from the rates of those
            that run, at most; None while nothing is known.
        ended: the cell that has just ended; None when only time has passed.
        cells: how far each running cell is, where the engine knows.
        at_most: whether ``seconds_left`` supposes that no cell ends before its last update.
    """

    total: int
    done: int
    solved: int
    wrong: int
    running: tuple[str, ...]
    seconds: float
    seconds_left: float | None
    ended: Outcome | None = None
    cells: tuple[Running, ...] = ()
    at_most: bool = False

    def line(self) -> str:
        """Say it in one line."""
        parts = [f"{self.done} of {self.total} cells done ({self.solved} solved)", f"{len(self.running)} running"]
        if self.wrong:
            parts.append(f"{self.wrong} failed or diverged")
        if self.done + self.wrong == self.total:
            parts.append(f"{in_words(self.seconds)}")
        else:
            parts.append(time_left(self.seconds_left, self.at_most))
        return ", ".join(parts)

    def rows(self) -> list[str]:
        """Say of each running cell how far it is, how fast, and how long it still takes."""
        width = max((len(cell.name) for cell in self.cells), default=0)
        digits = max((len(f"{cell.max_updates:,}") for cell in self.cells), default=0)
        rows = []
        for cell in self.cells:
            row = f"  {cell.name:<{width}}  update {cell.update:>{digits},} of {cell.max_updates:>{digits},}"
            if cell.rate is not None:
                row += f"  {cell.rate:6.1f} updates/s  {time_left(cell.seconds_left, at_most=True)}"
            rows.append(row)
        return rows


SweepWatch = Callable[[SweepProgress], None]


def narrate(stream: TextIO | None = None) -> SweepWatch:
    """Return a watcher that keeps a table up to date in a terminal, and prints lines elsewhere.

    The table has a line for the whole sweep and one for each running cell; cells that failed or diverged stay above
    it. Elsewhere there is a line for each ended cell, and one for the sweep when a minute (later, a twentieth of
    the time so far) has passed without.
    """
    out = stream or sys.stderr
    terminal = out.isatty()
    drawn, spoken = 0, 0.0  # lines of the table in the terminal; seconds at which the last line was written elsewhere

    def show(progress: SweepProgress) -> None:
        nonlocal drawn, spoken
        ended = progress.ended
        said = [] if ended is None else [f"[{progress.done + progress.wrong}/{progress.total}] {describe(ended)}\n"]
        if terminal:
            erase = "" if drawn == 0 else f"\x1b[{drawn - 1}F\x1b[J" if drawn > 1 else "\r\x1b[J"
            table = _table(progress)
            drawn = len(table)
            out.write(erase + "".join(said if ended is not None and ended.went_wrong else []) + "\n".join(table))
        else:
            silence = max(SECONDS_OF_SILENCE, SHARE_OF_SILENCE * progress.seconds)
            if not said and progress.seconds - spoken >= silence:
                said = [progress.line() + "\n"]
            if said:
                spoken = progress.seconds
                out.write(said[0])
        out.flush()

    return show


def _table(progress: SweepProgress) -> list[str]:
    """Lines that fit the terminal, because one that wrapped could not be drawn over."""
    columns, height = shutil.get_terminal_size()
    rows = progress.rows()
    most = max(min(MOST_ROWS, height - 3), 1)
    if len(rows) > most:
        rows = [*rows[: most - 1], f"  and {len(rows) - most + 1} more"]
    return [line[: columns - 1] for line in (progress.line(), *rows)]


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


def time_left(seconds: float | None, at_most: bool = False) -> str:
    """Say how much time is left, or that nobody knows."""
    if seconds is None:
        return "time left unknown yet"
    return f"{'at most ' if at_most else ''}{in_words(seconds)} left"


def in_words(seconds: float) -> str:
    """Say a time from seconds to days, with two units at most."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
