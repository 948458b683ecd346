"""Arguments that views share, checked against the trace they belong to."""

from collections.abc import Sequence

from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.states import StateTrace


def check_example(trace: Trace | StateTrace, example: int) -> None:
    """Refuse a sequence that the trace does not have."""
    batch = trace.inputs.shape[0]
    if isinstance(example, bool) or not isinstance(example, int) or not 0 <= example < batch:
        raise ValueError(f"example must be a whole number from 0 to {batch - 1}, a row of the trace; got {example!r}")


def check_names(argument: str, names: Sequence[str] | None, channels: int, default: str) -> tuple[str, ...]:
    """Return one name for every channel, made up where none were given."""
    if names is None:
        return tuple(f"{default} {channel}" for channel in range(channels))
    if isinstance(names, str) or len(names) != channels:
        raise ValueError(f"{argument} must be {channels} names, one for each channel; got {names!r}")
    return tuple(str(name) for name in names)


def check_answers(trace: Trace | StateTrace, targets: Tensor | None, mask: Tensor | None) -> None:
    """Refuse targets or a mask of another shape than the outputs."""
    expected = list(trace.outputs.shape)
    if targets is not None and list(targets.shape) != expected:
        raise ValueError(f"targets must have the axes of the outputs, {expected}; got {list(targets.shape)}")
    if mask is not None and list(mask.shape) != expected[:2]:
        raise ValueError(f"mask must have the axes [batch time] of the outputs, {expected[:2]}; got {list(mask.shape)}")


def check_steps(steps: Sequence[int], last: int) -> list[int]:
    """Return steps to be marked in a picture.

    Raises:
        ValueError: a step is not a whole number from 0 to the last step.
    """
    if isinstance(steps, str | bytes) or not isinstance(steps, Sequence):
        raise ValueError(f"steps must be a list of whole numbers from 0 to {last}; got {steps!r}")
    for step in steps:
        if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step <= last:
            raise ValueError(f"step must be from 0 to {last}, the steps of the trace; got {step!r}")
    return list(steps)
