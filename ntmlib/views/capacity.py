"""How well machines do with memories of several sizes."""

from collections.abc import Mapping, Sequence
from typing import Any

from ntmlib.views.colours import LINE_COLOURS
from ntmlib.views.figures import Picture


def plot_capacity(
    reports: Mapping[str, Sequence[Any]], *, chance: float | None = None, chance_name: str = "guessing"
) -> Picture:
    """Draw the share of right answers, bits or symbols, against the number of slots.

    The axis begins a little below one half where everything lies above, otherwise at 0.

    Args:
        reports: for each line's name its evaluations, anything with the attributes ``slots`` and ``bits_right``.
        chance: what guessing would reach, drawn as a dashed line.
        chance_name: what the guess is.

    Raises:
        ValueError: a line has no evaluation, or one without slots.
    """
    for name, line in reports.items():
        if not line or any(report.slots is None for report in line):
            raise ValueError(f"reports must hold evaluations with a number of slots for each line; see {name!r}")
    figure = Picture(7.6, 3.4, f"Share of right answers against the slots of the memory, for {', '.join(reports)}.")
    axes = figure.add_subplot()
    for index, (name, line) in enumerate(reports.items()):
        colour, marker = LINE_COLOURS[index % len(LINE_COLOURS)], "os^Dv"[index % 5]
        slots, right = [report.slots for report in line], [report.bits_right for report in line]
        axes.plot(slots, right, color=colour, marker=marker, markersize=5, label=name, clip_on=False)
    if chance is not None:
        axes.axhline(chance, color="#555555", linestyle="--", linewidth=1, label=chance_name)
    axes.set(xscale="log", xlabel="slots of the memory", ylabel="right answers, as a share of all")
    ticks = sorted({report.slots for line in reports.values() for report in line})
    axes.set_xticks(ticks, [str(slots) for slots in ticks])
    axes.minorticks_off()
    shares = [report.bits_right for line in reports.values() for report in line]
    lowest = min(shares if chance is None else [*shares, chance], default=1.0)
    axes.set_ylim(0.45 if lowest >= 0.5 else 0, 1.02)
    axes.grid(color="#e3e6eb", linewidth=0.6)
    axes.legend(frameon=False, fontsize=9)
    return figure
