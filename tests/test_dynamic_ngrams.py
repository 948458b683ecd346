"""Dynamic n-grams: a checker, an estimator written in plain Python, and what must hold of the coins."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache

import pytest
import torch

from ntmlib.tasks import Batch, Copy, DynamicNGrams
from ntmlib.tasks.base import Uncertain


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def drawn(batch_size: int, context: int = 5, length: int = 200) -> Batch:
    """A batch that several tests read and none changes."""
    return DynamicNGrams(context=context).sample(batch_size, generator=seeded(1), length=length)


def sequences(batch: Batch) -> list[list[int]]:
    """The bits of each sequence, without padding."""
    return [
        row[:steps] for row, steps in zip(batch.targets[..., 0].int().tolist(), batch.lengths.tolist(), strict=True)
    ]


def seen_before(bits: list[int], context: int) -> list[tuple[int, int] | None]:
    """For each bit, how many zeros and ones this context has been followed by so far; None before a full context."""
    followers: dict[tuple[int, ...], list[int]] = defaultdict(list)
    seen: list[tuple[int, int] | None] = []
    for step, bit in enumerate(bits):
        if step < context:
            seen.append(None)
            continue
        past = followers[tuple(bits[step - context : step])]
        seen.append((past.count(0), past.count(1)))
        past.append(bit)
    return seen


def predictions(bits: list[int], context: int, prior: float = 0.5) -> list[float]:
    """Probability of a one at each step, each count starting from ``prior`` instead of zero."""
    seen = seen_before(bits, context)
    return [0.5 if pair is None else (pair[1] + prior) / (sum(pair) + 2 * prior) for pair in seen]


def cost(bits: list[int], context: int, prior: float = 0.5) -> float:
    ones = predictions(bits, context, prior)
    return sum(-math.log2(one if bit else 1 - one) for bit, one in zip(bits, ones, strict=True))


def mistakes_in(batch: Batch) -> list[str]:
    found = []
    for index, steps in enumerate(batch.lengths.tolist()):
        inputs, targets = (part[index, :, 0].tolist() for part in (batch.inputs, batch.targets))
        if any(value not in (0, 1) for value in inputs + targets):
            found.append("bits that are no bits")
        if inputs[0] != 0:
            found.append("input before the first bit")
        if inputs[1:steps] != targets[: steps - 1]:
            found.append("input is not the bit before")
        if batch.mask[index].tolist() != [step < steps for step in range(len(targets))]:
            found.append("mask")
        if any(inputs[steps:] + targets[steps:]):
            found.append("padding")
    return found


def hand_written() -> Batch:
    """The bits 1 0 0 1 1 and the bits 0 1 1, written out as in the docstring's diagram."""
    inputs, targets = [[0, 1, 0, 0, 1], [0, 0, 1, 0, 0]], [[1, 0, 0, 1, 1], [0, 1, 1, 0, 0]]
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    return Batch(torch.tensor(inputs)[..., None].float(), torch.tensor(targets)[..., None].float(), mask, mask.sum(1))


def test_the_checker_accepts_the_example_written_by_hand():
    assert mistakes_in(hand_written()) == []


PLANTED: dict[str, Callable[[Batch], None]] = {
    "bits that are no bits": lambda batch: batch.targets[0, 2].fill_(0.5),
    "input before the first bit": lambda batch: batch.inputs[0, 0].fill_(1),
    "input is not the bit before": lambda batch: batch.inputs[0].copy_(batch.targets[0]),
    "mask": lambda batch: batch.mask[0, 0].fill_(False),
    "padding": lambda batch: batch.inputs[1, 3].fill_(1),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_checker_sees_a_planted_mistake(mistake):
    batch = hand_written()
    PLANTED[mistake](batch)
    assert mistake in mistakes_in(batch)


@pytest.mark.parametrize("context", [1, 5, 8])
@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 12), (5, 6), (200, 200)])
def test_every_sequence_drawn_is_right(context, low, high):
    batch = DynamicNGrams(high, low, context).sample(16, generator=seeded())
    assert mistakes_in(batch) == []
    assert batch.inputs.shape == (16, int(batch.lengths.max()), 1)


def test_lengths_are_drawn_for_each_sequence_and_reach_both_ends_evenly():
    counts = torch.bincount(DynamicNGrams(12, 3).sample(10_000, generator=seeded()).lengths)
    assert counts[:3].sum() == 0
    assert len(counts) == 13
    assert counts[3:].min() > 850  # 1000 expected of each
    assert counts[3:].max() < 1150


@pytest.mark.parametrize("length", [1, 5, 6, 1000])
def test_a_length_asked_for_is_the_length_of_all_also_beyond_the_longest(length):
    batch = DynamicNGrams().sample(3, generator=seeded(), length=length)
    assert batch.lengths.tolist() == [length] * 3
    assert mistakes_in(batch) == []


def test_the_first_bits_are_fair_and_independent():
    first = drawn(8000).targets[:, :5, 0]
    assert (first.mean(0) - 0.5).abs().max() < 0.025  # four and a half standard deviations
    assert (torch.corrcoef(first.T) - torch.eye(5)).abs().max() < 0.05


def test_what_followed_a_context_tells_what_will_as_beta_tables_make_it():
    """After one 1 the next is a 1 three times in four, after 0 0 0 once in eight, and so on: Beta(1/2, 1/2)."""
    ones: Counter[tuple[int, int]] = Counter()
    total: Counter[tuple[int, int]] = Counter()
    for bits in sequences(drawn(1000, context=3, length=60)):
        for bit, pair in zip(bits, seen_before(bits, 3), strict=True):
            if pair is not None and sum(pair) <= 4:
                ones[pair] += bit
                total[pair] += 1
    assert len(total) == 15
    for (zero, one), count in total.items():
        expected = (one + 0.5) / (zero + one + 1)
        error = math.sqrt(expected * (1 - expected) / count)
        assert ones[zero, one] / count == pytest.approx(expected, abs=4 * error)


def test_every_context_has_a_probability_of_its_own_in_every_sequence():
    bits = drawn(2000, context=3, length=300).targets[..., 0]
    contexts = bits.unfold(1, 3, 1)[:, :-1] @ torch.tensor([4.0, 2.0, 1.0])
    visits = torch.nn.functional.one_hot(contexts.long(), 8)
    ones = (visits * bits[:, 3:, None]).sum(1)
    tables = (ones + 0.5) / (visits.sum(1) + 1)  # as guessed afterwards, from everything seen
    assert tables.std(0).min() > 0.3  # 0.35 if every context were met often
    assert (tables.mean(0) - 0.5).abs().max() < 0.04
    assert (torch.corrcoef(tables.T) - torch.eye(8)).abs().max() < 0.1


@pytest.mark.parametrize(("context", "length"), [(1, 40), (2, 2), (5, 200), (8, 3)])
def test_the_optimal_predictor_is_the_one_written_in_plain_python(context, length):
    batch = drawn(20, context, length)
    task = DynamicNGrams(context=context)
    expected = [predictions(bits, context) for bits in sequences(batch)]
    torch.testing.assert_close(task.optimal_probabilities(batch), torch.tensor(expected))
    expected_bits = torch.tensor([cost(bits, context) for bits in sequences(batch)])
    torch.testing.assert_close(task.optimal_bits(batch), expected_bits, rtol=1e-5, atol=1e-4)


def test_the_optimal_predictor_on_five_bits_worked_by_hand():
    probabilities = DynamicNGrams(context=1).optimal_probabilities(hand_written())
    # 1 0 0 1 1: after 1 nothing is known; after 0 nothing; after 0 came 0; after 1 came 0.
    torch.testing.assert_close(probabilities[0], torch.tensor([0.5, 0.5, 0.5, 0.25, 0.25]))
    bits = DynamicNGrams(context=1).optimal_bits(hand_written())
    torch.testing.assert_close(bits, torch.tensor([7.0, 3.0]))


def test_padding_costs_the_optimal_predictor_nothing():
    task = DynamicNGrams(60, 1, 2)
    batch = task.sample(12, generator=seeded())
    expected = [cost(bits, 2) for bits in sequences(batch)]
    assert len({len(bits) for bits in sequences(batch)}) > 3
    torch.testing.assert_close(task.optimal_bits(batch), torch.tensor(expected), rtol=1e-5, atol=1e-4)


def test_the_optimum_costs_what_a_larger_count_found():
    bits = DynamicNGrams().optimal_bits(drawn(8000))
    assert float(bits.mean()) == pytest.approx(133.33, abs=1.6)  # from 240,000 sequences; four standard errors
    assert float(bits.std()) == pytest.approx(35.8, abs=1.2)


@pytest.mark.parametrize(
    ("context", "prior"), [(5, 1.0), (5, 0.25), (4, 0.5), (6, 0.5)], ids=["add one", "add 1/4", "short", "long"]
)
def test_no_other_way_of_counting_does_better(context, prior):
    bits = sequences(drawn(400))
    worse = torch.tensor([cost(row, context, prior) - cost(row, 5) for row in bits])
    assert worse.mean() > 3 * worse.std() / math.sqrt(400)


def test_only_a_task_that_nobody_can_solve_has_an_optimum():
    assert isinstance(DynamicNGrams(), Uncertain)
    assert not isinstance(Copy(), Uncertain)


def test_chance_is_a_fair_coin_for_every_bit():
    assert DynamicNGrams().chance_bits == 200
    assert DynamicNGrams(20, 10).chance_bits == 15
    assert float(drawn(8000).targets.mean()) == pytest.approx(0.5, abs=0.01)  # so no other constant is cheaper


@pytest.mark.parametrize(("low", "high", "upto", "expected"), [(200, 200, 50, (50, 50)), (10, 200, 50, (10, 50))])
def test_a_stage_of_a_curriculum_has_shorter_sequences(low, high, upto, expected):
    stage = DynamicNGrams(high, low, 3).up_to(upto)
    assert (stage.min_length, stage.max_length) == expected
    assert stage.context == 3


@pytest.mark.parametrize("length", [0, -3, True])
def test_a_stage_without_bits_is_refused(length):
    with pytest.raises(ValueError, match=f"length must be a whole number of at least 1; got {length}"):
        DynamicNGrams().up_to(length)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length must be a whole number of at least 1; got 0"),
        ({"max_length": 100}, r"min_length must be at most max_length \(100\); got 200"),
        ({"context": 0}, "context must be a whole number of at least 1; got 0"),
        ({"context": 17}, "context must be at most 16; got 17"),
    ],
)
def test_a_setting_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DynamicNGrams(**options)


# --- tables of one's own ------------------------------------------------------------------------------------------


def test_coins_without_chance_follow_their_table():
    tables = torch.tensor([[0.0, 1.0, 1.0, 0.0]])  # after 00 a 0, after 01 and 10 a 1, after 11 a 0
    batch = DynamicNGrams(context=2).sample_from(tables, generator=seeded(3), length=40)
    [bits] = sequences(batch)
    assert all(bits[step] == bits[step - 2] ^ bits[step - 1] for step in range(2, 40))
    assert mistakes_in(batch) == []


def test_each_sequence_follows_its_own_table():
    batch = DynamicNGrams(context=1).sample_from(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), generator=seeded(), length=9)
    assert batch.targets[:, 1:, 0].tolist() == [[0.0] * 8, [1.0] * 8]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (torch.zeros(1, 3), "tables must have 4 entries each; got 3"),
        (torch.tensor([[0.0, 0.5, 1.0, 1.5]]), "tables must be from 0 to 1; got 0 to 1.5"),
        (torch.full((1, 4), math.nan), "tables must be from 0 to 1; got nan to nan"),
    ],
)
def test_tables_that_cannot_be_are_refused(tables, message):
    with pytest.raises(ValueError, match=message):
        DynamicNGrams(context=2).sample_from(tables, generator=seeded())
