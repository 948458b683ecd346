"""The compiled approximations: exp, log, tanh and the logistic function in float32, over their whole range."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntmlib.engines import kernels
from ntmlib.machine import addressing

NAN, INFINITY = np.float32("nan"), np.float32("inf")
SPECIAL = np.array([NAN, INFINITY, -INFINITY], np.float32)


@kernels._compiled
def exp_of(x, y):
    for i in range(x.shape[0]):
        y[i] = kernels.exp(x[i])


@kernels._compiled
def log_of(x, y):
    for i in range(x.shape[0]):
        y[i] = kernels.log(x[i])


def applied(name: str, x: np.ndarray) -> np.ndarray:
    if name in ("tanh", "logistic"):
        y = x.copy()
        kernels.squash(y, ("tanh", "logistic").index(name))
        return y
    y = np.empty_like(x)
    {"exp": exp_of, "log": log_of}[name](x, y)
    return y


def truth(name: str, x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    if name == "logistic":
        return 1 / (1 + np.exp(-wide))
    return {"exp": np.exp, "log": np.log, "tanh": np.tanh}[name](wide)


def units_off(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Error in units of the last place of the true value."""
    return np.abs(found - true) / np.spacing(np.abs(true).astype(np.float32)).astype(np.float64)


def all_exponents(step: int = 997) -> np.ndarray:
    """Positive normal float32 numbers, a few thousand from each power of two."""
    return np.arange(0x00800000, 0x7F800000, step, dtype=np.int64).astype(np.int32).view(np.float32)


# exp reduces its range with one constant, because sums may be reordered: its error grows with the power of two.
@pytest.mark.parametrize(("reach", "units"), [(1, 1.2), (10, 1.5), (40, 2.7), (87.3, 5.0)])
def test_exp_is_near_the_truth(reach, units):
    x = np.linspace(-reach, reach, 1_000_003).astype(np.float32)
    assert units_off(applied("exp", x), truth("exp", x)).max() < units


def test_exp_stops_at_the_largest_and_the_smallest_normal_number():
    x = np.array([-1e30, -1000, -88, 89, 1000, 1e30, -INFINITY, INFINITY], np.float32)
    smallest, largest = np.finfo(np.float32).tiny, np.finfo(np.float32).max
    np.testing.assert_allclose(applied("exp", x)[[0, 1, 2, 6]], smallest, rtol=1e-4)
    assert (applied("exp", x)[[3, 4, 5, 7]] > 0.7 * largest).all()
    assert np.isfinite(applied("exp", x)).all()


def test_log_is_near_the_truth():
    x = all_exponents()
    assert units_off(applied("log", x), truth("log", x)).max() < 2.0


def test_log_of_what_no_weighting_can_be_is_not_a_number():
    x = np.array([-1e-30, -1, -1e30, -INFINITY, INFINITY], np.float32)
    assert np.isnan(applied("log", x)).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_tanh_is_near_the_truth(sign):
    x = sign * all_exponents()
    assert units_off(applied("tanh", x), truth("tanh", x)).max() < 3.5


@pytest.mark.parametrize("sign", [1, -1])
def test_the_logistic_function_is_near_the_truth(sign):
    x = sign * all_exponents()
    found, true = applied("logistic", x), truth("logistic", np.clip(x, -200, None))
    assert np.abs(found - true).max() < 1.5e-7
    assert units_off(found, true)[np.abs(x) < 80].max() < 6.0


def test_squashing_infinity_saturates():
    np.testing.assert_array_equal(applied("tanh", SPECIAL[1:]), [1, -1])
    np.testing.assert_allclose(applied("logistic", SPECIAL[1:]), [1, 0], atol=1e-37)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "logistic"])
@given(x=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_any_number_gives_a_number_near_the_truth(name, x):
    x = np.float32(max(abs(x), np.finfo(np.float32).tiny) if name == "log" else np.clip(x, -87, 88))
    found, true = applied(name, np.array([x])), truth(name, np.array([x]))
    assert np.abs(found - true) <= 6e-7 * np.abs(true) + 1e-37


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "logistic"])
@pytest.mark.parametrize("count", [1, 3, 8, 17, 100])
def test_not_a_number_stays_so_at_any_place_and_touches_no_other(name, count):
    """In the vectorised part of a loop and in what is left over."""
    for place in range(count):
        x = np.ones(count, np.float32)
        x[place] = NAN
        assert np.isnan(applied(name, x)).nonzero()[0].tolist() == [place]


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "logistic"])
def test_float64_is_as_exact_as_the_c_library(name):
    x = np.linspace(1e-9, 30, 10_001)
    np.testing.assert_allclose(applied(name, x), truth(name, x), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softplus_and_its_slope_are_those_of_torch(dtype):
    import torch

    x = torch.linspace(-40, 40, 800, dtype=getattr(torch, np.dtype(dtype).name)).requires_grad_()
    y = torch.nn.functional.softplus(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    found = np.array([kernels.softplus(value) for value in x.detach().numpy()])
    tolerance = 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, y.detach().numpy(), rtol=tolerance)
    slopes = [kernels.softplus_slope(value) for value in y.detach().numpy()]
    np.testing.assert_allclose(slopes, slope.numpy(), rtol=20 * tolerance)


def test_the_floors_are_those_of_the_definition():
    assert kernels.SQUARED_NORM_FLOOR == addressing.SQUARED_NORM_FLOOR
    assert kernels.WEIGHT_FLOOR == addressing.WEIGHT_FLOOR


def test_no_option_of_the_whole_process_is_changed():
    """Another user of numba in the same process gets exact sums and Python's errors."""

    @numba.njit
    def total(values):
        found = 0.0
        for value in values:
            found += value
        return found

    values = np.array([1e16, 1.0, -1e16, 1.0] * 64)
    assert total(values) == sum(values.tolist())
    with pytest.raises(ZeroDivisionError):
        numba.njit(lambda a, b: a / b)(1.0, 0.0)


def test_rebuilding_the_memory_by_division_would_lose_it():
    """Why the memory is replayed from copies: where ``w e`` comes near 1, nothing is left to divide."""
    memory = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    add, errors = np.float32(0.3), []
    for gap in (1e-1, 1e-3, 1e-5, 1e-7):
        left = np.float32(1) - np.float32(1 - gap)  # 1 - w e
        after = memory * left + add
        errors.append(np.abs((after - add) / left - memory).max())
    assert errors[0] < 1e-5 < errors[1] < 1e-3 < errors[2] < 0.1 < errors[3]


def test_writing_erases_then_adds():
    """Where a slot is erased completely, only what is added is left."""
    generator = np.random.default_rng(0)
    told, kept = generator.random(40, np.float32), generator.random((2, 4, 30), np.float32)
    told[18:21] = 1.0  # erases all where the weighting is 1
    kept[0, kernels.FINAL, :3] = 1.0
    memory = generator.standard_normal((3, 30)).astype(np.float32)
    weighting, erase, add = kept[0, kernels.FINAL], told[18:21, None], told[21:24, None]
    expected = memory.astype(np.float64) * (1 - weighting * erase) + weighting * add
    kernels.write(memory, told, kept, 1, 3, 3)
    np.testing.assert_allclose(memory, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(memory[:, :3], np.broadcast_to(add, (3, 3)))
