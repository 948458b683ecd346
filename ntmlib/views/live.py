"""A training while it goes on: its cost, and where the heads of the machine look by now."""

import io
import time
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display
from matplotlib.ticker import LogLocator

from ntmlib.ntm import Trace
from ntmlib.views.colours import READ_COLOUR, UNIT_COLOURS, WRITE_COLOUR
from ntmlib.views.curves import Columns, draw_history
from ntmlib.views.figures import Picture

SHARE = 0.05
"""Of the time of a training, what drawing may take. It empties caches, too: with 0.07, trainings took 12 % longer."""
EXPECTED = 0.05
"""Seconds that the first drawing is expected to take; the others, as long as those before them."""
SHORTEST = 0.5
"""Seconds between two drawings at least: more often nobody can look."""
MOST_ROWS = 128
"""Rows of a picture of a memory; of a larger one several slots share a row, which shows the strongest of them."""


@runtime_checkable
class Progress(Protocol):
    """What ``watch_training`` needs to know of a training."""

    @property
    def history(self) -> Columns:
        """Columns so far."""
        ...

    @property
    def chance_bits(self) -> float:
        """Cost of guessing, in bits per sequence."""
        ...

    @property
    def finished(self) -> bool:
        """Whether this is the last call."""
        ...

    def line(self) -> str:
        """How far the training has come, in words."""
        ...

    def trace(self) -> Trace | None:
        """The machine as it is now, on a short sequence that stays the same; None where there are no heads."""
        ...


class _Frame(Picture):
    """A picture that is soon replaced: fewer pixels, hardly compressed, and so written in half of the time."""

    def png(self) -> bytes:
        buffer = io.BytesIO()
        metadata = {"Software": None, "Description": self.alt}
        self.savefig(buffer, format="png", dpi=100, metadata=metadata, pil_kwargs={"compress_level": 1})
        return buffer.getvalue()


def plot_progress(progress: Progress, *, draft: bool = False) -> Picture:
    """Draw the cost of a training so far and, beside it, the weightings of its heads on the example.

    Args:
        progress: how far the training has come.
        draft: draw it quickly, to be replaced soon.
    """
    trace = progress.trace()
    last = progress.history["bits_per_sequence"][-1:]
    cost = f"last {last[0]:.3g}" if len(last) else "not known yet"
    alt = f"Cost in bits per sequence while training; {cost}."
    if trace is not None:
        alt += " Beside it the weightings of the write heads and the read heads on a short sequence."
    figure = (_Frame if draft else Picture)(9.6, 3.3, alt, layout=None)
    costs = figure.add_axes((0.07, 0.15, 0.9 if trace is None else 0.52, 0.74))
    draw_history(
        costs,
        [progress.history],
        labels=None,
        title=progress.line(),
        chance_bits=progress.chance_bits,
        solved_bits=None,
        log=True,
    )
    low, high = costs.get_ylim()
    costs.yaxis.set_major_locator(LogLocator(subs=(1,) if high > 30 * low else (1, 2, 5)))
    costs.minorticks_off()  # they take longer to draw than the curve
    if trace is not None:
        _draw_heads(figure, trace)
    return figure


def _draw_heads(figure: Picture, trace: Trace) -> None:
    """Draw the weightings of all write heads in a row, and of all read heads below it."""
    num_steps, num_heads = trace.write.weighting.shape[1:3]
    for kind, record, bottom in (("write", trace.write, 0.53), ("read", trace.read, 0.15)):
        axes = figure.add_axes((0.65, bottom, 0.33, 0.28))
        weightings = record.weighting[0].detach().cpu().double().numpy()  # time heads slots
        gap = np.full((1, weightings.shape[-1]), np.nan)
        columns = [part for head in range(num_heads) for part in (weightings[:, head], gap)][:-1]
        rows = _fewer_rows(np.concatenate(columns).T)
        axes.imshow(rows, cmap=UNIT_COLOURS, vmin=0, vmax=1, aspect="auto", interpolation_stage="rgba")
        colour = WRITE_COLOUR if kind == "write" else READ_COLOUR
        axes.set_title(f"{kind} head{'s' if num_heads > 1 else ''} now", loc="left", fontsize=8, color=colour)
        axes.set_ylabel("slot", fontsize=8)
        axes.set(xticks=[], yticks=[])
    axes.set_xlabel(f"time, {num_steps} steps of an example", fontsize=8)


def _fewer_rows(weightings: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Let neighbouring slots share a row, so that a sharp weighting is never lost between pixels."""
    slots = len(weightings)
    together = -(-slots // MOST_ROWS)
    if together == 1:
        return weightings
    padding = np.zeros((-slots % together, weightings.shape[1]))
    return np.concatenate([weightings, padding]).reshape(-1, together, weightings.shape[1]).max(1)


class TrainingWatcher:
    """Draws a training while it runs; call it between updates with the progress so far.

    At most two drawings a second, and fewer where they would take over ``SHARE`` of the time: what all of them took,
    and one more, is counted, so that they come at a steady rate. The end is always drawn. Outside a notebook
    nothing is shown.
    """

    def __init__(self, interactive: bool, show: Callable[[Picture], None], clock: Callable[[], float]) -> None:
        self._interactive, self._show, self._clock = interactive, show, clock
        self._begun: float | None = None
        self._costs: list[float] = []

    def __call__(self, progress: Progress) -> None:
        """Draw, if it is time to."""
        started = self._clock()
        if self._begun is None:
            self._begun = started
            self._next = started + max(SHORTEST, EXPECTED / SHARE)
        if not progress.finished and (not self._interactive or started < self._next):
            return
        self._show(plot_progress(progress, draft=not progress.finished))
        self._costs.append(self._clock() - started)
        one_more = sum(self._costs) * (1 + 1 / len(self._costs))
        self._next = max(started + SHORTEST, self._begun + one_more / SHARE)


def watch_training(
    *,
    interactive: bool = True,
    show: Callable[[Picture], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> TrainingWatcher:
    """Return something to be called as training goes on, that draws its cost and its heads as they change.

    Args:
        interactive: false draws once, at the end, as a report needs it.
        show: what to do with a picture; by default it replaces the last one below the cell.
        clock: seconds.
    """
    return TrainingWatcher(interactive, show or _NotebookOutput(), clock)


class _NotebookOutput:
    """One place below a cell whose picture is replaced."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def __call__(self, picture: Picture) -> None:
        if not InteractiveShell.initialized():
            return
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)
