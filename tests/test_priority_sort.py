"""Priority sort: a checker that reads sequences without knowing the generator, and mistakes it must see."""

from collections.abc import Callable

import pytest
import torch

from ntmlib.tasks import Batch, PrioritySort


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def best(vectors: list[list[float]], priorities: list[float], highest: int) -> list[list[float]]:
    """Pick the vector with the highest priority, again and again."""
    left = list(zip(priorities, vectors, strict=True))
    answer = []
    while left and len(answer) < highest:
        top = max(range(len(left)), key=lambda place: left[place][0])
        answer.append(left.pop(top)[1])
    return answer


def mistakes(
    inputs: list[list[float]], targets: list[list[float]], mask: list[bool], bits: int, highest: int
) -> list[str]:
    """Read one sequence, without padding, and say everything that is wrong with it."""
    flags = [row[bits + 1] for row in inputs]
    if sorted(flags) != [0.0] * (len(flags) - 1) + [1.0]:
        return ["sort flag"]
    length = flags.index(1.0)
    if length < 1 or len(inputs) != length + 1 + min(highest, length):
        return ["number of steps"]
    vectors, priorities = [row[:bits] for row in inputs[:length]], [row[bits] for row in inputs[:length]]
    found = []
    if any(value not in (0, 1) for row in vectors for value in row):
        found.append("bits that are no bits")
    if any(abs(priority) > 1 for priority in priorities):
        found.append("priority out of range")
    if any(any(row[: bits + 1]) for row in inputs[length:]):
        found.append("input while answering")
    if mask != [step > length for step in range(len(inputs))]:
        found.append("mask")
    if any(any(row) for row in targets[: length + 1]):
        found.append("targets before the answer")
    if targets[length + 1 :] != best(vectors, priorities, highest):
        found.append("answer")
    return found


def mistakes_in(batch: Batch, bits: int = 8, highest: int = 16) -> list[str]:
    found = []
    for index, steps in enumerate(batch.lengths.tolist()):
        parts = (batch.inputs, batch.targets, batch.mask)
        found += mistakes(*(part[index, :steps].tolist() for part in parts), bits, highest)
        if any(bool(part[index, steps:].any()) for part in parts):
            found.append("padding")
    return found


def hand_written(answer: list[list[int]] | None = None) -> Batch:
    """Four vectors of two bits, the best three wanted: the last one, then the first, then the third."""
    heard = [[1, 0, 0.25, 0], [1, 1, -0.5, 0], [0, 0, 0.0, 0], [0, 1, 0.75, 0]]
    inputs = [*heard, [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    targets = [[0, 0]] * 5 + (answer or [[0, 1], [1, 0], [0, 0]]) + [[0, 0]]
    mask = torch.tensor([[False] * 5 + [True] * 3 + [False]])
    return Batch(torch.tensor([inputs]).float(), torch.tensor([targets]).float(), mask, torch.tensor([8]))


def test_the_checker_accepts_the_example_written_by_hand():
    assert mistakes_in(hand_written(), bits=2, highest=3) == []


PLANTED: dict[str, Callable[[Batch], None]] = {
    "sort flag": lambda batch: batch.inputs[0, 5, 3].fill_(1),
    "number of steps": lambda batch: batch.inputs[0, :, 3].copy_(batch.inputs[0, :, 3].roll(1)),
    "bits that are no bits": lambda batch: batch.inputs[0, 1, 0].fill_(0.5),
    "priority out of range": lambda batch: batch.inputs[0, 1, 2].fill_(-1.5),
    "input while answering": lambda batch: batch.inputs[0, 6, 2].fill_(0.5),
    "mask": lambda batch: batch.mask[0].copy_(batch.mask[0].roll(-1)),
    "targets before the answer": lambda batch: batch.targets[0, 4, 0].fill_(1),
    "padding": lambda batch: batch.targets[0, 8, 0].fill_(1),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_checker_sees_a_planted_mistake(mistake):
    batch = hand_written()
    PLANTED[mistake](batch)
    assert mistake in mistakes_in(batch, bits=2, highest=3)


WRONG_ANSWERS = {
    "every column sorted on its own": [[1, 1], [1, 1], [0, 0]],
    "lowest priority first": [[1, 1], [0, 0], [1, 0]],
    "the right ones, backwards": [[0, 0], [1, 0], [0, 1]],
    "the right ones, as heard": [[1, 0], [0, 0], [0, 1]],
    "the first three heard, sorted": [[1, 0], [0, 0], [1, 1]],
    "sorted by their bits": [[1, 1], [1, 0], [0, 1]],
}


@pytest.mark.parametrize("kind", WRONG_ANSWERS)
def test_the_checker_sees_a_sort_gone_wrong(kind):
    assert mistakes_in(hand_written(WRONG_ANSWERS[kind]), bits=2, highest=3) == ["answer"]


@pytest.mark.parametrize(("bits", "highest"), [(1, 16), (8, 16), (3, 1), (8, 4)])
@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 20), (3, 5), (20, 20)])
def test_every_sequence_drawn_is_right(bits, highest, low, high):
    task = PrioritySort(high, low, highest, bits)
    for seed in range(5):
        batch = task.sample(16, generator=seeded(seed))
        assert mistakes_in(batch, bits, highest) == []
        assert batch.inputs.shape == (16, int(batch.lengths.max()), bits + 2)


def test_a_sequence_drawn_does_not_come_out_sorted_by_column():
    batch = PrioritySort().sample(1, generator=seeded())
    by_column = batch.inputs[0, :20, :8].sort(0, descending=True).values[:16]
    assert sorted(by_column.tolist()) != sorted(batch.targets[0, 21:].tolist())


def test_lengths_are_drawn_for_each_sequence_and_reach_both_ends_evenly():
    batch = PrioritySort(12, 3).sample(10_000, generator=seeded())
    counts = torch.bincount(batch.inputs[..., 9].argmax(1))
    assert counts[:3].sum() == 0
    assert len(counts) == 13
    assert counts[3:].min() > 850  # 1000 expected of each
    assert counts[3:].max() < 1150


@pytest.mark.parametrize(("length", "wanted"), [(1, 1), (15, 15), (16, 16), (17, 16), (20, 16), (60, 16)])
def test_a_length_asked_for_is_the_length_of_all_and_at_most_sixteen_are_wanted(length, wanted):
    batch = PrioritySort().sample(3, generator=seeded(), length=length)
    assert batch.lengths.tolist() == [length + 1 + wanted] * 3
    assert batch.mask.sum(1).tolist() == [wanted] * 3
    assert mistakes_in(batch) == []


def test_priorities_are_even_between_minus_one_and_one():
    priorities = PrioritySort().sample(2000, generator=seeded()).inputs[:, :20, 8]
    counts = torch.histc(priorities, bins=10, min=-1, max=1)
    assert counts.sum() == 40_000
    assert (counts - 4000).abs().max() < 300  # five standard deviations


def test_bits_and_priorities_tell_nothing_of_each_other():
    batch = PrioritySort().sample(3000, generator=seeded(), length=3)
    heard = batch.inputs[:, :3, :9].flatten(1)
    assert (torch.corrcoef(heard.T) - torch.eye(27)).abs().max() < 0.1
    assert (batch.inputs[:, :3, :8].mean((0, 1)) - 0.5).abs().max() < 0.03


def test_of_two_equal_priorities_the_vector_heard_first_comes_first(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *size, generator: torch.zeros(size))
    batch = PrioritySort().sample(4, generator=seeded())
    assert torch.equal(batch.targets[:, 21:], batch.inputs[:, :16, :8])


def test_chance_is_one_bit_for_every_bit_of_the_answer():
    assert PrioritySort().chance_bits == 128
    assert PrioritySort(4, 2, highest=3, bits=2).chance_bits == pytest.approx(2 * (2 + 3 + 3) / 3)
    batch = PrioritySort(20, 10).sample(4000, generator=seeded())
    assert float(batch.mask.sum(1).float().mean() * 8) == pytest.approx(PrioritySort(20, 10).chance_bits, rel=0.01)
    assert float(batch.targets[batch.mask].mean()) == pytest.approx(0.5, abs=0.01)  # so no constant beats a fair coin


def test_the_channels_are_those_that_the_papers_parameter_counts_imply():
    task = PrioritySort()
    assert len(task.input_channels) == 10
    assert len(task.output_channels) == 8
    assert task.input_channels[-2:] == ("priority", "sort")


@pytest.mark.parametrize(("low", "high", "upto", "expected"), [(20, 20, 5, (5, 5)), (2, 20, 5, (2, 5))])
def test_a_stage_of_a_curriculum_has_fewer_vectors(low, high, upto, expected):
    stage = PrioritySort(high, low, highest=4, bits=3).up_to(upto)
    assert (stage.min_length, stage.max_length) == expected
    assert (stage.highest, stage.bits) == (4, 3)


@pytest.mark.parametrize("length", [0, -3, True])
def test_a_stage_without_vectors_is_refused(length):
    with pytest.raises(ValueError, match=f"length must be a whole number of at least 1; got {length}"):
        PrioritySort().up_to(length)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length must be a whole number of at least 1; got 0"),
        ({"max_length": 10}, r"min_length must be at most max_length \(10\); got 20"),
        ({"highest": 0}, "highest must be a whole number of at least 1; got 0"),
        ({"bits": True}, "bits must be a whole number of at least 1; got True"),
    ],
)
def test_a_setting_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PrioritySort(**options)
