"""The fused engine: whole sequences, forward and backward, in compiled code on the CPU.

``unroll`` gives the numbers of ``reference.unroll``, many times faster: there is no dispatch of single
operations, the memory stays in the processor's cache, and the gradients are written out by hand in
``kernels.py``. Sequences of a batch run in small blocks, spread over as many threads as torch is set to use; the
result does not depend on their number, because blocks and the order of their sums do not.
"""

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual
from torch.autograd.function import FunctionCtx

from ntmlib.engines import kernels, reference
from ntmlib.engines.compilation import announced
from ntmlib.machine import MachineState, NTMCell
from ntmlib.machine.controllers import FeedForwardController, LSTMController

LARGEST_MEMORY = 1e15  # squares of larger values overflow in float32; the reference rescales them first
BLOCK_NUMBERS = 20_480  # numbers of memory in one block of sequences: small enough for a processor's own cache
MAX_BLOCK, MAX_CHUNKS = 8, 16  # sequences side by side; partial sums of the gradients


def unsupported(cell: NTMCell, inputs: Tensor, state: MachineState) -> str | None:
    """Say why this engine cannot run a case, or return ``None`` if it can."""
    if type(cell) is not NTMCell or type(cell.controller) not in (FeedForwardController, LSTMController):
        return "it computes the step of NTMCell and its two controllers; got a class of another kind"
    if any(module._forward_hooks or module._forward_pre_hooks for module in cell.modules()):
        return "it calls no part of the cell by itself, so hooks on them would see nothing"
    tensors = [inputs, state.memory, state.read_weighting, state.write_weighting, state.read_vector]
    tensors += [*state.controller, *_parameters(cell)]
    if any(tensor.device.type != "cpu" for tensor in tensors):
        return f"it runs on the CPU; got a tensor on {next(t.device for t in tensors if t.device.type != 'cpu')}"
    if inputs.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64; got {inputs.dtype}"
    if any(tensor.dtype != inputs.dtype for tensor in tensors):
        return f"inputs, state and parameters must share one dtype; got {sorted({str(t.dtype) for t in tensors})}"
    if torch.is_autocast_enabled("cpu"):
        return "autocast asks for a dtype of its own"
    if any(unpack_dual(tensor).tangent is not None or not _has_numbers(tensor) for tensor in tensors):
        return "torch.func and forward-mode derivatives look into single operations"
    if torch.is_grad_enabled() and any(tensor.is_inference() for tensor in tensors):
        return "tensors made in inference mode cannot be kept for a gradient"
    if inputs.shape[0] == 0 or inputs.shape[1] == 0:
        return f"it needs at least one sequence and one step; got {list(inputs.shape[:2])}"
    if not np.abs(state.memory.detach().numpy()).max() < LARGEST_MEMORY:
        return f"memory must be finite and below {LARGEST_MEMORY:g}"
    return None


def _has_numbers(tensor: Tensor) -> bool:
    try:
        tensor.data_ptr()
    except RuntimeError:  # a stand-in, as torch.func and fake tensors use them
        return False
    return True


def _linears(cell: NTMCell) -> list[nn.Linear]:
    """Return the layers of the cell: the controller's, the heads', the output's."""
    layers: list[Any] = list(cell.controller.layers)
    return [*(layer.gates if cell.config.controller == "lstm" else layer for layer in layers), cell.heads, cell.output]


def _parameters(cell: NTMCell) -> list[Tensor]:
    """Return weight and bias of every layer; the cell's other parameters come in through the initial state."""
    return [tensor for linear in _linears(cell) for tensor in (linear.weight, linear.bias)]


def unroll(
    cell: NTMCell,
    inputs: Float[Tensor, "batch time features"],
    state: MachineState,
    lengths: Int[Tensor, " batch"] | None = None,
) -> tuple[Float[Tensor, "batch time outputs"], MachineState]:
    """Run the machine over whole sequences; ``reference.unroll`` says what comes out.

    Raises:
        ValueError: the case is not supported; the message says why.
    """
    reason = unsupported(cell, inputs, state)
    if reason is not None:
        raise ValueError(f"engine 'fused' cannot run this: {reason}")
    order = None
    if lengths is not None:
        steps, order = lengths.cpu().sort(descending=True, stable=True)
        inputs, state = inputs[order], state.map(lambda tensor: tensor[order])
    else:
        steps = torch.full((inputs.shape[0],), inputs.shape[1], device="cpu")
    parts = (inputs, state.memory, state.read_weighting, state.write_weighting, state.read_vector, *state.controller)
    results = _Unroll.apply(cell, steps.numpy().astype(np.int64), *parts, *_parameters(cell))
    if order is not None:
        back = order.argsort()
        results = tuple(result[back] for result in results)
    logits, memory, read_weighting, write_weighting, read_vector, *controller = results
    return logits, MachineState(memory, read_weighting, write_weighting, read_vector, tuple(controller))


class _Unroll(torch.autograd.Function):
    """The compiled sequences as one operation of torch's."""

    @staticmethod
    def forward(ctx: FunctionCtx, cell: NTMCell, lengths: np.ndarray, *tensors: Tensor) -> tuple[Tensor, ...]:
        run = _Run.start(cell, lengths, tensors)
        ctx.cell, ctx.run = cell, run  # type: ignore[attr-defined]
        results = run.results()
        ctx.save_for_backward(*tensors, *run.release())
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        cell, run = ctx.cell, ctx.run
        tensors, kept = ctx.saved_tensors[: -len(_SAVED)], ctx.saved_tensors[-len(_SAVED) :]
        if torch.is_grad_enabled():  # asked for a gradient of the gradient: the reference has one
            return None, None, *_differentiable_backward(cell, run.lengths, tensors, gradients)
        return None, None, *run.backward(cell, tensors, kept, gradients, ctx.needs_input_grad[2])


def _differentiable_backward(
    cell: NTMCell, lengths: np.ndarray, tensors: tuple[Tensor, ...], gradients: tuple[Tensor | None, ...]
) -> list[Tensor | None]:
    """Return the gradients of all tensors that went in, as results of differentiable operations."""
    # Copies, because one of the tensors may come from another: only what reaches it directly counts here.
    copies = [tensor.view_as(tensor) for tensor in tensors]
    stand_in = NTMCell(cell.config, torch.Generator())
    linears = _linears(stand_in)
    count = 2 * len(linears)
    (inputs, *state), parameters = copies[:-count], copies[-count:]
    for linear, weight, bias in zip(linears, parameters[::2], parameters[1::2], strict=True):
        del linear.weight, linear.bias
        linear.weight, linear.bias = weight, bias  # type: ignore[assignment]  # plain tensors in their place
    memory, read_weighting, write_weighting, read_vector, *controller = state
    start = MachineState(memory, read_weighting, write_weighting, read_vector, tuple(controller))
    logits, end = reference.unroll(stand_in, inputs, start, torch.from_numpy(lengths))
    results = [logits, end.memory, end.read_weighting, end.write_weighting, end.read_vector, *end.controller]
    pairs = [(r, g) for r, g in zip(results, gradients, strict=True) if g is not None and r.requires_grad]
    wanted = [copy for copy in copies if copy.requires_grad]
    found = iter(
        torch.autograd.grad([r for r, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return [next(found) if copy.requires_grad else None for copy in copies]


def _rows(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrix)


def _working_rows(slots: int, width: int, shifts: int, units: int, dtype: np.dtype) -> np.ndarray:
    """Return rows for a kernel to work in, which allocates nothing itself."""
    return np.empty((9, max(slots + shifts, width, units)), dtype)


@dataclass
class _Run:
    """Arrays of one call: the parameters as the kernels want them, what was kept, and where the blocks begin."""

    lstm: bool
    sizes: tuple[int, int, int, int]  # heads, width, shifts, every
    lengths: np.ndarray
    kept: dict[str, np.ndarray]
    blocks: list[list[tuple[int, int]]]  # for each chunk: first and last sequence of its blocks

    @classmethod
    def start(cls, cell: NTMCell, lengths: np.ndarray, tensors: tuple[Tensor, ...]) -> "_Run":
        """Run forward."""
        c = cell.config
        inputs, memory, read_weighting, write_weighting, read_vector, *rest = (_numpy(t) for t in tensors)
        batch, time, dtype = inputs.shape[0], inputs.shape[1], inputs.dtype
        lstm, layers, units = c.controller == "lstm", c.num_layers, c.hidden
        gate_units = 4 * units if lstm else units
        every = max(4, math.isqrt(time))

        def room(*shape: int) -> np.ndarray:
            return np.empty(shape, dtype)

        kept = {
            "hidden": room(layers, batch, time + 1, units),
            "cells": room(layers, batch, time + 1, units) if lstm else room(layers, 1, 1, 1),
            "gates": room(layers, batch, time, gate_units) if lstm else room(layers, 1, 1, 1),
            "told": room(batch, time, cell.layout.size),
            "kept": room(batch, time, 2 * c.num_heads, 4, c.slots),
            "norms": room(batch, time + 1, c.slots),
            "reads": room(batch, time + 1, c.num_heads * c.width),
            "start": np.concatenate([write_weighting, read_weighting], 1),
            "memory": _rows(memory.transpose(0, 2, 1)),
            "marks": room(batch, -(-time // every), c.width, c.slots),
            "logits": np.zeros((batch, time, c.output_size), dtype),
        }
        if np.shares_memory(kept["memory"], memory):  # one row or column: transposing made no copy
            kept["memory"] = kept["memory"].copy()
        kept["reads"][:, 0] = read_vector.reshape(batch, -1)
        if lstm:
            kept["hidden"][:, :, 0], kept["cells"][:, :, 0] = rest[0].swapaxes(0, 1), rest[1].swapaxes(0, 1)
        run = cls(lstm, (c.num_heads, c.width, c.num_shifts, every), lengths, kept, _blocks(batch, c.slots * c.width))
        weights = _Weights.of(cell, tensors).forward_order()

        def work(chunk: int) -> None:
            rows = _working_rows(c.slots, c.width, c.num_shifts, units, dtype)
            for first, last in run.blocks[chunk]:
                if lengths[first] > 0:
                    kernels.forward(first, last, lstm, *run.sizes, lengths, inputs, *weights, *kept.values(), rows)

        with announced():
            _in_parallel(work, len(run.blocks))
        return run

    def results(self) -> tuple[Tensor, ...]:
        """Return logits and final state as tensors."""
        kept, batch = self.kept, np.arange(len(self.lengths))
        heads, width, *_ = self.sizes
        last = kept["kept"][batch, self.lengths - 1, :, kernels.FINAL]
        if not self.lengths.all():
            last = np.where((self.lengths > 0)[:, None, None], last, kept["start"])
        reads = kept["reads"][batch, self.lengths].reshape(len(batch), heads, width)
        state = [kept["memory"].transpose(0, 2, 1), last[:, heads:], last[:, :heads], reads]
        if self.lstm:
            state += [kept[name][:, batch, self.lengths].swapaxes(0, 1) for name in ("hidden", "cells")]
        return tuple(torch.from_numpy(array) for array in (kept["logits"], *map(_rows, state)))

    def release(self) -> list[Tensor]:
        """Give away what ``backward`` needs, for torch to keep and to free as it does with its own operations."""
        kept, self.kept = self.kept, {}
        return [torch.from_numpy(kept[name]) for name in _SAVED]

    def backward(
        self,
        cell: NTMCell,
        tensors: tuple[Tensor, ...],
        saved: tuple[Tensor, ...],
        gradients: tuple[Tensor | None, ...],
        want_inputs: bool,
    ) -> list[Tensor | None]:
        """Return the gradients of all tensors that went in; ``saved`` are those of ``release``."""
        inputs, kept = _numpy(tensors[0]), {name: _numpy(tensor) for name, tensor in zip(_SAVED, saved, strict=True)}
        (batch, time), dtype = inputs.shape[:2], inputs.dtype
        heads, width, *_ = self.sizes
        layers, units, slots = kept["hidden"].shape[0], kept["hidden"].shape[3], kept["norms"].shape[2]
        given = [None if gradient is None else _numpy(gradient) for gradient in gradients]

        def taken(index: int, shape: tuple[int, ...]) -> np.ndarray:
            gradient = given[index] if index < len(given) else None
            return np.zeros(shape, dtype) if gradient is None else np.array(gradient, dtype, order="C").reshape(shape)

        d_logits = taken(0, (batch, time, cell.config.output_size))
        d_memory = np.zeros((batch, width, slots), dtype)
        if given[1] is not None:
            d_memory[:] = given[1].transpose(0, 2, 1)
        weighting_shape = (batch, heads, slots)
        d_weighting = np.concatenate([taken(3, weighting_shape), taken(2, weighting_shape)], 1)
        d_reads = taken(4, (batch, 1, heads * width))
        d_hidden, d_cell = taken(5, (batch, layers, units)), taken(6, (batch, layers, units))
        d_gates = np.empty((layers, batch, time, kept["gates"].shape[3] if self.lstm else units), dtype)
        d_told = np.zeros(kept["told"].shape, dtype)
        d_inputs = np.zeros(inputs.shape if want_inputs else (1, 1, 1), dtype)
        weights = _Weights.of(cell, tensors)
        partial = [weights.zeros() for _ in self.blocks]
        changing = (d_logits, d_hidden, d_cell, d_reads, d_weighting, d_memory, d_told, d_gates, d_inputs, want_inputs)

        def work(chunk: int) -> None:
            rows = _working_rows(slots, width, self.sizes[2], units, dtype)
            longest = max(last - first for first, last in self.blocks[chunk])
            replay = np.empty((longest, self.sizes[3] + 1, width, slots), dtype)
            for first, last in self.blocks[chunk]:
                if self.lengths[first] > 0:
                    kernels.backward(
                        first, last, self.lstm, *self.sizes, self.lengths, inputs,
                        *weights.backward_order(), *kept.values(), *changing, *partial[chunk], replay, rows,
                    )  # fmt: skip

        with announced():
            _in_parallel(work, len(self.blocks))
        total = partial[0]
        for other in partial[1:]:  # always in the same order
            for sum_, term in zip(total, other, strict=True):
                sum_ += term
        state = [d_memory.transpose(0, 2, 1), d_weighting[:, heads:], d_weighting[:, :heads]]
        state.append(d_reads.reshape(batch, heads, width))
        if self.lstm:
            state += [d_hidden, d_cell]
        found = [torch.from_numpy(d_inputs) if want_inputs else None, *(torch.from_numpy(_rows(d)) for d in state)]
        return [*found, *weights.as_parameters(self.lstm, total)]


_SAVED = ("hidden", "cells", "gates", "told", "kept", "norms", "reads", "start", "marks")


@dataclass
class _Weights:
    """The parameters cut into the matrices that the kernels multiply by, as ``[outputs inputs]``."""

    from_input: np.ndarray
    from_read: np.ndarray
    from_below: np.ndarray  # layers above the first
    from_before: np.ndarray  # LSTM only
    bias: np.ndarray
    heads: np.ndarray
    heads_bias: np.ndarray
    output: np.ndarray
    output_read: np.ndarray
    output_bias: np.ndarray

    @classmethod
    def of(cls, cell: NTMCell, tensors: tuple[Tensor, ...]) -> "_Weights":
        """Cut up the parameters that came in at the end of ``tensors``."""
        c = cell.config
        arrays = [_numpy(tensor) for tensor in tensors[-2 * (c.num_layers + 2) :]]
        (first, *above, heads, output), (*biases, heads_bias, output_bias) = arrays[::2], arrays[1::2]
        lstm, units, dtype = c.controller == "lstm", c.hidden, heads.dtype
        read = c.input_size + c.num_heads * c.width
        before = [first[:, read:], *(matrix[:, units:] for matrix in above)] if lstm else []
        gate_units = len(first)
        return cls(
            _rows(first[:, : c.input_size]),
            _rows(first[:, c.input_size : read]),
            np.stack([matrix[:, :units] for matrix in above]) if above else np.empty((0, gate_units, units), dtype),
            np.stack(before) if lstm else np.empty((0, gate_units, units), dtype),
            np.stack(biases),
            heads,
            heads_bias,
            _rows(output[:, :units]),
            _rows(output[:, units:]),
            output_bias,
        )

    def forward_order(self) -> tuple[np.ndarray, ...]:
        """Return the matrices for ``kernels.forward``."""
        turned = [self.from_input.T, self.from_read.T, self.from_below.swapaxes(1, 2), self.from_before.swapaxes(1, 2)]
        return (
            *map(_rows, turned), self.bias, _rows(self.heads.T), self.heads_bias,
            self.output, self.output_read, self.output_bias,
        )  # fmt: skip

    def backward_order(self) -> tuple[np.ndarray, ...]:
        """Return the matrices for ``kernels.backward``."""
        controller = (self.from_input, self.from_read, self.from_below, self.from_before)
        return (*controller, self.heads, self.output, self.output_read)

    def zeros(self) -> list[np.ndarray]:
        """Return room for the gradients; those of input and read matrices are transposed, as inner loops want it."""
        shaped = [self.from_input.T, self.from_read.T, self.from_below, self.from_before, self.bias]
        shaped += [self.heads, self.heads_bias, self.output, self.output_read, self.output_bias]
        return [np.zeros(array.shape, array.dtype) for array in shaped]

    @staticmethod
    def as_parameters(lstm: bool, gradients: list[np.ndarray]) -> list[Tensor]:
        """Put gradients together as those of ``_parameters``."""
        d_input, d_read, d_below, d_before, d_bias, d_heads, d_heads_bias, d_output, d_output_read, d_output_bias = (
            gradients
        )
        found = []
        for layer in range(len(d_bias)):
            parts = [d_input.T, d_read.T] if layer == 0 else [d_below[layer - 1]]
            found += [np.concatenate([*parts, d_before[layer]] if lstm else parts, 1), d_bias[layer]]
        found += [d_heads, d_heads_bias, np.concatenate([d_output, d_output_read], 1), d_output_bias]
        return [torch.from_numpy(array) for array in found]


def _numpy(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())


def _blocks(batch: int, memory_numbers: int) -> list[list[tuple[int, int]]]:
    """Cut a batch into blocks, and the blocks into chunks; both depend on the sizes alone."""
    size = max(1, min(MAX_BLOCK, BLOCK_NUMBERS // memory_numbers))
    blocks = [(first, min(first + size, batch)) for first in range(0, batch, size)]
    per_chunk = -(-len(blocks) // MAX_CHUNKS)
    return [blocks[first : first + per_chunk] for first in range(0, len(blocks), per_chunk)]


_pool: tuple[int, ThreadPoolExecutor] | None = None
_pool_lock = threading.Lock()


def _forget_pool() -> None:
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # threads do not survive a fork


def _in_parallel(work: Callable[[int], None], chunks: int) -> None:
    """Do all chunks, on as many threads as torch may use; compiled code lets other threads run."""
    threads = min(torch.get_num_threads(), chunks)
    if threads == 1:
        for chunk in range(chunks):
            work(chunk)
        return
    global _pool
    with _pool_lock:
        if _pool is None or _pool[0] < threads:
            _pool = (threads, ThreadPoolExecutor(threads, thread_name_prefix="ntmlib-fused"))
        pool = _pool[1]
    todo = iter(range(chunks))

    def worker() -> None:
        for chunk in todo:  # a shared iterator: whoever is free takes the next chunk
            work(chunk)

    for future in [pool.submit(worker) for _ in range(threads)]:
        future.result()
