"""The fused engine: whole sequences, forward and backward, in compiled code on the CPU.

``unroll`` gives the numbers of ``reference.unroll``, many times faster: there is no dispatch of single
operations, the memory stays in the processor's cache, and the gradients are written out by hand in
``kernels.py``. Sequences of a batch run in small blocks, spread over as many threads as torch is set to use; the
result does not depend on their number, because blocks and the order of their sums do not.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ntmlib.engines import buffers, kernels, support
from ntmlib.engines.buffers import Shapes
from ntmlib.engines.compilation import announced
from ntmlib.engines.denormals import flushed
from ntmlib.engines.plan import Plan
from ntmlib.engines.second_derivative import differentiable_backward
from ntmlib.machine import MachineConfig, MachineState, NTMCell


def unsupported(cell: NTMCell, inputs: Tensor, state: MachineState) -> str | None:
    """Say why this engine cannot run a case, or return ``None`` if it can."""
    return support.problem([cell], inputs, state, ("cpu",), "the CPU")


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
    reason = unsupported(cell, inputs, state)
    if reason is not None:
        raise ValueError(f"engine 'fused' cannot run this: {reason}")
    inputs = cell.embed(inputs)
    order = None
    if lengths is not None:
        steps, order = lengths.cpu().sort(descending=True, stable=True)
        inputs, state = inputs[order], state.map(lambda tensor: tensor[order])
    else:
        steps = torch.full((inputs.shape[0],), inputs.shape[1], device="cpu")
    tensors = (inputs, *support.parts(state), *support.parameters(cell))
    results = _Unroll.apply(cell.config.core, steps.numpy().astype(np.int64), *tensors)
    if order is not None:
        back = order.argsort()
        results = tuple(result[back] for result in results)
    features, memory, read_weighting, write_weighting, read_vector, *controller = results
    logits = support.finish(cell, features, lengths, passed)
    return logits, MachineState(memory, read_weighting, write_weighting, read_vector, tuple(controller))


class _Unroll(torch.autograd.Function):
    """The compiled sequences as one operation of torch's."""

    @staticmethod
    def forward(ctx: FunctionCtx, config: MachineConfig, lengths: np.ndarray, *tensors: Tensor) -> tuple[Tensor, ...]:
        dtype = np.dtype(np.float64 if tensors[0].dtype == torch.float64 else np.float32)
        plan = Plan.of(config, len(lengths), tensors[0].shape[1], dtype)
        weights = _Weights.of(plan, tensors)
        results, saved = _forward(plan, lengths, tensors, weights)
        ctx.plan, ctx.lengths, ctx.weights = plan, lengths, weights  # type: ignore[attr-defined]
        ctx.save_for_backward(*tensors, *saved)  # for torch to free, as it does with what its own operations keep
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        count = len(ctx.plan.blocks)
        tensors, saved = ctx.saved_tensors[:-count], ctx.saved_tensors[-count:]
        if torch.is_grad_enabled():  # asked for a gradient of the gradient: the reference has one
            steps = torch.from_numpy(ctx.lengths)
            return None, None, *differentiable_backward(ctx.plan.config, steps, tensors, gradients)
        wanted = ctx.needs_input_grad[2:]
        return None, None, *_backward(ctx.plan, ctx.lengths, tensors[0], ctx.weights, saved, gradients, wanted)


def _forward(
    plan: Plan, lengths: np.ndarray, tensors: tuple[Tensor, ...], weights: "_Weights"
) -> tuple[tuple[Tensor, ...], list[Tensor]]:
    """Return logits and final state; and of each block what is kept, or else the states its windows start from."""
    inputs, dtype = _numpy(tensors[0]), plan.dtype
    state = buffers.arrays(plan.state(plan.batch), dtype)
    for array, tensor in zip(_as_tensors(plan, state), tensors[1:], strict=False):  # the parameters come after these
        array[:] = tensor.detach().numpy()
    logits = np.zeros((plan.batch, plan.time, plan.config.output_size), dtype)
    straight = weights.forward_order()
    saved = [np.empty(0, dtype)] * len(plan.blocks)

    def work(chunk: int) -> None:
        (rows,) = buffers.arrays((plan.rows,), dtype)
        for index in plan.chunks[chunk]:
            block, windows, shapes, starts = _cut(plan, lengths, index)
            parts, kept = [array[block] for array in state], buffers.take(buffers.numbers(shapes), dtype)
            saved[index] = kept if len(windows) < 2 else buffers.take(len(windows) * buffers.numbers(starts), dtype)
            for number, begin in enumerate(windows):
                if len(windows) > 1:
                    for part, copy in zip(parts, buffers.cut(saved[index], starts, number), strict=True):
                        copy[:] = part
                kernels.forward(
                    begin, begin + plan.window, *plan.sizes, lengths[block], inputs[block], *straight, *parts,
                    *buffers.cut(kept, shapes), True, logits[block], rows,
                )  # fmt: skip

    with announced():
        _in_parallel(work, len(plan.chunks))
    results = [logits, *(array.copy() for array in _as_tensors(plan, state))]
    return tuple(map(torch.from_numpy, results)), list(map(torch.from_numpy, saved))


def _as_tensors(plan: Plan, state: list[np.ndarray]) -> list[np.ndarray]:
    """See the arrays of ``plan.state`` in the order and the shapes of ``MachineState``."""
    (memory, weighting, read, hidden, cell), heads = state, plan.config.num_heads
    seen = [memory.transpose(0, 2, 1), weighting[:, heads:], weighting[:, :heads], read.reshape(len(read), heads, -1)]
    return [*seen, hidden, cell] if plan.lstm else seen


def _backward(
    plan: Plan,
    lengths: np.ndarray,
    fed: Tensor,
    weights: "_Weights",
    saved: tuple[Tensor, ...],
    gradients: tuple[Tensor | None, ...],
    wanted: tuple[bool, ...],
) -> list[Tensor | None]:
    """Return the gradients of all tensors that went in, or of the ``wanted`` ones among inputs and state."""
    inputs, dtype = _numpy(fed), plan.dtype
    d_state = buffers.arrays(plan.state(plan.batch), dtype)
    for array in d_state:
        array[:] = 0
    for array, gradient in zip(_as_tensors(plan, d_state), gradients[1:], strict=True):
        if gradient is not None:
            array[:] = gradient.detach().numpy()
    d_logits = np.zeros((plan.batch, plan.time, plan.config.output_size), dtype)
    if gradients[0] is not None:
        d_logits = _numpy(gradients[0])
    d_inputs = np.zeros(inputs.shape if wanted[0] else (plan.batch, 1, 1), dtype)
    parameters, turned = weights.shapes(), weights.backward_order()
    straight = weights.forward_order() if plan.window < plan.time else ()
    sums = [np.zeros(buffers.numbers(parameters), dtype) for _ in plan.chunks]

    def work(chunk: int) -> None:
        (rows,) = buffers.arrays((plan.rows,), dtype)
        for index in plan.chunks[chunk]:
            block, windows, shapes, starts = _cut(plan, lengths, index)
            d_parts, before = [array[block] for array in d_state], _numpy(saved[index])
            again = len(windows) > 1
            kept = buffers.take(buffers.numbers(shapes), dtype) if again else before
            room = plan.going_back(len(lengths[block]), shapes[3][1])
            d_told, d_gates, replay = buffers.arrays(room, dtype)
            for number, begin in reversed(list(enumerate(windows))):
                part = begin, begin + plan.window, *plan.sizes, lengths[block], inputs[block]
                if again:
                    state = [array.copy() for array in buffers.cut(before, starts, number)]
                    kernels.forward(
                        *part, *straight, *state, *buffers.cut(kept, shapes),
                        False, d_logits[block], rows,
                    )  # fmt: skip
                kernels.backward(
                    *part, *turned, *buffers.cut(kept, shapes), d_logits[block], *d_parts,
                    d_told, d_gates, d_inputs[block], wanted[0], *buffers.cut(sums[chunk], parameters), replay, rows,
                )  # fmt: skip

    with announced():
        _in_parallel(work, len(plan.chunks))
    for other in sums[1:]:  # always in the same order
        sums[0] += other
    found = [d_inputs, *_as_tensors(plan, d_state)]
    d_tensors = [torch.from_numpy(array.copy()) if want else None for array, want in zip(found, wanted, strict=False)]
    return [*d_tensors, *weights.as_parameters(plan.lstm, buffers.cut(sums[0], parameters))]


def _cut(plan: Plan, lengths: np.ndarray, index: int) -> tuple[slice, range, Shapes, Shapes]:
    """Return a block's sequences, where its windows begin, and the shapes of what is kept and of a state."""
    first, last = plan.blocks[index]
    longest = int(lengths[first])
    kept = plan.kept(last - first, min(plan.window, longest))
    return slice(first, last), range(0, longest, plan.window), kept, plan.state(last - first)


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
    def of(cls, plan: Plan, tensors: tuple[Tensor, ...]) -> "_Weights":
        """Cut up the parameters that came in at the end of ``tensors``."""
        c, lstm, dtype = plan.config, plan.lstm, plan.dtype
        arrays = [_numpy(tensor) for tensor in tensors[-2 * (c.num_layers + 2) :]]
        (first, *above, heads, output), (*biases, heads_bias, output_bias) = arrays[::2], arrays[1::2]
        read = c.input_size + c.num_heads * c.width
        before = [first[:, read:], *(matrix[:, c.hidden :] for matrix in above)] if lstm else []
        none = np.empty((0, len(first), c.hidden), dtype)
        return cls(
            first[:, : c.input_size],
            first[:, c.input_size : read],
            np.stack([matrix[:, : c.hidden] for matrix in above]) if above else none,
            np.stack(before) if lstm else none,
            np.stack(biases),
            heads,
            heads_bias,
            output[:, : c.hidden],
            output[:, c.hidden :],
            output_bias,
        )

    def forward_order(self) -> tuple[np.ndarray, ...]:
        """Return the matrices for ``kernels.forward``."""
        turned = [self.from_input.T, self.from_read.T, self.from_below.swapaxes(1, 2), self.from_before.swapaxes(1, 2)]
        return (
            *map(_rows, turned), self.bias, _rows(self.heads.T), self.heads_bias,
            _rows(self.output), _rows(self.output_read), self.output_bias,
        )  # fmt: skip

    def backward_order(self) -> tuple[np.ndarray, ...]:
        """Return the matrices for ``kernels.backward``."""
        controller = (_rows(self.from_input), _rows(self.from_read), self.from_below, self.from_before)
        return (*controller, self.heads, _rows(self.output), _rows(self.output_read))

    def shapes(self) -> Shapes:
        """Shapes of the gradients; those of input and read matrices are transposed, as inner loops want it."""
        shaped = [self.from_input.T, self.from_read.T, self.from_below, self.from_before, self.bias]
        shaped += [self.heads, self.heads_bias, self.output, self.output_read, self.output_bias]
        return tuple(array.shape for array in shaped)

    @staticmethod
    def as_parameters(lstm: bool, gradients: list[np.ndarray]) -> list[Tensor]:
        """Put gradients together as those of ``support.parameters``."""
        d_input, d_read, d_below, d_before, d_bias, d_heads, d_heads_bias, d_output, d_output_read, d_output_bias = (
            gradients
        )
        found = []
        for layer in range(len(d_bias)):
            parts = [d_input.T, d_read.T] if layer == 0 else [d_below[layer - 1]]
            found += [np.concatenate([*parts, d_before[layer]] if lstm else parts, 1), d_bias[layer]]
        found += [d_heads, d_heads_bias, np.concatenate([d_output, d_output_read], 1), d_output_bias]
        return [torch.from_numpy(array) for array in found]


def _rows(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrix)


def _numpy(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


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
    todo = iter(range(chunks))

    def worker() -> None:
        with flushed():
            for chunk in todo:  # a shared iterator: whoever is free takes the next chunk
                work(chunk)

    if threads == 1:
        worker()
        return
    global _pool
    with _pool_lock:
        if _pool is None or _pool[0] < threads:
            _pool = (threads, ThreadPoolExecutor(threads, thread_name_prefix="ntmlib-fused"))
        pool = _pool[1]
    for future in [pool.submit(worker) for _ in range(threads)]:
        future.result()
