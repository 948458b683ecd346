"""What a config refuses: the ranges of its numbers, and checks that name the value, the rule and what was received."""

import difflib
import math
import sys
from collections.abc import Mapping
from typing import Any

# name: at least this
WHOLE_NUMBERS = {
    "seed": 0,
    "batch_size": 1,
    "max_updates": 1,
    "curriculum_step": 1,
    "curriculum_window": 1,
    "solved_window": 1,
    "updates_after_solved": 0,
    "warmup_updates": 0,
    "skip_updates": 0,
    "max_restarts": 0,
    "evaluation_sequences": 1,
    "checkpoint_every": 1,
    "threads": 1,
}
# name: above this, at most that
NUMBERS: dict[str, tuple[float, float]] = {
    "learning_rate": (0.0, 10.0),
    "momentum": (-sys.float_info.min, 1 - 2**-53),
    "averaged_share": (-sys.float_info.min, 1 - 2**-53),
    "dropout": (-sys.float_info.min, 1 - 2**-53),
    "fresh_share": (-sys.float_info.min, 1.0),
    "clip_norm": (0.0, math.inf),
    "clip_value": (0.0, math.inf),
    "curriculum_threshold": (0.0, math.inf),
    "solved_threshold": (0.0, math.inf),
    "final_learning_rate_factor": (0.0, 1.0),
}

_FROM_ZERO = dict.fromkeys(("momentum", "averaged_share", "dropout"), "in [0, 1)") | {"fresh_share": "in [0, 1]"}


def check_whole(name: str, value: object, low: int) -> None:
    """Refuse what is not a whole number of at least ``low``, or does not fit in 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**63:
        raise ValueError(f"{name} must be a whole number of at least {low}; got {value!r}")


def checked_number(name: str, value: object, above: float, at_most: float) -> float:
    """Return a finite number in (above, at_most], or refuse it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number; got {value!r}")
    if not above < value <= at_most:
        rule = f"above {above:g}" if math.isinf(at_most) else f"above {above:g} and at most {at_most:g}"
        raise ValueError(f"{name} must be {_FROM_ZERO.get(name, rule)}; got {value!r}")
    return float(value)


def checked_mapping(name: str, value: object) -> dict[str, Any]:
    """Return a mapping from names as a dict, or refuse it."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name} must map names to values; got {value!r}")
    return dict(value)


def check_names(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuse names that are not known, and propose the nearest one that is."""
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ValueError(f"{what} has no {name!r}; {hint}known: {', '.join(known)}")
