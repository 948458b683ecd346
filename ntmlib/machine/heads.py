"""From the controller's output to what the heads are told to do (section 3.3 of the paper).

One matrix produces the raw numbers of every head. ``instructions`` cuts them up
and brings each into its range, one line for each symbol of the paper.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class AddressingInstructions:
    """How a head finds its weighting: the arguments of eq. 5-9."""

    key: Float[Tensor, "*batch heads width"]
    key_strength: Float[Tensor, "*batch heads"]
    interpolation_gate: Float[Tensor, "*batch heads"]
    shift_weighting: Float[Tensor, "*batch heads shifts"]
    sharpening: Float[Tensor, "*batch heads"]


@dataclass(frozen=True)
class Instructions:
    """Everything the controller asks of the heads at one step."""

    read: AddressingInstructions
    write: AddressingInstructions
    erase: Float[Tensor, "*batch heads width"]
    add: Float[Tensor, "*batch heads width"]


@dataclass(frozen=True)
class HeadLayout:
    """How the raw numbers of one pair of heads lie side by side.

    Order: the read head's key, strength, gate, shifts and sharpening; the same
    for the write head; then the erase and the add vector.
    """

    num_heads: int
    width: int
    num_shifts: int

    @property
    def addressing_size(self) -> int:
        """Raw numbers that address one head: ``M + 3 + S``."""
        return self.width + 3 + self.num_shifts

    @property
    def pair_size(self) -> int:
        """Raw numbers of one read and one write head."""
        return 2 * self.addressing_size + 2 * self.width

    @property
    def size(self) -> int:
        """Raw numbers of all heads together."""
        return self.num_heads * self.pair_size

    def instructions(self, raw: Float[Tensor, "*batch features"]) -> Instructions:
        """Squash raw numbers into the ranges that eq. 2-9 ask for.

        Differs from the paper, which names ranges but few functions: the add vector
        and the keys go through ``tanh``, as in most later work.
        """
        pairs = raw.unflatten(-1, (self.num_heads, self.pair_size))
        read, write, erase, add = pairs.split(
            [self.addressing_size, self.addressing_size, self.width, self.width], dim=-1
        )
        return Instructions(
            read=self._addressing(read),
            write=self._addressing(write),
            erase=torch.sigmoid(erase),  # e in (0, 1)
            add=torch.tanh(add),  # a in (-1, 1)
        )

    def tape_bias(self) -> Float[Tensor, " features"]:
        """Return biases with which the heads begin as those of a tape machine.

        A write head ignores content (gate about 0.12) and mostly steps one slot forward (about 0.79
        with three shifts); a read head's key strength is about 3. A head that moves from the first
        update on writes every vector to a slot of its own, and only then is there anything to be found
        by its content (``docs/decisions/0006-tape-start.md`` has the measurements).
        """
        bias = torch.zeros(self.num_heads, self.pair_size)
        read, write = bias[:, : self.addressing_size], bias[:, self.addressing_size :]
        strength, gate, forward = self.width, self.width + 1, self.width + 2 + self.num_shifts // 2 + 1
        read[:, strength] = 3.0
        write[:, gate] = -2.0
        if self.num_shifts > 1:
            write[:, forward] = 2.0
        return bias.flatten()

    def start_induction(self, weight: Float[Tensor, "features hidden"], bias: Float[Tensor, " features"]) -> None:
        """Turn drawn weights, in place, into heads that begin by finding what came next the last time.

        The write head writes each step to the next slot and asks nothing of content. The read head's key is what the
        write head adds, so that it finds the slots where the same was written before, and its shift is one slot on.
        What is added has weights ten times as large as drawn, for only what is not small can be told apart in what is
        read; strengths, gates, shifts and erasures depend less on the controller at first, by a factor of 0.3.
        Attention heads that do this are called induction heads (Olsson et al. 2022); for the measurements see
        ``docs/decisions/0017-induction-start.md``.
        """
        size, width, forward = self.addressing_size, self.width, self.num_shifts // 2 + 1
        for pair in range(self.num_heads):
            first = pair * self.pair_size
            read, write = first, first + size
            erase, add = first + 2 * size, first + 2 * size + width
            weight[read : read + width] = weight[add : add + width]
            weight[add : add + width] *= 10
            weight[read + width : add] *= 0.3
            told = bias[first : first + self.pair_size].zero_()
            for head, strength, gate in ((read, 25.0, 2.0), (write, 0.0, -3.0)):
                of_head = told[head - first + width : head - first + size]  # strength, gate, shifts, sharpening
                of_head[0], of_head[1], of_head[2 + forward], of_head[-1] = strength, gate, 4.0, 1.0
            told[write - first + size - 1] = 2.0
            told[erase - first : add - first] = 2.0

    def _addressing(self, raw: Float[Tensor, "*batch heads features"]) -> AddressingInstructions:
        key, strength, gate, shift, sharpening = raw.split([self.width, 1, 1, self.num_shifts, 1], dim=-1)
        return AddressingInstructions(
            key=torch.tanh(key),  # k in (-1, 1)
            key_strength=softplus(strength[..., 0]),  # beta > 0
            interpolation_gate=torch.sigmoid(gate[..., 0]),  # g in (0, 1)
            shift_weighting=torch.softmax(shift, -1),  # s sums to 1
            sharpening=1 + softplus(sharpening[..., 0]),  # gamma >= 1
        )
