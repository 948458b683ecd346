"""What a text costs a model that reads it, character by character and in all."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntmlib.ntm import NTM
from ntmlib.tasks import Batch, Continuous, chance_right
from ntmlib.tasks.base import SYMBOLS
from ntmlib.training.evaluation import BITS_PER_NAT, Report, answer_nats

WINDOW = 128  # steps run at a time; the costs do not depend on it


def evaluate_text(
    machine: nn.Module,
    task: Continuous,
    part: str = "validation",
    *,
    streams: int = 1,
    characters: int | None = None,
    engine: str | None = None,
) -> Report:
    """Let a model read a part of a text from its beginning to its end, its state passed on, and sum what it pays.

    Args:
        machine: an ``NTM`` or a baseline.
        task: the text.
        part: "validation", "train" or, where the corpus has one, "test".
        streams: pieces that the part is cut into and that are read side by side, each from a fresh state. More is
            faster, and a little dearer: every piece but the first begins in the middle.
        characters: read in each stream; all of its piece by default.
        engine: engine of an ``NTM``; by default the fastest.
    """
    nats, errors, asked, whole, length = 0.0, 0, 0, np.ones(streams, bool), 0
    for batch, logits in _read(machine, task.pages(part, streams, WINDOW, characters), engine):
        mask = batch.mask
        nats += float(answer_nats(logits[mask].double(), batch.targets[mask].double(), SYMBOLS, "sum"))
        wrong = ((logits.argmax(-1) != batch.targets.argmax(-1)) & mask).sum(1).numpy()
        errors += int(wrong.sum())
        whole &= wrong == 0
        asked += int(mask.sum())
        length += int(mask.sum(1).max())
    return Report(
        length=length,
        slots=machine.config.slots if isinstance(machine, NTM) else None,
        num_sequences=streams,
        num_bits=asked,
        bits_per_sequence=nats * BITS_PER_NAT / streams,
        bits_per_bit=nats * BITS_PER_NAT / asked,
        bit_errors=errors,
        exact=float(whole.mean()),
        answer_type=SYMBOLS,
        chance_right=chance_right(task),
    )


def character_nats(
    machine: nn.Module, task: Continuous, part: str = "validation", *, streams: int = 1, characters: int | None = None
) -> Float[np.ndarray, "streams characters"]:
    """Say what each character cost in nats; not a number where a stream has no more of them.

    The first character of a stream's piece is shown and not asked for, so column 0 belongs to its second.
    """
    columns = []
    for batch, logits in _read(machine, task.pages(part, streams, WINDOW, characters), None):
        nats = answer_nats(logits.double(), batch.targets.double(), SYMBOLS, "none").view(batch.mask.shape)
        columns.append(nats.masked_fill(~batch.mask, torch.nan).numpy())
    return np.concatenate(columns, 1)


def _read(machine: nn.Module, pages: Iterator[Batch], engine: str | None) -> Iterator[tuple[Batch, Tensor]]:
    """Run a model over pages that follow one another; yields each with the logits."""
    run: Callable[..., Any] = machine
    options = {} if engine is None else {"engine": engine}
    device = next((parameter.device for parameter in machine.parameters()), torch.device("cpu"))
    state = None
    for batch in pages:
        with torch.no_grad():
            logits, state = run(batch.inputs.to(device), state, **options)
        yield batch, logits.cpu()
