"""Copy: a checker that reads sequences without knowing the generator, and mistakes it must see."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ntmlib.tasks import Batch, Copy


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flag_expected(vector: int, length: int) -> int:
    """The output channel after the bits, at the answer's vector of that number: a flag on the last one."""
    return int(vector == length - 1)


def mistakes(inputs: list[list[float]], targets: list[list[float]], mask: list[bool], bits: int) -> list[str]:
    """Read one sequence, without padding, and say everything that is wrong with it."""
    length, rest = divmod(len(inputs) - 1, 2)
    if rest or length < 1 or not len(inputs) == len(targets) == len(mask):
        return ["number of steps"]
    found = []
    first, copy = ([row[channel] for row in inputs] for channel in (bits, bits + 1))
    vectors = [row[:bits] for row in inputs]
    if first != [1.0] + [0.0] * 2 * length:
        found.append("first flag")
    if copy != [float(step == length) for step in range(2 * length + 1)]:
        found.append("copy flag")
    if any(value not in (0, 1) for row in vectors for value in row):
        found.append("bits that are no bits")
    if any(any(row) for row in vectors[length:]):
        found.append("input while copying")
    if mask != [step > length for step in range(2 * length + 1)]:
        found.append("mask")
    if any(any(row) for row in targets[: length + 1]):
        found.append("targets before the answer")
    if [row[:bits] for row in targets[length + 1 :]] != vectors[:length]:
        found.append("answer")
    if [row[bits] for row in targets[length + 1 :]] != [flag_expected(vector, length) for vector in range(length)]:
        found.append("answer's flag")
    return found


def mistakes_in(batch: Batch, bits: int = 8) -> list[str]:
    found = []
    for index, steps in enumerate(batch.lengths.tolist()):
        parts = (batch.inputs, batch.targets, batch.mask)
        found += mistakes(*(part[index, :steps].tolist() for part in parts), bits)
        if any(bool(part[index, steps:].any()) for part in parts):
            found.append("padding")
    return found


def hand_written() -> Batch:
    """Three vectors of two bits, written out as in the docstring's diagram."""
    inputs = [[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    targets = [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]]
    mask = [False, False, False, False, True, True, True]
    return Batch(
        torch.tensor([inputs]).float(), torch.tensor([targets]).float(), torch.tensor([mask]), torch.tensor([7])
    )


def test_the_checker_accepts_the_example_written_by_hand():
    assert mistakes_in(hand_written(), bits=2) == []


PLANTED: dict[str, Callable[[Batch], None]] = {
    "first flag": lambda batch: batch.inputs[0, 0, 2].zero_(),
    "copy flag": lambda batch: batch.inputs[0, 2:4, 3].copy_(torch.tensor([1.0, 0.0])),
    "bits that are no bits": lambda batch: batch.inputs[0, 1, 0].fill_(0.5),
    "input while copying": lambda batch: batch.inputs[0, 5, 1].fill_(1),
    "mask": lambda batch: batch.mask[0].copy_(batch.mask[0].roll(-1)),
    "targets before the answer": lambda batch: batch.targets[0, 3, 0].fill_(1),
    "answer": lambda batch: batch.targets[0, 4:6, :2].copy_(batch.targets[0, 4:6, :2].flip(0)),
    "answer's flag": lambda batch: batch.targets[0, :, 2].copy_(batch.targets[0, :, 2].roll(-1)),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_checker_sees_a_planted_mistake(mistake):
    batch = hand_written()
    PLANTED[mistake](batch)
    assert mistake in mistakes_in(batch, bits=2)


def test_the_checker_sees_a_missing_step_and_padding_that_is_not_empty():
    batch = hand_written()
    assert mistakes_in(replace(batch, lengths=torch.tensor([6])), bits=2) == ["number of steps", "padding"]


@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 20), (4, 6), (20, 20)])
def test_every_sequence_drawn_is_right(bits, low, high):
    task = Copy(max_length=high, min_length=low, bits=bits)
    for seed in range(5):
        batch = task.sample(16, generator=seeded(seed))
        assert mistakes_in(batch, bits) == []
        assert batch.inputs.shape == (16, int(batch.lengths.max()), bits + 2)


def test_lengths_are_drawn_for_each_sequence_and_reach_both_ends_evenly():
    lengths = (Copy(max_length=20).sample(20_000, generator=seeded()).lengths - 1) // 2
    counts = torch.bincount(lengths)
    assert counts[0] == 0
    assert len(counts) == 21
    assert counts[1:].min() > 850  # 1000 expected of each; five standard deviations are 154
    assert counts[1:].max() < 1150


@pytest.mark.parametrize("length", [1, 20, 120])
def test_a_length_asked_for_is_the_length_of_all_also_beyond_the_longest(length):
    batch = Copy(max_length=20).sample(3, generator=seeded(), length=length)
    assert batch.lengths.tolist() == [2 * length + 1] * 3
    assert batch.mask.sum(1).tolist() == [length] * 3
    assert batch.ragged_lengths is None
    assert mistakes_in(batch) == []


def test_bits_are_fair_and_independent():
    batch = Copy().sample(2000, generator=seeded(), length=4)
    vectors = batch.inputs[:, :4, :8].flatten(1)
    assert (vectors.mean(0) - 0.5).abs().max() < 0.06
    correlations = torch.corrcoef(vectors.T) - torch.eye(32)
    assert correlations.abs().max() < 0.12


def test_chance_is_one_bit_for_every_bit_to_be_remembered():
    assert Copy(max_length=20).chance_bits == 84
    assert Copy(max_length=6, min_length=4, bits=3).chance_bits == 15
    batch = Copy(max_length=20).sample(4000, generator=seeded())
    guessing = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.zeros_like(batch.targets), batch.targets, reduction="none"
    )[..., :8]
    bits_per_sequence = float((guessing * batch.mask[..., None]).sum()) / 4000 / torch.tensor(2.0).log().item()
    assert bits_per_sequence == pytest.approx(84, rel=0.03)


def test_the_channels_are_those_that_the_papers_parameter_counts_imply():
    task = Copy()
    assert len(task.input_channels) == 10
    assert len(task.output_channels) == 9
    assert task.input_channels[-2:] == ("first", "copy")
    assert task.output_channels[-1] == "last"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length must be a whole number of at least 1; got 0"),
        ({"min_length": -1}, "min_length must be a whole number of at least 1; got -1"),
        ({"bits": True}, "bits must be a whole number of at least 1; got True"),
        ({"min_length": 21}, r"min_length must be at most max_length \(20\); got 21"),
    ],
)
def test_a_setting_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Copy(**options)
