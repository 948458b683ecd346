"""Repeat copy: read a sequence of random bits and a number, then say the sequence that many times (section 4.2)."""

import math
from dataclasses import dataclass, replace

import torch

from ntmlib.tasks.base import Batch, check_range, check_whole, draw_lengths

COUNTS = ("pulses", "scalar")
# Of a number drawn evenly from 1 to 10, the paper's training range. Constants, and not taken from the settings:
# a stage of a curriculum or a test with 20 repeats must say "3" with the same number as the training did.
COUNT_MEAN = 5.5
COUNT_SD = math.sqrt(8.25)


@dataclass(frozen=True)
class RepeatCopy:
    """Copy random binary vectors several times over, then say that this was all.

    For ``length`` 2 and 3 repeats (``x``: random bits, ``.``: zero, ``#``: one, ``r``: the
    number of repeats)::

        step             0 1 2 3 4 5 6 7 8 9
        input   bits     x x . . . . . . . .
                copy     . . # . . . . . . .   the sequence has ended: copy it
                repeats  . . r . . . . . . .   this many times: r = (repeats - 5.5) / 2.87
        target  bits     . . . x x x x x x .
                end      . . . . . . . . . #   all copies have been said
        scored           . . . # # # # # # #

    The same with ``count="pulses"``: the number arrives as that many ones, before the flag::

        step             0 1 2 3 4 5 6 7 8 9 10 11 12
        input   bits     x x . . . . . . . . .  .  .
                copy     . . . . . # . . . . .  .  .
                repeats  . . # # # . . . . . .  .  .
        target  bits     . . . . . . x x x x x  x  .
                end      . . . . . . . . . . .  .  #
        scored           . . . . . . # # # # #  #  #

    With 6 bits there are 8 input and 7 output channels, the sizes that the parameter counts
    in the paper imply. ``length`` counts vectors, and a length asked for leaves the number of
    repeats to chance (fix it with ``min_repeats`` equal to ``max_repeats``). A sequence takes
    ``length + 1 + length * repeats + 1`` steps, and ``repeats`` more with pulses.

    The scalar is scaled to mean 0 and variance 1 over 1 to 10 repeats, whatever the settings.

    Differs from the paper, whose text speaks of vectors of eight bits where its parameter
    counts leave room for six, and which does not say when the count arrives: here together
    with the copy flag. Pulses are ours. One scalar outside the trained range is a value that
    the machine has never met, and nothing in the training says what it should mean; one pulse
    more is one more step of a kind it has met often, so that a machine which moves a head at
    every pulse has a way to count on.

    Args:
        max_length: longest sequence drawn, in vectors, itself included.
        min_length: shortest sequence drawn, in vectors.
        max_repeats: most copies asked for, itself included.
        min_repeats: fewest copies asked for.
        bits: width of a vector.
        count: how the number of repeats is told: ``"scalar"`` (the paper's) or ``"pulses"``.

    Raises:
        ValueError: a length, a number of repeats or the width is not a positive whole number, a range is in the
            wrong order, or ``count`` is neither of the two.
    """

    max_length: int = 10
    min_length: int = 1
    max_repeats: int = 10
    min_repeats: int = 1
    bits: int = 6
    count: str = "scalar"

    name = "repeat_copy"

    def __post_init__(self) -> None:
        check_range(self)
        check_range(self, "min_repeats", "max_repeats")
        check_whole("bits", self.bits)
        if self.count not in COUNTS:
            raise ValueError(f"count must be one of {list(COUNTS)}; got {self.count!r}")

    @property
    def input_channels(self) -> tuple[str, ...]:
        return (*(f"bit {bit}" for bit in range(self.bits)), "copy", "repeats")

    @property
    def output_channels(self) -> tuple[str, ...]:
        return (*(f"bit {bit}" for bit in range(self.bits)), "end")

    @property
    def chance_bits(self) -> float:
        """One bit for every bit to be said: 181.5 by default. Who can count pays nothing for the end marker.

        A vector costs its bits in every copy: without a memory of the content the second copy is as
        unknown as the first.
        """
        return self.bits * (self.min_length + self.max_length) / 2 * (self.min_repeats + self.max_repeats) / 2

    def up_to(self, length: int) -> "RepeatCopy":
        """Return the task with at most ``length`` vectors and at most ``length`` repeats: both grow together.

        Each keeps to its own range: a ``length`` below the fewest repeats leaves these fewest, one
        above the most leaves the most.
        """
        check_whole("length", length)
        return replace(
            self,
            max_length=min(max(length, self.min_length), self.max_length),
            max_repeats=min(max(length, self.min_repeats), self.max_repeats),
        )

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        lengths = draw_lengths(batch_size, self.min_length, self.max_length, length, generator)[:, None]
        repeats = torch.randint(self.min_repeats, self.max_repeats + 1, (batch_size, 1), generator=generator)
        longest = int(lengths.max())
        vectors = torch.randint(0, 2, (batch_size, longest, self.bits), generator=generator).float()

        pulses = repeats if self.count == "pulses" else 0
        flag = lengths + pulses  # the step of the copy flag; the answer starts one later
        end = flag + lengths * repeats + 1
        step = torch.arange(int(end.max()) + 1)
        answer = (step > flag) & (step < end)

        inputs = torch.zeros(batch_size, len(step), self.bits + 2)
        inputs[:, :longest, : self.bits] = vectors * (step[:longest] < lengths)[..., None]
        inputs[..., self.bits] = (step == flag).float()
        if self.count == "pulses":
            inputs[..., self.bits + 1] = ((step >= lengths) & (step < flag)).float()
        else:
            inputs[..., self.bits + 1] = torch.where(step == flag, (repeats - COUNT_MEAN) / COUNT_SD, 0)

        said = (step - flag - 1) % lengths  # which vector this is; before the answer a number without meaning
        targets = torch.zeros(batch_size, len(step), self.bits + 1)
        targets[..., : self.bits] = vectors.gather(1, said[..., None].expand(-1, -1, self.bits)) * answer[..., None]
        targets[..., self.bits] = (step == end).float()
        return Batch(inputs, targets, answer | (step == end), end[:, 0] + 1)
