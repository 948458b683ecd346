"""The public package ``dnc`` as one more engine of ``ntm bench``, when it is installed.

It is a Differentiable Neural Computer (Graves et al., 2016), the NTM's successor, and so **another machine**: where our
heads move by shifts, every step sorts the slots by how free they are and updates a table of links, slots x slots, that
remembers in which order they were written. Its times say what a public alternative costs on the same task with the
same sizes, not how well somebody wrote an NTM.

What version 1.1.0 does that a user would not guess, and what is done about it here:

- Outputs are as many as inputs. The first of them are taken; the rest are computed and dropped.
- A controller has two layers of LSTM unless told otherwise. Here one, as ours.
- Without a state it draws the controller's first state anew in every call, from torch's global generator. Here a
  state of zeros is handed over, a fresh one each time, because the package writes into the list it is given.
- Weights come from the global generator. Here they are drawn once more, from a generator of our own.
- What a step reads reaches the output of that step, but not, as in the paper, the controller's next input: those
  columns of its weights always meet zeros. It is measured as it is.
"""

from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

HIDDEN, SLOTS, WIDTH = 100, 128, 20  # as our machines', with one read head
Forward = Callable[[Tensor], Tensor]


def load() -> Any:
    """Import the package.

    Raises:
        ValueError: it is not installed, or what is installed under this name is something else.
    """
    try:
        package = import_module("dnc")
    except ImportError as error:
        raise ValueError(f"engine 'dnc' needs the package dnc, `pip install dnc`; got {error}") from error
    if not hasattr(package, "DNC"):
        raise ValueError(f"engine 'dnc' needs the package dnc with its class DNC; got {package!r}")
    return package


def version() -> str:
    """Return the version of the installed package."""
    try:
        return metadata.version("dnc")
    except metadata.PackageNotFoundError:
        return "of unknown version"


def build(inputs: int, outputs: int, generator: torch.Generator) -> tuple[nn.Module, Forward]:
    """Build a machine of the package's, and a function from a batch of sequences to logits.

    Args:
        inputs: channels of a sequence.
        outputs: channels of the answer, at most as many as inputs.
        generator: draws the weights, uniform up to one over the root of the hidden units.
    """
    with torch.random.fork_rng(devices=[]):  # what the package draws from the global generator is put back
        model = load().DNC(
            input_size=inputs,
            hidden_size=HIDDEN,
            rnn_type="lstm",
            num_layers=1,
            num_hidden_layers=1,
            nr_cells=SLOTS,
            cell_size=WIDTH,
            read_heads=1,
            batch_first=True,
            gpu_id=-1,  # the processor
        )
    reach = HIDDEN**-0.5
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-reach, reach, generator=generator)

    def forward(sequences: Float[Tensor, "batch time inputs"]) -> Float[Tensor, "batch time outputs"]:
        zeros = sequences.new_zeros(1, len(sequences), HIDDEN)
        logits, _ = model(sequences, ([(zeros, zeros)], None, None))
        return logits[:, :, :outputs]

    return model, forward
