"""A trace of symbols as text: what was read, what was expected to follow, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.checks import check_names

GUESSES = 3  # likeliest next symbols that are named at each step


@dataclass(frozen=True)
class SymbolData:
    """A sequence of symbols, with what was expected to follow each of them.

    ``shown``, ``guesses`` (the likeliest first) and ``came`` are places in ``names``; ``came`` is None where it is not
    known or not asked for. ``shares`` are those of the guesses, ``nats`` is what the symbol that came has cost.
    """

    names: tuple[str, ...]
    shown: list[int]
    guesses: list[list[int]]
    shares: list[list[float]]
    came: list[int | None]
    nats: list[float | None]


def symbol_data(
    trace: Trace,
    example: int,
    symbols: Sequence[str],
    targets: Float[Tensor, "batch time outputs"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
) -> SymbolData:
    """Read one sequence of a trace as symbols: one is shown at each step, and shares are given to what may follow.

    What came is taken from the targets, or from the next step's input where there are none.

    Raises:
        ValueError: inputs and outputs are not one channel for each symbol, or not exactly one is shown at each step.
    """
    inputs, outputs = trace.inputs[example], trace.outputs[example]
    names = check_names("symbols", symbols, inputs.shape[-1], "symbol")
    if outputs.shape[-1] != len(names):
        raise ValueError(
            f"symbols must name inputs and outputs; got {len(names)} of them for {outputs.shape[-1]} outputs"
        )
    strangers = torch.nonzero((inputs != 0).sum(-1).ne(1) | inputs.sum(-1).ne(1))
    if len(strangers):
        raise ValueError(f"symbols need inputs with a single 1 at each step; step {int(strangers[0])} is not so")
    shown = inputs.argmax(-1)
    if targets is None:
        asked = torch.arange(len(shown)) < len(shown) - 1
        came = shown.roll(-1)
    else:
        asked = torch.ones(len(shown), dtype=torch.bool)
        came = targets[example].argmax(-1).cpu()
    if mask is not None:
        asked &= mask[example].cpu()
    likely = outputs.double().log_softmax(-1).cpu()
    best = likely.topk(min(GUESSES, len(names)), -1)
    nats = -likely.gather(-1, came[:, None].cpu())[:, 0]
    return SymbolData(
        names=names,
        shown=shown.tolist(),
        guesses=best.indices.tolist(),
        shares=np.round(best.values.exp().numpy(), 4).tolist(),
        came=[place if wanted else None for place, wanted in zip(came.tolist(), asked.tolist(), strict=True)],
        nats=[round(cost, 3) if wanted else None for cost, wanted in zip(nats.tolist(), asked.tolist(), strict=True)],
    )


def score_symbols(read: SymbolData) -> str:
    """Say how many symbols were expected most of all, and what they cost in the mean."""
    pairs = [(first, came) for (first, *_), came in zip(read.guesses, read.came, strict=True) if came is not None]
    if not pairs:
        return ""
    mean = sum(cost for cost in read.nats if cost is not None) / len(pairs)
    return f"{sum(first == came for first, came in pairs)} of {len(pairs)} right, {mean:.2f} nats a symbol"
