"""What a predictor makes of its context: does it count what followed, and where does it keep that?

A context is the last few bits before a step, read as one binary number, the oldest bit first.
"""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.colours import LINE_COLOURS, UNIT_COLOURS
from ntmlib.views.figures import Picture
from ntmlib.views.scoreboard import GRID_COLOUR

NONE_YET = -1  # the context of a step that has too few bits before it
MOST_SEEN = 8  # contexts seen more often than this are left out of a picture of single counts


def contexts_before(bits: Float[Tensor, "sequences time"], context: int = 5) -> Int[Tensor, "sequences time"]:
    """Return the context of each step: the bits before it as a number, -1 for the first steps.

    Args:
        bits: sequences of 0 and 1.
        context: how many bits.

    Raises:
        ValueError: context is not from 1 to the number of steps.
    """
    if not 1 <= context <= bits.shape[1]:
        raise ValueError(f"context must be from 1 to {bits.shape[1]}, the steps of a sequence; got {context}")
    places = 2 ** torch.arange(context - 1, -1, -1, device=bits.device)
    numbers = (bits.long().unfold(1, context, 1) * places).sum(-1)
    return F.pad(numbers[:, :-1], (context, 0), value=NONE_YET)


def counts_before(
    bits: Float[Tensor, "sequences time"], contexts: Int[Tensor, "sequences time"], window: int | None = None
) -> Int[Tensor, "sequences time 2"]:
    """Return, for each step, how many zeros and how many ones have followed its context so far.

    Args:
        bits: sequences of 0 and 1.
        contexts: of each step, as ``contexts_before`` returns them; a step without one has counts of 0.
        window: count what came in this many steps before only; None counts all.

    Raises:
        ValueError: the window is not at least 1.
    """
    if window is not None and window < 1:
        raise ValueError(f"window must be at least 1, or None; got {window}")
    steps = torch.arange(bits.shape[1], device=bits.device)
    age = steps[:, None] - steps
    recent = (age > 0) & (age <= (window or len(steps)))
    counts = []
    for sequence, context in zip(bits == 1, contexts, strict=True):  # one at a time: a table of steps by steps each
        same = (context[:, None] == context) & (context != NONE_YET) & recent
        counts.append(torch.stack([(same & ~sequence).sum(1), (same & sequence).sum(1)], 1))
    return torch.stack(counts)


def slot_use(
    weighting: Float[Tensor, "sequences time slots"], contexts: Int[Tensor, "sequences time"], num_contexts: int = 32
) -> Float[Tensor, "contexts slots"]:
    """Say which slots a head uses under which context: the share of all its weight, 1 in the whole table.

    A row sums to how often its context came.

    Args:
        weighting: of one head.
        contexts: of each step; steps without one do not count.
        num_contexts: rows of the table.

    Raises:
        ValueError: no step has a context.
    """
    known = contexts != NONE_YET
    if not known.any():
        raise ValueError("contexts must hold at least one that is known; got none")
    use = weighting.new_zeros(num_contexts, weighting.shape[-1])
    use.index_add_(0, contexts[known], weighting[known])
    return use / known.sum()


def shared_information(use: Float[Tensor, "contexts slots"]) -> float:
    """Return how many bits the slot tells about the context (and the context about the slot).

    It is the mutual information of the two: 0 where every context is treated alike, and where each has a slot of its
    own the full entropy of the contexts, 5 bits for 32 that come equally often.

    Args:
        use: as ``slot_use`` returns it.
    """
    joint = use.double()
    alone = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    present = joint > 0
    return float((joint[present] * (joint[present] / alone[present]).log2()).sum())


def rows_written(trace: Trace, head: int = 0) -> Float[Tensor, "sequences time width"]:
    """Return what a write head has left, after each step, in the slot that it wrote to most.

    Args:
        trace: a finished trace.
        head: which write head, from 0.
    """
    slots = trace.write.weighting[:, :, head].argmax(-1)
    width = trace.memory.shape[-1]
    return trace.memory.gather(2, slots[..., None, None].expand(-1, -1, 1, width))[:, :, 0]


def answers_to_context(contexts: Int[Tensor, " time"]) -> Bool[Tensor, "time written"]:
    """Say which earlier steps brought an answer to the context of each step.

    What follows a context comes in one step later. So the entry of step ``t`` and step ``s``, at most ``t``, is true
    where the context of step ``s - 1`` is that of step ``t``.

    Args:
        contexts: of each step of one sequence, as ``contexts_before`` returns them.
    """
    answered = F.pad(contexts[:-1], (1, 0), value=NONE_YET)
    same = (contexts[:, None] == answered[None]) & (answered[None] != NONE_YET)
    return same.tril()


def plot_recall(
    shares: Float[Tensor, "time written"], contexts: Int[Tensor, " time"], context: int, digits: int = 5
) -> Picture:
    """Draw when what a head reads was written, at each step with a given context.

    Circles are the steps that brought an answer to this context. A machine that looks up what followed the context
    before is bright inside the circles and dark elsewhere.

    Args:
        shares: of what is read at each step, by the step that wrote it, as ``origins`` returns them for a head.
        contexts: of each step, as ``contexts_before`` returns them.
        context: the one to show, as a number.
        digits: bits in a context, for the title.

    Raises:
        ValueError: the context does not come.
    """
    visits = (contexts == context).nonzero().flatten()
    if not len(visits):
        raise ValueError(f"context must be one of those that come; {context} does not")
    name = f"{context:0{digits}b}"
    figure = Picture(9.4, 0.2 * len(visits) + 1.1, f"When what is read under context {name} was written.")
    axes = figure.add_subplot()
    rows = shares[visits].cpu().numpy()
    image = axes.imshow(rows, cmap=UNIT_COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    row, written = answers_to_context(contexts)[visits].nonzero().T.tolist()
    axes.plot(written, row, "o", markersize=7, markerfacecolor="none", markeredgecolor=LINE_COLOURS[4], mew=1.2)
    axes.set_yticks(range(len(visits)), [str(step) for step in visits.tolist()], fontsize=7)
    axes.set(xlabel="written at step", ylabel="read at step")
    axes.set_title(f"context {name}; circles: what followed it came in here", loc="left", fontsize=10)
    figure.colorbar(image, ax=axes, label="share of what is read", fraction=0.03, pad=0.01)
    return figure


def plot_estimates(
    counts: Int[Tensor, "sequences time 2"], predictions: Mapping[str, Float[Tensor, "sequences time"]]
) -> Picture:
    """Draw what models say after each pair of counts, against what the best predictor says: (ones + 1/2) / (n + 1).

    A dot is the mean over all steps whose context has been followed by that many zeros and ones; its bar spans the
    middle half of the predictions. The darker, the more has been counted.

    Args:
        counts: zeros and ones so far, as ``counts_before`` returns them.
        predictions: probability of a 1 for each model and step.
    """
    shades = np.linspace(0.9, 0.15, MOST_SEEN + 1)
    across = min(9.4, 0.6 + 4.1 * len(predictions))
    figure = Picture(
        across, across / len(predictions) + 0.3, f"What {', '.join(predictions)} say after up to {MOST_SEEN} times."
    )
    panels = figure.subplots(1, len(predictions), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, said) in zip(panels, predictions.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="#222222", linewidth=1)
        for seen in range(MOST_SEEN + 1):
            for ones in range(seen + 1):
                here = (counts[..., 0] == seen - ones) & (counts[..., 1] == ones)
                if not here.any():
                    continue
                values = said[here].double()
                low, high = values.quantile(values.new_tensor([0.25, 0.75])).tolist()
                best, colour = (ones + 0.5) / (seen + 1), f"{shades[seen]:.3f}"
                axes.plot([best, best], [low, high], color=colour, linewidth=1)
                axes.plot(
                    best, float(values.mean()), "o", markersize=4.5, color=colour, markeredgecolor="black", mew=0.4
                )
        axes.set_title(name, loc="left", fontsize=10)
        axes.set(xlabel="the best predictor says", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.grid(color=GRID_COLOUR, linewidth=0.6)
    panels[0].set_ylabel("the model says")
    return figure
