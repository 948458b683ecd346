"""Associative recall: a reader that works out the answer from the inputs alone, and mistakes it must see."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ntmlib.tasks import AssociativeRecall, Batch

Rows = list[list[float]]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def read(inputs: Rows, bits: int) -> tuple[list[Rows], Rows, int]:
    """Read one sequence as a listener would: the items, the item asked for, and the step after the question."""
    items: list[Rows] = []
    asked: Rows = []
    questions = 0
    for step, row in enumerate(inputs):
        begins, query = row[bits], row[bits + 1]
        if query:
            questions += 1
            if questions == 2:
                return items, asked, step + 1
        elif begins:
            items.append([])
        elif questions:
            asked.append(row[:bits])
        elif items:
            items[-1].append(row[:bits])
    return items, asked, len(inputs)


def mistakes(inputs: Rows, targets: Rows, mask: list[bool], item_vectors: int, bits: int) -> list[str]:
    """Read one sequence, without padding, and say everything that is wrong with it."""
    items, asked, start = read(inputs, bits)
    if not len(inputs) == len(targets) == len(mask) == (item_vectors + 1) * len(items) + 2 * item_vectors + 2:
        return ["number of steps"]
    found = []
    if any(value not in (0, 1) for row in inputs for value in row):
        found.append("bits that are no bits")
    if any(any(row[:bits]) and any(row[bits:]) for row in inputs):
        found.append("bits beside a flag")
    if {len(item) for item in [*items, asked]} != {item_vectors}:
        found.append("size of an item")
    if len({str(item) for item in items}) < len(items):
        found.append("an item twice")
    if any(any(row) for row in inputs[start:]):
        found.append("input while answering")
    if mask != [step >= start for step in range(len(inputs))]:
        found.append("mask")
    if any(any(row) for row in targets[:start]):
        found.append("targets before the answer")
    if asked not in items[:-1]:
        found.append("question")
    elif targets[start:] != items[items.index(asked) + 1]:
        found.append("answer")
    return found


def mistakes_in(batch: Batch, item_vectors: int = 3, bits: int = 6) -> list[str]:
    found = []
    for index, steps in enumerate(batch.lengths.tolist()):
        parts = (batch.inputs, batch.targets, batch.mask)
        found += mistakes(*(part[index, :steps].tolist() for part in parts), item_vectors, bits)
        if any(bool(part[index, steps:].any()) for part in parts):
            found.append("padding")
    return found


def hand_written() -> Batch:
    """Three items of two vectors of two bits, asked for the second: 11 00, 01 10, 10 10."""
    item, query, silent = [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]
    first, second, third = ([1, 1], [0, 0]), ([0, 1], [1, 0]), ([1, 0], [1, 0])
    shown = [row for vectors in (first, second, third) for row in (item, *([*vector, 0, 0] for vector in vectors))]
    inputs = [*shown, query, [0, 1, 0, 0], [1, 0, 0, 0], query, silent, silent]
    targets = [*[[0, 0]] * 13, *third]
    mask = [*[False] * 13, True, True]
    return Batch(
        torch.tensor([inputs]).float(), torch.tensor([targets]).float(), torch.tensor([mask]), torch.tensor([15])
    )


def test_the_checker_accepts_the_example_written_by_hand():
    assert mistakes_in(hand_written(), 2, 2) == []


PLANTED: dict[str, Callable[[Batch], object]] = {
    "number of steps": lambda batch: batch.inputs[0, 3, 2].fill_(0),
    "bits that are no bits": lambda batch: batch.inputs[0, 1, 0].fill_(0.5),
    "bits beside a flag": lambda batch: batch.inputs[0, 9, 0].fill_(1),
    "size of an item": lambda batch: batch.inputs[0, 3:5].copy_(batch.inputs[0, 3:5].flip(0)),
    "an item twice": lambda batch: batch.inputs[0, 7:9].copy_(batch.inputs[0, 1:3]),
    "input while answering": lambda batch: batch.inputs[0, 14, 1].fill_(1),
    "mask": lambda batch: batch.mask[0].copy_(batch.mask[0].roll(-1)),
    "targets before the answer": lambda batch: batch.targets[0, 12, 0].fill_(1),
    "question": lambda batch: batch.inputs[0, 10:12].copy_(batch.inputs[0, 7:9]),
    "answer": lambda batch: batch.targets[0, 13:15].copy_(batch.inputs[0, 4:6, :2]),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_checker_sees_a_planted_mistake(mistake):
    batch = hand_written()
    PLANTED[mistake](batch)
    assert mistake in mistakes_in(batch, 2, 2)


def test_the_checker_sees_a_missing_step_and_padding_that_is_not_empty():
    batch = hand_written()
    assert mistakes_in(replace(batch, lengths=torch.tensor([14])), 2, 2) == ["number of steps", "padding"]


@pytest.mark.parametrize(("item_vectors", "bits"), [(1, 6), (3, 6), (2, 3)])
@pytest.mark.parametrize(("low", "high"), [(2, 2), (2, 6), (3, 4), (20, 20)])
def test_every_sequence_drawn_is_right(low, high, item_vectors, bits):
    task = AssociativeRecall(high, low, item_vectors, bits)
    for seed in range(5):
        batch = task.sample(16, generator=seeded(seed))
        assert mistakes_in(batch, item_vectors, bits) == []
        assert batch.inputs.shape == (16, int(batch.lengths.max()), bits + 2)


@pytest.mark.parametrize("length", [2, 6, 20])
def test_a_length_asked_for_is_the_number_of_items_of_all_also_beyond_the_most(length):
    batch = AssociativeRecall().sample(3, generator=seeded(), length=length)
    assert batch.lengths.tolist() == [4 * length + 8] * 3
    assert batch.mask.sum(1).tolist() == [3] * 3
    assert mistakes_in(batch) == []


def test_numbers_of_items_reach_both_ends_evenly():
    lengths = (AssociativeRecall().sample(5000, generator=seeded()).lengths - 8) // 4
    counts = torch.bincount(lengths)
    assert counts[:2].tolist() == [0, 0]
    assert len(counts) == 7
    assert counts[2:].min() > 860  # 1000 expected of each; five standard deviations are 141
    assert counts[2:].max() < 1140


def test_every_item_but_the_last_is_asked_for_equally_often():
    batch = AssociativeRecall().sample(4000, generator=seeded())
    places: Counter[tuple[int, int]] = Counter()
    for inputs in batch.inputs.tolist():
        items, asked, _ = read(inputs, 6)
        places[len(items), items.index(asked)] += 1
    assert sorted(places) == [(length, place) for length in range(2, 7) for place in range(length - 1)]
    for (length, _), times in places.items():
        assert times * (length - 1) == pytest.approx(800, abs=300)  # the rarest, 160 times, spreads by 12.4: 5 x 62


def test_bits_are_fair_and_independent():
    shown = AssociativeRecall().sample(2000, generator=seeded(), length=2).inputs[:, [1, 2, 3, 5, 6, 7], :6].flatten(1)
    assert (shown.mean(0) - 0.5).abs().max() < 0.06
    assert (torch.corrcoef(shown.T) - torch.eye(36)).abs().max() < 0.12


def test_small_items_all_differ_and_every_list_of_them_is_equally_likely():
    batch = AssociativeRecall(2, item_vectors=1, bits=2).sample(6000, generator=seeded())
    pairs = Counter(tuple(map(int, row)) for row in batch.inputs[:, [1, 3], :2].flatten(1).tolist())
    assert len(pairs) == 4 * 3
    assert all(pair[:2] != pair[2:] for pair in pairs)
    assert min(pairs.values()) > 393  # 500 expected of each; five standard deviations are 107
    assert max(pairs.values()) < 607


def test_chance_is_one_bit_for_every_bit_of_one_item():
    assert AssociativeRecall().chance_bits == 18
    assert AssociativeRecall(max_length=4, item_vectors=2, bits=5).chance_bits == 10
    batch = AssociativeRecall().sample(4000, generator=seeded())
    answers = batch.targets[batch.mask].reshape(4000, 18).double()
    often = answers.mean(0)  # a guess that knows how often each bit is on
    bits = -(often * often.log2() + (1 - often) * (1 - often).log2()).sum()
    assert float(bits) == pytest.approx(18, abs=0.05)


def test_a_stage_of_a_curriculum_has_fewer_items():
    assert AssociativeRecall(bits=5).up_to(3) == AssociativeRecall(max_length=3, bits=5)
    assert AssociativeRecall().up_to(2).sample(4, generator=seeded()).lengths.tolist() == [16] * 4


def test_the_channels_are_those_that_the_papers_parameter_counts_imply():
    task = AssociativeRecall()
    assert task.input_channels == (*(f"bit {bit}" for bit in range(6)), "item", "query")
    assert task.output_channels == tuple(f"bit {bit}" for bit in range(6))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_length": 1}, "min_length must be a whole number of at least 2; got 1"),
        ({"max_length": 1}, r"min_length must be at most max_length \(1\); got 2"),
        ({"item_vectors": 0}, "item_vectors must be a whole number of at least 1; got 0"),
        ({"bits": True}, "bits must be a whole number of at least 1; got True"),
        ({"max_length": 5, "item_vectors": 1, "bits": 3}, "max_length must be at most 4, half of .*; got 5"),
    ],
)
def test_a_setting_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AssociativeRecall(**options)


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (1, "length must be a whole number of at least 2; got 1"),
        (5, "length must be at most 4, half of the different items of item_vectors 1 and bits 3; got 5"),
    ],
)
def test_a_length_without_a_question_or_without_enough_items_is_refused(length, message):
    with pytest.raises(ValueError, match=message):
        AssociativeRecall(4, item_vectors=1, bits=3).sample(2, generator=seeded(), length=length)
