"""What the plain values of a checkpoint must be before anything is done with them.

Its SHA-256 says only that nobody damaged it, not who wrote it.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ntmlib.training.checkpoints import CheckpointError


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _number(value: object) -> bool:
    """Whether it is a finite number; one that no float can hold is not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < math.inf and abs(value) <= 1e300


def _seconds(value: object) -> bool:
    return _number(value) and value >= 0  # type: ignore[operator]


def _update(value: object) -> bool:
    return value is None or _count(value)


def _recent(value: object) -> bool:
    return isinstance(value, list) and all(map(_number, value))


def _best(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 2 and _count(value[0]) and _number(value[1]))


RULES: dict[str, Callable[[object], bool]] = {
    "update": _count,
    "seconds": _seconds,
    "cpu_seconds": _seconds,
    "top_length": _count,
    "recent": _recent,
    "solved_at": _update,
    "stalled_at": _update,
    "restarts": _count,
    "skipped": _count,
    "averaged_updates": _count,
    "progress_at": _count,
    "best": _best,
    "history_bytes": _count,
    "evaluations_bytes": _count,
    "environment": lambda value: isinstance(value, dict),
    "exact": lambda value: isinstance(value, bool),
}


def check_state(state: Mapping[str, Any], required: Iterable[str]) -> None:
    """Refuse a state in which something is missing, or is no value that a run could have had.

    Args:
        state: plain values of a checkpoint.
        required: names that must be there; others are checked where they are.

    Raises:
        CheckpointError: it names the first entry that will not do.
    """
    for name in required:
        if name not in state:
            raise CheckpointError(f"its state has no {name!r}")
    for name, allowed in RULES.items():
        if name in state and not allowed(state[name]):
            raise CheckpointError(f"its state has {name} {str(state[name])[:40]!r}, which no run has")
