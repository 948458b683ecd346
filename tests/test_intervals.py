"""How sure a difference is: intervals over the items of a text and over runs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ntmlib.training import intervals
from ntmlib.training.intervals import Interval, paired_interval, seed_interval, student_quantile


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def share_held(interval_of, truth, trials=400):
    held = [low <= truth <= high for _, low, high in map(interval_of, range(trials))]
    return float(np.mean(held))


def test_the_mean_is_of_the_items_by_their_weights_whatever_their_groups():
    a, b = np.array([1.0, 2.0, 6.0]), np.array([0.0, 3.0, 1.0])
    assert paired_interval(a, b).mean == pytest.approx(5 / 3)
    assert paired_interval(a, b, np.array(["x", "y", "x"])).mean == pytest.approx(5 / 3)
    assert paired_interval(a, b, weights=np.array([1, 3, 2])).mean == pytest.approx((1 - 3 + 10) / 6)


def test_two_groups_are_drawn_as_pairs_of_equal_or_of_both():
    """The means of two groups drawn twice are only these three, and so few groups call for the outermost."""
    interval = paired_interval(np.array([1.0, 1.0, 4.0]), np.zeros(3), np.array([7, 7, 9]))
    assert interval == Interval(2.0, 1.0, 4.0)


def test_what_the_models_share_does_not_widen_the_interval():
    shared = 100 * torch.rand(50, generator=seeded()).double().numpy()
    mean, low, high = paired_interval(shared + 0.25, shared)
    assert (mean, low, high) == pytest.approx((0.25, 0.25, 0.25))


@pytest.mark.parametrize("groups", [12, 60])
def test_the_interval_holds_the_truth_as_often_as_it_says_though_items_of_a_group_are_alike(groups):
    def interval(trial, clustered=True):
        random = np.random.default_rng(trial)
        members = np.repeat(np.arange(groups), random.integers(1, 6, groups))
        a = 0.3 + random.normal(size=groups)[members] + random.normal(size=len(members))
        given = members if clustered else None
        return paired_interval(a, np.zeros(len(a)), given, generator=seeded(trial), resamples=500)

    assert share_held(interval, 0.3) == pytest.approx(0.95, abs=0.035)
    assert share_held(lambda trial: interval(trial, clustered=False), 0.3) < 0.87


def test_the_interval_over_seeds_holds_the_truth_as_often_as_it_says():
    def interval(trial):
        random = np.random.default_rng(trial)
        return seed_interval(random.normal(1.8, 0.01, 4), random.normal(1.7, 0.04, 6))

    assert share_held(interval, 0.1, 1000) == pytest.approx(0.95, abs=0.02)


def test_the_interval_over_seeds_is_welchs():
    """Squared errors are 2/4 and 1/3, and so there are (5/6)^2 / ((2/4)^2 / 3 + (1/3)^2 / 2) = 5 degrees of freedom."""
    mean, low, high = seed_interval(np.array([1.0, 3.0, 4.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    reach = 2.57058 * math.sqrt(5 / 6)
    assert (mean, low, high) == pytest.approx((1, 1 - reach, 1 + reach), abs=1e-4)


def test_runs_that_all_agree_leave_no_doubt():
    assert seed_interval(np.full(3, 2.0), np.full(2, 1.5)) == Interval(0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [
        (0.975, 1.0, 12.7062),
        (0.975, 4.0, 2.77645),
        (0.995, 1.0, 63.6567),
        (0.999, 2.0, 22.3271),
        (0.975, 99.0, 1.98422),
        (0.975, 101.0, 1.98373),
        (0.975, 1e6, 1.95997),
        (0.5, 3.0, 0),
    ],
)
def test_quantiles_are_those_of_the_tables(probability, freedom, expected):
    assert student_quantile(probability, freedom) == pytest.approx(expected, rel=1e-4)


@settings(max_examples=30)
@given(st.floats(0.51, 0.99), st.floats(1, 300))
def test_fewer_degrees_of_freedom_reach_further(probability, freedom):
    assert student_quantile(probability, freedom) >= student_quantile(probability, freedom + 1) > 0


@settings(max_examples=30)
@given(st.lists(st.floats(-5, 5), min_size=4, max_size=20), st.floats(-3, 3), st.floats(0.1, 10))
def test_an_interval_moves_and_stretches_with_the_costs(costs, moved, stretched):
    a, b = np.array(costs), np.zeros(len(costs))
    for compare in (lambda a, b: paired_interval(a, b, resamples=50), lambda a, b: seed_interval(a, b[:3])):
        mean, low, high = compare(a, b)
        assert low - 1e-9 <= mean <= high + 1e-9 or compare(a, b).mean == mean
        expected = [stretched * number + moved for number in (mean, low, high)]
        assert compare(stretched * a + moved, b) == pytest.approx(expected, abs=1e-6)


def test_the_generator_decides_and_the_default_is_always_the_same():
    a = torch.rand(40, generator=seeded()).double().numpy()
    assert paired_interval(a, a**2) == paired_interval(a, a**2, generator=seeded(0))
    assert paired_interval(a, a**2) != paired_interval(a, a**2, generator=seeded(1))


def test_drawing_in_pieces_is_drawing(monkeypatch):
    a = torch.rand(40, generator=seeded()).double().numpy()
    at_once = paired_interval(a, a**2, resamples=100)
    monkeypatch.setattr(intervals, "_DRAWN_AT_ONCE", 70)
    assert paired_interval(a, a**2, resamples=100) == at_once


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1.0, 2.0], [1.0]), {}, "b must have as many items as a, 2; got 1"),
        (([1.0, 2.0], [1.0, 2.0], [1]), {}, "groups must have as many items as a, 2; got 1"),
        (([1.0, 2.0], [1.0, 2.0], [3, 3]), {}, "groups must be at least 2 different ones; got 1"),
        (([], []), {}, "groups must be at least 2 different ones; got 0"),
        (([1.0, math.nan], [1.0, 2.0]), {}, "a must be finite numbers; got nan at position 1"),
        (([1.0, 2.0], [1.0, 2.0]), {"weights": np.array([1, 0])}, "weights must be above 0; got 0.0"),
        (([1.0, 2.0], [1.0, 2.0]), {"level": 95.0}, "level must be between 0 and 1; got 95.0"),
        (([1.0, 2.0], [1.0, 2.0]), {"resamples": 0}, "resamples must be a whole number of at least 1; got 0"),
    ],
)
def test_items_that_cannot_be_compared_are_refused(arguments, options, message):
    arrays = [np.array(values, float) for values in arguments]
    # Shapes are checked before anything else in a test run, so what beartype refuses is called without it.
    compare = getattr(paired_interval, "__wrapped__", paired_interval)
    with pytest.raises(ValueError, match=message):
        compare(*arrays, **options)


def test_runs_that_cannot_be_compared_are_refused():
    runs = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="b must be of at least 2 runs; got 1"):
        seed_interval(runs, runs[:1])
    with pytest.raises(ValueError, match="a must be finite numbers; got inf at position 0"):
        seed_interval(np.array([math.inf, 1.0]), runs)
    with pytest.raises(ValueError, match=r"probability must be in \[0.5, 1\); got 0.4"):
        student_quantile(0.4, 3.0)
    with pytest.raises(ValueError, match=r"freedom must be a finite number of at least 1; got 0\.5"):
        student_quantile(0.9, 0.5)
