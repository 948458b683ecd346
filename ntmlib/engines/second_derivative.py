"""Gradients of gradients: a compiled backward pass that is itself recorded runs the reference instead."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ntmlib.engines import reference, support
from ntmlib.machine import MachineConfig, MachineState, NTMCell


def differentiable_backward(
    config: MachineConfig, lengths: Tensor | None, tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Return the gradients of all tensors that went into a run, as results of differentiable operations.

    Args:
        config: of the machine.
        lengths: steps of each sequence.
        tensors: inputs, memory, read and write weighting, read vector, the controller's state, and the parameters in
            the order of ``support.parameters``.
        gradients: of logits, memory, read and write weighting, read vector and the controller's state.
    """
    # Copies, because one of the tensors may come from another: only what reaches it directly counts here.
    copies = [tensor.view_as(tensor) for tensor in tensors]
    stand_in = NTMCell(config, torch.Generator())
    linears = support.linears(stand_in)
    count = 2 * len(linears)
    (inputs, *state), parameters = copies[:-count], copies[-count:]
    for linear, weight, bias in zip(linears, parameters[::2], parameters[1::2], strict=True):
        del linear.weight, linear.bias
        linear.weight, linear.bias = weight, bias  # type: ignore[assignment]  # plain tensors in their place
    memory, read_weighting, write_weighting, read_vector, *controller = state
    start = MachineState(memory, read_weighting, write_weighting, read_vector, tuple(controller))
    logits, end = reference.unroll(stand_in, inputs, start, lengths)
    results = [logits, end.memory, end.read_weighting, end.write_weighting, end.read_vector, *end.controller]
    pairs = [(r, g) for r, g in zip(results, gradients, strict=True) if g is not None and r.requires_grad]
    wanted = [copy for copy in copies if copy.requires_grad]
    found = iter(
        torch.autograd.grad([r for r, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return [next(found) if copy.requires_grad else None for copy in copies]
