"""Pictures of a machine that sorts: the list and the answer, where the heads are, where it goes wrong."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.checks import check_example
from ntmlib.views.colours import LINE_COLOURS, READ_COLOUR, SIGNED_COLOURS, UNIT_COLOURS, WRITE_COLOUR
from ntmlib.views.figures import Picture
from ntmlib.views.sorting import heard_priorities, looks, ordered_positions

MOST_POINTS = 1200  # of a cloud; more of them only fill the panel
ANSWER_SHADES = ("#08306b", "#1c5a9e", "#3b85c0", "#56b4e9", "#6cc3a0", "#e2a72e", "#d55e00")  # first to last answer


def plot_sorting(trace: Trace, example: int = 0, *, targets: Float[Tensor, "batch time outputs"]) -> Picture:
    """Draw a list as it was heard and the answer in its order, with a line for each vector; crosses are wrong bits.

    Args:
        trace: a finished trace.
        example: which sequence of its batch.
        targets: the answers wanted.

    Raises:
        ValueError: example is not in the trace, or its sequences are not lists of one length.
    """
    check_example(trace, example)
    priorities = heard_priorities(trace)[example]
    heard, bits = len(priorities), targets.shape[-1]
    said = trace.outputs[example, heard + 1 :].sigmoid()
    wrong = (said > 0.5) != (targets[example, heard + 1 :] > 0.5)
    order = priorities.argsort(descending=True, stable=True).tolist()

    figure = Picture(
        9.4, 5.2, f"{heard} vectors as they were heard, and {len(said)} in order; {wrong.sum()} wrong bits."
    )
    bars, left, lines, right = figure.subplots(1, 4, sharey=True, width_ratios=[1.1, 1.6, 1.8, 1.6])
    bars.barh(range(heard), priorities.numpy(), color=LINE_COLOURS[2], height=0.8)
    bars.axvline(0, color="#555555", linewidth=0.8)
    bars.set(xlim=(-1.05, 1.05), xlabel="priority", ylabel="heard at step")
    bars.set_yticks(range(0, heard, 1 if heard <= 20 else 5))
    look = {"cmap": UNIT_COLOURS, "vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest"}
    left.imshow(trace.inputs[example, :heard, :bits].numpy(), **look)
    left.set(title="heard", xlabel="bit")
    for rank, step in enumerate(order):
        wanted = rank < len(said)
        shade = _shade(rank, len(said)) if wanted else "#c9ccd2"
        lines.plot([0, 1] if wanted else [0, 0.12], [step, rank if wanted else step], color=shade, linewidth=1.8)
    lines.set(xlim=(0, 1), xticks=[], title="highest priority first")
    lines.spines[:].set_visible(False)
    image = right.imshow(said.numpy(), **look)
    right.plot(*np.nonzero(wrong.numpy())[::-1], "x", color=LINE_COLOURS[4], markersize=8, markeredgewidth=2)
    right.set(title="answered", xlabel="bit")
    right.set_ylim(heard - 0.5, -0.5)
    for axes in (left, lines, right):
        axes.tick_params(left=False)
    figure.colorbar(image, ax=right, label="bit, or its probability", fraction=0.08)
    return figure


def plot_placements(trace: Trace) -> Picture:
    """Draw where each write head writes while the list is heard: above against the priority, below against time.

    Above, slots are in the order of the mean priority written there, found with the first half of the sequences;
    dots are the other half. A machine that sorts by place, as the paper's does, shows a rising line there. A place is
    the share of all writing that goes to slots before it.
    """
    priorities = heard_priorities(trace)
    heads, heard = trace.write.weighting.shape[2], priorities.shape[1]
    figure = Picture(9.6, 4.4, f"Where {heads} write heads write, against the priority and against time.")
    grid = figure.subplots(2, heads, sharey="row", squeeze=False)
    half = len(priorities) // 2
    for head in range(heads):
        weighting = trace.write.weighting[:, :heard, head].double()
        position, priority = ordered_positions(weighting, priorities)
        _cloud(grid[0, head], priority, position)
        slot = weighting[half:].argmax(-1).flatten()
        _cloud(grid[1, head], torch.arange(heard).repeat(len(priorities) - half), slot)
        grid[0, head].set_title(f"write head {head + 1}", fontsize=10, color=WRITE_COLOUR)
        grid[0, head].set_xlabel("priority")
        grid[1, head].set_xlabel("step of the list")
        grid[0, head].set_ylim(-0.03, 1.03)
    grid[0, 0].set_ylabel("place in the order found")
    grid[1, 0].set_ylabel("slot looked at most")
    return figure


def plot_looks(trace: Trace) -> Picture:
    """Draw what the heads look at while the answer is given: rows are steps from the flag on, columns ranks."""
    heads = trace.write.weighting.shape[2]
    figure = Picture(9.6, 5.0, f"Weight on the slot of each vector, by rank, for {heads} read and {heads} write heads.")
    grid = figure.subplots(2, heads, sharex=True, sharey=True, squeeze=False)
    kinds = (("read", trace.read, READ_COLOUR), ("write", trace.write, WRITE_COLOUR))
    for row, (kind, record, colour) in zip(grid, kinds, strict=True):
        shares = looks(record.weighting, trace).numpy()
        for head, axes in enumerate(row):
            image = axes.imshow(
                shares[:, head], cmap=UNIT_COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest"
            )
            axes.set_title(f"{kind} head {head + 1}", fontsize=10, color=colour)
        row[0].set_ylabel("answer (0: the flag)")
    steps = range(0, len(shares), 4)
    grid[0, 0].set_yticks(list(steps))
    ranks = range(0, shares.shape[-1], 5)
    for axes in grid[-1]:
        axes.set_xticks(list(ranks), [str(rank + 1) for rank in ranks])
        axes.set_xlabel("rank of the vector")
    figure.colorbar(image, ax=list(grid.ravel()), label="mean weight on its slot", fraction=0.025, pad=0.01)
    return figure


def plot_gap_errors(
    gaps: Float[Tensor, "batch answers"], wrong: Bool[Tensor, "batch answers"], edges: Sequence[float]
) -> Picture:
    """Draw how often an answer is wrong: left by the gap to the nearest other priority, right by its place.

    Whiskers are one standard error.

    Args:
        gaps: of the vector wanted to the nearest other priority.
        wrong: whether a bit of the answer is wrong.
        edges: rising limits of the classes of gaps; a last class holds what is above.
    """
    figure = Picture(9.4, 3.2, "Share of wrong answers, by the gap to the nearest priority and by place.")
    left, right = figure.subplots(1, 2, sharey=True)
    limits = [*edges, float("inf")]
    groups = [wrong[(gaps >= low) & (gaps < high)] for low, high in itertools.pairwise(limits)]
    names = [f"{low:g}–{high:g}" for low, high in itertools.pairwise(edges)] + [f"over {edges[-1]:g}"]
    _rates(left, names, groups)
    left.set(xlabel="gap to the nearest other priority", ylabel="wrong answers")
    left.tick_params(axis="x", labelsize=8)
    _rates(right, [str(place + 1) for place in range(wrong.shape[1])], list(wrong.T))
    right.set(xlabel="place in the answer")
    right.tick_params(axis="x", labelsize=8)
    left.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def plot_rows(rows: Float[Tensor, "slots width"], spans: Mapping[str, tuple[int, int]]) -> Picture:
    """Draw the rows of a memory, and how alike they are: the cosine of every pair.

    Args:
        rows: the memory.
        spans: names for stretches of slots, each from its first to its last; the cosines are divided by lines there.
    """
    unit = torch.nn.functional.normalize(rows.detach().double(), dim=-1)
    values = rows.detach().double().numpy()
    limit = max(float(np.abs(values).max()), 1e-12)
    figure = Picture(9.0, 4.3, f"{len(rows)} rows of a memory, and the cosines of all pairs of them.")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
    image = left.imshow(values, cmap=SIGNED_COLOURS, vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    left.set(xlabel="column", ylabel="slot", title="the rows")
    figure.colorbar(image, ax=left, label="value")
    image = right.imshow((unit @ unit.T).numpy(), cmap=SIGNED_COLOURS, vmin=-1, vmax=1, interpolation="nearest")
    right.set(xlabel="slot")
    right.set_title("how alike", pad=18)
    figure.colorbar(image, ax=right, label="cosine of two rows")
    ends = (-0.5, len(rows) - 0.5)
    for name, (first, last) in spans.items():
        left.axhline(first - 0.5, color="#222222", linewidth=0.9)
        right.plot(ends, (first - 0.5,) * 2, "-", (first - 0.5,) * 2, ends, "-", color="#222222", linewidth=0.9)
        right.text((first + last) / 2, -1.2, name, ha="center", va="bottom", fontsize=8)
    for axes in (left, right):
        axes.set(ylim=ends[::-1])
        axes.title.set_fontsize(10)
    right.set(xlim=ends)
    return figure


def _shade(rank: int, answers: int) -> str:
    return ANSWER_SHADES[round(rank / max(1, answers - 1) * (len(ANSWER_SHADES) - 1))]


def _cloud(axes: Axes, across: Tensor, up: Tensor) -> None:
    axes.plot(across[:MOST_POINTS], up[:MOST_POINTS], ".", color=WRITE_COLOUR, markersize=3, alpha=0.35)
    axes.spines[["top", "right"]].set_visible(False)


def _rates(axes: Axes, names: Sequence[str], groups: Sequence[Tensor]) -> None:
    """Draw the share of true values in each group."""
    shares = np.array([float(group.float().mean()) if group.numel() else 0.0 for group in groups])
    errors = [np.sqrt(share * (1 - share) / max(1, group.numel())) for share, group in zip(shares, groups, strict=True)]
    axes.bar(range(len(groups)), shares, color=LINE_COLOURS[0], width=0.75, yerr=errors, ecolor="#222222", capsize=2)
    axes.set_xticks(range(len(groups)), names)
    axes.spines[["top", "right"]].set_visible(False)
