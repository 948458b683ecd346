"""What a head does where it looks: read, erase and add (eq. 2-4)."""

from einops import einsum
from jaxtyping import Float
from torch import Tensor


def read(
    memory: Float[Tensor, "*batch slots width"],
    weighting: Float[Tensor, "*batch heads slots"],
) -> Float[Tensor, "*batch heads width"]:
    """Average the slots, each by the attention it gets (eq. 2).

    Returns:
        Read vectors ``r``, one for each head.
    """
    return einsum(weighting, memory, "... heads slots, ... slots width -> ... heads width")


def erase(
    memory: Float[Tensor, "*batch slots width"],
    weighting: Float[Tensor, "*batch heads slots"],
    erase_vector: Float[Tensor, "*batch heads width"],
) -> Float[Tensor, "*batch slots width"]:
    """Fade what is stored, slot by slot and column by column (eq. 3).

    Several heads erase by multiplication, so their order does not matter.

    Args:
        memory: ``M_{t-1}``.
        weighting: ``w``, where each write head looks.
        erase_vector: ``e`` in [0, 1]; a column is emptied where both it and the weighting are 1.
    """
    for head in range(weighting.shape[-2]):
        memory = memory * (1 - weighting[..., head, :, None] * erase_vector[..., head, None, :])
    return memory


def add(
    memory: Float[Tensor, "*batch slots width"],
    weighting: Float[Tensor, "*batch heads slots"],
    add_vector: Float[Tensor, "*batch heads width"],
) -> Float[Tensor, "*batch slots width"]:
    """Add each head's vector to the slots it looks at (eq. 4).

    Args:
        memory: what the erase left over.
        weighting: ``w``, where each write head looks.
        add_vector: ``a``, any real numbers.
    """
    return memory + einsum(weighting, add_vector, "... heads slots, ... heads width -> ... slots width")


def write(
    memory: Float[Tensor, "*batch slots width"],
    weighting: Float[Tensor, "*batch heads slots"],
    erase_vector: Float[Tensor, "*batch heads width"],
    add_vector: Float[Tensor, "*batch heads width"],
) -> Float[Tensor, "*batch slots width"]:
    """Erase with every head, then add with every head (eq. 3 and 4)."""
    return add(erase(memory, weighting, erase_vector), weighting, add_vector)
