"""Cases for the tests of the fused engine, and the results that are compared."""

from typing import Any

import torch
from torch import Tensor

import ntmlib
from ntmlib.engines import Engine
from ntmlib.machine import MachineConfig, MachineState


def parts(state: MachineState) -> list[Tensor]:
    return [state.memory, state.read_weighting, state.write_weighting, state.read_vector, *state.controller]


def random_state(config: MachineConfig, batch: int, dtype: torch.dtype, generator: torch.Generator) -> MachineState:
    """A state in the middle of something: nothing uniform, nothing zero."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=generator, dtype=dtype)

    heads, slots = config.num_heads, config.slots
    count = 2 if config.controller == "lstm" else 0
    return MachineState(
        memory=normal(slots, config.width),
        read_weighting=normal(heads, slots).softmax(-1),
        write_weighting=normal(heads, slots).softmax(-1),
        read_vector=normal(heads, config.width),
        controller=tuple(normal(config.num_layers, config.hidden) for _ in range(count)),
    )


def unfolded(
    case: dict[str, Any], scale: float, sharp: float
) -> tuple[ntmlib.NTM, Tensor, MachineState, Tensor | None]:
    """Build what a drawn case describes, in float32; ``sharp`` is added to raw key strengths and sharpenings."""
    generator, config = torch.Generator().manual_seed(case["seed"]), case["config"]
    machine = ntmlib.NTM.from_config(config, generator)
    for parameter in machine.parameters():
        parameter.data.mul_(scale)
    raw = machine.cell.heads.bias.data.view(config.num_heads, -1)
    size = machine.cell.layout.addressing_size
    for head in (raw[:, :size], raw[:, size : 2 * size]):
        head[:, [config.width, -1]] += sharp
    shape = (case["batch"], case["time"], config.input_size)
    inputs = torch.randn(shape, generator=generator)
    given = random_state(config, case["batch"], torch.float32, generator)
    state = given if case["own_start"] else machine.initial_state(case["batch"]).detach()
    lengths = None if case["lengths"] is None else torch.tensor(case["lengths"])
    return machine, inputs, state, lengths


def results(
    engine: Engine,
    machine: ntmlib.NTM,
    inputs: Tensor,
    state: MachineState,
    lengths: Tensor | None,
    cotangents: list[Tensor] | None = None,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return logits, final state and the gradients of all that went in, and the cotangents they came from."""
    inputs = inputs.detach().requires_grad_()
    state = state.map(lambda tensor: tensor.detach().requires_grad_())
    logits, end = engine.unroll(machine.cell, inputs, state, lengths)
    outputs = [logits, *parts(end)]
    if cotangents is None:
        generator = torch.Generator().manual_seed(0)
        cotangents = [torch.randn(out.shape, generator=generator).to(out) for out in outputs]
    weights = [p for name, p in machine.named_parameters() if "initial_" not in name]
    # Without feedback no result depends on the read vector of the start.
    found = torch.autograd.grad(outputs, [inputs, *parts(state), *weights], cotangents, materialize_grads=True)
    return [*(out.detach() for out in outputs), *found], cotangents


def gradients(loss: Tensor, machine: ntmlib.NTM) -> list[Tensor]:
    """Return the gradients of all parameters the loss depends on."""
    found = torch.autograd.grad(loss, list(machine.parameters()), retain_graph=True, allow_unused=True)
    return [gradient for gradient in found if gradient is not None]


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Length of the difference, over the length of what was expected."""
    length = expected.detach().double().norm().item()
    difference = (found.detach().double() - expected.detach().double()).norm().item()
    return difference / length if length > 1e-30 else difference
