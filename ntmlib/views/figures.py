"""Still pictures of a trace: sequences, heads, memory.

Every function returns a ``Picture``, a matplotlib figure that knows how to show itself: leave
it as the last expression of a notebook cell, without a semicolon, and it appears once.
"""

import base64
import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ntmlib.machine import HeadRecord
from ntmlib.ntm import Trace
from ntmlib.views.checks import check_answers, check_example, check_names, check_steps
from ntmlib.views.colours import READ_COLOUR, SIGNED_COLOURS, UNIT_COLOURS, WRITE_COLOUR
from ntmlib.views.player import summarise, used_slots

STAGES = (
    ("content_weighting", "1 content"),
    ("gated_weighting", "2 gated"),
    ("shifted_weighting", "3 shifted"),
    ("weighting", "4 sharpened"),
)
PIXELS_PER_INCH = 144  # sharp on dense screens; pages show a picture at 100 pixels an inch
MOST_NAMES = 12  # more channels than this are numbered instead of named along an axis


class Picture(Figure):
    """A figure outside pyplot, with a text for those who cannot see it."""

    def __init__(
        self, width: float, height: float, alt: str, layout: Literal["constrained"] | None = "constrained"
    ) -> None:
        super().__init__(figsize=(width, height), dpi=PIXELS_PER_INCH, layout=layout)
        FigureCanvasAgg(self)
        self.alt = alt

    def png(self) -> bytes:
        """Draw it."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", metadata={"Software": None, "Description": self.alt})
        return buffer.getvalue()

    def svg(self) -> bytes:
        """Draw it with lines that stay sharp at any size. Letters are drawn as lines: no font is needed to see it."""
        buffer = io.BytesIO()
        with rc_context({"svg.fonttype": "path", "svg.hashsalt": "ntmlib"}):  # the same bytes each time
            self.savefig(buffer, format="svg", metadata={"Creator": None, "Date": None, "Title": self.alt})
        return buffer.getvalue()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        data = {"image/png": base64.b64encode(self.png()).decode("ascii"), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": round(self.get_figwidth() * 100)}}


def plot_sequence(
    trace: Trace,
    example: int = 0,
    *,
    targets: Float[Tensor, "batch time outputs"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Picture:
    """Draw what went in, what came out as probabilities, and what should have come out.

    Args:
        trace: a finished trace.
        example: which sequence of its batch.
        targets: the answers wanted.
        mask: true at the steps that are scored; the others are drawn faint.
        input_names: what each input channel means.
        output_names: what each output channel means.

    Raises:
        ValueError: an argument does not fit the trace; the message says which and how.
    """
    check_example(trace, example)
    check_answers(trace, targets, mask)
    input_names = check_names("input_names", input_names, trace.inputs.shape[-1], "input")
    output_names = check_names("output_names", output_names, trace.outputs.shape[-1], "output")
    rows = [("inputs", _array(trace.inputs[example]), input_names)]
    rows.append(("outputs, as probabilities", _array(trace.outputs[example].sigmoid()), output_names))
    if targets is not None:
        rows.append(("targets", _array(targets[example]), output_names))

    heights = [0.16 * len(names) + 0.25 for _, _, names in rows]
    figure = Picture(9.0, sum(heights) + 0.7, summarise(trace, example, targets, mask))
    all_axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (title, values, names) in zip(all_axes, rows, strict=True):
        image = axes.imshow(values.T, cmap=UNIT_COLOURS, vmin=min(0.0, values.min()), vmax=1, aspect="auto")
        if mask is not None and title != "inputs":
            _veil(axes, ~_array(mask[example]).astype(bool))
            title += " (faint: not scored)"
        axes.set_title(title, loc="left", fontsize=10)
        if len(names) <= MOST_NAMES:
            axes.set_yticks(range(len(names)), names, fontsize=7)
        else:
            axes.set_ylabel("channel")
    all_axes[-1].set_xlabel("time, in steps")
    all_axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))  # there are no half steps
    figure.colorbar(image, ax=list(all_axes), fraction=0.025, pad=0.01)
    return figure


def plot_heads(trace: Trace, example: int = 0, *, all_slots: bool = False, steps: Sequence[int] = ()) -> Picture:
    """Draw the weighting of every head after each of the four stages, slot by slot through time.

    Args:
        trace: a finished trace.
        example: which sequence of its batch.
        all_slots: show the whole memory, also where only a small part of it is ever used.
        steps: moments to mark with a line.

    Raises:
        ValueError: example or a step is not in the trace.
    """
    check_example(trace, example)
    steps = check_steps(steps, trace.inputs.shape[1] - 1)
    num_steps, num_heads, slots = trace.write.weighting.shape[1:]
    window = (0, slots) if all_slots else used_slots(trace, example)
    row_height = 1.65 if num_heads == 1 else 1.2  # inches
    height = 0.5 + 2 * num_heads * row_height
    # Measured out by hand: fitting labels automatically takes seconds for the 32 pictures of four pairs.
    figure = Picture(9.6, height, "Weightings of every head. " + summarise(trace, example), layout=None)
    grid = figure.subplots(2 * num_heads, 4, sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(0.06, 0.45 / height, 0.9, 1 - 0.22 / height, wspace=0.1, hspace=0.32 / (row_height - 0.32))
    rows = [(kind, record, head) for head in range(num_heads) for kind, record in _kinds(trace)]
    for row, (kind, record, head) in zip(grid, rows, strict=True):
        name = f"{kind} head {head + 1}" if num_heads > 1 else f"{kind} head"
        for axes, (field, stage) in zip(row, STAGES, strict=True):
            weighting = strongest(_rows_in_view(_array(getattr(record, field)[example, :, head]).T, window))
            image = axes.imshow(
                weighting,
                cmap=UNIT_COLOURS,
                vmin=0,
                vmax=1,
                aspect="auto",
                interpolation_stage="rgba",
                extent=(-0.5, num_steps - 0.5, window[1] - 0.5, -0.5),
            )
            colour = WRITE_COLOUR if kind == "write" else READ_COLOUR
            axes.set_title(f"{name}: {stage}", loc="left", fontsize=9, color=colour)
            for step in steps:
                axes.axvspan(step - 0.5, step + 0.5, facecolor="none", edgecolor="white", linewidth=0.8)
        row[0].set_ylabel("slot")
    number_slots(grid[0, 0], window, slots)
    for axes in grid[-1]:
        axes.set_xlabel(f"time, in steps (0 to {num_steps - 1})", fontsize=8)
    scale = figure.add_axes((0.92, 0.5 - 1 / height, 0.012, 2 / height))
    figure.colorbar(image, cax=scale, label="weight, from 0 to 1")
    return figure


def plot_memory(
    trace: Trace, example: int = 0, step: int | Sequence[int] | None = None, *, all_slots: bool = False
) -> Picture:
    """Draw the memory after the write of a step, or of several, with where the heads were.

    Bars left of a memory are the write heads' weightings, bars right of it the read heads'; a
    full bar is 1. Several heads of a kind are drawn over each other.

    Args:
        trace: a finished trace.
        example: which sequence of its batch.
        step: one step or several; by default the last one.
        all_slots: show the whole memory, also where only a small part of it is ever used.

    Raises:
        ValueError: example or a step is not in the trace.
    """
    check_example(trace, example)
    steps = [trace.inputs.shape[1] - 1] if step is None else [step] if isinstance(step, int) else list(step)
    steps = check_steps(steps, trace.inputs.shape[1] - 1)
    slots = trace.memory.shape[2]
    window = (0, slots) if all_slots else used_slots(trace, example)
    memory = _array(trace.memory[example])
    limit = max(float(np.abs(memory[steps]).max()), 1e-3)
    alt = f"Memory after step {', '.join(map(str, steps))}. " + summarise(trace, example)
    figure = Picture(max(4.2, min(9.6, 2.7 * len(steps) + 0.8)), 3.4, alt)
    grid = figure.subplots(1, 3 * len(steps), sharey=True, squeeze=False, width_ratios=[1, 4, 1] * len(steps))[0]
    for shown, (written, table, read) in zip(steps, grid.reshape(-1, 3), strict=True):
        rows = _rows_in_view(memory[shown], window)
        image = table.imshow(rows, cmap=SIGNED_COLOURS, vmin=-limit, vmax=limit, aspect="auto")
        table.set(title=f"memory after step {shown}", xlabel="column")
        for axes, (kind, record) in zip((written, read), _kinds(trace), strict=True):
            colour = WRITE_COLOUR if kind == "write" else READ_COLOUR
            for weighting in _rows_in_view(_array(record.weighting[example, shown]).T, window).T:
                axes.barh(range(window[1]), weighting, height=0.9, color=colour)
            axes.set(xlim=(1, 0) if kind == "write" else (0, 1), xlabel=kind)
    grid[0].set_ylabel("slot")
    number_slots(grid[0], window, slots)
    figure.colorbar(image, ax=list(grid), fraction=0.03, pad=0.02, label="value")
    return figure


def _kinds(trace: Trace) -> tuple[tuple[str, HeadRecord], tuple[str, HeadRecord]]:
    """Return the kinds of heads in the order in which they act."""
    return ("write", trace.write), ("read", trace.read)


def _array(tensor: Tensor) -> npt.NDArray[np.floating[Any]]:
    return tensor.detach().cpu().double().numpy()


def _rows_in_view(rows: npt.NDArray[Any], window: tuple[int, int]) -> npt.NDArray[Any]:
    """Return the rows of a window that may wrap past the last slot."""
    return np.roll(rows, -window[0], axis=0)[: window[1]]


def strongest(values: npt.NDArray[Any], rows: int = 300, columns: int = 600) -> npt.NDArray[Any]:
    """Shrink a table of weights that has more cells than a picture has pixels, so that no thin line gets lost.

    A cell of the new table is the largest of those that it stands for.
    """
    for axis, most in ((0, rows), (1, columns)):
        size = values.shape[axis]
        if size > most:
            values = np.maximum.reduceat(values, np.arange(most) * size // most, axis=axis)
    return values


def number_slots(axes: Axes, window: tuple[int, int], slots: int) -> None:
    """Label rows by the slots they show."""
    first, count = window
    every = next(size for size in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, slots) if count / size <= 6.5)
    rows = [row for row in range(count) if (first + row) % slots % every == 0]
    axes.set_yticks(rows, [str((first + row) % slots) for row in rows])
    axes.set_ylim(count - 0.5, -0.5)


def _veil(axes: Axes, steps: npt.NDArray[np.bool_]) -> None:
    """Make the pictures of some steps faint."""
    veil = np.ones((1, len(steps), 4))
    veil[..., 3] = np.where(steps, 0.72, 0.0)
    low, high = axes.get_ylim()
    axes.imshow(veil, aspect="auto", extent=(-0.5, len(steps) - 0.5, low, high))
