"""The gradient of every parameter of a whole machine, through five steps, against central differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap

import ntmlib.machine.cell
import ntmlib.machine.heads
from ntmlib.ntm import NTM

STEPS = 5


def make(controller: str) -> NTM:
    """A small machine of two head pairs in which everything that can be learned is."""
    machine = NTM(
        2,
        2,
        controller=controller,
        hidden=4,
        slots=5,
        width=3,
        num_heads=2,
        memory_init="learned",
        weighting_init="learned",
        generator=torch.Generator().manual_seed(3),
    ).double()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in machine.parameters():  # off the zeros that biases and the LSTM's first state start with
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return machine


def loss_of(machine: NTM) -> Callable[[dict[str, Tensor]], Tensor]:
    """A loss in which every output of every sequence and step, and the final state, has its own random share."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(2, STEPS, 2, generator=generator, dtype=torch.float64)
    shares = torch.randn(2, STEPS, 2, generator=generator, dtype=torch.float64)
    memory_shares = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        logits, state = functional_call(machine, parameters, (inputs,), {"engine": "reference"})
        return (logits * shares).sum() + (state.memory * memory_shares).sum()

    return loss


def central_differences(
    loss: Callable[[dict[str, Tensor]], Tensor], parameters: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Differences of fourth order in every single number of every parameter, many machines at a time."""
    sizes = [parameter.numel() for parameter in parameters.values()]
    flat = torch.cat([parameter.flatten() for parameter in parameters.values()])

    def loss_of_flat(vector: Tensor) -> Tensor:
        parts = zip(parameters.items(), vector.split(sizes), strict=True)
        return loss({name: part.view(parameter.shape) for (name, parameter), part in parts})

    step = 1e-3
    moved = torch.eye(len(flat), dtype=flat.dtype) * step
    at = {k: vmap(loss_of_flat)(flat + k * moved) for k in (-2, -1, 1, 2)}
    gradient = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * step)
    return dict(zip(parameters, gradient.split(sizes), strict=True))


def largest_relative_error(machine: NTM) -> float:
    """The largest error of any parameter's gradient, relative to the length of that gradient."""
    parameters = {name: parameter.detach() for name, parameter in machine.named_parameters()}
    loss = loss_of(machine)
    expected = central_differences(loss, parameters)
    leaves = {name: parameter.clone().requires_grad_() for name, parameter in parameters.items()}
    gradients = torch.autograd.grad(loss(leaves), list(leaves.values()))
    return max(
        float((gradient.flatten() - expected[name]).norm() / expected[name].norm())
        for name, gradient in zip(leaves, gradients, strict=True)
    )


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_gradient_of_every_parameter_is_that_of_central_differences(controller):
    assert largest_relative_error(make(controller)) <= 1e-7


class SlightlyWrong(torch.autograd.Function):
    """Passes values on untouched and scales their gradient by 1.001."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def setup_context(ctx, inputs, output) -> None: ...

    @staticmethod
    def backward(ctx, cotangent: Tensor) -> Tensor:
        return 1.001 * cotangent


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
@pytest.mark.parametrize(
    ("module", "name"),
    [(ntmlib.machine.cell, "read"), (ntmlib.machine.cell, "write"), (ntmlib.machine.heads, "softplus")],
)
def test_a_gradient_wrong_by_a_thousandth_is_caught(monkeypatch, controller, module, name):
    right = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: SlightlyWrong.apply(right(*arguments)))
    assert largest_relative_error(make(controller)) > 1e-5
