"""The definition: the cell's step, once for each time step.

Runs on any device and dtype, and can record everything. Other engines are proven
equal to this one.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ntmlib.machine import MachineState, NTMCell, Record


def unroll(
    cell: NTMCell,
    inputs: Float[Tensor, "batch time features"],
    state: MachineState,
    lengths: Int[Tensor, " batch"] | None = None,
    passed: Float[Tensor, "batch time units"] | None = None,
    observe: Callable[[Record], None] | None = None,
) -> tuple[Float[Tensor, "batch time outputs"], MachineState]:
    """Run the machine over whole sequences.

    Args:
        cell: parameters and step.
        inputs: one vector for each sequence and step.
        state: the state before the first step.
        lengths: steps of each sequence, for a batch of unequal ones. Past its own end
            a sequence stands still: its outputs are zero, its state stays as it was.
        passed: factors on the units of the output's hidden layer, for dropout: 0 for those left out.
        observe: called with the record of every step.

    Returns:
        Logits of every step, and the state after each sequence's last step.
    """
    outputs = []
    for time, features in enumerate(inputs.unbind(1)):
        logits, new_state, record = cell.step(features, state, None if passed is None else passed[:, time])
        if lengths is None:
            state = new_state
        else:
            running = time < lengths.to(inputs.device)
            logits = logits * running[:, None]
            state = _choose(running, new_state, state)
        outputs.append(logits)
        if observe is not None:
            observe(record)
    if not outputs:
        return inputs.new_zeros(inputs.shape[0], 0, cell.config.output_size), state
    return torch.stack(outputs, 1), state


def _choose(running: Tensor, new: MachineState, old: MachineState) -> MachineState:
    """Take the new state where a sequence is still running, the old one where it has ended."""

    def pick(now: Tensor, before: Tensor) -> Tensor:
        return torch.where(running.view(-1, *[1] * (now.ndim - 1)), now, before)

    return MachineState(
        pick(new.memory, old.memory),
        pick(new.read_weighting, old.read_weighting),
        pick(new.write_weighting, old.write_weighting),
        pick(new.read_vector, old.read_vector),
        tuple(pick(now, before) for now, before in zip(new.controller, old.controller, strict=True)),
    )
