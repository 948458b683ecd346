"""Where what is read comes from: every read vector and every slot, split by the step that wrote its parts."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from ntmlib.machine import add, erase
from ntmlib.ntm import Trace
from ntmlib.views.checks import check_example
from ntmlib.views.colours import READ_COLOUR, UNIT_COLOURS, WRITE_COLOUR
from ntmlib.views.figures import Picture
from ntmlib.views.player import used_slots

SMALLEST = 1e-30  # squared length of a vector below which there is nothing to share out


def origins(trace: Trace, example: int = 0) -> Float[Tensor, "time heads written"]:
    """Say how much of each read vector was written in each step.

    Erasing multiplies and writing adds (eq. 3 and 4). So a memory is the sum of what the single steps wrote, each
    part faded by all later erasing, and of what is left of the initial memory; a read vector is the same sum seen
    through the read weighting (eq. 2). The share of a step is the projection of its part on the whole: the shares
    of a vector and that of the initial memory sum to 1.

    Args:
        trace: a finished trace.
        example: which sequence of its batch.

    Returns:
        Shares for each step of reading, read head and step of writing. Seldom below 0 or above 1, where parts
        cancel; 0 for steps to come.

    Raises:
        ValueError: example is not in the trace.
    """
    check_example(trace, example)
    weightings = trace.read.weighting[example].double()
    shares = [
        _shares(einsum(weighting, parts, "heads slots, parts slots width -> heads parts width"))[:, 1:]
        for weighting, parts in zip(weightings, _memories(trace, example), strict=True)
    ]
    return torch.stack(shares)


def contents(trace: Trace, step: int, example: int = 0) -> Float[Tensor, "slots written"]:
    """Say how much of what each slot holds after the write of a step was written in each step; see ``origins``.

    Raises:
        ValueError: example or step is not in the trace.
    """
    check_example(trace, example)
    _check_steps(trace, [step])
    parts = next(parts for now, parts in enumerate(_memories(trace, example)) if now == step)
    return _shares(parts.transpose(0, 1))[:, 1:]


def plot_origins(
    trace: Trace, steps: Sequence[int], example: int = 0, *, spans: Mapping[str, tuple[int, int]] | None = None
) -> Picture:
    """Draw, for each read head, in which step what it reads was written: rows are steps of reading.

    Args:
        trace: a finished trace.
        steps: steps of reading to show.
        example: which sequence of its batch.
        spans: names for stretches of steps, each from its first to its last.

    Raises:
        ValueError: example or a step is not in the trace.
    """
    shares = origins(trace, example)
    _check_steps(trace, steps)
    num_heads = shares.shape[1]
    height = num_heads * (0.11 * len(steps) + 0.2) + 0.9
    figure = Picture(9.4, height, f"When what the {num_heads} read heads see was written, steps {list(steps)}.")
    panels = figure.subplots(num_heads, 1, sharex=True, squeeze=False)[:, 0]
    for head, axes in enumerate(panels):
        image = axes.imshow(
            shares[list(steps), head].numpy(), cmap=UNIT_COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest"
        )
        axes.set_ylabel(f"read\nhead {head + 1}", color=READ_COLOUR, rotation=0, ha="right", va="center")
        axes.set_yticks(range(0, len(steps), 3), [str(step) for step in steps[::3]], fontsize=8)
        _mark_spans(axes, spans or {}, named=axes is panels[0])
    panels[-1].set_xlabel("written at step")
    figure.colorbar(image, ax=list(panels), label="share of what is read", fraction=0.03, pad=0.01)
    return figure


def plot_lookup(
    trace: Trace,
    head: int,
    steps: Sequence[int],
    example: int = 0,
    *,
    spans: Mapping[str, tuple[int, int]] | None = None,
) -> Picture:
    """Draw which step wrote what each slot holds, beside the slots that a read head reads it from.

    The left shows the memory as the first of the steps finds it: the share of a slot's content that a step wrote,
    times how much the slot holds in comparison with the fullest one, so that a slot as good as empty is dark. The
    right shows how much of what the head reads comes from which slot; weight on empty slots brings nothing.

    Args:
        trace: a finished trace.
        head: which read head, from 0.
        steps: steps of reading.
        example: which sequence of its batch.
        spans: names for stretches of steps, each from its first to its last.

    Raises:
        ValueError: example, head or a step is not in the trace, or there are no steps.
    """
    num_heads = trace.read.weighting.shape[2]
    if isinstance(head, bool) or not isinstance(head, int) or not 0 <= head < num_heads:
        raise ValueError(f"head must be from 0 to {num_heads - 1}, a read head of the trace; got {head!r}")
    if not steps:
        raise ValueError("steps must hold at least one step; got none")
    _check_steps(trace, steps)
    written = contents(trace, steps[0], example)
    memory = trace.memory[example, list(steps)].double()
    fullness = memory[0].norm(dim=-1, keepdim=True)
    written = written * fullness / fullness.max().clamp_min(SMALLEST)
    sources = _shares(memory * trace.read.weighting[example, list(steps), head, :, None].double())

    first, count = used_slots(trace, example)
    slots = (first + np.arange(count)) % trace.memory.shape[2]
    figure = Picture(
        9.4, 4.6, f"What wrote each slot, and which slots read head {head + 1} reads, steps {list(steps)}."
    )
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[trace.inputs.shape[1], 1.3 * len(steps)])
    look = {"cmap": UNIT_COLOURS, "vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest"}
    image = left.imshow(written[slots].numpy(), **look)
    left.set_title(
        f"which step wrote what is there at step {steps[0]}", loc="left", fontsize=10, color=WRITE_COLOUR, pad=16
    )
    left.set(xlabel="written at step", ylabel="slot")
    _mark_spans(left, spans or {}, named=True)
    right.imshow(sources.T[slots].numpy(), **look)
    right.set_title(f"what read head {head + 1} reads", loc="left", fontsize=10, color=READ_COLOUR, pad=16)
    right.set_xticks(range(len(steps)), [str(step) for step in steps])
    right.set(xlabel="read at step")
    every = next(size for size in (1, 2, 5, 10, 20, 50, 100, len(slots)) if count / size <= 8)
    rows = np.flatnonzero(slots % every == 0)
    left.set_yticks(rows, [str(slots[row]) for row in rows])
    figure.colorbar(image, ax=[left, right], label="share", fraction=0.03, pad=0.01)
    return figure


def _memories(trace: Trace, example: int) -> Iterator[Float[Tensor, "parts slots width"]]:
    """Yield the memory after each step in parts: what is left of the initial one, then of what each step wrote."""
    steps = trace.inputs.shape[1]
    weighting, erase_vector, add_vector = (
        told[example].double() for told in (trace.write.weighting, trace.erase, trace.add)
    )
    parts = weighting.new_zeros(steps + 1, *trace.memory.shape[2:])
    parts[0] = trace.initial.memory[example]
    for step in range(steps):
        parts = erase(parts, weighting[step].expand(steps + 1, -1, -1), erase_vector[step].expand(steps + 1, -1, -1))
        parts[step + 1] = add(parts[step + 1], weighting[step], add_vector[step])
        yield parts


def _shares(parts: Float[Tensor, "*vectors parts width"]) -> Float[Tensor, "*vectors parts"]:
    """Project each part of a vector on the whole, in units of the whole."""
    whole = parts.sum(-2)
    squared_length = whole.square().sum(-1, keepdim=True).clamp_min(SMALLEST)
    return einsum(parts, whole, "... parts width, ... width -> ... parts") / squared_length


def _mark_spans(axes: Axes, spans: Mapping[str, tuple[int, int]], named: bool) -> None:
    """Draw a line before each span of steps and, if asked to, write its name above it."""
    for name, (first, last) in spans.items():
        axes.axvline(first - 0.5, color="white", linewidth=0.8, alpha=0.7)
        if named:
            where = ((first + last) / 2, 1.01)
            axes.text(*where, name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8)


def _check_steps(trace: Trace, steps: Sequence[int]) -> None:
    last = trace.inputs.shape[1] - 1
    for step in steps:
        if not 0 <= step <= last:
            raise ValueError(f"steps must be from 0 to {last}, the steps of the trace; got {step}")
