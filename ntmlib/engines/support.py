"""What compiled engines have in common: which tensors go into a run, and which cases only the reference supports."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from ntmlib.machine import MachineState, NTMCell
from ntmlib.machine.controllers import FeedForwardController, LSTMController

LARGEST_MEMORY = 1e15  # squares of larger values overflow in float32; the reference rescales them first


def linears(cell: NTMCell) -> list[nn.Linear]:
    """Return the layers of the cell: the controller's, the heads', the output's."""
    layers: list[Any] = list(cell.controller.layers)
    return [*(layer.gates if cell.config.controller == "lstm" else layer for layer in layers), cell.heads, cell.output]


def parameters(cell: NTMCell) -> list[Tensor]:
    """Return weight and bias of every layer of the cell's core; its other parameters come in through the initial state.

    Where the controller does not see the read vectors, its weights for them are 0 here.
    """
    first, *others = [tensor for linear in linears(cell) for tensor in (linear.weight, linear.bias)]
    if not cell.config.read_feedback:
        at = cell.config.core.input_size
        blind = first.new_zeros(len(first), cell.config.num_heads * cell.config.width)
        first = torch.cat([first[:, :at], blind, first[:, at:]], 1)
    return [first, *others]


def finish(cell: NTMCell, features: Tensor, lengths: Tensor | None, passed: Tensor | None) -> Tensor:
    """Turn what a compiled engine gives, which knows no hidden layer of the output, into logits of every step."""
    if not cell.config.output_hidden:
        return features
    logits = cell.finish(features, passed)
    if lengths is None:
        return logits
    ended = torch.arange(features.shape[1], device=features.device) >= lengths.to(features.device)[:, None]
    return logits.masked_fill(ended[..., None], 0.0)


def parts(state: MachineState) -> tuple[Tensor, ...]:
    """Return the tensors of a state, in the order in which the engines take them."""
    return state.memory, state.read_weighting, state.write_weighting, state.read_vector, *state.controller


def problem(
    cells: Sequence[NTMCell], inputs: Tensor, state: MachineState, kinds: Collection[str], where: str
) -> str | None:
    """Say why a compiled engine cannot run a case, or return ``None`` if it can.

    Args:
        cells: the machines.
        inputs: what goes in.
        state: where they start.
        kinds: types of devices that the engine runs on.
        where: those, in words.
    """
    for cell in cells:
        if type(cell) is not NTMCell or type(cell.controller) not in (FeedForwardController, LSTMController):
            return "it computes the step of NTMCell and its two controllers; got a class of another kind"
        if _is_hooked(cell):
            return "it calls no part of the cell by itself, so hooks on them would see nothing"
    dtype, device, recording = inputs.dtype, inputs.device, torch.is_grad_enabled()
    if dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64; got {dtype}"
    for tensor in (inputs, *parts(state), *(tensor for cell in cells for tensor in parameters(cell))):
        if tensor.device.type not in kinds:
            return f"it runs on {where}; got a tensor on {tensor.device}"
        if tensor.device != device:
            return f"inputs, state and parameters must be on one device; got {device} and {tensor.device}"
        if tensor.dtype != dtype:
            return f"inputs, state and parameters must share one dtype; got {dtype} and {tensor.dtype}"
        if unpack_dual(tensor).tangent is not None or not _has_numbers(tensor):
            return "torch.func and forward-mode derivatives look into single operations"
        if recording and tensor.is_inference():
            return "tensors made in inference mode cannot be kept for a gradient"
    if torch.is_autocast_enabled(device.type):
        return "autocast asks for a dtype of its own"
    if inputs.shape[0] == 0 or inputs.shape[1] == 0:
        return f"it needs at least one sequence and one step; got {list(inputs.shape[:2])}"
    memory = state.memory.detach()
    if memory.stride(0) == 0:  # the same for all sequences, as at the start
        memory = memory[:1]
    if not bool(memory.abs().amax() < LARGEST_MEMORY):
        return f"memory must be finite and below {LARGEST_MEMORY:g}"
    return None


def _is_hooked(module: nn.Module) -> bool:
    if module._forward_hooks or module._forward_pre_hooks:
        return True
    return any(_is_hooked(part) for part in module._modules.values() if part is not None)


def _has_numbers(tensor: Tensor) -> bool:
    try:
        tensor.data_ptr()
    except RuntimeError:  # a stand-in, as torch.func and fake tensors use them
        return False
    return True
