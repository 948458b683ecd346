"""What a memory holds of a variable: which slots tell two traces apart, and how one slot's content goes with time."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.colours import LINE_COLOURS, UNIT_COLOURS
from ntmlib.views.figures import Picture

MOST_LABELS = 90  # more symbols than this below one axis cannot be read


def separation(first: Trace, second: Trace) -> Float[Tensor, "time slots"]:
    """Say how far apart each slot's mean content is in two traces, at each step.

    Where the sequences of the two differ in one variable only, this shows which slots hold it: what
    else the sequences contain is the same in both, and cancels.

    Raises:
        ValueError: the traces are not of the same shape.
    """
    if first.memory.shape != second.memory.shape:
        raise ValueError(
            f"second must be a trace of first's shape, with a memory of {list(first.memory.shape)}; "
            f"got {list(second.memory.shape)}"
        )
    return (second.memory - first.memory).mean(0).norm(dim=-1)


def held(trace: Trace, slot: int, first: Float[Tensor, " width"], second: Float[Tensor, " width"]) -> Tensor:
    """Place a slot's content on the line from one content to another, at every step.

    Args:
        trace: a finished trace.
        slot: which slot.
        first: the content that counts as -1.
        second: the content that counts as +1.

    Raises:
        ValueError: there is no such slot, or the two contents are the same.
    """
    slots = trace.memory.shape[2]
    if not 0 <= slot < slots:
        raise ValueError(f"slot must be from 0 to {slots - 1}; got {slot}")
    line = second - first
    if not line.abs().max() > 0:
        raise ValueError("first and second must be two different contents; got the same twice")
    return 2 * ((trace.memory[:, :, slot] - first) * line).sum(-1) / line.square().sum() - 1


def plot_separation(distances: Float[Tensor, "time slots"], symbols: Sequence[str] = ()) -> Picture:
    """Draw how far apart the slots are in two cases, step by step; black is no difference.

    Args:
        distances: what ``separation`` returns.
        symbols: what was seen at each step, to be written below the axis.

    Raises:
        ValueError: the symbols are not one for each step.
    """
    time, slots = distances.shape
    _check_symbols(symbols, time)
    best = int(distances.mean(0).argmax())
    alt = f"How far apart the content of each slot is in two cases; slot {best} differs most."
    figure = Picture(9.0, 1.0 + 0.15 * max(8, min(slots, 24)), alt)
    axes = figure.add_subplot()
    table = distances.T.detach().cpu().numpy()
    image = axes.imshow(table, cmap=UNIT_COLOURS, vmin=0, aspect="auto", interpolation="nearest")
    axes.set(ylabel="slot", yticks=range(0, slots, max(1, slots // 8)))
    _label_steps(axes, symbols)
    figure.colorbar(image, ax=axes, label="distance")
    return figure


def plot_variable(
    values: Mapping[str, Float[Tensor, " time"]],
    symbols: Sequence[str],
    *,
    levels: tuple[str, str] = ("-1", "+1"),
    marked: Sequence[int] = (),
) -> Picture:
    """Draw a variable with two values as it is held over time, above the symbols that stream past.

    Args:
        values: for each line's name its value at each step, -1 or +1 when the variable is held perfectly.
        symbols: what was seen at each step.
        levels: what -1 and +1 stand for.
        marked: steps to mark with a line, such as those that set the variable.

    Raises:
        ValueError: a line's values or the symbols are not one for each step, or a step does not exist.
    """
    time = len(symbols)
    _check_symbols(symbols, time)
    for name, line in values.items():
        if line.shape != (time,):
            raise ValueError(
                f"values must be {time} for each line, one for each symbol; got {list(line.shape)} for {name!r}"
            )
    if any(not 0 <= step < time for step in marked):
        raise ValueError(f"marked must be steps from 0 to {time - 1}; got {list(marked)}")
    figure = Picture(9.4, 2.9, f"The value held over {time} steps: {', '.join(values)}.")
    axes = figure.add_subplot()
    for level in (-1, 1):
        axes.axhline(level, color="#e3e6eb", linewidth=1)
    for step in marked:
        axes.axvline(step, color="#555555", linestyle=":", linewidth=0.9)
    for index, (name, line) in enumerate(values.items()):
        colour, marker = LINE_COLOURS[index % len(LINE_COLOURS)], "os^Dv"[index % 5]
        axes.plot(line.detach().cpu().numpy(), color=colour, marker=marker, markersize=3, linewidth=1.4, label=name)
    axes.set(xlim=(-0.7, time - 0.3), ylabel="held")
    axes.set_yticks([-1, 1], list(levels))
    axes.spines[["top", "right"]].set_visible(False)
    _label_steps(axes, symbols)
    if len(values) > 1:
        axes.legend(frameon=False, fontsize=9, loc="center right")
    return figure


def _check_symbols(symbols: Sequence[str], time: int) -> None:
    if symbols and len(symbols) != time:
        raise ValueError(f"symbols must be {time}, one for each step; got {len(symbols)}")


def _label_steps(axes: Axes, symbols: Sequence[str]) -> None:
    """Write what was seen at each step below the axis, or number the steps where there is no room."""
    if 0 < len(symbols) <= MOST_LABELS:
        axes.set_xticks(range(len(symbols)), list(symbols), fontsize=9 if len(symbols) <= 50 else 7)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("what streams past, one symbol a step")
    else:
        axes.set_xlabel("time, in steps")
