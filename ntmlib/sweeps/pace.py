"""How fast a running cell comes on, read from the end of its history: its process need not be asked."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ntmlib.sweeps.plan import Cell
from ntmlib.training.folders import HISTORY as FILE
from ntmlib.training.history import HISTORY

SECONDS_LOOKED_BACK = 60.0  # with a curriculum updates get slower, so the rate is that of the last minute
_TAIL = 4096  # bytes; a row has a hundred
_SECONDS = list(HISTORY).index("seconds")


@dataclass(frozen=True)
class Running:
    """A cell that is being trained.

    Attributes:
        name: of the cell.
        update: updates made; 0 before anything is known.
        max_updates: updates after which it ends in any case, fewer once the task is solved.
        rate: updates per second; None before two looks have seen different updates.
    """

    name: str
    update: int
    max_updates: int
    rate: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Time until ``max_updates`` at this rate."""
        return (self.max_updates - self.update) / self.rate if self.rate else None


def last_row(folder: Path) -> tuple[int, float]:
    """Return the updates that the history in a run's folder knows of, and the seconds they took; zeros if none."""
    try:
        with open(folder / FILE, "rb") as file:
            file.seek(max(file.seek(0, 2) - _TAIL, 0))
            *_, last, _ = [b"", *file.read().split(b"\n")]  # what follows the last line break is half a row
        fields = last.split(b",")
        return int(fields[0]), float(fields[_SECONDS])
    except (OSError, ValueError, IndexError):  # not there yet, or only the names of the columns
        return 0, 0.0


class Pace:
    """Looks at a cell again and again.

    Args:
        cell: the cell.
        directory: folder of its sweep.
    """

    def __init__(self, cell: Cell, directory: Path) -> None:
        self.cell, self.folder = cell, directory / cell.name
        self._seen: deque[tuple[int, float]] = deque()

    def look(self) -> Running:
        """Say how far the cell is now."""
        update, seconds = last_row(self.folder)
        if self._seen and update < self._seen[-1][0]:
            self._seen.clear()  # it went on from a checkpoint and makes some updates again
        if update and (not self._seen or update > self._seen[-1][0]):
            self._seen.append((update, seconds))
        while len(self._seen) > 2 and self._seen[1][1] < seconds - SECONDS_LOOKED_BACK:
            self._seen.popleft()
        rate = None
        if len(self._seen) > 1 and seconds > self._seen[0][1]:
            rate = (update - self._seen[0][0]) / (seconds - self._seen[0][1])
        return Running(self.cell.name, update, self.cell.config.max_updates, rate)
