"""Feed-forward and LSTM controllers against their definitions in loops and against torch's own LSTM."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from ntmlib.machine.controllers import FeedForwardController, LSTMController, uniform_linear


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def features(batch: int = 2, size: int = 3) -> torch.Tensor:
    return torch.randn(batch, size, generator=seeded(9), dtype=torch.float64)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_feedforward_is_its_definition_in_loops(num_layers):
    controller = FeedForwardController(3, 4, num_layers, seeded()).double()
    hidden, state = controller(features(), controller.initial_state(2))
    for b in range(2):
        values = features()[b].tolist()
        for layer in controller.layers:
            weight, bias = layer.weight.tolist(), layer.bias.tolist()
            values = [
                math.tanh(sum(w * v for w, v in zip(row, values, strict=True)) + bias[unit])
                for unit, row in enumerate(weight)
            ]
        assert hidden[b].tolist() == pytest.approx(values, abs=1e-14)
    assert state == ()


@pytest.mark.parametrize("num_layers", [1, 2])
def test_lstm_controller_is_torchs_stacked_lstm_with_one_bias(num_layers):
    controller = LSTMController(3, 4, num_layers, seeded()).double()
    theirs = nn.LSTM(3, 4, num_layers, dtype=torch.float64, device="meta").to_empty(device="cpu")  # draws nothing
    for index, layer in enumerate(controller.layers):
        below = layer.gates.weight.shape[1] - 4
        parameters = dict(theirs.named_parameters())
        parameters[f"weight_ih_l{index}"].data.copy_(layer.gates.weight[:, :below])
        parameters[f"weight_hh_l{index}"].data.copy_(layer.gates.weight[:, below:])
        parameters[f"bias_ih_l{index}"].data.copy_(layer.gates.bias)
        parameters[f"bias_hh_l{index}"].data.zero_()
    sequence = torch.randn(2, 5, 3, generator=seeded(1), dtype=torch.float64)
    expected, (expected_hidden, expected_cell) = theirs(sequence.transpose(0, 1))
    state, outputs = controller.initial_state(2), []
    for step in sequence.unbind(1):
        hidden, state = controller(step, state)
        outputs.append(hidden)
    torch.testing.assert_close(torch.stack(outputs), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(state[0].transpose(0, 1), expected_hidden, atol=1e-12, rtol=0)
    torch.testing.assert_close(state[1].transpose(0, 1), expected_cell, atol=1e-12, rtol=0)


def test_lstm_controller_starts_from_its_learned_state():
    controller = LSTMController(3, 4, 2, seeded())
    with torch.no_grad():
        controller.initial_cell.fill_(0.5)
    hidden, cell = controller.initial_state(3)
    assert hidden.shape == cell.shape == (3, 2, 4)
    assert cell.unique().tolist() == [0.5]


def test_a_state_that_goes_in_is_not_changed():
    controller = LSTMController(3, 4, 1, seeded()).double()
    state = tuple(torch.ones(2, 1, 4, dtype=torch.float64) for _ in range(2))
    _, new_state = controller(features(), state)
    assert all(bool((part == 1).all()) for part in state)
    assert all(not torch.equal(new, old) for new, old in zip(new_state, state, strict=True))


def test_layers_are_drawn_inside_their_bound_and_from_their_generator():
    layer, again, other = (uniform_linear(16, 50, seeded(seed)) for seed in (1, 1, 2))
    assert layer.weight.abs().max() <= 0.25
    assert layer.weight.abs().max() > 0.2
    assert torch.equal(layer.weight, again.weight)
    assert torch.equal(layer.bias, again.bias)
    assert not torch.equal(layer.weight, other.weight)


def test_a_machine_is_made_without_loading_a_computer_algebra_system():
    program = "import sys, ntmlib; ntmlib.NTM(10, 9); ntmlib.NTM(10, 9, 'lstm'); sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
