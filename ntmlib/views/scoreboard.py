"""Pictures of many seeds at once: how they learned, what it cost, how far they reach. No seed is left out."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from ntmlib.views.colours import LINE_COLOURS
from ntmlib.views.figures import Picture

# A model keeps its colour in every picture; others take what is left of the palette, in order.
MODEL_COLOURS = {"NTM feed-forward": LINE_COLOURS[0], "NTM LSTM": LINE_COLOURS[2], "LSTM": LINE_COLOURS[1]}
OTHER_COLOURS = LINE_COLOURS[3:]
LEAST_BITS = 5e-3  # a logarithmic axis has no zero; what is less is drawn here
LOG_FROM = 4.0  # costs that differ by a smaller factor get a linear axis
QUIET = "#555555"
GRID_COLOUR = "#e3e6eb"

Number = int | float
Array = npt.NDArray[np.floating[Any]]
Curve = Sequence[Mapping[str, Any]]


def plot_learning(
    curves: Mapping[str, Mapping[str, Curve]],
    *,
    marks: Mapping[str, Mapping[str, Sequence[tuple[Number, Number]]]] | None = None,
    chance_bits: Mapping[str, Number] | None = None,
    marks_name: str = "paper, read off a figure",
) -> Picture:
    """Draw how the cost fell for many seeds: a panel for each task, a line for each model.

    Both axes are logarithmic, that of the cost only where the costs differ enough. A published cost of zero lies on
    the lower edge, as a triangle.

    The bold line is the median over seeds, the band lies between the quartiles, every seed is a faint line. A seed
    that has ended keeps its last cost. Where fewer than half of the seeds were trained at full difficulty yet, the
    bold line is dotted: its cost is that of easier sequences.

    Args:
        curves: for each panel and model rows of ``cell``, ``sequences``, ``bits`` (per sequence) and ``full`` (whether
            they were drawn at full difficulty).
        marks: for each panel and model published points of sequences and bits, drawn as diamonds.
        chance_bits: for each panel the cost of guessing, drawn as a dashed line.
        marks_name: where the marks are from.

    Raises:
        ValueError: there is no curve, or a row lacks a column.
    """
    if not curves or not all(models and all(models.values()) for models in curves.values()):
        raise ValueError("curves must have a panel, models in each, and rows for each model")
    names = list(dict.fromkeys(name for models in curves.values() for name in models))
    across = min(2, len(curves))
    down = math.ceil(len(curves) / across)
    figure = Picture(
        4.8 * across if across > 1 else 7.6, 3.0 * down + 0.5, f"Cost while training: {', '.join(curves)}."
    )
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (title, models) in zip(panels, curves.items(), strict=False):
        for name in models:
            _draw_seeds(axes, _by_cell(models[name]), _colour(name, names))
            _draw_marks(axes, (marks or {}).get(title, {}).get(name, ()), _colour(name, names), 7.5 - names.index(name))
        if chance_bits and title in chance_bits:
            axes.axhline(chance_bits[title], color=QUIET, linestyle="--", linewidth=1)
        axes.set_title(title, loc="left", fontsize=10)
        low, high = axes.dataLim.intervaly
        axes.set(xscale="log", yscale="log" if high > LOG_FROM * low else "linear")
        axes.set(xlabel="sequences seen", ylabel="bits per sequence")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(color=GRID_COLOUR, linewidth=0.6)
    for axes in panels[len(curves) :]:
        axes.axis("off")
    keys = [Line2D([], [], color=_colour(name, names), linewidth=2, label=name) for name in names]
    if any((marks or {}).values()):
        keys.append(Line2D([], [], ls="", marker="D", mfc="white", mec=QUIET, label=marks_name))
    if chance_bits:
        keys.append(Line2D([], [], color=QUIET, linestyle="--", linewidth=1, label="guessing"))
    keys.append(Line2D([], [], color=QUIET, linestyle=":", linewidth=2, label="not yet at full difficulty"))
    figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def plot_costs(costs: Mapping[str, Mapping[str, Sequence[Number]]], xlabel: str, never: str = "never") -> Picture:
    """Draw what each seed needed as a dot; seeds that never arrived have a column of their own at the right edge.

    Args:
        costs: for each task and model the cost of every seed; infinity for one that never arrived. Bars are the
            medians of all seeds, of an even number the lower one, and missing where that is infinity.
        xlabel: what the cost is; its axis is logarithmic.
        never: name of the column at the edge.

    Raises:
        ValueError: there is nothing to draw, or a cost is not above zero.
    """
    rows = [(task, model, list(values)) for task, models in costs.items() for model, values in models.items()]
    everything = [value for *_, values in rows for value in values]
    if not everything or not all(value > 0 for value in everything):
        raise ValueError("costs must hold at least one seed, and numbers above zero")
    names = list(dict.fromkeys(model for _, model, _ in rows))
    finite = [value for value in everything if math.isfinite(value)] or [1.0]
    arrived = f"{len(finite) if finite != [1.0] else 0} of {len(everything)} seeds arrived"
    figure = Picture(9.0, 0.42 * len(rows) + 1.3, f"{xlabel}, a dot for each seed: {arrived}.")
    axes, edge = figure.subplots(1, 2, sharey=True, width_ratios=[9, 1.6])
    for row, (_, model, values) in enumerate(rows):
        colour = _colour(model, names)
        missing, middle = sum(map(math.isinf, values)), sorted(values)[(len(values) - 1) // 2]
        done = sorted(value for value in values if math.isfinite(value))
        axes.plot(done, row + _spread(len(done)), "o", color=colour, markersize=5, alpha=0.75)
        if math.isfinite(middle):
            axes.plot([middle, middle], [row - 0.36, row + 0.36], color="#222222", linewidth=1.6)
        lanes, places = np.divmod(np.arange(missing), 10)
        edge.plot(0.07 + 0.072 * places, row - 0.18 * (missing > 10) + 0.36 * lanes, "x", color=colour, markersize=5)
        edge.text(0.97, row, f"{missing}", ha="right", va="center", fontsize=9)
    axes.set(xscale="log", xlabel=xlabel, xlim=(min(finite) / 1.4, max(finite) * 1.4))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_yticks(range(len(rows)), [f"{task} · {model}" for task, model, _ in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(color=GRID_COLOUR, linewidth=0.6)
    edge.set(xlim=(0, 1), xticks=[], facecolor="#f3f3f3")
    edge.set_title(never, fontsize=9)
    edge.tick_params(length=0)
    for boundary in np.flatnonzero([above[0] != below[0] for above, below in itertools.pairwise(rows)]):
        for part in (axes, edge):
            part.axhline(boundary + 0.5, color="#9aa0a8", linewidth=0.8)
    return figure


def plot_conditions(
    answers: Mapping[str, Mapping[str, Sequence[Number]]],
    ylabel: str,
    *,
    paper: Mapping[str, Mapping[str, Number]] | None = None,
    paper_name: str = "paper, read off a figure",
    linear_up_to: float | None = None,
) -> Picture:
    """Draw how machines do under several conditions: a dot for every seed, the median as a bar.

    Args:
        answers: for each model and condition the values of all seeds; infinity for a seed that could not be asked.
            Without any, the picture says that nothing is there yet.
        ylabel: what the values are.
        paper: for each model and condition the published value, drawn as a diamond.
        paper_name: where the diamonds are from.
        linear_up_to: draw a logarithmic axis that is linear, and so can show zero, up to this value.
    """
    conditions = list(dict.fromkeys(name for table in answers.values() for name in table))
    if not conditions:
        return _nothing_yet(ylabel)
    names, paper = list(answers), paper or {}
    alt = f"{ylabel}, a dot for each seed, for {', '.join(names)}; conditions: {', '.join(conditions)}."
    figure = Picture(min(9.6, max(6.0, 1.6 + 0.42 * len(names) * len(conditions))), 3.9, alt)
    axes = figure.add_subplot()
    step = 0.8 / len(names)
    for index, name in enumerate(names):
        colour = _colour(name, names)
        for place, condition in enumerate(conditions):
            x = place + (index - (len(names) - 1) / 2) * step
            values = sorted(value for value in answers[name].get(condition, ()) if math.isfinite(value))
            if values:
                axes.plot(x + step * _spread(len(values)), values, "o", color=colour, ms=4, alpha=0.6, clip_on=False)
                axes.plot(
                    [x - 0.4 * step, x + 0.4 * step], [values[(len(values) - 1) // 2]] * 2, color="#222222", lw=1.6
                )
            if condition in paper.get(name, {}):
                axes.plot(
                    x, paper[name][condition], "D", ms=7, mfc="white", mec=colour, mew=1.6, zorder=4, clip_on=False
                )
    if linear_up_to is not None:
        axes.set_yscale("symlog", linthresh=linear_up_to)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.set_xticks(range(len(conditions)), [_folded(condition) for condition in conditions], fontsize=9)
    axes.set(ylabel=ylabel, xlim=(-0.5, len(conditions) - 0.5))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=GRID_COLOUR, linewidth=0.6)
    for boundary in range(len(conditions) - 1):
        axes.axvline(boundary + 0.5, color="#d5d9df", linewidth=0.8)
    keys = [Line2D([], [], ls="", marker="o", color=_colour(name, names), label=name) for name in names]
    if any(paper.values()):
        keys.append(Line2D([], [], ls="", marker="D", mfc="white", mec=QUIET, mew=1.6, label=paper_name))
    keys.append(Line2D([], [], color="#222222", linewidth=1.6, label="median"))
    figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def plot_matrix(costs: Mapping[tuple[str, str], Sequence[Number]], row_name: str, column_name: str) -> Picture:
    """Draw a table of two settings: how many seeds arrived, and the median cost of all seeds below.

    Args:
        costs: for each pair of settings (row, column) the cost of every seed; infinity for one that never arrived.
            Without any, the picture says that nothing is there yet.
        row_name: what the rows vary.
        column_name: what the columns vary.

    Raises:
        ValueError: a pair is missing or has no seed.
    """
    if not costs:
        return _nothing_yet(f"{row_name} by {column_name}")
    rows, columns = (list(dict.fromkeys(pair[side] for pair in costs)) for side in (0, 1))
    for pair in itertools.product(rows, columns):
        if not costs.get(pair):
            raise ValueError(f"costs must have seeds for every pair of settings; none for {pair}")
    solved = {pair: sum(map(math.isfinite, values)) for pair, values in costs.items()}
    said = "; ".join(f"{row}, {column}: {solved[row, column]} of {len(costs[row, column])}" for row, column in costs)
    figure = Picture(
        1.9 * len(columns) + 1.6, 0.95 * len(rows) + 1.0, f"Seeds solved, {row_name} by {column_name}. {said}."
    )
    axes = figure.add_subplot()
    shares = [[solved[row, column] / len(costs[row, column]) for column in columns] for row in rows]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=2, aspect="auto")  # never so dark that the text cannot be read
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            values = sorted(costs[row, column])
            middle = values[(len(values) - 1) // 2]
            below = f"median {middle:,.0f}" if math.isfinite(middle) else "median: never"
            axes.text(x, y, f"{solved[row, column]} of {len(values)}", ha="center", fontsize=13)
            axes.text(x, y + 0.22, below, ha="center", fontsize=9)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel=column_name, ylabel=row_name)
    axes.tick_params(length=0)
    return figure


def _nothing_yet(what: str) -> Picture:
    """Say in a picture that a sweep has not been kept."""
    figure = Picture(6.0, 0.8, f"{what}: nothing kept yet.")
    figure.text(0.02, 0.5, f"{what}: nothing kept yet", va="center", color=QUIET)
    return figure


def _colour(name: str, names: Sequence[str]) -> str:
    others = [other for other in names if other not in MODEL_COLOURS]
    return MODEL_COLOURS.get(name) or OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)]


def _pale(colour: str) -> tuple[float, ...]:
    return tuple(0.65 + 0.35 * part for part in to_rgb(colour))


def _by_cell(rows: Curve) -> list[tuple[Array, Array, Array]]:
    """Return the sequences, bits and fullness of each seed."""
    cells: dict[str, list[Mapping[str, Any]]] = {}
    try:
        for row in rows:
            cells.setdefault(row["cell"], []).append(row)
        return [
            tuple(np.array([row[name] for row in cell], float) for name in ("sequences", "bits", "full"))  # type: ignore[misc]
            for cell in cells.values()
        ]
    except KeyError as error:
        raise ValueError(f"curves must have the columns cell, sequences, bits, full; {error} is missing") from None


def _draw_seeds(axes: Axes, seeds: list[tuple[Array, Array, Array]], colour: str) -> None:
    """Draw every seed, the quartiles and the median."""
    grid = np.unique(np.concatenate([sequences for sequences, _, _ in seeds]))
    at = [np.minimum(np.searchsorted(sequences, grid), len(sequences) - 1) for sequences, _, _ in seeds]
    bits = np.array([np.maximum(bits, LEAST_BITS)[place] for (_, bits, _), place in zip(seeds, at, strict=True)])
    full = np.mean([full[place] for (_, _, full), place in zip(seeds, at, strict=True)], axis=0) >= 0.5
    for sequences, cost, _ in seeds:
        axes.plot(sequences, np.maximum(cost, LEAST_BITS), color=_pale(colour), linewidth=0.6, zorder=1)
    low, middle, high = np.quantile(bits, (0.25, 0.5, 0.75), axis=0)
    axes.fill_between(grid, low, high, color=colour, alpha=0.22, linewidth=0, zorder=2)
    axes.plot(grid, middle, ":", color=colour, linewidth=2, zorder=3)
    axes.plot(grid, np.where(full, middle, np.nan), color=colour, linewidth=2, zorder=3)


def _draw_marks(axes: Axes, points: Sequence[tuple[Number, Number]], colour: str, size: float) -> None:
    """Draw published points; models get different sizes, so that equal values remain visible."""
    for sequences, bits in points:
        marker = "D" if bits >= LEAST_BITS else "v"
        axes.plot(sequences, max(bits, LEAST_BITS), marker, markersize=size, mfc="none", mec=colour, zorder=4)


def _spread(count: int) -> Array:
    """Offsets that keep neighbouring dots apart: five lanes, the same every time."""
    return np.array([0.0, 0.14, -0.14, 0.28, -0.28])[np.arange(count) % 5]


def _folded(condition: str) -> str:
    return condition.replace(", ", ",\n")
