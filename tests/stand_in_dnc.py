"""Stands in for the public package ``dnc``, which is not in the lock: the same calls, the same traps, little work.

The signatures are those of dnc 1.1.0, and so are the habits that its adapter must withstand: two layers and two read
heads unless told otherwise, as many outputs as inputs, weights and first states from torch's global generator, and a
controller state that is written back into the caller's list.
"""

import sys
import types
from importlib.machinery import ModuleSpec

import torch
from torch import nn


class DNC(nn.Module):
    def __init__(
        self,
        input_size,
        hidden_size,
        rnn_type="lstm",
        num_layers=1,
        num_hidden_layers=2,
        bias=True,
        batch_first=True,
        dropout=0,
        bidirectional=False,
        nr_cells=5,
        read_heads=2,
        cell_size=10,
        nonlinearity="tanh",
        gpu_id=-1,
        independent_linears=False,
        share_memory=True,
        debug=False,
        clip=20,
    ):
        super().__init__()
        self.settings = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        self.rnn = nn.LSTM(input_size, hidden_size, num_hidden_layers, bias=bias, batch_first=batch_first)
        self.output = nn.Linear(hidden_size, input_size)

    def forward(self, input, hx=(None, None, None), reset_experience=False, pass_through_memory=True):
        controllers, memory, last_read = hx
        if controllers is None:
            first = torch.zeros(self.rnn.num_layers, len(input), self.rnn.hidden_size)
            nn.init.xavier_uniform_(first)  # on purpose: so does the package, from the global generator
            controllers = [(first, first)]
        hidden, controllers[0] = self.rnn(input, controllers[0])
        return self.output(hidden), (controllers, memory, last_read)


def install(monkeypatch):
    """Make ``import dnc`` find the stand-in until the test ends, whether or not the package is there."""
    module = types.ModuleType("dnc")
    module.__spec__ = ModuleSpec("dnc", None)
    module.DNC = DNC
    monkeypatch.setitem(sys.modules, "dnc", module)


def uninstall(monkeypatch):
    """Make ``import dnc`` fail until the test ends."""
    monkeypatch.setitem(sys.modules, "dnc", None)
