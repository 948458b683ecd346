"""Move a part of one machine's state into another's: an intervention that shows what the part is for."""

from collections.abc import Sequence

import torch

from ntmlib.machine.cell import MachineState


def transplant(
    state: MachineState,
    donor: MachineState,
    *,
    slots: Sequence[int] = (),
    read_vector: bool = False,
    weightings: bool = False,
) -> MachineState:
    """Return a state that is ``state`` but for some parts, which are the donor's.

    If a machine with the new state answers as the donor would, the parts hold what the two
    disagreed about; if it answers as before, they do not.

    Args:
        state: state of each sequence of a batch.
        donor: state of as many sequences of the same machine.
        slots: slots of the memory whose content is the donor's.
        read_vector: whether what was read last is the donor's.
        weightings: whether the places where the heads look are the donor's.

    Raises:
        ValueError: the two do not have the same shape, or there is no such slot.
    """
    if state.memory.shape != donor.memory.shape or state.read_vector.shape != donor.read_vector.shape:
        raise ValueError(
            f"donor must be of the same shape as state, a memory of {list(state.memory.shape)} and read vectors of "
            f"{list(state.read_vector.shape)}; got {list(donor.memory.shape)} and {list(donor.read_vector.shape)}"
        )
    num_slots = state.memory.shape[1]
    if any(not 0 <= slot < num_slots for slot in slots):
        raise ValueError(f"slots must be from 0 to {num_slots - 1}; got {list(slots)}")
    moved = torch.zeros(num_slots, 1, dtype=torch.bool, device=state.memory.device)
    moved[list(slots)] = True
    looking = donor if weightings else state
    return MachineState(
        memory=torch.where(moved, donor.memory, state.memory),
        read_weighting=looking.read_weighting,
        write_weighting=looking.write_weighting,
        read_vector=donor.read_vector if read_vector else state.read_vector,
        controller=state.controller,
    )
