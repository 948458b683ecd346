"""Repeat copy: a reader that works out the answer from the inputs alone, and mistakes it must see."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
import torch

from ntmlib.tasks import Batch, RepeatCopy

both_counts = pytest.mark.parametrize("count", ["scalar", "pulses"])
PAPERS_COUNTS = range(1, 11)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def code_of(repeats: int) -> float:
    """The paper's number: from 1 to 10 repeats have mean 5.5 and variance 8.25."""
    return (repeats - 5.5) / 8.25**0.5


def told(inputs: list[list[float]], bits: int, count: str) -> tuple[int, int, int]:
    """Read off the inputs how many vectors there are, how many copies are asked for, and where the flag is."""
    flag = [row[bits] for row in inputs].index(1.0)
    numbers = [row[bits + 1] for row in inputs[: flag + 1]]
    if count == "pulses":
        return flag - numbers.count(1.0), numbers.count(1.0), flag
    return flag, min(range(1, 100), key=lambda repeats: abs(code_of(repeats) - numbers[flag])), flag


def mistakes(
    inputs: list[list[float]], targets: list[list[float]], mask: list[bool], bits: int, count: str
) -> list[str]:
    """Read one sequence, without padding, and say everything that is wrong with it."""
    if [row[bits] for row in inputs].count(1.0) != 1:
        return ["copy flag"]
    length, repeats, flag = told(inputs, bits, count)
    vectors = [row[:bits] for row in inputs[:length]]
    answer = [[*vector, 0.0] for vector in vectors * repeats] + [[0.0] * bits + [1.0]]
    if not len(inputs) == len(targets) == len(mask) == flag + 1 + len(answer):
        return ["number of steps"]
    numbers = [0.0] * len(inputs)
    numbers[length : flag + 1] = [1.0] * repeats + [0.0] if count == "pulses" else [code_of(repeats)]
    found = []
    if any(value not in (0, 1) for row in inputs for value in row[: bits + 1]):
        found.append("bits that are no bits")
    if any(any(row[:bits]) for row in inputs[length:]):
        found.append("input after the vectors")
    if [row[bits + 1] for row in inputs] != pytest.approx(numbers, abs=1e-6):
        found.append("count")
    if mask != [step > flag for step in range(len(inputs))]:
        found.append("mask")
    if any(any(row) for row in targets[: flag + 1]):
        found.append("targets before the answer")
    if [row[:bits] for row in targets[flag + 1 :]] != [row[:bits] for row in answer]:
        found.append("answer")
    if [row[bits] for row in targets[flag + 1 :]] != [row[bits] for row in answer]:
        found.append("end marker")
    return found


def mistakes_in(batch: Batch, bits: int = 6, count: str = "scalar") -> list[str]:
    found = []
    for index, steps in enumerate(batch.lengths.tolist()):
        parts = (batch.inputs, batch.targets, batch.mask)
        found += mistakes(*(part[index, :steps].tolist() for part in parts), bits, count)
        if any(bool(part[index, steps:].any()) for part in parts):
            found.append("padding")
    return found


def asked(batch: Batch, count: str = "scalar", bits: int = 6) -> torch.Tensor:
    """Number of vectors and of copies of each sequence."""
    return torch.tensor([told(inputs, bits, count)[:2] for inputs in batch.inputs.tolist()])


def hand_written(count: str) -> Batch:
    """Two vectors of two bits, three copies, written out as in the docstring's diagrams."""
    silent, vectors, told_by = [0, 0, 0, 0], [[1, 0, 0, 0], [1, 1, 0, 0]], [[0, 0, 1, -2.5 / 8.25**0.5]]
    if count == "pulses":
        told_by = [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 0]]
    inputs = [*vectors, *told_by, *[silent] * 7]
    answer = [[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]]
    before = len(inputs) - 7
    targets, mask = [*[[0, 0, 0]] * before, *answer], [*[False] * before, *[True] * 7]
    steps = torch.tensor([len(inputs)])
    return Batch(torch.tensor([inputs]).float(), torch.tensor([targets]).float(), torch.tensor([mask]), steps)


@both_counts
def test_the_checker_accepts_the_example_written_by_hand(count):
    assert mistakes_in(hand_written(count), 2, count) == []
    assert asked(hand_written(count), count, 2).tolist() == [[2, 3]]


PLANTED: dict[str, Callable[[Batch], object]] = {
    "copy flag": lambda batch: batch.inputs[0, -1, 2].fill_(1),
    "bits that are no bits": lambda batch: batch.inputs[0, 1, 0].fill_(0.5),
    "input after the vectors": lambda batch: batch.inputs[0, -2, 1].fill_(1),
    "count": lambda batch: batch.inputs[0, -1, 3].fill_(1),
    "mask": lambda batch: batch.mask[0, -1].fill_(False),
    "targets before the answer": lambda batch: batch.targets[0, 1, 0].fill_(1),
    "answer": lambda batch: batch.targets[0, -5:-3].copy_(batch.targets[0, -5:-3].flip(0)),
    "end marker": lambda batch: batch.targets[0, :, 2].copy_(batch.targets[0, :, 2].roll(-1)),
}


@both_counts
@pytest.mark.parametrize("mistake", PLANTED)
def test_the_checker_sees_a_planted_mistake(mistake, count):
    batch = hand_written(count)
    PLANTED[mistake](batch)
    assert mistake in mistakes_in(batch, 2, count)


@both_counts
def test_the_checker_sees_a_missing_step_and_padding_that_is_not_empty(count):
    batch = hand_written(count)
    assert mistakes_in(replace(batch, lengths=batch.lengths - 1), 2, count) == ["number of steps", "padding"]


@pytest.mark.parametrize(("count", "two"), [("scalar", code_of(2)), ("pulses", 0)])
def test_the_checker_sees_that_only_two_copies_were_asked_for(count, two):
    batch = hand_written(count)
    batch.inputs[0, 2, 3] = two
    assert mistakes_in(batch, 2, count) != []


@both_counts
@pytest.mark.parametrize(
    ("length", "repeats"), [((1, 1), (1, 1)), ((1, 10), (1, 10)), ((4, 6), (2, 3)), ((1, 3), (20, 20))]
)
def test_every_sequence_drawn_is_right(count, length, repeats):
    for seed, bits in product(range(3), (1, 6)):
        task = RepeatCopy(length[1], length[0], repeats[1], repeats[0], bits, count)
        batch = task.sample(16, generator=seeded(seed))
        assert mistakes_in(batch, bits, count) == []
        assert batch.inputs.shape == (16, int(batch.lengths.max()), bits + 2)


@both_counts
def test_a_sequence_takes_as_many_steps_as_documented(count):
    task = RepeatCopy(min_repeats=4, max_repeats=4, count=count)
    batch = task.sample(2, generator=seeded(), length=3)
    assert batch.lengths.tolist() == [{"scalar": 3 + 1 + 12 + 1, "pulses": 3 + 4 + 1 + 12 + 1}[count]] * 2
    assert batch.mask.sum(1).tolist() == [13, 13]


@both_counts
def test_every_pair_of_length_and_repeats_is_drawn_evenly(count):
    pairs = asked(RepeatCopy(5, 2, 6, 3, count=count).sample(4000, generator=seeded()), count)
    seen, times = pairs.unique(dim=0, return_counts=True)
    assert [tuple(pair) for pair in seen.tolist()] == list(product(range(2, 6), range(3, 7)))
    assert times.min() > 180  # 250 expected of each; four and a half standard deviations are 69
    assert times.max() < 320


@both_counts
@pytest.mark.parametrize("length", [1, 10, 25])
def test_a_length_asked_for_is_that_of_all_also_beyond_the_longest_while_repeats_vary(count, length):
    batch = RepeatCopy(count=count).sample(100, generator=seeded(), length=length)
    lengths, repeats = asked(batch, count).T
    assert lengths.unique().tolist() == [length]
    assert repeats.unique().tolist() == list(PAPERS_COUNTS)
    assert mistakes_in(batch, count=count) == []


def test_the_papers_count_has_mean_0_and_variance_1_over_its_range():
    batches = [RepeatCopy(1, 1, count, count).sample(1, generator=seeded()) for count in PAPERS_COUNTS]
    codes = torch.stack([batch.inputs[0, 1, 7] for batch in batches])
    assert float(codes.mean()) == pytest.approx(0, abs=1e-6)
    assert float(codes.var(correction=0)) == pytest.approx(1)


@pytest.mark.parametrize("range_asked", [(3, 3), (1, 5), (3, 20)])
def test_the_papers_count_says_three_alike_whatever_the_range(range_asked):
    batch = RepeatCopy(1, 1, range_asked[1], range_asked[0]).sample(200, generator=seeded())
    three_copies = batch.lengths == 1 + 1 + 3 + 1
    assert bool(three_copies.any())
    assert batch.inputs[three_copies, 1, 7].unique().tolist() == pytest.approx([code_of(3)])


def test_pulses_beyond_the_training_range_are_more_of_the_same():
    batch = RepeatCopy(2, 2, 20, 20, count="pulses").sample(1, generator=seeded())
    assert batch.inputs[0, :, 7].tolist() == [0, 0, *[1] * 20, *[0] * 42]


def test_bits_are_fair_and_independent():
    vectors = RepeatCopy().sample(2000, generator=seeded(), length=4).inputs[:, :4, :6].flatten(1)
    assert (vectors.mean(0) - 0.5).abs().max() < 0.06
    assert (torch.corrcoef(vectors.T) - torch.eye(24)).abs().max() < 0.12


@pytest.mark.parametrize(("stage", "length", "repeats"), [(1, 2, 4), (3, 3, 4), (5, 5, 5), (7, 6, 7), (10, 6, 8)])
def test_a_stage_of_a_curriculum_limits_length_and_repeats_each_within_its_range(stage, length, repeats):
    task = RepeatCopy(6, 2, 8, 4, bits=3, count="pulses")
    assert task.up_to(stage) == RepeatCopy(length, 2, repeats, 4, bits=3, count="pulses")


@pytest.mark.parametrize("stage", [0, True])
def test_a_stage_that_is_no_whole_number_is_refused(stage):
    with pytest.raises(ValueError, match=f"length must be a whole number of at least 1; got {stage}"):
        RepeatCopy().up_to(stage)


def test_chance_is_one_bit_for_every_bit_to_be_said():
    assert RepeatCopy().chance_bits == 6 * 5.5 * 5.5 == 181.5
    task = RepeatCopy(6, 4, 3, 2, bits=4)
    pairs = list(product((4, 5, 6), (2, 3)))
    assert task.chance_bits == sum(4 * length * repeats for length, repeats in pairs) / len(pairs)
    batch = RepeatCopy().sample(4000, generator=seeded())
    said = (batch.mask.sum(1) - 1).double().mean() * 6  # every scored step but the end marker's
    assert float(said) == pytest.approx(181.5, rel=0.04)  # 131 is the spread of one sequence, 1.1 % that of the mean


def test_the_channels_are_those_that_the_papers_parameter_counts_imply():
    task = RepeatCopy()
    assert task.input_channels == (*(f"bit {bit}" for bit in range(6)), "copy", "repeats")
    assert task.output_channels == (*(f"bit {bit}" for bit in range(6)), "end")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length must be a whole number of at least 1; got 0"),
        ({"min_length": 11}, r"min_length must be at most max_length \(10\); got 11"),
        ({"max_repeats": -1}, "max_repeats must be a whole number of at least 1; got -1"),
        ({"min_repeats": 11}, r"min_repeats must be at most max_repeats \(10\); got 11"),
        ({"bits": True}, "bits must be a whole number of at least 1; got True"),
        ({"count": "words"}, r"count must be one of \['pulses', 'scalar'\]; got 'words'"),
    ],
)
def test_a_setting_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RepeatCopy(**options)
