"""The Neural Turing Machine, one step at a time: equations, heads, controllers, cell."""

from ntmlib.machine.addressing import (
    Addressing,
    address,
    content_weighting,
    cosine_similarity,
    interpolate,
    sharpen,
    shift,
)
from ntmlib.machine.cell import HeadRecord, MachineState, NTMCell, Record
from ntmlib.machine.config import MachineConfig
from ntmlib.machine.memory import add, erase, read, write

__all__ = [
    "Addressing",
    "HeadRecord",
    "MachineConfig",
    "MachineState",
    "NTMCell",
    "Record",
    "add",
    "address",
    "content_weighting",
    "cosine_similarity",
    "erase",
    "interpolate",
    "read",
    "sharpen",
    "shift",
    "write",
]
