"""Copy: read a sequence of random bits, then say it again (section 4.1 of the paper)."""

from dataclasses import dataclass, replace

import torch

from ntmlib.tasks.base import Batch, check_range, check_whole, draw_lengths


@dataclass(frozen=True)
class Copy:
    """Copy random binary vectors.

    For ``length`` 3 (``x``: random bits, ``.``: zero, ``#``: one)::

        step           0 1 2 3 4 5 6
        input   bits   x x x . . . .
                first  # . . . . . .     this is the first vector
                copy   . . . # . . .     the sequence has ended: copy it
        target  bits   . . . . x x x
                last   . . . . . . #     this is the last vector
        scored         . . . . # # #

    With 8 bits there are 10 input and 9 output channels, the sizes that the parameter
    counts in the paper imply. A sequence takes ``2 * length + 1`` steps.

    Differs from the paper, which does not say what its tenth input and ninth output are:
    here flags on the first and on the last vector (``docs/decisions/0003-copy-channels.md``).

    Args:
        max_length: longest sequence drawn, in vectors, itself included.
        min_length: shortest sequence drawn, in vectors.
        bits: width of a vector.

    Raises:
        ValueError: a length or the width is not a positive whole number, or the lengths are in the wrong order.
    """

    max_length: int = 20
    min_length: int = 1
    bits: int = 8

    name = "copy"

    def __post_init__(self) -> None:
        check_range(self)
        check_whole("bits", self.bits)

    @property
    def input_channels(self) -> tuple[str, ...]:
        return (*(f"bit {bit}" for bit in range(self.bits)), "first", "copy")

    @property
    def output_channels(self) -> tuple[str, ...]:
        return (*(f"bit {bit}" for bit in range(self.bits)), "last")

    @property
    def chance_bits(self) -> float:
        """One bit for every random bit: 84 for lengths 1 to 20. Who can count pays nothing for the flag."""
        return self.bits * (self.min_length + self.max_length) / 2

    def up_to(self, length: int) -> "Copy":
        return replace(self, max_length=min(length, self.max_length))

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        lengths = draw_lengths(batch_size, self.min_length, self.max_length, length, generator)
        longest = int(lengths.max())
        vectors = torch.randint(0, 2, (batch_size, longest, self.bits), generator=generator).float()
        step = torch.arange(2 * longest + 1)
        heard = step < lengths[:, None]
        scored = (step > lengths[:, None]) & (step <= 2 * lengths[:, None])

        inputs = torch.zeros(batch_size, len(step), self.bits + 2)
        inputs[..., : self.bits][heard] = vectors[heard[:, :longest]]
        inputs[:, 0, self.bits] = 1
        inputs[..., self.bits + 1] = (step == lengths[:, None]).float()

        targets = torch.zeros(batch_size, len(step), self.bits + 1)
        targets[..., : self.bits][scored] = vectors[heard[:, :longest]]
        targets[..., self.bits] = (step == 2 * lengths[:, None]).float()
        return Batch(inputs, targets, scored, 2 * lengths + 1)
