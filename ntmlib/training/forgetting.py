"""What a text costs a machine that loses a part of its state again and again: which part it remembers the text with."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from ntmlib.ntm import NTM
from ntmlib.tasks import Continuous
from ntmlib.tasks.base import SYMBOLS, check_whole
from ntmlib.training.evaluation import answer_nats

CONTROLLER = ("controller",)
TAPE = ("memory", "read_weighting", "write_weighting", "read_vector")  # all that is not in the controller


def nats_forgetting(
    machine: NTM,
    task: Continuous,
    part: str = "validation",
    *,
    forgets: Iterable[str],
    every: int = 1,
    streams: int = 16,
    characters: int | None = None,
) -> Float[np.ndarray, "streams characters"]:
    """Say in nats what each character cost a machine that puts parts of its state back to their beginning.

    Nothing else is changed: the machine was never trained for this.

    Args:
        machine: trained on the text.
        task: the text.
        part: "validation", "train" or, where the corpus has one, "test".
        forgets: names of the parts, of ``TAPE`` and ``CONTROLLER``; none of them for the machine as it is.
        every: steps after which they are put back.
        streams: pieces that the part is cut into and that are read side by side.
        characters: read in each stream; all of its piece by default.

    Returns:
        A number for each character but the first of each stream's piece; not a number where a stream has no more.

    Raises:
        ValueError: there is no such part, or a number is out of its range.
    """
    names = tuple(forgets)
    for name in names:
        if name not in TAPE + CONTROLLER:
            raise ValueError(f"forgets must be of {', '.join(TAPE + CONTROLLER)}; got {name!r}")
    check_whole("every", every)
    state, columns = machine.initial_state(streams), []
    lost = {name: getattr(state, name) for name in names}
    for batch in task.pages(part, streams, every, characters):
        with torch.no_grad():
            logits, state = machine(batch.inputs, replace(state, **lost))
        nats = answer_nats(logits.double(), batch.targets.double(), SYMBOLS, "none").view(batch.mask.shape)
        columns.append(nats.masked_fill(~batch.mask, torch.nan).numpy())
    return np.concatenate(columns, 1)
