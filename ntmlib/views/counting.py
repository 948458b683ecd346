"""Pictures of a machine that counts: what it says for each number, where it keeps the number, and in what shape."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.colours import LINE_COLOURS, READ_COLOUR, WRITE_COLOUR
from ntmlib.views.figures import Picture

UNCHANGED, CHANGED, OBEYED = "#f1f2f4", "#f0e442", "#009e73"  # what an exchange did to the run
MARGIN = 2  # slots shown beyond the last one that matters


@runtime_checkable
class Answered(Protocol):
    """What is drawn of one number asked for."""

    @property
    def asked(self) -> int:
        """Copies asked for."""
        ...

    @property
    def right(self) -> int:
        """Copies without an error, from the first one on."""
        ...

    @property
    def ended(self) -> float | None:
        """Copies said when the first end marker came; None if none came."""
        ...


def plot_counts(answered: Mapping[str, Sequence[Answered]], *, trained: tuple[int, int] = (1, 10)) -> Picture:
    """Draw how many copies were said before the end marker, for each number asked for: one panel for each machine.

    Args:
        answered: for each machine's name what it did.
        trained: fewest and most copies asked for in training, drawn as a shaded band.
    """
    figure = Picture(9.4, 3.4, f"Copies asked for, and copies said before the end marker: {', '.join(answered)}.")
    panels = figure.subplots(1, len(answered), sharey=True, squeeze=False)[0]
    most = max(row.asked for rows in answered.values() for row in rows)
    for axes, (name, rows) in zip(panels, answered.items(), strict=True):
        axes.axvspan(trained[0] - 0.5, trained[1] + 0.5, color="#009e73", alpha=0.14, linewidth=0)
        axes.plot([0, most], [0, most], color="#888888", linewidth=0.8)
        right = [row for row in rows if row.right == row.asked == row.ended]
        ended = [row for row in rows if row.ended is not None and row not in right]
        never = [row for row in rows if row.ended is None]
        for group, heights, colour, marker, label in (
            (right, [row.ended for row in right], LINE_COLOURS[2], "o", "all right"),
            (
                ended,
                [min(row.ended or 0, 1.15 * most) for row in ended],
                LINE_COLOURS[1],
                "x",
                "wrong end, or wrong bits",
            ),
            (never, [1.15 * most] * len(never), LINE_COLOURS[5], "^", "never ended"),
        ):
            axes.plot([row.asked for row in group], heights, marker, color=colour, markersize=4.5, label=label)
        axes.set(title=name, xlabel="copies asked for", ylim=(0, 1.22 * most), xlim=(0, most + 0.7))
        axes.title.set_fontsize(10)
        axes.locator_params(integer=True)
        axes.grid(color="#e3e6eb", linewidth=0.6)
    panels[0].set_ylabel("copies when the end marker came")
    panels[0].legend(frameon=False, fontsize=8, loc="upper left")
    return figure


@runtime_checkable
class Search(Protocol):
    """What is drawn of a search for the count: see ``CountSearch``."""

    @property
    def trace(self) -> Trace:
        """The run that was changed, as it went when left alone."""
        ...

    @property
    def start(self) -> int:
        """Step at which its answer starts."""
        ...

    @property
    def length(self) -> int:
        """Vectors in a copy."""
        ...

    @property
    def asked(self) -> int:
        """Copies asked of it."""
        ...

    @property
    def other(self) -> int:
        """Copies asked of the run that the parts come from."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts exchanged, the slots first."""
        ...

    @property
    def copies(self) -> Float[Tensor, "steps parts"]:
        """Copies after which the changed run ended."""
        ...


def plot_count_search(search: Search) -> Picture:
    """Draw which parts of a machine's state decide when it stops, step by step through an answer.

    Each column is a step, each row a part that was taken over from the other run just before it. Dots show the
    slot where each head was after the step before.
    """
    slots = search.trace.memory.shape[2]
    before = slice(search.start - 1, search.start - 1 + len(search.copies))
    writes, reads = (record.weighting[0, before].cpu() for record in (search.trace.write, search.trace.read))
    state = np.where(search.copies.cpu() == search.other, 2, np.where(search.copies.cpu() == search.asked, 0, 1)).T
    used = np.flatnonzero(state[:slots].any(1)).max(initial=0)
    # a search on few slots may have heads that have walked round; the window then is the whole memory
    shown = min(slots, int(max(used, writes.argmax(-1).max(), reads.argmax(-1).max())) + 1 + MARGIN)
    named = len(search.parts) - slots

    alt = f"Parts of the state that decide when a run ends, at each of {len(search.copies)} steps."
    figure = Picture(9.4, 1.3 + 0.17 * shown + 0.27 * named, alt)
    tape, parts = figure.subplots(2, 1, sharex=True, height_ratios=[0.17 * shown, 0.27 * named])
    _tiles(tape, state[:shown])
    _tiles(parts, state[slots:])
    for weightings, colour, place, name in (
        (writes, WRITE_COLOUR, 0.16, "write head"),
        (reads, READ_COLOUR, -0.16, "read head"),
    ):
        for head in range(weightings.shape[1]):
            label = f"{name} {head + 1}" if weightings.shape[1] > 1 else name
            where = weightings[:, head].argmax(-1).numpy()
            edge = "white" if head == 0 else "black"
            tape.plot(np.arange(len(where)) + place, where, "o", color=colour, markersize=6, label=label, mec=edge)
    tape.set(ylabel="slot")
    every = 1 if shown <= 10 else 2 if shown <= 24 else 5
    tape.set_yticks(range(0, shown, every))
    parts.set_yticks(range(named), search.parts[slots:], fontsize=8)
    firsts = range(0, len(search.copies), search.length)
    parts.set_xticks(
        list(firsts), [f"copy {number + 1}" if number < search.asked else "end" for number, _ in enumerate(firsts)]
    )
    for axes in (tape, parts):
        for first in firsts:
            axes.axvline(first - 0.5, color="#555555", linewidth=0.9)
    tape.set_title(
        f"asked for {search.asked} copies, with one part of a run that was asked for {search.other}", fontsize=10
    )
    boxes = [
        Patch(color=OBEYED, label=f"ends after {search.other}"),
        Patch(color=CHANGED, label="ends at another time, or never"),
        Patch(color=UNCHANGED, label=f"still ends after {search.asked}"),
    ]
    figure.legend(
        handles=[*boxes, *tape.get_legend_handles_labels()[0]], loc="outside right center", fontsize=8, frameon=False
    )
    return figure


def plot_codes(
    codes: Float[Tensor, "counts width"], asked: Sequence[int], *, trained: tuple[int, int] = (1, 10)
) -> Picture:
    """Draw what a slot holds for each number asked for: left in the plane where the trained ones differ most.

    Right, how far apart each number and the next one are, in all columns of the memory.

    Args:
        codes: one row for each number, in rising order.
        asked: the numbers.
        trained: fewest and most asked for in training; their plane is the one drawn.
    """
    values = codes.detach().cpu().double()
    inside = torch.tensor([trained[0] <= number <= trained[1] for number in asked])
    middle = values[inside].mean(0)
    plane = torch.linalg.svd(values[inside] - middle, full_matrices=False).Vh[:2]
    points = ((values - middle) @ plane.T).numpy()

    figure = Picture(
        9.4, 3.5, f"What a slot holds for {asked[0]} to {asked[-1]} copies, in two dimensions, and distances."
    )
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    left.plot(*points.T, color="#c9ccd2", linewidth=1)
    for number, point, known in zip(asked, points, inside, strict=True):
        colour = LINE_COLOURS[0] if known else LINE_COLOURS[1]
        left.text(
            *point, str(number), color=colour, fontsize=10 if known else 8.5, ha="center", va="center", weight="bold"
        )
    left.set(xlabel="first principal component", ylabel="second", title="what the slot holds")
    left.margins(0.1)
    distances = [float((one - other).norm()) for one, other in pairwise(values)]
    colours = [LINE_COLOURS[0] if number + 1 <= trained[1] else LINE_COLOURS[1] for number in asked[:-1]]
    right.bar(np.array(asked[:-1]) + 0.5, distances, color=colours, width=0.8)
    right.set(xlabel="between a number and the next", ylabel="distance", title="room between neighbours")
    for axes in (left, right):
        axes.title.set_fontsize(10)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _tiles(axes: Axes, state: np.ndarray) -> None:
    colours = ListedColormap([UNCHANGED, CHANGED, OBEYED])
    axes.pcolormesh(
        np.arange(state.shape[1] + 1) - 0.5,
        np.arange(len(state) + 1) - 0.5,
        state,
        cmap=colours,
        vmin=0,
        vmax=2,
        edgecolors="white",
        linewidth=0.6,
    )
    axes.set_ylim(len(state) - 0.5, -0.5)
    axes.tick_params(length=0)
