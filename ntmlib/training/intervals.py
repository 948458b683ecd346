"""How sure a difference between two models is: over the words of a text, and over the runs of a model."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped

from ntmlib.tasks.base import check_whole

RESAMPLES = 2000
_DRAWN_AT_ONCE = 1 << 20  # numbers, which bounds memory
_ANGLES = 10_001  # of the grid on which Student's distribution is summed


class Interval(NamedTuple):
    """A difference of means and where it may well lie.

    Attributes:
        mean: the difference, of the first minus the second.
        low: lower end of the interval.
        high: upper end.
    """

    mean: float
    low: float
    high: float


def paired_interval(
    a: Float[np.ndarray, " items"],
    b: Float[np.ndarray, " items"],
    groups: Shaped[np.ndarray, " items"] | None = None,
    *,
    weights: Shaped[np.ndarray, " items"] | None = None,
    generator: torch.Generator | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """Compare what the same items cost two models: the mean difference and its interval by the bootstrap.

    Whole groups are drawn, with replacement, as many as there are, and the mean is taken anew over all their items;
    the interval runs between quantiles of these means. So items of one group may depend on one another, and groups may
    not. It covers the choice of the items, such as the words of a text: another text of the same kind. It does not
    cover the chance in training: both models are taken as they are (``seed_interval``). Plain quantiles would be too
    close together where groups are few; these lie as much further out as Student's t interval is wider than the
    normal one (the expanded percentile interval of Hesterberg, 2015). With 5 groups of unequal
    size 95 % are still only about 90 %, with 12 they are 94 %.

    Args:
        a: what each item cost the first model.
        b: what it cost the second.
        groups: the name or number of each item's group; by default every item is one.
        weights: how much each item counts, above 0, such as the letters of a word whose mean cost is given; by
            default all the same.
        generator: draws the groups; by default one seeded with 0.
        level: how often the interval should hold the truth, between 0 and 1.
        resamples: how often groups are drawn.

    Raises:
        ValueError: the arrays differ in length, there are fewer than two groups, or a number is out of its range.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    groups = np.arange(len(a)) if groups is None else np.asarray(groups)
    weights = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    for name, values in {"b": b, "groups": groups, "weights": weights}.items():
        if values.shape != a.shape:
            raise ValueError(f"{name} must have as many items as a, {len(a)}; got {len(values)}")
    _check_finite(a=a, b=b, weights=weights)
    _check_level(level)
    check_whole("resamples", resamples)
    if len(weights) and weights.min() <= 0:
        raise ValueError(f"weights must be above 0; got {weights.min()}")
    names, members = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"groups must be at least 2 different ones; got {len(names)}")
    sums = np.bincount(members, weights * (a - b))
    sizes = np.bincount(members, weights)
    means = _resampled_means(sums, sizes, resamples, generator or torch.Generator().manual_seed(0))
    outside = _expanded(level, len(names))
    low, high = np.quantile(means, [outside, 1 - outside])
    return Interval(float(sums.sum() / sizes.sum()), float(low), float(high))


def seed_interval(a: Float[np.ndarray, " runs"], b: Float[np.ndarray, " others"], *, level: float = 0.95) -> Interval:
    """Compare two models of which several runs were trained: the difference of the means and its interval.

    Welch's t interval: the runs of a model may spread more than those of the other. It covers the chance in training,
    such as first weights and the order of the data: other seeds. It does not cover the choice of the text, which is
    the same for all runs (``paired_interval``). Costs of runs are taken for normally distributed.

    Args:
        a: a number for each run of the first model, such as its mean cost.
        b: for each of the second; not necessarily as many.
        level: how often the interval should hold the truth, between 0 and 1.

    Raises:
        ValueError: a model has fewer than two runs, or a number is out of its range.
    """
    _check_level(level)
    _check_finite(a=a, b=b)
    for name, runs in {"a": a, "b": b}.items():
        if len(runs) < 2:
            raise ValueError(f"{name} must be of at least 2 runs; got {len(runs)}")
    mean = float(np.mean(a) - np.mean(b))
    # Squared standard errors of the two means.
    errors = np.array([np.var(runs, ddof=1) / len(runs) for runs in (a, b)], np.float64)
    if not errors.any():
        return Interval(mean, mean, mean)
    freedom = 1 / ((errors / errors.sum()) ** 2 / [len(a) - 1, len(b) - 1]).sum()
    reach = student_quantile((1 + level) / 2, float(freedom)) * float(np.sqrt(errors.sum()))
    return Interval(mean, mean - reach, mean + reach)


@lru_cache(maxsize=1024)
def student_quantile(probability: float, freedom: float) -> float:
    """Return what a number with Student's t distribution stays below with this probability.

    With ``t = sqrt(freedom) tan(angle)`` the density in ``angle`` is ``cos(angle) ** (freedom - 1)``, up to a factor,
    and its sum over a grid is the distribution. Exact to four digits or more from 1 degree of freedom on, up to a
    probability of 0.999.

    Args:
        probability: from a half, included, to 1, excluded.
        freedom: degrees of freedom, at least 1; not necessarily whole.

    Raises:
        ValueError: a number is out of its range.
    """
    if not 0.5 <= probability < 1:
        raise ValueError(f"probability must be in [0.5, 1); got {probability}")
    if not 1 <= freedom < float("inf"):
        raise ValueError(f"freedom must be a finite number of at least 1; got {freedom}")
    # With many degrees of freedom all is near 0: the grid ends where t is 40, or at the right angle.
    end = np.pi / 2 if freedom < 100 else np.arctan(40 / np.sqrt(freedom))
    angles = np.linspace(0, end, _ANGLES)
    density = np.cos(angles).clip(0) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp(2 * probability - 1, below / below[-1], angles)
    return float(np.sqrt(freedom) * np.tan(angle))


def _expanded(level: float, groups: int) -> float:
    """Return the share of the bootstrap's means that is to be left out at either end."""
    reach = student_quantile((1 + level) / 2, float(groups - 1)) * math.sqrt(groups / (groups - 1))
    return math.erfc(reach / math.sqrt(2)) / 2


def _resampled_means(
    sums: Float[np.ndarray, " groups"],
    sizes: Float[np.ndarray, " groups"],
    resamples: int,
    generator: torch.Generator,
) -> Float[np.ndarray, " resamples"]:
    means = []
    at_once = max(1, _DRAWN_AT_ONCE // len(sums))
    for start in range(0, resamples, at_once):
        shape = (min(at_once, resamples - start), len(sums))
        drawn = torch.randint(len(sums), shape, generator=generator).numpy()
        means.append(sums[drawn].sum(1) / sizes[drawn].sum(1))
    return np.concatenate(means)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1; got {level}")


def _check_finite(**numbers: Float[np.ndarray, " _"]) -> None:
    for name, values in numbers.items():
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            raise ValueError(f"{name} must be finite numbers; got {values[wrong[0]]} at position {wrong[0]}")
