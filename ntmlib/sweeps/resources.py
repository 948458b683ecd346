"""What a cell of a sweep needs: the table ``[resources]`` of its file.

Example::

    [resources]
    cpus = 1
    gpus = 0.25
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, no_type_check

MOST = 1024
FINEST = 10_000  # Ray counts in ten-thousandths


@no_type_check  # while tests run: values of a wrong type are refused below, with a ValueError
@dataclass(frozen=True)
class Resources:
    """What is set aside for one cell while it trains; a share of a core or GPU is the right to sit beside others.

    A cell computes with one thread whatever is set aside, because its results must not depend on that.

    Args:
        cpus: cores, more than 0: a fraction up to 1, or a whole number.
        gpus: GPUs, at least 0, likewise.

    Raises:
        ValueError: one of them is out of range.
    """

    cpus: float = 1
    gpus: float = 0

    def __post_init__(self) -> None:
        for name, least, rule in (("cpus", 1 / FINEST, "more than 0"), ("gpus", 0, "at least 0")):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not least <= value <= MOST or (value > 1 and value != int(value)):
                raise ValueError(
                    f"resources.{name} must be {rule} and at most 1, or a whole number up to {MOST}; got {value!r}"
                )
            if abs(value * FINEST - round(value * FINEST)) > 1e-6:
                raise ValueError(f"resources.{name} must have at most four decimals; got {value!r}")

    def at_once(self, cores: int) -> int:
        """Say how many cells fit on one computer side by side, at least 1; the local pool shares a single GPU."""
        places = int(cores / self.cpus + 1e-9)
        if self.gpus:
            places = min(places, int(1 / self.gpus + 1e-9))
        return max(places, 1)


def read_resources(given: object) -> Resources:
    """Make resources from the table of a file.

    Raises:
        ValueError: it is no table, or something in it is unknown or out of range.
    """
    if isinstance(given, Resources):
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"resources must be a table; got {given!r}")
    known = tuple(field.name for field in fields(Resources))
    for name in given:
        if name not in known:
            raise ValueError(f"resources has no {name!r}; known: {', '.join(known)}")
    values: dict[str, Any] = dict(given)
    return Resources(**values)
