"""Dropout with a generator of its own: torch's draws from the process-global one."""

import torch
from jaxtyping import Float
from torch import Tensor


def dropped(values: Float[Tensor, "*axes"], share: float, generator: torch.Generator | None) -> Float[Tensor, "*axes"]:
    """Set a random share of the numbers to zero and divide the others by ``1 - share`` (Srivastava et al., 2014).

    The division keeps every number's expectation, so that nothing need change when dropout is off.

    Args:
        values: any numbers.
        share: how likely a number is to become zero; with 0 nothing is drawn and ``values`` itself comes back.
        generator: what the draws come from; it lives on the device of ``values``.

    Raises:
        ValueError: the share is not in [0, 1), or it is above 0 without a generator.
    """
    if not 0 <= share < 1:
        raise ValueError(f"dropout must be a share from 0 to below 1; got {share!r}")
    if share == 0:
        return values
    if generator is None:
        raise ValueError(f"dropout needs a generator of its own to draw from; got dropout {share!r} and no generator")
    # Drawn in float32 whatever the values are, so that one seed drops the same numbers in both precisions.
    kept = torch.rand(values.shape, generator=generator, device=values.device) >= share
    return values * (kept.to(values.dtype) / (1 - share))
