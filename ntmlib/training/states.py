"""States of models as tensors: to cut them off, to mix them, to keep them in a checkpoint."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

State = Any  # what a model returns beside its outputs: tensors in tuples and dataclasses


def mapped(function: Callable[..., Tensor], *states: State) -> State:
    """Apply a function to the tensors of a state, or to those that belong together in several."""
    first = states[0]
    if isinstance(first, Tensor):
        return function(*states)
    if dataclasses.is_dataclass(first):
        names = [field.name for field in dataclasses.fields(first)]
        parts = [mapped(function, *(getattr(state, name) for state in states)) for name in names]
        make: Any = type(first)
        return make(*parts)
    parts = [mapped(function, *same) for same in zip(*states, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)


def detached(state: State) -> State:
    """Cut a state off from the steps that led to it."""
    return mapped(Tensor.detach, state)


def chosen(rows: Tensor, one: State, other: State) -> State:
    """Take the sequences of one state where ``rows`` says so, and those of another elsewhere."""
    return mapped(lambda a, b: torch.where(rows.to(a.device).view(-1, *[1] * (a.ndim - 1)), a, b), one, other)


def tensors(state: State) -> list[Tensor]:
    """List the tensors of a state."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    mapped(note, state)
    return found


def rebuilt(like: State, values: Sequence[Tensor]) -> State:
    """Put the tensors that ``tensors`` listed back into a state of this form.

    Raises:
        ValueError: they are too few, too many, or of other shapes.
    """
    shapes, found = [tensor.shape for tensor in tensors(like)], [value.shape for value in values]
    if shapes != found:
        raise ValueError(f"a state of this model has tensors {list(map(list, shapes))}; got {list(map(list, found))}")
    rest = iter(values)
    return mapped(lambda tensor: next(rest).to(tensor), like)
