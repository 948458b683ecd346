"""Priority sort: hear vectors with priorities, give the most important back in order (section 4.5 of the paper)."""

from dataclasses import dataclass, replace

import torch

from ntmlib.tasks.base import Batch, check_range, check_whole, draw_lengths


@dataclass(frozen=True)
class PrioritySort:
    """Give back the vectors with the highest priorities, highest first.

    For ``length`` 4 and ``highest`` 3, where b has the highest priority, then d, then a
    (letters: random vectors, ``p``: a priority, ``.``: zero, ``#``: one)::

        step              0 1 2 3 4 5 6 7
        input   bits      a b c d . . . .
                priority  p p p p . . . .     uniform between -1 and 1
                sort      . . . . # . . .     that was the last vector: sort them
        target  bits      . . . . . b d a     whole vectors change places, their bits never do
        scored            . . . . . # # #

    With 8 bits there are 10 input and 8 output channels, the sizes that the parameter counts
    in the paper imply. ``length`` counts the vectors heard; with ``length`` of them a sequence
    takes ``length + 1 + min(highest, length)`` steps, 37 by default. Of two equal priorities
    (in one sequence of some 90,000) the vector heard first comes first.

    Differs from the paper, which gives 20 vectors, 16 of them wanted, and priorities between
    -1 and 1, but neither the width of a vector (8 follows from those counts) nor what the tenth
    input is: here a flag that says when to answer, as in the copy task.

    Args:
        max_length: most vectors heard, this number included.
        min_length: fewest vectors heard.
        highest: vectors to give back; all of them where fewer were heard.
        bits: width of a vector.

    Raises:
        ValueError: a setting is not a positive whole number, or the lengths are in the wrong order.
    """

    max_length: int = 20
    min_length: int = 20
    highest: int = 16
    bits: int = 8

    name = "priority_sort"

    def __post_init__(self) -> None:
        check_range(self)
        check_whole("highest", self.highest)
        check_whole("bits", self.bits)

    @property
    def input_channels(self) -> tuple[str, ...]:
        return (*(f"bit {bit}" for bit in range(self.bits)), "priority", "sort")

    @property
    def output_channels(self) -> tuple[str, ...]:
        return tuple(f"bit {bit}" for bit in range(self.bits))

    @property
    def chance_bits(self) -> float:
        """One bit for every random bit of the answer: 16 vectors of 8 bits are 128."""
        lengths = range(self.min_length, self.max_length + 1)
        return self.bits * sum(min(self.highest, length) for length in lengths) / len(lengths)

    def up_to(self, length: int) -> "PrioritySort":
        """Return the same task with at most ``length`` vectors; ``min_length`` comes down with it."""
        check_whole("length", length)
        return replace(self, max_length=length, min_length=min(self.min_length, length))

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        lengths = draw_lengths(batch_size, self.min_length, self.max_length, length, generator)
        wanted = lengths.clamp(max=self.highest)
        longest, most_wanted = int(lengths.max()), int(wanted.max())
        vectors = torch.randint(0, 2, (batch_size, longest, self.bits), generator=generator).float()
        priorities = 2 * torch.rand(batch_size, longest, generator=generator) - 1
        heard = torch.arange(longest) < lengths[:, None]
        # Places past the end of a sequence sort last, whatever was drawn for them.
        ranking = priorities.masked_fill(~heard, -torch.inf).argsort(dim=1, descending=True, stable=True)
        answer = vectors[torch.arange(batch_size)[:, None], ranking[:, :most_wanted]]

        step = torch.arange(longest + 1 + most_wanted)
        scored = (step > lengths[:, None]) & (step <= (lengths + wanted)[:, None])
        inputs = torch.zeros(batch_size, len(step), self.bits + 2)
        inputs[:, :longest, : self.bits] = vectors * heard[..., None]
        inputs[:, :longest, self.bits] = priorities * heard
        inputs[..., self.bits + 1] = (step == lengths[:, None]).float()

        targets = torch.zeros(batch_size, len(step), self.bits)
        targets[scored] = answer[torch.arange(most_wanted) < wanted[:, None]]
        return Batch(inputs, targets, scored, lengths + 1 + wanted)
