"""Pictures of predictions: what is said about the next bit, and what it costs beside the best that can be said."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from ntmlib.views.colours import UNIT_COLOURS
from ntmlib.views.figures import Picture
from ntmlib.views.scoreboard import GRID_COLOUR, MODEL_COLOURS, OTHER_COLOURS, QUIET

BEST_NAME = "best possible"
BEST_COLOUR = "#222222"
THEIR_COLOURS = (*OTHER_COLOURS[:2], "#e69f00")  # of models without a colour of their own; black is the best's


def bits_paid(probabilities: Float[Tensor, "*batch"], bits: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return what a prediction costs: ``-log2`` of the probability that was given to the bit that came.

    Args:
        probabilities: of a 1, from 0 to 1.
        bits: what came, 0 or 1.
    """
    return -torch.where(bits == 1, probabilities, 1 - probabilities).log2()


def plot_predictions(
    bits: Float[Tensor, " time"], best: Float[Tensor, " time"], predictions: Mapping[str, Float[Tensor, "..."]]
) -> Picture:
    """Draw one sequence: its bits, what was said about each of them before it came, and what that has cost so far.

    Args:
        bits: the sequence.
        best: probability of a 1 to the best predictor there can be.
        predictions: the same for each model.

    Raises:
        ValueError: a prediction does not have one probability for each bit.
    """
    _check_lengths("predictions", {BEST_NAME: best, **predictions}, len(bits))
    rows = {"the bits": bits, BEST_NAME: best, **predictions}
    costs = {name: bits_paid(values, bits) - bits_paid(best, bits) for name, values in predictions.items()}
    said = ", ".join(f"{name} {float(cost.sum()):+.1f}" for name, cost in costs.items())
    figure = Picture(9.4, 0.33 * len(rows) + 2.3, f"Predictions of {len(bits)} bits; bits above the best: {said}.")
    *strips, below = figure.subplots(len(rows) + 1, 1, sharex=True, height_ratios=[*[0.33] * len(rows), 1.6])
    for axes, (name, values) in zip(strips, rows.items(), strict=True):
        row = _array(values)[None]
        image = axes.imshow(row, cmap=UNIT_COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_yticks([0], [name], fontsize=9)
        axes.tick_params(length=0, labelbottom=False)
    for name, colour in _colours(costs).items():
        below.plot(_array(costs[name]).cumsum(), color=colour, linewidth=1.6, label=name)
    below.axhline(0, color=BEST_COLOUR, linewidth=1)
    below.set(xlabel="time, in steps", ylabel="bits above the\nbest, so far", xlim=(-0.5, len(bits) - 0.5))
    below.grid(color=GRID_COLOUR, linewidth=0.6)
    below.legend(frameon=False, fontsize=9, loc="upper left")
    figure.colorbar(image, ax=strips, label="probability\nof a 1", fraction=0.025, pad=0.01, ticks=[0, 1])
    return figure


def plot_paired(
    best: Float[Tensor, " sequences"], costs: Mapping[str, Float[Tensor, "..."]], expected_best: float
) -> Picture:
    """Draw why costs are compared sequence by sequence.

    Left each sequence as a dot: what it cost the best predictor and what it cost a model. Right two estimates of how
    many bits a model pays more than the best predictor, each with an error bar of two standard errors: from the
    model's costs alone, and from the differences on the same sequences.

    Args:
        best: cost of each sequence to the best predictor there can be, in bits.
        costs: the same for each model.
        expected_best: mean of ``best`` over all sequences that could be drawn.

    Raises:
        ValueError: there are fewer than two sequences, or a model does not have a cost for each of them.
    """
    _check_lengths("costs", costs, len(best))
    if len(best) < 2:
        raise ValueError(f"best must hold at least 2 sequences for a standard error; got {len(best)}")
    figure = Picture(9.4, 3.9, f"Cost of {len(best)} sequences to {', '.join(costs)}, against the best possible.")
    dots, bars = figure.subplots(1, 2, width_ratios=[1, 1.15])
    edges = [float(best.min()), float(max(cost.max() for cost in costs.values()))]
    dots.plot(edges, edges, color=BEST_COLOUR, linewidth=1)
    for row, (name, colour) in enumerate(_colours(costs).items()):
        dots.plot(_array(best), _array(costs[name]), ".", color=colour, markersize=4, alpha=0.6, label=name)
        for place, values, filled in ((-0.16, costs[name] - expected_best, False), (0.16, costs[name] - best, True)):
            mean, error = float(values.mean()), float(values.std()) / len(values) ** 0.5
            face = colour if filled else "white"
            bars.errorbar(mean, row + place, xerr=2 * error, fmt="o", color=colour, mfc=face, capsize=4)
            text = f"{'paired' if filled else 'alone'}: {mean:+.1f} ± {error:.1f}"
            bars.annotate(
                text, (mean, row + place), (0, 7), textcoords="offset points", ha="center", fontsize=8, color=colour
            )
    dots.set(xlabel="cost to the best predictor, in bits", ylabel="cost to a model, in bits")
    dots.legend(frameon=False, fontsize=9)
    bars.axvline(0, color=BEST_COLOUR, linewidth=1)
    bars.set_yticks(range(len(costs)), list(costs))
    bars.set(xlabel="bits above the best, mean and two standard errors", ylim=(len(costs) - 0.4, -0.6))
    bars.margins(x=0.12)
    _grid(dots, bars)
    return figure


def plot_cost_over_time(
    best: Float[Tensor, "sequences time"],
    costs: Mapping[str, Float[Tensor, "..."]],
    *,
    window: int = 10,
    marks: Sequence[int] = (),
) -> Picture:
    """Draw how the cost of a bit falls in the course of a sequence, and how much of it could have been saved.

    Args:
        best: cost of each bit to the best predictor there can be, in bits.
        costs: the same for each model.
        window: steps averaged for a point. What is left over at the end makes no point.
        marks: steps to mark with a line.

    Raises:
        ValueError: the window is not from 1 to the number of steps, or a model does not have a cost for each bit.
    """
    steps = best.shape[1]
    _check_lengths("costs", {name: cost.T for name, cost in costs.items()}, steps)
    if not 1 <= window <= steps:
        raise ValueError(f"window must be from 1 to {steps}, the steps of a sequence; got {window}")
    last = f"{float(best[:, -window:].mean()):.3f}"
    figure = Picture(9.4, 3.7, f"Cost of a bit against time for {', '.join(costs)}; best possible at the end {last}.")
    whole, excess = figure.subplots(1, 2)
    middles = np.arange(steps // window) * window + (window - 1) / 2
    whole.plot(middles, _windows(best, window).mean(0), color=BEST_COLOUR, linewidth=1.6, label=BEST_NAME)
    for name, colour in _colours(costs).items():
        whole.plot(middles, _windows(costs[name], window).mean(0), color=colour, linewidth=1.6, label=name)
        above = _windows(costs[name] - best, window)
        mean, error = above.mean(0), above.std(0, ddof=1) / len(above) ** 0.5
        excess.plot(middles, mean, color=colour, linewidth=1.6, label=name)
        excess.fill_between(middles, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.22, linewidth=0)
    excess.axhline(0, color=BEST_COLOUR, linewidth=1)
    for axes in (whole, excess):
        axes.set_xlabel("time, in steps")
        for step in marks:
            axes.axvline(step - 0.5, color=QUIET, linestyle="--", linewidth=1)
    whole.set(ylabel="cost, in bits per bit")
    excess.set(ylabel="bits above the best")
    figure.legend(handles=whole.get_legend_handles_labels()[0], loc="outside lower center", ncols=4, frameon=False)
    _grid(whole, excess)
    return figure


def plot_followed(
    said: Mapping[str, Float[Tensor, "..."]], *, own: Float[Tensor, " sequences"], donor: Float[Tensor, " sequences"]
) -> Picture:
    """Draw whom a prediction follows after parts of a machine's state were exchanged between sequences.

    Upper row: what is said against what the best predictor says of the machine's own sequence; lower row: against
    what it says of the sequence that the exchanged part is from. Dots near the diagonal follow.

    Args:
        said: for each exchange the probability of a 1 for each sequence.
        own: what the best predictor says of the same sequence.
        donor: what it says of the sequence a part is from.

    Raises:
        ValueError: a prediction does not have one probability for each sequence.
    """
    _check_lengths("said", {"the donor's": donor, **said}, len(own))
    figure = Picture(9.4, 0.6 + 18 / len(said), f"What is said after {', '.join(said)}, against two sequences.")
    panels = figure.subplots(2, len(said), sharex=True, sharey=True, squeeze=False)
    rows = {"best for its\nown sequence": own, "best for the\ndonor's sequence": donor}
    for axes_row, (whose, best) in zip(panels, rows.items(), strict=True):
        for axes, values in zip(axes_row, said.values(), strict=True):
            axes.plot([0, 1], [0, 1], color=BEST_COLOUR, linewidth=1)
            axes.plot(_array(best), _array(values), ".", color=MODEL_COLOURS["NTM LSTM"], markersize=4, alpha=0.5)
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel=whose)
        axes_row[0].set_ylabel("the machine says")
        _grid(*axes_row)
    for axes, name in zip(panels[0], said, strict=True):
        axes.set_title(name, loc="left", fontsize=10)
    return figure


def _check_lengths(argument: str, columns: Mapping[str, Tensor], length: int) -> None:
    """Refuse values that are not as many as there should be."""
    for name, values in columns.items():
        if len(values) != length:
            raise ValueError(f"{argument} must have {length} values each; got {len(values)} for {name!r}")


def _colours(names: Mapping[str, Any]) -> dict[str, str]:
    """Give each model the colour it has in every other picture."""
    others = [name for name in names if name not in MODEL_COLOURS]
    return {name: MODEL_COLOURS.get(name) or THEIR_COLOURS[others.index(name) % len(THEIR_COLOURS)] for name in names}


def _windows(costs: Tensor, window: int) -> npt.NDArray[np.floating[Any]]:
    """Average over stretches of time; sequences stay apart."""
    full = costs.shape[1] // window * window
    return _array(costs)[:, :full].reshape(len(costs), -1, window).mean(2)


def _array(tensor: Tensor) -> npt.NDArray[np.floating[Any]]:
    return tensor.detach().cpu().double().numpy()


def _grid(*panels: Axes) -> None:
    for axes in panels:
        axes.grid(color=GRID_COLOUR, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
