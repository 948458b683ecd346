"""Pictures of models that learn a text: how the cost of a character falls, and what reading it a second time saves."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ntmlib.views.curves import Columns
from ntmlib.views.figures import Picture
from ntmlib.views.languages import STYLES
from ntmlib.views.scoreboard import GRID_COLOUR, MODEL_COLOURS, OTHER_COLOURS, QUIET

AXES = {"characters": "characters read", "seconds": "seconds of one core"}
LINE_HEIGHT = 0.165  # inches between two labels at the edge
MOST_LABELS = 16  # more would not fit beside the panel
POINTS = 200  # at which the median of seeds is taken

Number = int | float
Numbers = npt.NDArray[np.floating[Any]]


def plot_text_curves(
    curves: Mapping[str, Sequence[Columns]],
    *,
    references: Mapping[str, Number] | None = None,
    against: str | Sequence[str] = "characters",
    log: bool = True,
    ylabel: str = "validation cost, in nats per character",
    ylim: tuple[Number, Number] | None = None,
) -> Picture:
    """Draw the cost of a character against what it took to get there, for several models.

    A thin line is a seed, a thick one the median of the seeds (of an even number the lower one), drawn as far as all
    seeds have come. Names stand at the right edge, at the height at which a line ends.

    Args:
        curves: for each model its seeds; each maps "nats" (per character) and what it is drawn against to numbers, one
            for each evaluation. Without any, the picture says that nothing is there yet.
        references: for each name a fixed cost in nats per character, drawn as a dashed line.
        against: "characters" (read in training), "seconds" (of one core), or both, for two panels.
        log: a logarithmic axis for it; points at 0 are left out then.
        ylabel: what the cost is.
        ylim: lowest and highest cost in view; by default all is.

    Raises:
        ValueError: a column is missing or of another length than the others, a model has no seed, or ``against`` is
            something else.
    """
    wanted = (against,) if isinstance(against, str) else tuple(against)
    if not wanted or any(name not in AXES for name in wanted):
        raise ValueError(f"against must be {' or '.join(map(repr, AXES))}, or both; got {against!r}")
    if not curves:
        return _nothing_yet("cost of a character")
    references = dict(references or {})
    ends: dict[str, Number] = {}
    figure = Picture(9.4, 4.0, "")
    panels = figure.subplots(1, len(wanted), sharey=True, squeeze=False)[0]
    for axes, column in zip(panels, wanted, strict=True):
        for model, seeds in curves.items():
            lines = [_points(model, seed, column, log) for seed in seeds]
            if not lines:
                raise ValueError(f"curves must have a seed for each model; {model!r} has none")
            ends[model] = _draw_seeds(axes, lines, model, list(curves), log)
        for value in references.values():
            axes.axhline(value, color=QUIET, linestyle="--", linewidth=1)
        axes.set(xlabel=AXES[column], xscale="log" if log else "linear")
        if not log:
            axes.set_xlim(left=0)
            axes.xaxis.set_major_locator(MaxNLocator(8 // len(wanted)))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(color=GRID_COLOUR, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(ylabel)
    if ylim is not None:
        panels[0].set_ylim(*ylim)
    said = ", ".join(f"{name} {value:.2f}" for name, value in ends.items())
    fixed = ", ".join(f"{name} {value:.2f}" for name, value in references.items())
    figure.alt = f"{ylabel.capitalize()}; median at the end: {said}{'; for comparison: ' if fixed else ''}{fixed}."
    _name_lines(figure, panels[-1], ends, references, list(curves))
    return figure


def plot_repeats(
    costs: Mapping[str, Mapping[str, Sequence[Sequence[Number]]]],
    *,
    xlabel: str = "cost, in nats per character",
    chance: Number | None = None,
) -> Picture:
    """Draw what a passage costs when it is read for the first time, and when it comes again.

    A row for each condition and model: hollow the first reading, filled the second, each the median of the seeds (of
    an even number the lower one) on a line from the lowest seed to the highest. An arrow leads from first to second.

    Args:
        costs: for each model and condition (such as "32 characters, 100 apart") a pair for each seed: nats per
            character on the first reading and on the second. A model may lack conditions. Without any, the picture
            says that nothing is there yet.
        xlabel: what the cost is.
        chance: cost of guessing evenly, drawn as a dashed line.

    Raises:
        ValueError: a condition has no seed, or a seed is not a pair of finite numbers.
    """
    conditions = list(dict.fromkeys(name for table in costs.values() for name in table))
    if not conditions:
        return _nothing_yet("repeated passages")
    models = list(costs)
    for model, table in costs.items():
        for condition, seeds in table.items():
            if not len(seeds):
                raise ValueError(f"costs must have a seed for each condition; {model!r} has none for {condition!r}")
            for seed in seeds:
                if len(seed) != 2 or not all(map(math.isfinite, seed)):
                    raise ValueError(f"costs must be pairs of first and second reading, in finite nats; got {seed!r}")
    pitch = 0.34 if len(models) > 1 else 0.44  # inches for a row
    height = pitch * len(models) * len(conditions) + 0.12 * len(conditions) + 1.35
    saved = [
        f"{model}, {condition}: {_middle([one for one, _ in seeds]):.2f} then {_middle([two for _, two in seeds]):.2f}"
        for model, table in costs.items()
        for condition, seeds in table.items()
    ]
    figure = Picture(8.6, height, f"{xlabel.capitalize()}, first and second reading. {'; '.join(saved)}.")
    axes = figure.add_subplot()
    step = 0.84 / len(models)
    for place, condition in enumerate(conditions):
        for index, model in enumerate(models):
            if condition not in costs[model]:
                continue
            y = place + (index - (len(models) - 1) / 2) * step
            _draw_pair(axes, y, 0.16 * step, costs[model][condition], _colour(model, models), _marker(model, models))
    if chance is not None:
        axes.axvline(chance, color=QUIET, linestyle="--", linewidth=1)
    for boundary in range(len(conditions) - 1):
        axes.axhline(boundary + 0.5, color="#c4c9d2", linewidth=0.8)
    axes.set_yticks(range(len(conditions)), conditions, fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=xlabel, ylim=(len(conditions) - 0.5, -0.5))
    axes.set_xlim(left=0)
    axes.margins(x=0.04)
    axes.grid(axis="x", color=GRID_COLOUR, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    keys = [
        Line2D([], [], ls="", marker=_marker(model, models), color=_colour(model, models), label=model)
        for model in models
    ]
    keys.append(Line2D([], [], color=QUIET, marker="o", mfc="white", label="first reading"))
    keys.append(Line2D([], [], color=QUIET, marker="o", label="second reading"))
    if chance is not None:
        keys.append(Line2D([], [], color=QUIET, linestyle="--", linewidth=1, label="guessing"))
    figure.legend(handles=keys, loc="outside lower center", ncols=min(len(keys), 4), frameon=False, fontsize=9)
    return figure


def _points(model: str, seed: Columns, column: str, log: bool) -> tuple[Numbers, Numbers]:
    """Return where a seed was measured, and its cost there."""
    found = []
    for name in (column, "nats"):
        try:
            found.append(np.asarray(seed[name], float))
        except KeyError:
            raise ValueError(
                f"curves must have the columns {column}, nats; {name!r} is missing for {model!r}"
            ) from None
    x, nats = found
    if x.shape != nats.shape or x.ndim != 1:
        raise ValueError(f"curves must have as many {column} as nats; got {x.shape} and {nats.shape} for {model!r}")
    kept = np.isfinite(x) & np.isfinite(nats) & ((x > 0) | (not log))
    if not kept.any():
        raise ValueError(f"curves must have a point for each seed; one of {model!r} has none")
    order = np.argsort(x[kept], kind="stable")
    return x[kept][order], nats[kept][order]


def _draw_seeds(
    axes: Axes, lines: Sequence[tuple[Numbers, Numbers]], model: str, models: Sequence[str], log: bool
) -> float:
    """Draw the seeds of a model and their median; return where the median ends."""
    colour = _colour(model, models)
    for x, nats in lines:
        axes.plot(x, nats, color=colour, linewidth=0.7, alpha=0.45, zorder=2)
    if all(len(x) == len(lines[0][0]) and np.allclose(x, lines[0][0]) for x, _ in lines):
        grid = lines[0][0]
    else:  # seeds were measured at different places: between those, straight lines
        low, high = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
        if low > high:  # one had ended before another was measured for the first time
            return _middle([float(nats[-1]) for _, nats in lines])
        grid = np.geomspace(low, high, POINTS) if log else np.linspace(low, high, POINTS)
        grid[[0, -1]] = low, high
    ordered = np.sort([np.interp(grid, x, nats) for x, nats in lines], axis=0)
    middle = ordered[(len(lines) - 1) // 2]
    line = STYLES[list(models).index(model) % len(STYLES)][0]
    axes.plot(grid, middle, linestyle=line, color=colour, linewidth=2.2, zorder=3)
    axes.plot(grid[-1], middle[-1], _marker(model, models), color=colour, markersize=5, zorder=4)
    return float(middle[-1])


def _name_lines(
    figure: Picture, axes: Axes, ends: Mapping[str, Number], references: Mapping[str, Number], models: Sequence[str]
) -> None:
    """Write names at the right edge, moved apart where they would collide; a legend where there are too many."""
    labels = [(value, f"{name}  {value:.2f}", _colour(name, models)) for name, value in ends.items()]
    labels += [(value, f"{name}  {value:.2f}", QUIET) for name, value in references.items()]
    low, high = sorted(axes.get_ylim())
    if len(labels) > MOST_LABELS:
        keys = [
            Line2D([], [], color=colour, linestyle="--" if colour == QUIET else "-", label=text)
            for _, text, colour in labels
        ]
        figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
        return
    labels = sorted(label for label in labels if low <= label[0] <= high)
    heights = [(value - low) / (high - low) for value, _, _ in labels]
    gap = LINE_HEIGHT / (float(figure.get_figheight()) - 0.8)  # the axes are lower than the figure
    for height, (value, text, colour) in zip(_apart(heights, gap), labels, strict=True):
        axes.annotate(
            text,
            xy=(1, (value - low) / (high - low)),
            xytext=(1.045, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=colour,
            fontweight="normal" if colour == QUIET else "bold",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.7,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )


def _apart(heights: Sequence[Number], gap: float) -> list[float]:
    """Move heights, which are in order, as little as needed for a gap between neighbours, within 0 to 1.

    Neighbours that are too close form a group that is spread around its middle; groups that then touch are joined.
    """
    groups: list[list[float]] = []  # middle, members
    for height in heights:
        groups.append([height, 1])
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < gap * (groups[-1][1] + groups[-2][1]) / 2:
            (upper, above), (lower, below) = groups.pop(), groups.pop()
            groups.append([(upper * above + lower * below) / (above + below), above + below])
        half = gap * (groups[-1][1] - 1) / 2
        groups[-1][0] = min(max(groups[-1][0], half), max(1 - half, half))
    return [middle + gap * (rank - (members - 1) / 2) for middle, members in groups for rank in range(int(members))]


def _draw_pair(axes: Axes, y: float, apart: float, seeds: Sequence[Sequence[Number]], colour: str, marker: str) -> None:
    """Draw first and second reading of one condition, a little above and below each other."""
    middles = []
    for reading, height in ((0, y - apart), (1, y + apart)):
        values = [seed[reading] for seed in seeds]
        middles.append((_middle(values), height))
        axes.plot([min(values), max(values)], [height, height], color=colour, linewidth=1.4, zorder=2)
    first, second = middles
    axes.annotate(
        "",
        xy=second,
        xytext=first,
        zorder=3,
        arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 0.8, "shrinkA": 4, "shrinkB": 4},
    )
    axes.plot(*first, marker, markersize=7, mfc="white", mec=colour, mew=1.5, zorder=4)
    axes.plot(*second, marker, markersize=7, color=colour, zorder=4)


def _nothing_yet(what: str) -> Picture:
    figure = Picture(6.0, 0.8, f"{what.capitalize()}: nothing kept yet.")
    figure.text(0.02, 0.5, f"{what}: nothing kept yet", va="center", color=QUIET)
    return figure


def _middle(values: Sequence[Number]) -> Number:
    return sorted(values)[(len(values) - 1) // 2]


def _colour(model: str, models: Sequence[str]) -> str:
    """Give a model the colour it has in every other picture."""
    others = [name for name in models if name not in MODEL_COLOURS]
    return MODEL_COLOURS.get(model) or OTHER_COLOURS[others.index(model) % len(OTHER_COLOURS)]


def _marker(model: str, models: Sequence[str]) -> str:
    return STYLES[list(models).index(model) % len(STYLES)][1]
