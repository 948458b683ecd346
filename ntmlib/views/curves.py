"""Curves: how a training went, and how far a machine generalises."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from matplotlib.axes import Axes

from ntmlib.views.colours import LINE_COLOURS
from ntmlib.views.figures import Picture

SMOOTHING = 20  # updates averaged for the bold line, the window that decides "solved"
METRICS = {
    "bit_error_rate": "wrong answers, as a share of all",
    "bits_right": "right answers, as a share of all",
    "bits_per_sequence": "cost, in bits per sequence",
}


@runtime_checkable
class Columns(Protocol):
    """A table that gives a column of numbers for its name: a ``dict``, or the history of a run."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""
        ...


def plot_history(
    histories: Columns | list[Columns],
    *,
    labels: Sequence[str] | None = None,
    title: str = "",
    chance_bits: float | None = None,
    solved_bits: float | None = None,
    log: bool = True,
) -> Picture:
    """Draw the cost in bits per sequence against the sequences seen, for one training or several.

    The faint line is every update, the bold one the mean of the last 20.

    Args:
        histories: one history or several; a history maps column names, at least ``sequences``
            and ``bits_per_sequence``, to numbers, one for each update.
        labels: a name for each history.
        title: a line above the curve.
        chance_bits: cost of guessing, drawn as a dashed line.
        solved_bits: cost that counts as solved, drawn as a dotted line; where the bold line
            first falls below it, a dot.
        log: a logarithmic cost axis, on which the last steps to perfection can be seen.

    Raises:
        ValueError: a column is missing, or the labels are not one for each history.
    """
    many = histories if isinstance(histories, list) else [histories]
    for history in many:
        _check_columns("histories", history, ("sequences", "bits_per_sequence"))
    if labels is not None and len(labels) != len(many):
        raise ValueError(f"labels must be {len(many)} names, one for each history; got {list(labels)!r}")

    costs = [f"{history['bits_per_sequence'][-1]:.3g}" for history in many if len(history["sequences"])]
    figure = Picture(7.6, 3.6, f"Cost in bits per sequence while training; last {', '.join(costs) or 'not known yet'}.")
    draw_history(
        figure.add_subplot(),
        many,
        labels=labels,
        title=title,
        chance_bits=chance_bits,
        solved_bits=solved_bits,
        log=log,
    )
    return figure


def draw_history(
    axes: Axes,
    histories: Sequence[Columns],
    *,
    labels: Sequence[str] | None,
    title: str,
    chance_bits: float | None,
    solved_bits: float | None,
    log: bool,
) -> None:
    """Draw into axes what ``plot_history`` shows."""
    axes.set_title(title, fontsize=8, loc="left")
    axes.set(xlabel="sequences seen", ylabel="cost, in bits per sequence", yscale="log" if log else "linear")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(color="#e3e6eb", linewidth=0.6)
    for index, history in enumerate(histories):
        colour = LINE_COLOURS[index % len(LINE_COLOURS)]
        sequences, bits = np.asarray(history["sequences"], float), np.asarray(history["bits_per_sequence"], float)
        smooth = _running_mean(bits)
        axes.plot(sequences, bits, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(sequences, smooth, color=colour, linewidth=1.8, label=None if labels is None else labels[index])
        solved = np.flatnonzero(smooth[SMOOTHING - 1 :] < (solved_bits or 0)) + SMOOTHING - 1
        if len(solved):
            axes.plot(sequences[solved[0]], smooth[solved[0]], "o", color=colour, markersize=6)
    if chance_bits is not None:
        axes.axhline(chance_bits, color="#555555", linestyle="--", linewidth=1, label=f"guessing: {chance_bits:g} bits")
    if solved_bits is not None:
        axes.axhline(solved_bits, color="#555555", linestyle=":", linewidth=1, label=f"solved: {solved_bits:.3g} bits")
    if labels is not None or chance_bits is not None or solved_bits is not None:
        axes.legend(frameon=False, fontsize=9)
    axes.set_xlim(left=0)


def plot_generalisation(
    results: Mapping[str, Columns | Sequence[Any]],
    *,
    trained_lengths: tuple[int, int] | None = None,
    metric: str = "bit_error_rate",
    chance: float | None = None,
) -> Picture:
    """Draw how well models do on sequences longer than those they were trained on.

    Args:
        results: for each model's name its evaluations, with the length and the metric: as columns
            of those names, or as a list of reports with those attributes.
        trained_lengths: shortest and longest sequence of the training, drawn as a shaded band.
        metric: ``"bit_error_rate"``, ``"bits_right"`` or ``"bits_per_sequence"``.
        chance: what guessing would reach, drawn as a dashed line.

    Raises:
        ValueError: the metric is unknown or a column is missing.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(map(repr, METRICS))}; got {metric!r}")
    tables = {name: _columns_of(columns, ("length", metric)) for name, columns in results.items()}
    for columns in tables.values():
        _check_columns("results", columns, ("length", metric))
    figure = Picture(7.6, 3.6, f"{METRICS[metric].capitalize()}, against the length, for {', '.join(results)}.")
    axes = figure.add_subplot()
    if trained_lengths is not None:
        axes.axvspan(*trained_lengths, color="#009e73", alpha=0.14, linewidth=0, label="lengths of the training")
    for index, (name, columns) in enumerate(tables.items()):
        colour, marker = LINE_COLOURS[index % len(LINE_COLOURS)], "os^Dv"[index % 5]
        axes.plot(
            columns["length"], columns[metric], color=colour, marker=marker, markersize=5, label=name, clip_on=False
        )
    if chance is not None:
        axes.axhline(chance, color="#555555", linestyle="--", linewidth=1, label="guessing")
    axes.set(xlabel="length of the sequence, in vectors", ylabel=METRICS[metric])
    axes.set_ylim(bottom=0)
    axes.grid(color="#e3e6eb", linewidth=0.6)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _columns_of(reports: Columns | Sequence[Any], names: Sequence[str]) -> Columns:
    """Turn a list of reports into columns; columns stay as they are."""
    if not isinstance(reports, Sequence):
        return reports
    return {name: [getattr(report, name) for report in reports] for name in names}


def _check_columns(argument: str, columns: Columns, needed: Sequence[str]) -> None:
    for name in needed:
        try:
            columns[name]
        except KeyError:
            raise ValueError(f"{argument} must have the columns {', '.join(needed)}; {name!r} is missing") from None


def _running_mean(values: Any) -> Any:
    """Mean of the last ``SMOOTHING`` values, of fewer at the start."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    stop = np.arange(1, len(values) + 1)
    start = np.maximum(stop - SMOOTHING, 0)
    return (total[stop] - total[start]) / (stop - start)
