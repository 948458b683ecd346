"""Pictures of a variable in a memory: which part of the state holds it, and what is held while symbols stream past."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from ntmlib.views.colours import LINE_COLOURS, UNIT_COLOURS
from ntmlib.views.figures import Picture

MOST_LABELS = 90  # more symbols than this below one axis cannot be read


@runtime_checkable
class Search(Protocol):
    """What is drawn of a search for a variable: see ``VariableSearch``."""

    @property
    def first(self) -> int:
        """Step after which the first exchange was made."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts exchanged."""
        ...

    @property
    def followed(self) -> Float[Tensor, "steps parts"]:
        """Share of the disputed later answers that became the donor's."""
        ...

    def share(self, part: str) -> Float[Tensor, " steps"]:
        """Return the share for one part."""
        ...


def plot_variable_search(search: Search, symbols: Sequence[str], parts: Sequence[str] = ()) -> Picture:
    """Draw which parts, exchanged after each step, made the later answers those of the other run.

    Yellow is all of the answers the two runs disagree about, black none of them; hatched steps are those after
    which the two never disagree.

    Args:
        search: what ``find_variable`` found.
        symbols: what was heard at each step, from step 0 on.
        parts: the parts to draw, from the top; all by default.

    Raises:
        ValueError: a part is not in the search, or there are not enough symbols.
    """
    names = list(parts or search.parts)
    table = [search.share(name) for name in names]
    steps = len(search.followed)
    if len(symbols) < search.first + steps:
        raise ValueError(f"symbols must be one for each step, at least {search.first + steps}; got {len(symbols)}")
    figure = Picture(9.4, 1.1 + 0.27 * len(names), f"Which of {len(names)} parts of the state hold the variable.")
    axes = figure.add_subplot()
    image = axes.imshow(table, cmap=UNIT_COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for step, undisputed in enumerate(search.followed.isnan().all(1).tolist()):
        if undisputed:
            axes.axvspan(step - 0.5, step + 0.5, facecolor="#f1f2f4", edgecolor="#9aa0a8", hatch="////", linewidth=0)
    labels = [f"slot {name}" if name[0].isdigit() else name for name in names]
    axes.set_yticks(range(len(names)), labels, fontsize=9)
    axes.set_yticks([row - 0.5 for row in range(1, len(names))], minor=True)
    axes.grid(which="minor", axis="y", color="#8a9099", linewidth=0.6)
    axes.tick_params(which="both", axis="y", length=0)
    _label_steps(axes, symbols[search.first : search.first + steps], "exchanged after this symbol")
    figure.colorbar(image, ax=axes, label="answers changed", ticks=[0, 1], format="{x:.0%}")
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
        ValueError: a line's values are not one for each symbol, or a step does not exist.
    """
    time = len(symbols)
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
    _label_steps(axes, symbols, "what streams past, one symbol a step")
    if len(values) > 1:
        axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=len(values))
    return figure


def _label_steps(axes: Axes, symbols: Sequence[str], name: str) -> None:
    """Write what was seen at each step below the axis, or number the steps where there is no room."""
    if len(symbols) <= MOST_LABELS:
        axes.set_xticks(range(len(symbols)), list(symbols), fontsize=9 if len(symbols) <= 50 else 7)
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel(name)
    else:
        axes.set_xlabel("time, in steps")
