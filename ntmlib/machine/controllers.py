"""The two controllers of the paper: a feed-forward network and an LSTM.

A controller sees the external input beside the vectors read one step ago, and
gives one hidden vector to the heads and the output. Its own state is a value:
a tuple of tensors ``[batch layers hidden]``, empty for the feed-forward network.
"""

from itertools import pairwise
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

ControllerState = tuple[Tensor, ...]


class Controller(Protocol):
    """What the machine needs of a controller."""

    def initial_state(self, batch_size: int) -> ControllerState:
        """The state before the first step."""
        ...

    def __call__(
        self, features: Float[Tensor, "batch features"], state: ControllerState
    ) -> tuple[Float[Tensor, "batch hidden"], ControllerState]:
        """One step: the hidden vector, and the state after it."""
        ...


class Linear(nn.Linear):
    """An affine layer that draws nothing when it is made.

    ``nn.utils.skip_init`` would do, but goes through torch's device "meta", whose first use loads a computer algebra
    system for some tenths of a second.
    """

    def reset_parameters(self) -> None: ...


def uniform_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Make an affine layer drawn uniformly from +-1/sqrt(inputs), from a generator of its own."""
    layer = Linear(inputs, outputs)
    bound = inputs**-0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


class FeedForwardController(nn.Module):
    """One or more layers of tanh units; it remembers nothing by itself."""

    def __init__(self, input_size: int, hidden: int, num_layers: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = [input_size] + [hidden] * num_layers
        self.layers = nn.ModuleList(uniform_linear(inputs, outputs, generator) for inputs, outputs in pairwise(sizes))

    def initial_state(self, batch_size: int) -> ControllerState:
        return ()

    def forward(
        self, features: Float[Tensor, "batch features"], state: ControllerState
    ) -> tuple[Float[Tensor, "batch hidden"], ControllerState]:
        for layer in self.layers:
            features = torch.tanh(layer(features))
        return features, state


class LSTMLayer(nn.Module):
    """One LSTM layer with a single bias and no peepholes; gates in the order input, forget, cell, output."""

    def __init__(self, input_size: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.gates = uniform_linear(input_size + hidden, 4 * hidden, generator)

    def forward(
        self,
        features: Float[Tensor, "batch features"],
        hidden: Float[Tensor, "batch hidden"],
        cell: Float[Tensor, "batch hidden"],
    ) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
        """Return the hidden vector and the cell after one step."""
        i, f, g, o = self.gates(torch.cat([features, hidden], -1)).chunk(4, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell


class LSTMController(nn.Module):
    """Stacked LSTM layers whose first state is learned."""

    def __init__(self, input_size: int, hidden: int, num_layers: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = [input_size] + [hidden] * (num_layers - 1)
        self.layers = nn.ModuleList(LSTMLayer(size, hidden, generator) for size in sizes)
        self.initial_hidden = nn.Parameter(torch.zeros(num_layers, hidden))
        self.initial_cell = nn.Parameter(torch.zeros(num_layers, hidden))

    def initial_state(self, batch_size: int) -> ControllerState:
        return tuple(start.expand(batch_size, *start.shape) for start in (self.initial_hidden, self.initial_cell))

    def forward(
        self, features: Float[Tensor, "batch features"], state: ControllerState
    ) -> tuple[Float[Tensor, "batch hidden"], ControllerState]:
        hiddens, cells = (part.unbind(1) for part in state)
        new_hiddens, new_cells = [], []
        for layer, hidden, cell in zip(self.layers, hiddens, cells, strict=True):
            features, new_cell = layer(features, hidden, cell)
            new_hiddens.append(features)
            new_cells.append(new_cell)
        return features, (torch.stack(new_hiddens, 1), torch.stack(new_cells, 1))
