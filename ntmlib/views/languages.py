"""Pictures of many languages and tasks at once: how right machines are, and up to which length."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from ntmlib.views.figures import Picture
from ntmlib.views.scoreboard import GRID_COLOUR, MODEL_COLOURS, OTHER_COLOURS, QUIET

# A model is told by its line and its marker, not by its colour alone.
STYLES: tuple[tuple[Literal["-", "--", ":", "-."], str], ...] = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))
TRAINED_COLOUR = "#009e73"
ACROSS = 5
HEAT_COLOURS = "cividis"


def plot_languages(
    answers: Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]],
    *,
    trained: tuple[int, int] = (1, 40),
    guessing: float = 0.5,
) -> Picture:
    """Draw the share of right answers against the length: a panel for each language, a line for each model.

    A line is the median over seeds, of an even number the lower one; its band reaches from the lowest seed to the
    highest.

    Args:
        answers: for each language, model and length the share of right answers of every seed. Without any, the
            picture says that nothing is there yet.
        trained: shortest and longest text of the training, drawn as a shaded band.
        guessing: share that guessing gets right, drawn as a dashed line.

    Raises:
        ValueError: a model has a length without seeds.
    """
    if not any(answers.values()):
        figure = Picture(6.0, 0.8, "Right answers by language: nothing kept yet.")
        figure.text(0.02, 0.5, "right answers by language: nothing kept yet", va="center", color=QUIET)
        return figure
    names = list(dict.fromkeys(model for models in answers.values() for model in models))
    colours = _colours(names)
    across = min(ACROSS, len(answers))
    down = -(-len(answers) // across)
    figure = Picture(
        max(4.5, 1.95 * across), 2.0 * down + 0.9, f"Share of right answers by length for {', '.join(answers)}."
    )
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    everything = [length for models in answers.values() for seeds in models.values() for length in seeds]
    for axes, (language, models) in zip(panels, answers.items(), strict=False):
        axes.axvspan(*trained, color=TRAINED_COLOUR, alpha=0.14, linewidth=0)
        axes.axhline(guessing, color=QUIET, linestyle=(0, (2, 2)), linewidth=0.8)
        for model, seeds in models.items():
            if not all(seeds.values()):
                raise ValueError(f"answers must have a seed at every length; {model} has none for some of {language}")
            line, marker = STYLES[names.index(model) % len(STYLES)]
            lengths = sorted(seeds)
            ordered = [sorted(seeds[length]) for length in lengths]
            lowest, highest = ([shares[end] for shares in ordered] for end in (0, -1))
            middle = [shares[(len(shares) - 1) // 2] for shares in ordered]
            axes.fill_between(lengths, lowest, highest, color=colours[model], alpha=0.15, linewidth=0)
            axes.plot(lengths, middle, linestyle=line, marker=marker, color=colours[model], markersize=4, linewidth=1.5)
        axes.set_title(language.replace("_", " "), loc="left", fontsize=10)
        axes.set(xscale="log", xlim=(min(everything) / 1.5, max(everything) * 1.15), ylim=(guessing - 0.15, 1.03))
        axes.set_xticks([50, 100, 200, 500], ["50", "100", "200", "500"], fontsize=8)
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.tick_params(labelsize=8)
        axes.grid(color=GRID_COLOUR, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(answers) :]:
        axes.axis("off")
    figure.supxlabel("length of the text, in symbols", fontsize=9)
    figure.supylabel("right answers", fontsize=9)
    keys: list[Line2D | Patch] = [
        Line2D([], [], linestyle=line, marker=marker, color=colours[name], markersize=5, label=name)
        for name, (line, marker) in zip(names, STYLES * len(names), strict=False)
    ]
    keys.append(Patch(color=TRAINED_COLOUR, alpha=0.2, label="lengths of the training"))
    keys.append(Line2D([], [], color=QUIET, linestyle=(0, (2, 2)), linewidth=0.8, label="guessing"))
    figure.legend(handles=keys, loc="outside upper center", ncols=len(keys), frameon=False, fontsize=9)
    return figure


def plot_hierarchy(right: Mapping[str, Mapping[str, Mapping[int, float]]], guessing: Mapping[str, float]) -> Picture:
    """Draw tasks by level against lengths: the lighter, the more symbols are right; the share is written in percent.

    The darkest is what guessing gets right in that task, the lightest everything; percents are rounded down.

    Args:
        right: for each level and task the share of symbols right at each length; none for a task that was not kept.
        guessing: for each task the share that guessing gets right.

    Raises:
        ValueError: there is no task, or one without a share for guessing.
    """
    tasks = [(level, task) for level, rows in right.items() for task in rows]
    if not tasks:
        raise ValueError("right must have a task in a level")
    for _, task in tasks:
        if task not in guessing:
            raise ValueError(f"guessing must have every task; {task!r} is missing")
    lengths = sorted({length for rows in right.values() for shares in rows.values() for length in shares})
    kept = sum(bool(right[level][task]) for level, task in tasks)
    alt = f"Symbols right for {kept} of {len(tasks)} tasks by level, at lengths {', '.join(map(str, lengths))}."
    figure = Picture(7.2, 0.27 * (len(tasks) + len(right)) + 0.9, alt)
    axes = figure.add_subplot()
    columns = max(len(lengths), 1)
    names: dict[float, str] = {}
    top = 0.0
    for level, rows in right.items():
        axes.text(-0.5, top, level, va="center", fontsize=9, weight="bold")
        for task, shares in rows.items():
            top += 1
            names[top] = task
            if not shares:
                _empty_row(axes, top, columns)
            for column, length in enumerate(lengths):
                if length in shares:
                    _cell(axes, column, top, shares[length], guessing[task])
        top += 1.2
    axes.set_yticks(list(names), list(names.values()), fontsize=9)
    axes.set_xticks(range(len(lengths)), list(map(str, lengths)))
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(top - 0.6, -0.6), xlabel="length of the text, in symbols")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    scale = figure.colorbar(ScalarMappable(cmap=HEAT_COLOURS), ax=axes, fraction=0.03, pad=0.02, ticks=[0, 1])
    scale.ax.set_yticklabels(["guessing", "all right"], fontsize=8)
    return figure


def _cell(axes: Axes, column: int, row: float, share: float, guessing: float) -> None:
    """Draw one share: its colour by what it is above guessing, and the number."""
    above = min(max((share - guessing) / (1 - guessing), 0.0), 1.0)
    axes.add_patch(
        Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colormaps[HEAT_COLOURS](above), edgecolor="white")
    )
    percent = f"{math.floor(1000 * share + 1e-6) / 10:g}"
    axes.text(column, row, percent, ha="center", va="center", fontsize=9, color="white" if above < 0.55 else "black")


def _empty_row(axes: Axes, row: float, columns: int) -> None:
    """Say of a task that it has not been kept."""
    axes.add_patch(
        Rectangle((-0.5, row - 0.5), columns, 1, facecolor="#f1f2f4", edgecolor="#c3c8d0", hatch="///", linewidth=0)
    )
    plain = {"facecolor": "#f1f2f4", "edgecolor": "none", "pad": 1.5}
    axes.text((columns - 1) / 2, row, "not kept yet", ha="center", va="center", fontsize=8, color=QUIET, bbox=plain)


def _colours(names: Sequence[str]) -> dict[str, str]:
    """Give each model the colour it has in every other picture."""
    others = [name for name in names if name not in MODEL_COLOURS]
    return {name: MODEL_COLOURS.get(name) or OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)] for name in names}
