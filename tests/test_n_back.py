"""N-back: a reader that knows the rule but not the generator, and mistakes it must see."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ntmlib.tasks import Batch, NBack


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mistakes(inputs: list[list[float]], targets: list[list[float]], mask: list[bool], n: int) -> list[str]:
    """Read one sequence, without padding, and say everything that is wrong with it."""
    if any(sorted(row) != [0.0] * (len(row) - 1) + [1.0] for row in inputs):
        return ["not one symbol"]
    found = []
    seen: list[int] = []
    for step, row in enumerate(inputs):
        symbol = row.index(1)
        comparable = len(seen) >= n
        if mask[step] != comparable:
            found.append("mask")
        if targets[step] != [float(comparable and seen[-n] == symbol)]:
            found.append("answer")
        seen.append(symbol)
    return found


def mistakes_in(batch: Batch, n: int = 2) -> list[str]:
    found = []
    parts = (batch.inputs, batch.targets, batch.mask)
    for index, steps in enumerate(batch.lengths.tolist()):
        found += mistakes(*(part[index, :steps].tolist() for part in parts), n)
        if any(bool(part[index, steps:].any()) for part in parts):
            found.append("padding")
    return found


def hand_written() -> Batch:
    """``A B A C C C D`` as in the docstring's diagram, and one step of padding."""
    inputs = torch.zeros(1, 8, 4)
    inputs[0, range(7), [0, 1, 0, 2, 2, 2, 3]] = 1
    targets = torch.tensor([0, 0, 1, 0, 0, 1, 0, 0]).float()[None, :, None]
    mask = torch.tensor([[False, False, True, True, True, True, True, False]])
    return Batch(inputs, targets, mask, torch.tensor([7]))


def test_the_checker_accepts_the_example_written_by_hand():
    assert mistakes_in(hand_written()) == []


@pytest.mark.parametrize("n", [1, 3])
def test_the_checker_sees_that_the_example_is_for_another_n(n):
    assert set(mistakes_in(hand_written(), n)) == {"answer", "mask"}


PLANTED: dict[str, Callable[[Batch], None]] = {
    "not one symbol": lambda batch: batch.inputs[0, 1, 3].fill_(1),
    "answer": lambda batch: batch.targets[0, 4].fill_(1),
    "mask": lambda batch: batch.mask[0, 1].fill_(True),
    "padding": lambda batch: batch.inputs[0, 7, 0].fill_(1),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_checker_sees_a_planted_mistake(mistake):
    batch = hand_written()
    PLANTED[mistake](batch)
    assert mistakes_in(batch) == [mistake]


@pytest.mark.parametrize("symbols", [2, 8, 20])
@pytest.mark.parametrize(("n", "low", "high"), [(1, 2, 2), (2, 5, 30), (3, 4, 7), (4, 20, 20)])
def test_every_sequence_drawn_is_right(symbols, n, low, high):
    task = NBack(max_length=high, min_length=low, n=n, symbols=symbols)
    for seed in range(5):
        batch = task.sample(16, generator=seeded(seed))
        assert mistakes_in(batch, n) == []
        assert batch.inputs.shape == (16, int(batch.lengths.max()), symbols)


def test_lengths_are_drawn_for_each_sequence_and_reach_both_ends_evenly():
    counts = torch.bincount(NBack(max_length=14).sample(20_000, generator=seeded()).lengths)
    assert len(counts) == 15
    assert not counts[:5].any()
    assert counts[5:].min() > 1800  # 2000 expected of each; five standard deviations are 212
    assert counts[5:].max() < 2200


@pytest.mark.parametrize("length", [3, 30, 1000])
def test_a_length_asked_for_is_the_length_of_all_also_beyond_the_longest(length):
    batch = NBack().sample(3, generator=seeded(), length=length)
    assert batch.lengths.tolist() == [length] * 3
    assert batch.mask.sum(1).tolist() == [length - 2] * 3
    assert batch.ragged_lengths is None
    assert mistakes_in(batch) == []


@pytest.mark.parametrize(("n", "share"), [(1, 0.3), (3, 0.3), (2, 0), (2, 1.0), (4, 0.8)])
def test_matches_have_the_share_asked_for_at_every_scored_step(n, share):
    targets = NBack(n=n, match_share=share).sample(10_000, generator=seeded(), length=15).targets[..., 0]
    assert not targets[:, :n].any()
    tolerance = 0.025 if 0 < share < 1 else 0.0
    assert (targets[:, n:].mean(0) - share).abs().max() <= tolerance


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_step_that_does_not_match_is_any_other_symbol_evenly(n):
    symbols = NBack(n=n, symbols=5).sample(2000, generator=seeded(), length=20).inputs.argmax(-1)
    counts = Counter(zip(symbols[:, :-n].flatten().tolist(), symbols[:, n:].flatten().tolist(), strict=True))
    for before in range(5):
        for now in range(5):
            expected = 0.2 * (0.3 if before == now else 0.7 / 4)
            assert counts[before, now] / counts.total() == pytest.approx(expected, abs=0.005)


def test_neighbours_within_the_first_n_and_later_are_independent():
    symbols = NBack(n=3, symbols=4).sample(20_000, generator=seeded(), length=8).inputs.argmax(-1)
    for step in range(7):
        pairs = torch.bincount(4 * symbols[:, step] + symbols[:, step + 1], minlength=16) / 20_000
        assert (pairs - 1 / 16).abs().max() < 0.01  # so lures at other distances come by chance


def test_chance_is_the_cost_of_a_coin_at_every_scored_step():
    assert NBack(match_share=0.5, min_length=6, max_length=10, n=3).chance_bits == pytest.approx(5)
    assert NBack(match_share=0).chance_bits == NBack(match_share=1).chance_bits == 0
    batch = NBack().sample(20_000, generator=seeded())
    matches = batch.targets[..., 0]
    cost = -(matches * math.log2(0.3) + (1 - matches) * math.log2(0.7))
    assert float(cost[batch.mask].sum()) / 20_000 == pytest.approx(NBack().chance_bits, rel=0.02)


def test_the_current_symbol_alone_tells_nothing():
    batch = NBack(n=2, symbols=4).sample(5000, generator=seeded(), length=20)
    scored, matches = batch.inputs[batch.mask], batch.targets[..., 0][batch.mask]
    shares = (scored * matches[:, None]).sum(0) / scored.sum(0)
    assert (shares - 0.3).abs().max() < 0.02


def test_a_stage_of_a_curriculum_changes_the_longest_only():
    task = NBack(n=3, match_share=0.5)
    assert task.up_to(12) == replace(task, max_length=12)
    with pytest.raises(ValueError, match=r"min_length must be at most max_length \(4\); got 5"):
        task.up_to(4)


@pytest.mark.parametrize("length", [1, 2])
def test_a_length_with_nothing_to_compare_is_refused(length):
    with pytest.raises(ValueError, match=rf"length must be more than n \(2\), .*; got {length}"):
        NBack().sample(2, generator=seeded(), length=length)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length must be a whole number of at least 1; got 0"),
        ({"min_length": 31}, r"min_length must be at most max_length \(30\); got 31"),
        ({"n": 0}, "n must be a whole number of at least 1; got 0"),
        ({"n": 5}, r"min_length must be more than n \(5\), or nothing can be compared; got 5"),
        ({"symbols": 1}, "symbols must be a whole number of at least 2; got 1"),
        ({"match_share": 1.1}, "match_share must be a number from 0 to 1; got 1.1"),
        ({"match_share": float("nan")}, "match_share must be a number from 0 to 1; got nan"),
        ({"match_share": False}, "match_share must be a number from 0 to 1; got False"),
    ],
)
def test_a_setting_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NBack(**options)
