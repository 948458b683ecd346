"""What a network without a memory carries from step to step, where a Neural Turing Machine has heads and slots."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class StateTrace(Protocol):
    """What is drawn of a network without a memory: see ``ntmlib.baselines.LSTMTrace``."""

    @property
    def inputs(self) -> Float[Tensor, "batch time features"]:
        """What went in."""
        ...

    @property
    def outputs(self) -> Float[Tensor, "batch time outputs"]:
        """Logits."""
        ...

    @property
    def cell(self) -> Float[Tensor, "batch time layers hidden"]:
        """What every unit of every layer holds after each step."""
        ...
