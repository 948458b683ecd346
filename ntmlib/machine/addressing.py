"""Where a head looks: content, interpolation, shift, sharpening (eq. 5-9).

The four stages run in the order of the paper's figure 2. Every function works
on trailing axes, so leading axes may be ``batch``, ``batch heads``,
``batch time heads`` or nothing at all. A *weighting* is a distribution over the
memory's slots.
"""

from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

# Added to the squared length of a key or slot, inside the root of eq. 6. An empty
# memory (1e-6 everywhere) then looks equally unlike every key, and the gradient of
# the similarity stays finite at a slot of zeros. docs/decisions/0002 has the measurements.
SQUARED_NORM_FLOOR = 1e-4

# Added to a weighting before its logarithm is taken, in eq. 9: a slot with no
# weight at all then has a finite logarithm and a finite gradient.
WEIGHT_FLOOR = 1e-12


@dataclass(frozen=True)
class Addressing:
    """The weighting of one head after each of the four stages."""

    content_weighting: Float[Tensor, "*batch slots"]
    gated_weighting: Float[Tensor, "*batch slots"]
    shifted_weighting: Float[Tensor, "*batch slots"]
    weighting: Float[Tensor, "*batch slots"]


def unit_length(vector: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
    """Scale vectors to length one, the building block of the cosine similarity (eq. 6).

    The squared length has ``SQUARED_NORM_FLOOR`` added, so a vector much shorter than
    0.01 keeps its direction but loses its length instead of being blown up.

    Differs from the paper: eq. 6 has no floor, and divides by zero for a zero row.
    """
    # Entries beyond 1e19 would overflow when squared in float32. Dividing by the largest
    # entry first changes nothing else, the gradient included, so it is left out of autograd.
    scale = vector.detach().abs().amax(-1, keepdim=True).clamp_min(1.0)
    scaled = vector / scale
    squared_length = scaled.square().sum(-1, keepdim=True) + SQUARED_NORM_FLOOR / scale / scale
    return scaled * squared_length.rsqrt()


def cosine_similarity(
    key: Float[Tensor, "*#batch width"],
    memory: Float[Tensor, "*#batch slots width"],
) -> Float[Tensor, "*#batch slots"]:
    """Compare a key with every slot by the cosine of the angle between them (eq. 6).

    Returns:
        One similarity in [-1, 1] per slot; 0 for a slot of zeros.
    """
    return einsum(unit_length(key), unit_length(memory), "... width, ... slots width -> ... slots")


def content_weighting(
    key: Float[Tensor, "*#batch width"],
    key_strength: Float[Tensor, "*#batch"],
    memory: Float[Tensor, "*#batch slots width"],
) -> Float[Tensor, "*#batch slots"]:
    """Focus on the slots that look like the key (eq. 5).

    Args:
        key: ``k``, what to look for.
        key_strength: ``beta`` >= 0, how much a better match counts; 0 gives the uniform weighting.
        memory: ``M``, the slots compared with the key.

    Returns:
        Content weighting ``w^c``.
    """
    return torch.softmax(key_strength[..., None] * cosine_similarity(key, memory), -1)


def interpolate(
    content_weighting: Float[Tensor, "*#batch slots"],
    previous_weighting: Float[Tensor, "*#batch slots"],
    interpolation_gate: Float[Tensor, "*#batch"],
) -> Float[Tensor, "*#batch slots"]:
    """Choose between looking something up and carrying on from where the head was (eq. 7).

    Args:
        content_weighting: ``w^c``, where the key matches now.
        previous_weighting: ``w_{t-1}``, where this head looked one step ago.
        interpolation_gate: ``g`` in [0, 1]; 1 takes the content weighting, 0 the previous one.

    Returns:
        Gated weighting ``w^g``.
    """
    gate = interpolation_gate[..., None]
    return gate * content_weighting + (1 - gate) * previous_weighting


def shift(
    weighting: Float[Tensor, "*#batch slots"],
    shift_weighting: Float[Tensor, "*#batch shifts"],
) -> Float[Tensor, "*#batch slots"]:
    """Move the focus by a distribution over whole-slot offsets (eq. 8).

    Offsets run from ``-(shifts // 2)`` to ``+(shifts // 2)``; the middle entry
    means "stay". Slots wrap around: one past the last slot is slot 0.

    Args:
        weighting: gated weighting ``w^g``, a distribution over slots.
        shift_weighting: ``s``, a distribution over an odd number of offsets.

    Returns:
        Shifted weighting ``w~``, again a distribution over slots.

    Raises:
        ValueError: the number of offsets is even or larger than the memory.
    """
    slots, shifts = weighting.shape[-1], shift_weighting.shape[-1]
    if shifts % 2 == 0 or shifts > slots:
        raise ValueError(f"shift_weighting needs an odd number of offsets, at most {slots} (the slots); got {shifts}")
    reach = shifts // 2
    moved = torch.stack([weighting.roll(offset, -1) for offset in range(-reach, reach + 1)], -1)
    return einsum(moved, shift_weighting, "... slots shifts, ... shifts -> ... slots")


def sharpen(
    weighting: Float[Tensor, "*#batch slots"],
    sharpening: Float[Tensor, "*#batch"],
) -> Float[Tensor, "*#batch slots"]:
    """Undo the blur of a soft shift: raise to a power and renormalise (eq. 9).

    Computed as ``softmax(sharpening * log w)``, which is the same number as
    ``w**sharpening / sum(w**sharpening)`` but cannot come out as 0/0.

    Args:
        weighting: shifted weighting ``w~``.
        sharpening: ``gamma`` >= 1; 1 leaves the weighting as it is.

    Returns:
        The head's weighting ``w``.
    """
    return torch.softmax(sharpening[..., None] * (weighting + WEIGHT_FLOOR).log(), -1)


def address(
    key: Float[Tensor, "*#batch width"],
    key_strength: Float[Tensor, "*#batch"],
    interpolation_gate: Float[Tensor, "*#batch"],
    shift_weighting: Float[Tensor, "*#batch shifts"],
    sharpening: Float[Tensor, "*#batch"],
    memory: Float[Tensor, "*#batch slots width"],
    previous_weighting: Float[Tensor, "*#batch slots"],
) -> Addressing:
    """Run the four stages in turn (eq. 5-9, the paper's figure 2)."""
    content = content_weighting(key, key_strength, memory)
    gated = interpolate(content, previous_weighting, interpolation_gate)
    shifted = shift(gated, shift_weighting)
    return Addressing(content, gated, shifted, sharpen(shifted, sharpening))
