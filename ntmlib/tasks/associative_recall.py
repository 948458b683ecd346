"""Associative recall: read a list of items, then name the one that came after a given item (section 4.3)."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ntmlib.tasks.base import Batch, check_range, check_whole, draw_lengths


@dataclass(frozen=True)
class AssociativeRecall:
    """Say the item that followed the one asked for.

    For 3 items ``a``, ``b`` and ``c`` of three vectors each, asked for the second (letters: random
    bits, ``.``: zero, ``#``: one)::

        step            0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19
        input   bits    .  a  a  a  .  b  b  b  .  c  c  c  .  b  b  b  .  .  .  .
                item    #  .  .  .  #  .  .  .  #  .  .  .  .  .  .  .  .  .  .  .   an item begins
                query   .  .  .  .  .  .  .  .  .  .  .  .  #  .  .  .  #  .  .  .   bounds the question
        target  bits    .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  c  c  c
        scored          .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  #  #  #

    With 6 bits there are 8 input and 6 output channels, the sizes that the parameter counts in
    the paper imply. ``length`` counts items. With items of three vectors a sequence takes
    ``4 * length + 8`` steps: four for each item, five for the question and three for the answer.

    Every item but the last, which nothing follows, is asked for equally often. The items of a
    sequence all differ, each such list being equally likely: the answer is never in doubt.

    Differs from the paper, which bounds an item by flags on its left and on its right: here the
    flag that begins the next item, or the question, is also the end of the one before. The paper
    does not say whether an item may occur twice.

    Args:
        max_length: most items drawn, itself included.
        min_length: fewest items drawn, at least 2.
        item_vectors: vectors in an item.
        bits: width of a vector.

    Raises:
        ValueError: a setting is not a whole number of at least 1 (``min_length``: 2), the lengths are in the wrong
            order, or items are so small that fewer than ``2 * max_length`` different ones exist.
    """

    max_length: int = 6
    min_length: int = 2
    item_vectors: int = 3
    bits: int = 6

    name = "associative_recall"

    def __post_init__(self) -> None:
        check_whole("min_length", self.min_length, 2)
        check_range(self)
        check_whole("item_vectors", self.item_vectors)
        check_whole("bits", self.bits)
        self._check_items("max_length", self.max_length)

    @property
    def input_channels(self) -> tuple[str, ...]:
        return (*(f"bit {bit}" for bit in range(self.bits)), "item", "query")

    @property
    def output_channels(self) -> tuple[str, ...]:
        return tuple(f"bit {bit}" for bit in range(self.bits))

    @property
    def chance_bits(self) -> float:
        """One bit for every bit of an item, 18 by default, however many items there are."""
        return float(self.item_vectors * self.bits)

    def up_to(self, length: int) -> "AssociativeRecall":
        return replace(self, max_length=min(length, self.max_length))

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        lengths = draw_lengths(batch_size, self.min_length, self.max_length, length, generator)
        longest = int(lengths.max())
        if length is not None:
            check_whole("length", length, 2)
            self._check_items("length", longest)
        items = self._draw_items(batch_size, longest, generator)
        # Double precision below 1 times a count stays below the count: all but the last item, equally often.
        asked = (torch.rand(batch_size, generator=generator, dtype=torch.float64) * (lengths - 1)).long()
        sequence = torch.arange(batch_size)

        shown = items.new_zeros(batch_size, longest, 1 + self.item_vectors, self.bits + 2)
        shown[:, :, 0, self.bits] = 1
        shown[:, :, 1:, : self.bits] = items
        shown *= (torch.arange(longest) < lengths[:, None])[..., None, None]

        question = items.new_zeros(batch_size, self.item_vectors + 2, self.bits + 2)
        question[:, [0, -1], self.bits + 1] = 1
        question[:, 1:-1, : self.bits] = items[sequence, asked]

        # Lists differ in length, so each question and each answer has steps of its own.
        question_start = lengths * (1 + self.item_vectors)
        question_steps = question_start[:, None] + torch.arange(self.item_vectors + 2)
        answer_steps = question_steps[:, -1:] + 1 + torch.arange(self.item_vectors)
        steps = answer_steps[:, -1] + 1

        inputs = items.new_zeros(batch_size, int(steps.max()), self.bits + 2)
        inputs[:, : longest * (1 + self.item_vectors)] = shown.flatten(1, 2)
        inputs[sequence[:, None], question_steps] = question
        targets = items.new_zeros(batch_size, int(steps.max()), self.bits)
        targets[sequence[:, None], answer_steps] = items[sequence, asked + 1]
        mask = torch.zeros(targets.shape[:2], dtype=torch.bool)
        mask[sequence[:, None], answer_steps] = True
        return Batch(inputs, targets, mask, steps)

    def _draw_items(
        self, batch_size: int, num_items: int, generator: torch.Generator
    ) -> Float[Tensor, "batch items vectors bits"]:
        """Draw items, all different within a sequence and otherwise equally likely.

        An item equal to an earlier one is drawn again until none is. At least twice as many
        items exist as are needed, so a redraw is new more often than not: this ends soon.
        """
        width = self.item_vectors * self.bits
        items = torch.randint(0, 2, (batch_size, num_items, width), generator=generator)
        while True:
            equal = (items[:, :, None] == items[:, None]).all(-1)
            repeated = equal.tril(-1).any(-1)
            if not bool(repeated.any()):
                return items.float().unflatten(-1, (self.item_vectors, self.bits))
            items[repeated] = torch.randint(0, 2, (int(repeated.sum()), width), generator=generator)

    def _check_items(self, name: str, num_items: int) -> None:
        different = 2 ** (self.item_vectors * self.bits)
        if 2 * num_items > different:
            raise ValueError(
                f"{name} must be at most {different // 2}, half of the different items of item_vectors "
                f"{self.item_vectors} and bits {self.bits}; got {num_items}"
            )
