"""The cuda engine: whole sequences, forward and backward, in one kernel each on an NVIDIA GPU.

``unroll`` gives the numbers of ``reference.unroll``. Every sequence is a program of its own (``cuda_kernels.py``), so
a GPU runs hundreds side by side; they may belong to different machines of one shape (``unroll_many``). What remains,
matrix products over all steps at once, torch does before and after.

Under Triton's interpreter (``TRITON_INTERPRET=1``) the same kernels run, slowly, on the CPU: that is how they are
tested where there is no GPU.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ntmlib.engines import support
from ntmlib.engines.second_derivative import differentiable_backward
from ntmlib.machine import MachineConfig, MachineState, NTMCell

LARGEST_TILE = 32_768  # numbers of a padded memory that a program can hold in registers
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def unsupported(cell: NTMCell, inputs: Tensor, state: MachineState) -> str | None:
    """Say why this engine cannot run a case, or return ``None`` if it can."""
    return _unsupported([cell], inputs, state)


def _unsupported(cells: Sequence[NTMCell], inputs: Tensor, state: MachineState) -> str | None:
    kinds = ("cuda", "cpu") if INTERPRETED else ("cuda",)
    return missing() or too_large(cells[0].config) or support.problem(cells, inputs, state, kinds, "a CUDA device")


def missing() -> str | None:
    """Say what is not installed, if anything."""
    if find_spec("triton") is None:
        return "it needs the package triton, which torch's builds for CUDA on Linux bring along"
    return None


def too_large(config: MachineConfig) -> str | None:
    """Say why a memory does not fit into the registers of a program, if it does not."""
    sizes = _Sizes.of(config)
    if sizes.SLOTS_P * sizes.WIDTH_P <= LARGEST_TILE:
        return None
    return (
        f"slots and width, each rounded up to a power of two, may multiply to {LARGEST_TILE:,} at most; "
        f"got {sizes.SLOTS_P * sizes.WIDTH_P:,}"
    )


def unroll(
    cell: NTMCell,
    inputs: Float[Tensor, "batch time features"],
    state: MachineState,
    lengths: Int[Tensor, " batch"] | None = None,
    passed: Float[Tensor, "batch time units"] | None = None,
) -> tuple[Float[Tensor, "batch time outputs"], MachineState]:
    """Run the machine over whole sequences; ``reference.unroll`` says what comes out.

    Raises:
        ValueError: the case is not supported; the message says why.
    """
    return unroll_many([cell], inputs, state, lengths, passed)


def unroll_many(
    cells: Sequence[NTMCell],
    inputs: Float[Tensor, "batch time features"],
    state: MachineState,
    lengths: Int[Tensor, " batch"] | None = None,
    passed: Float[Tensor, "batch time units"] | None = None,
) -> tuple[Float[Tensor, "batch time outputs"], MachineState]:
    """Run several machines of one shape in one launch.

    Args:
        cells: the machines; each takes an equal share of the batch, in this order.
        inputs: one vector for each sequence and step.
        state: the state before the first step.
        lengths: steps of each sequence, for a batch of unequal ones.
        passed: factors on the units of the output's hidden layer, for dropout.

    Raises:
        ValueError: the case is not supported, or the batch cannot be shared out; the message says why.
    """
    reason = _unsupported(cells, inputs, state)
    if reason is not None:
        raise ValueError(f"engine 'cuda' cannot run this: {reason}")
    for cell in cells:
        if cell.config != cells[0].config:
            raise ValueError(f"cells must share one config; got {cells[0].config} and {cell.config}")
    if inputs.shape[0] % len(cells):
        raise ValueError(f"inputs must have a multiple of {len(cells)} sequences, one share a cell; got {len(inputs)}")
    per_cell = [support.parameters(cell) for cell in cells]
    parameters = [torch.stack(same) if len(same) > 1 else same[0][None] for same in zip(*per_cell, strict=True)]
    recording = torch.is_grad_enabled()
    if cells[0].config.embedding:
        inputs = torch.cat([cell.embed(part) for cell, part in zip(cells, inputs.chunk(len(cells)), strict=True)])
    results = _Unroll.apply(cells[0].config.core, lengths, recording, inputs, *support.parts(state), *parameters)
    features, memory, read_weighting, write_weighting, read_vector, *controller = results
    shares = ([None] * len(cells) if given is None else given.chunk(len(cells)) for given in (lengths, passed))
    finished = zip(cells, features.chunk(len(cells)), *shares, strict=True)
    logits = torch.cat([support.finish(*parts) for parts in finished])
    return logits, MachineState(memory, read_weighting, write_weighting, read_vector, tuple(controller))


def _padded(size: int) -> int:
    return 1 << (size - 1).bit_length()


@dataclass(frozen=True)
class _Sizes:
    """What the kernels know when they are compiled, by the names they have there."""

    LSTM: bool
    LAYERS: int
    UNITS: int
    HEADS: int
    SLOTS: int
    WIDTH: int
    SHIFTS: int
    UNITS_P: int
    READS_P: int
    SLOTS_P: int
    WIDTH_P: int
    SHIFTS_P: int
    ROWS: int  # rows of a matrix that are multiplied at once

    @classmethod
    def of(cls, c: MachineConfig) -> "_Sizes":
        units, reads = _padded(c.hidden), _padded(c.num_heads * c.width)
        return cls(
            c.controller == "lstm", c.num_layers, c.hidden, c.num_heads, c.slots, c.width, c.num_shifts,
            units, reads, _padded(c.slots), _padded(c.width), _padded(c.num_shifts),
            ROWS=min(128, max(4, 8192 // max(units, reads))),
        )  # fmt: skip

    @property
    def num_warps(self) -> int:
        """Warps of a program: 32 numbers of the memory a thread, which was fastest for 128 slots of 20 on an H100."""
        return min(16, max(4, self.SLOTS_P * self.WIDTH_P // 1024))

    def launch(self, kernel: Any, programs: int, *arguments: Any, **more: Any) -> None:
        """Start one program for each sequence, on the GPU that holds the first argument."""
        with torch.cuda.device_of(arguments[0]):
            kernel[(programs,)](*arguments, **vars(self), **more, num_warps=self.num_warps)


class _Weights:
    """The stacked parameters ``[machines outputs inputs]``, cut into the matrices that are multiplied by."""

    def __init__(self, c: MachineConfig, parameters: Sequence[Tensor]) -> None:
        self.config = c
        (first, *above, heads, output), (bias, *biases, heads_bias, output_bias) = parameters[::2], parameters[1::2]
        read = c.input_size + c.num_heads * c.width
        lstm, units = c.controller == "lstm", c.hidden
        self.input, self.input_bias = first[..., : c.input_size], bias
        self.read = first[..., c.input_size : read].contiguous()
        nothing = first.new_empty(0)
        self.up = torch.stack([matrix[..., :units] for matrix in above], 1) if above else nothing
        self.up_bias = torch.stack(biases, 1) if above else nothing
        before = [first[..., read:], *(matrix[..., units:] for matrix in above)]
        self.back = torch.stack(before, 1) if lstm else nothing
        self.heads, self.heads_bias = heads.contiguous(), heads_bias.contiguous()
        self.output, self.output_bias = output, output_bias


def _apart(c: MachineConfig, tensors: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor], Sequence[Tensor]]:
    """Take apart what goes into a run: inputs, state, parameters."""
    count = 2 * (c.num_layers + 2)
    return tensors[0], tensors[1:-count], tensors[-count:]


def _over_steps(values: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply every step of every sequence ``[batch time inputs]`` by its machine's matrix ``[.. outputs inputs]``."""
    machines, (batch, time, _) = len(matrix), values.shape
    rows = values.reshape(machines, -1, values.shape[-1])
    product = rows @ matrix.mT if bias is None else torch.baddbmm(bias[:, None], rows, matrix.mT)
    return product.view(batch, time, -1)


def _gradient(machines: int, d_outputs: Tensor, *inputs: Tensor) -> Tensor:
    """Return the gradient of a matrix that took these inputs, side by side, at every step."""
    left = d_outputs.reshape(machines, -1, d_outputs.shape[-1]).mT
    return torch.cat([left @ part.reshape(machines, -1, part.shape[-1]) for part in inputs], -1)


def _bias_gradient(machines: int, d_outputs: Tensor) -> Tensor:
    return d_outputs.reshape(machines, -1, d_outputs.shape[-1]).sum(1)


def _twice(
    c: MachineConfig, steps: Tensor, tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Return gradients that can be differentiated again."""
    inputs, state, parameters = _apart(c, tensors)
    if len(parameters[0]) > 1:
        raise ValueError(f"second derivatives need one cell at a time; got {len(parameters[0])} in one launch")
    of_one = [inputs, *state, *(parameter[0] for parameter in parameters)]
    found = differentiable_backward(c, steps, of_one, gradients)
    stacked = [None if gradient is None else gradient[None] for gradient in found[-len(parameters) :]]
    return [*found[: -len(parameters)], *stacked]


class _Unroll(torch.autograd.Function):
    """The kernels as one operation of torch's."""

    @staticmethod
    def forward(
        ctx: Any, config: MachineConfig, lengths: Tensor | None, recording: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        from ntmlib.engines import cuda_kernels  # here, because triton is there on Linux only

        c, sizes = config, _Sizes.of(config)
        inputs, (memory, read_weighting, write_weighting, read_vector, *start), parameters = _apart(c, tensors)
        batch, time = inputs.shape[:2]
        machines, units, layers = len(parameters[0]), c.hidden, c.num_layers
        gate_units = 4 * units if sizes.LSTM else units
        weights = _Weights(c, parameters)
        told_size = weights.heads.shape[1]
        steps = inputs.new_full((batch,), time, dtype=torch.int32) if lengths is None else lengths.to(inputs.device)
        steps = steps.int().contiguous()
        keep = recording and any(ctx.needs_input_grad)
        every = max(4, math.isqrt(time))

        # Zeros where a sequence has ended: matrix products over all steps pass them by.
        hidden = inputs.new_zeros(layers, batch, time + 1, units)
        cells = inputs.new_zeros(layers, batch, time + 1, units) if sizes.LSTM else inputs.new_empty(0)
        gates = inputs.new_empty(layers, batch, time, gate_units if sizes.LSTM else 0)
        told = inputs.new_empty(batch, time, told_size)
        kept = inputs.new_empty(batch, time + 1, 2 * c.num_heads, c.slots)
        reads = inputs.new_zeros(batch, time + 1, c.num_heads * c.width)
        marks = inputs.new_empty(batch, -(-time // every) if keep else 0, c.slots, c.width)
        raw_gates, raw_told, ring = (inputs.new_empty(batch, n) for n in (gate_units, told_size, 2 * c.slots))
        kept[:, 0, : c.num_heads], kept[:, 0, c.num_heads :] = write_weighting, read_weighting
        reads[:, 0] = read_vector.flatten(1)
        if sizes.LSTM:
            hidden[:, :, 0], cells[:, :, 0] = start[0].transpose(0, 1), start[1].transpose(0, 1)
        end_memory = memory.clone(memory_format=torch.contiguous_format)
        from_input = _over_steps(inputs, weights.input, weights.input_bias)

        sizes.launch(
            cuda_kernels.forward, batch,
            steps, from_input, weights.read, weights.up, weights.up_bias, weights.back, weights.heads,
            weights.heads_bias, hidden, cells, gates, raw_gates, raw_told, told, kept, reads, end_memory, marks, ring,
            time, every, batch // machines, KEEP=keep,
        )  # fmt: skip

        logits = _over_steps(torch.cat([hidden[-1, :, 1:], reads[:, 1:]], -1), weights.output, weights.output_bias)
        ended = None
        if lengths is not None:
            ended = torch.arange(time, device=inputs.device) >= steps[:, None]
            logits.masked_fill_(ended[..., None], 0.0)
        every_sequence = torch.arange(batch, device=inputs.device)
        last = kept[every_sequence, steps.long()]
        state = [end_memory, last[:, c.num_heads :].clone(), last[:, : c.num_heads].clone()]
        state.append(reads[every_sequence, steps.long()].view_as(read_vector))
        if sizes.LSTM:
            state += [part[:, every_sequence, steps.long()].transpose(0, 1) for part in (hidden, cells)]
        ctx.save_for_backward(*tensors, steps, ended, hidden, cells, gates, told, kept, reads, marks)
        ctx.config, ctx.every = config, every
        ctx.set_materialize_grads(False)
        return logits, *state

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        *tensors, steps, _, _, _, _, _, _, _, _ = ctx.saved_tensors
        if torch.is_grad_enabled():  # asked for a gradient of the gradient: the reference has one
            return None, None, None, *_twice(ctx.config, steps, tensors, gradients)
        with torch.autocast(tensors[0].device.type, enabled=False):
            return None, None, None, *_backward(ctx, gradients)


def _backward(ctx: Any, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Return the gradients of all tensors that went in."""
    from ntmlib.engines import cuda_kernels

    c, sizes, every = ctx.config, _Sizes.of(ctx.config), ctx.every
    *tensors, steps, ended, hidden, cells, gates, told, kept, reads, marks = ctx.saved_tensors
    inputs, _, parameters = _apart(c, tensors)
    weights = _Weights(c, parameters)
    batch, time = inputs.shape[:2]
    machines, units, layers, heads = len(weights.heads), c.hidden, c.num_layers, c.num_heads
    given = [*gradients, *[None] * (7 - len(gradients))]

    def taken(index: int, *shape: int) -> Tensor:
        gradient = given[index]
        if gradient is None:
            return inputs.new_zeros(shape)
        return gradient.clone(memory_format=torch.contiguous_format).view(shape)

    d_logits = taken(0, batch, time, c.output_size)
    if ended is not None:
        d_logits.masked_fill_(ended[..., None], 0.0)
    d_memory = taken(1, batch, c.slots, c.width)
    d_weightings = torch.cat([taken(3, batch, heads, c.slots), taken(2, batch, heads, c.slots)], 1)
    d_reads = taken(4, batch, heads * c.width)
    d_hidden, d_cells = taken(5, batch, layers, units), taken(6, batch, layers, units)
    d_top = _over_steps(d_logits, weights.output[..., :units].mT)
    d_reads_out = _over_steps(d_logits, weights.output[..., units:].mT)
    d_raw = torch.zeros_like(told)
    d_gates = inputs.new_zeros(layers, batch, time, 4 * units if sizes.LSTM else units)
    replay = inputs.new_empty(batch, every, c.slots, c.width)
    ring = inputs.new_empty(batch, 2, c.slots)

    sizes.launch(
        cuda_kernels.backward, batch,
        steps, weights.read, weights.up, weights.back, weights.heads, cells, gates, hidden, told, kept, marks,
        d_top, d_reads_out, d_hidden, d_cells, d_reads, d_weightings, d_memory, d_raw, d_gates, replay, ring,
        time, every, batch // machines,
    )  # fmt: skip

    state = [d_memory, d_weightings[:, heads:], d_weightings[:, :heads], d_reads.view(batch, heads, c.width)]
    state += [d_hidden, d_cells] if sizes.LSTM else []
    top = hidden[-1, :, 1:]
    found: list[Tensor] = []
    for layer in range(layers):
        taken_in = [inputs, reads[:, :-1]] if layer == 0 else [hidden[layer - 1, :, 1:]]
        taken_in += [hidden[layer, :, :-1]] if sizes.LSTM else []
        found.append(_gradient(machines, d_gates[layer], *taken_in))
        found.append(_bias_gradient(machines, d_gates[layer]))
    found += [_gradient(machines, d_raw, top), _bias_gradient(machines, d_raw)]
    found += [_gradient(machines, d_logits, top, reads[:, 1:]), _bias_gradient(machines, d_logits)]
    d_inputs = _over_steps(d_gates[0], weights.input.mT) if ctx.needs_input_grad[3] else None
    return [d_inputs, *state, *found]
