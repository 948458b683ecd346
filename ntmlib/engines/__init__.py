"""Engines: ways to run a cell over whole sequences, all giving the same numbers.

An engine is a module with one function, ``unroll(cell, inputs, state, lengths, passed)``. ``reference`` is the
definition and supports everything; ``fused`` is compiled for the CPU, ``cuda`` for NVIDIA GPUs, and both are many
times faster.
"""

from importlib import import_module
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from ntmlib.machine import MachineConfig, MachineState, NTMCell

NAMES = ("auto", "reference", "fused", "cuda")


@runtime_checkable
class Engine(Protocol):
    """What every engine's module offers; ``reference.unroll`` says what it means."""

    def unroll(
        self,
        cell: NTMCell,
        inputs: Tensor,
        state: MachineState,
        lengths: Tensor | None = None,
        passed: Tensor | None = None,
    ) -> tuple[Tensor, MachineState]: ...


def check_name(engine: str) -> None:
    """Refuse the name of an engine that does not exist."""
    if engine not in NAMES:
        raise ValueError(f"engine must be one of {', '.join(map(repr, NAMES))}; got {engine!r}")


def device_for(engine: str, machine: MachineConfig | None = None) -> torch.device:
    """Return where a machine must be for an engine to run it in training.

    Args:
        engine: name of the engine.
        machine: what it has to run, with the largest memory it will have; None if it makes no difference.

    Raises:
        ValueError: the engine cannot run here, or not this machine.
    """
    if engine != "cuda":
        return torch.device("cpu")
    from ntmlib.engines import cuda

    if not cuda.INTERPRETED and not torch.cuda.is_available():
        raise ValueError("engine 'cuda' needs a CUDA device, and torch sees none; 'auto' takes the fastest there is")
    reason = cuda.missing() or (machine and cuda.too_large(machine))
    if reason:
        raise ValueError(f"engine 'cuda' cannot run this: {reason}")
    return torch.device("cpu" if cuda.INTERPRETED else "cuda")


def select(engine: str, cell: NTMCell, inputs: Tensor, state: MachineState) -> Engine:
    """Return the engine of that name; ``"auto"`` takes the fastest that supports the case.

    Raises:
        ValueError: no engine has that name.
    """
    check_name(engine)
    if engine == "auto":
        fastest = import_module(f"ntmlib.engines.{'cuda' if inputs.is_cuda else 'fused'}")  # a compiler loads slowly
        engine = "reference" if fastest.unsupported(cell, inputs, state) else fastest.__name__.rpartition(".")[2]
    return cast(Engine, import_module(f"ntmlib.engines.{engine}"))
