"""Where the heads go while symbols stream past: a stack or a counter, as far as it is one, seen from the side."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.checks import check_example
from ntmlib.views.colours import READ_COLOUR, WRITE_COLOUR
from ntmlib.views.figures import Picture
from ntmlib.views.variables import MOST_LABELS

LEVEL_COLOUR, LINK_COLOUR = "#dfe3ea", "#009e73"
LARGEST = 9.0  # points across a marker of a head that looks at one slot only
WRITE_PLACE, READ_PLACE = -0.17, 0.17  # beside the middle of a step, so that no marker hides another


def plot_places(
    trace: Trace,
    symbols: Sequence[str],
    level: Int[Tensor, " time"] | Sequence[int],
    *,
    level_name: str = "brackets open",
    links: Sequence[tuple[int, int]] = (),
    example: int = 0,
) -> Picture:
    """Draw the slot of the first write head and the first read head after each step, and a count beside them.

    A marker's area is the weight on its slot, so a head that looks everywhere leaves no more than a dot. Slots wrap
    around: each is drawn at the place next to the count, so slot 127 of 128 may be drawn at -1.

    Args:
        trace: a finished trace.
        symbols: what was read at each step.
        level: the count after each step, such as how many brackets are open, drawn as grey columns.
        level_name: what is counted.
        links: pairs of steps, one at which something was written and one at which it is looked up; each is drawn as a
            line from the write head of the first to the read head of the second.
        example: which sequence of the batch.

    Raises:
        ValueError: symbols or level are not one for each step, or example or a step is not in the trace.
    """
    check_example(trace, example)
    time, slots = trace.write.weighting.shape[1], trace.write.weighting.shape[-1]
    heights = np.asarray(level)
    for name, values in (("symbols", symbols), ("level", heights)):
        if len(values) != time:
            raise ValueError(f"{name} must be {time}, one for each step; got {len(values)}")
    if any(not 0 <= step < time for link in links for step in link):
        raise ValueError(f"links must be between steps from 0 to {time - 1}; got {list(links)}")
    heads = {
        "write": _places(trace.write.weighting[example, :, 0], heights),
        "read": _places(trace.read.weighting[example, :, 0], heights),
    }
    everywhere = np.concatenate([heights, heads["write"][0], heads["read"][0]])
    low, high = int(everywhere.min()), int(everywhere.max())
    alt = (
        f"Slots of the write and the read head over {time} steps, and {level_name}, at most {int(heights.max())}. "
        f"The write head's slot is that number at {_agreement(heads['write'][0], heights)} of the steps, "
        f"the read head's at {_agreement(heads['read'][0], heights)}."
    )
    figure = Picture(9.6, float(np.clip(1.2 + 0.24 * (high - low + 1), 2.6, 4.8)), alt)
    axes = figure.add_subplot()
    axes.bar(range(time), heights - (low - 0.5), bottom=low - 0.5, width=1, color=LEVEL_COLOUR, zorder=1)
    for start, end in links:
        ends = [start + WRITE_PLACE, end + READ_PLACE], [heads["write"][0][start], heads["read"][0][end]]
        axes.plot(*ends, color=LINK_COLOUR, linewidth=1.6, zorder=2)
    looks = {"write": (WRITE_COLOUR, "s", WRITE_PLACE), "read": (READ_COLOUR, "o", READ_PLACE)}
    for kind, (colour, marker, place) in looks.items():
        where, weight = heads[kind]
        axes.scatter(
            np.arange(time) + place,
            where,
            LARGEST**2 * weight * _thin(time),
            colour,
            marker=marker,
            linewidths=0,
            zorder=3,
        )
    axes.set(xlim=(-0.6, time - 0.4), ylim=(low - 0.5, high + 0.5), ylabel="slot")
    every = next(size for size in (1, 2, 5, 10, 20, 50, 100) if (high - low) / size <= 9 or size == 100)
    ticks = [place for place in range(low, high + 1) if place % every == 0]
    axes.set_yticks(ticks, [str(place % slots) for place in ticks])
    if time <= MOST_LABELS:
        axes.set_xticks(range(time), list(symbols), fontsize=10 if time <= 50 else 7)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("what is read, one symbol a step")
    else:
        axes.set_xlabel("time, in steps")
    axes.spines[["top", "right"]].set_visible(False)
    keys: list[Line2D | Patch] = [
        Line2D([], [], linestyle="", marker=marker, color=colour, markersize=7, label=f"{kind} head")
        for kind, (colour, marker, _) in looks.items()
    ]
    keys.append(Patch(color=LEVEL_COLOUR, label=level_name))
    if links:
        keys.append(Line2D([], [], color=LINK_COLOUR, linewidth=1.6, label="written here, looked up there"))
    figure.legend(handles=keys, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def _places(
    weighting: Float[Tensor, "time slots"], heights: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.floating]]:
    """Return the slot with most weight, moved round the ring to where it is next to the count, and that weight."""
    weight, slot = weighting.detach().cpu().max(-1)
    slots = weighting.shape[-1]
    near = (slot.numpy() - heights + slots // 2) % slots - slots // 2 + heights
    return near, weight.double().numpy()


def _agreement(places: npt.NDArray[np.integer], heights: npt.NDArray[np.integer]) -> str:
    return f"{np.mean(places == heights):.0%}"


def _thin(time: int) -> float:
    """Make markers smaller where there are many."""
    return min(1.0, (50 / time) ** 2)
