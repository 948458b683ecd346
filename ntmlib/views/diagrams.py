"""Still pictures that explain: the parts of a machine, one stage after another, sharp beside blurry."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from ntmlib.machine import MachineConfig, read
from ntmlib.ntm import Trace
from ntmlib.views.colours import READ_COLOUR, UNIT_COLOURS, WRITE_COLOUR
from ntmlib.views.figures import STAGES, Picture

CONTROLLER_COLOUR = "#009e73"
QUIET = "#555555"


def plot_architecture(config: MachineConfig) -> Picture:
    """Draw the parts of a machine and what passes between them in one step (the paper's figure 1).

    Solid arrows act within the step, dashed ones carry a value over to the next step.
    """
    figure = Picture(
        8.6, 5.2, "The parts of a Neural Turing Machine: controller, write head, read head and memory, with arrows."
    )
    axes = figure.add_subplot()
    axes.set(xlim=(0, 10), ylim=(0, 6.5))
    axes.axis("off")

    kind = "feed-forward" if config.controller == "feedforward" else "LSTM"
    heads = f"{config.num_heads} head" + ("s" if config.num_heads > 1 else "")
    _box(axes, (0.2, 3.3), (2.7, 1.3), CONTROLLER_COLOUR, "controller", f"{kind}, {config.hidden} units")
    _box(axes, (4.4, 4.4), (2.1, 1.2), WRITE_COLOUR, f"write: {heads}", "erase, then add")
    _box(axes, (4.4, 1.3), (2.1, 1.2), READ_COLOUR, f"read: {heads}", "weighted average")
    _memory(axes, (8.2, 1.2), (1.5, 4.4), config)
    axes.text(0.8, 0.1, f"input  $x_t$\n{config.input_size} channels", ha="center", va="bottom", fontsize=10)
    axes.text(2.5, 0.1, f"output  $y_t$\n{config.output_size} channels", ha="center", va="bottom", fontsize=10)

    _arrow(axes, (0.8, 0.9), (0.8, 3.3))
    _arrow(axes, (1.7, 3.3), (2.3, 0.9))
    _arrow(axes, (2.9, 4.3), (4.4, 5.0), "key, gate, shift …\n$e_t$, $a_t$", at=(-0.15, 0.25))
    _arrow(axes, (2.9, 3.6), (4.4, 2.4), "key, gate,\nshift …", at=(0.55, 0.1))
    _arrow(axes, (6.5, 5.0), (8.2, 5.0), "① write")
    _arrow(axes, (8.2, 1.9), (6.5, 1.9), "② read")
    _arrow(axes, (4.4, 1.5), (2.9, 0.9), "$r_t$", at=(0.05, -0.38))
    _arrow(axes, (4.4, 1.9), (2.3, 3.3), "$r_{t-1}$", dashed=True, at=(-0.3, -0.32))
    _arrow(axes, (8.7, 5.6), (9.2, 5.6), r"$\mathbf{M}_{t-1}$", dashed=True, curve=-1.4, at=(0.0, 0.42))
    _arrow(axes, (5.05, 5.6), (5.85, 5.6), "$w_{t-1}$", dashed=True, curve=-0.8, at=(0.0, 0.38))
    _arrow(axes, (5.05, 1.3), (5.85, 1.3), "$w_{t-1}$", dashed=True, curve=0.8, at=(0.0, -0.72))
    if config.controller == "lstm":
        _arrow(axes, (1.1, 4.6), (1.9, 4.6), "hidden state", dashed=True, curve=-0.8, at=(0.0, 0.38))
    return figure


def _box(axes: Axes, corner: tuple[float, float], size: tuple[float, float], colour: str, name: str, what: str) -> None:
    axes.add_patch(
        FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=0.15", fc=colour, ec=colour, alpha=0.18)
    )
    x, y = corner[0] + size[0] / 2, corner[1] + size[1] / 2
    axes.text(x, y + 0.18, name, ha="center", va="center", fontsize=12, fontweight="bold", color=colour)
    axes.text(x, y - 0.24, what, ha="center", va="center", fontsize=9.5, color=QUIET)


def _memory(axes: Axes, corner: tuple[float, float], size: tuple[float, float], config: MachineConfig) -> None:
    rows, columns = 11, 5
    shades = torch.rand(rows, columns, generator=torch.Generator().manual_seed(3)).numpy()
    left, bottom = corner
    extent = (left, left + size[0], bottom, bottom + size[1])
    axes.imshow(shades, extent=extent, cmap="Greys", vmin=-0.1, vmax=2.2, aspect="auto", zorder=1)
    for row in range(rows + 1):
        axes.plot([left, left + size[0]], [bottom + size[1] * row / rows] * 2, color="white", lw=1.5, zorder=2)
    axes.text(left + size[0] / 2, bottom - 0.15, "memory", ha="center", va="top", fontsize=12, fontweight="bold")
    axes.text(
        left + size[0] / 2,
        bottom - 0.55,
        f"{config.slots} slots × {config.width} wide",
        ha="center",
        va="top",
        fontsize=9.5,
        color=QUIET,
    )


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    label: str = "",
    *,
    dashed: bool = False,
    curve: float = 0.0,
    at: tuple[float, float] = (0.0, 0.12),
) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=13,
            lw=1.4,
            color=QUIET,
            linestyle=(0, (4, 3)) if dashed else "-",
            connectionstyle=f"arc3,rad={curve}",
            shrinkA=1,
            shrinkB=1,
        )
    )
    x, y = (start[0] + end[0]) / 2 + at[0], (start[1] + end[1]) / 2 + at[1]
    axes.text(x, y, label, ha="center", va="bottom", fontsize=9.5, color="#222222")


def plot_weightings(weightings: Mapping[str, Float[Tensor, " slots"]]) -> Picture:
    """Draw weightings side by side as bars, all on the scale from 0 to 1."""
    count = len(weightings)
    figure = Picture(min(2.6 * count + 0.6, 10), 2.5, f"Weightings as bars: {', '.join(weightings)}.")
    panels = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    for axes, (name, weighting) in zip(panels, weightings.items(), strict=True):
        _bars(axes, weighting)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("slot")
    panels[0].set_ylabel("weight")
    return figure


def _bars(axes: Axes, weighting: Float[Tensor, " slots"], colour: str = READ_COLOUR) -> None:
    axes.bar(np.arange(len(weighting)), weighting.numpy(), color=colour, width=0.85)
    axes.set(ylim=(0, 1.03), xlim=(-0.7, len(weighting) - 0.3))
    axes.spines[["top", "right"]].set_visible(False)


def plot_reads(memory: Float[Tensor, "slots width"], weightings: Mapping[str, Float[Tensor, " slots"]]) -> Picture:
    """Draw a memory, weightings over its slots, and what a head with each weighting reads (eq. 2)."""
    figure = Picture(8.6, 3.4, f"A memory, and what heads read from it that look at it so: {', '.join(weightings)}.")
    grid = figure.add_gridspec(1, 2 * len(weightings) + 1, width_ratios=[2.6] + [1.3, 2.6] * len(weightings))
    stored = figure.add_subplot(grid[0])
    _table(stored, memory, "memory")
    stored.set(ylabel="slot", aspect="auto")
    for place, (name, weighting) in enumerate(weightings.items()):
        bars = figure.add_subplot(grid[2 * place + 1], sharey=stored)
        bars.barh(np.arange(len(weighting)), weighting.numpy(), color=READ_COLOUR, height=0.85)
        bars.set(xlim=(0, 1.03), title=name, xlabel="weight")
        bars.spines[["top", "right"]].set_visible(False)
        result = figure.add_subplot(grid[2 * place + 2])
        _table(result, read(memory, weighting[None]), f"what the {name} one reads")
        result.set_yticks([])
    return figure


def plot_memories(memories: Mapping[str, Float[Tensor, "slots width"]]) -> Picture:
    """Draw several states of a memory beside each other, values from 0 to 1."""
    figure = Picture(2.7 * len(memories), 3.4, f"States of a memory: {', '.join(memories)}.")
    panels = figure.subplots(1, len(memories), sharey=True, squeeze=False)[0]
    for axes, (name, memory) in zip(panels, memories.items(), strict=True):
        image = _table(axes, memory, name)
    panels[0].set_ylabel("slot")
    figure.colorbar(image, ax=list(panels), label="value", shrink=0.8)
    return figure


def _table(axes: Axes, values: Float[Tensor, "rows columns"], title: str) -> AxesImage:
    image = axes.imshow(values.numpy(), cmap=UNIT_COLOURS, vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("column")
    axes.set_yticks(range(0, len(values), max(1, len(values) // 8)))
    return image


def plot_stages(trace: Trace, head: str, steps: Sequence[int], example: int = 0, number: int = 0) -> Picture:
    """Draw a head's weighting after each of the four stages, one row for each step (the paper's figure 2).

    Args:
        trace: what a machine did.
        head: ``"read"`` or ``"write"``.
        steps: steps to show, from 0.
        example: which sequence of the batch.
        number: which head of its kind, from 0.

    Raises:
        ValueError: there is no such head or step.
    """
    if head not in ("read", "write"):
        raise ValueError(f"head must be 'read' or 'write'; got {head!r}")
    total = trace.inputs.shape[1]
    if not steps or any(not 0 <= step < total for step in steps):
        raise ValueError(f"steps must be between 0 and {total - 1}, and at least one; got {list(steps)}")
    record = trace.read if head == "read" else trace.write
    figure = Picture(
        9.4,
        1.15 * len(steps) + 0.8,
        f"The weighting of a {head} head after each stage, steps {steps[0]} to {steps[-1]}.",
    )
    panels = figure.subplots(len(steps), len(STAGES), sharex=True, sharey=True, squeeze=False)
    used = max(int(record.weighting[example, :, number].amax(0).gt(0.05).nonzero().max()) + 4, 16)
    for line, (row, step) in enumerate(zip(panels, steps, strict=True)):
        for axes, (stage, title) in zip(row, STAGES, strict=True):
            weighting = getattr(record, stage)[example, step, number].cpu()
            _bars(axes, weighting[:used], READ_COLOUR if head == "read" else WRITE_COLOUR)
            if line == 0:
                axes.set_title(title, fontsize=11)
        gate = float(record.interpolation_gate[example, step, number])
        row[0].set_ylabel(f"step {step}\ngate {gate:.2f}", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("slot")
    figure.suptitle(f"{head} head {number + 1}: its weighting after each stage", fontsize=11)
    return figure


def plot_walks(walks: Mapping[str, Float[Tensor, "steps slots"]]) -> Picture:
    """Draw how weightings change over time: slots upward, steps to the right, weights from 0 to 1."""
    figure = Picture(9.4, 3.0, f"Weightings over time: {', '.join(walks)}.")
    panels = figure.subplots(1, len(walks), sharey=True, squeeze=False)[0]
    for axes, (name, weightings) in zip(panels, walks.items(), strict=True):
        image = axes.imshow(
            weightings.T.numpy(),
            cmap=UNIT_COLOURS,
            vmin=0,
            vmax=1,
            aspect="auto",
            origin="lower",
            interpolation="nearest",
        )
        axes.set(title=name, xlabel="step")
    panels[0].set_ylabel("slot")
    figure.colorbar(image, ax=list(panels), label="weight")
    return figure


def plot_answers(
    logits: Mapping[str, Float[Tensor, "1 time outputs"]],
    targets: Float[Tensor, "1 time outputs"],
    mask: Bool[Tensor, "1 time"],
) -> Picture:
    """Draw the scored steps of one sequence: what was wanted, then what each model said, errors below it.

    The models' answers are probabilities; an error is a bit on the wrong side of one half.
    """
    wanted = targets[0][mask[0]].T
    figure = Picture(9.4, 1.1 + 1.9 * len(logits), f"What was wanted, and what these said: {', '.join(logits)}.")
    panels = figure.subplots(1 + 2 * len(logits), 1, sharex=True, squeeze=False)[:, 0]
    image = _strip(panels[0], wanted, "wanted")
    for place, (name, said) in enumerate(logits.items()):
        probabilities = torch.sigmoid(said.detach()[0][mask[0]].T)
        wrong = (probabilities > 0.5) != (wanted > 0.5)
        _strip(panels[2 * place + 1], probabilities, name)
        _strip(panels[2 * place + 2], wrong.float(), f"{name}:\n{int(wrong.sum())} wrong")
    panels[-1].set_xlabel("step of the answer")
    figure.colorbar(image, ax=list(panels), label="0 to 1", shrink=0.5)
    return figure


def _strip(axes: Axes, values: Float[Tensor, "channels time"], name: str) -> AxesImage:
    image = axes.imshow(values.cpu().numpy(), cmap=UNIT_COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    axes.set_yticks([])
    return image
