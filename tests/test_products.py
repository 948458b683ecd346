"""Products of the fused engine: right for all sizes, and each row as if it were alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntmlib.engines import products

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}
SIZES = st.integers(1, 40)  # below and above one vector, with and without a rest


def drawn(generator: np.random.Generator, dtype: type, *shape: int) -> np.ndarray:
    return generator.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(batch=st.integers(1, 13), depth=SIZES, wide=st.integers(1, 140), missing=st.integers(0, 3))
def test_products_are_those_of_numpy_and_touch_no_other_sequence(dtype, batch, depth, wide, missing):
    generator = np.random.default_rng(batch * 1000 + wide)
    vectors, rows = drawn(generator, dtype, batch, 3, depth), drawn(generator, dtype, depth, wide)
    out = drawn(generator, dtype, batch, 2, wide)
    expected, count = out.copy(), max(0, batch - missing)
    expected[:count, 1] += vectors[:count, 2] @ rows
    products.add_products(vectors, 2, rows, out, 1, count)
    np.testing.assert_allclose(out, expected, rtol=0, atol=TOLERANCE[dtype] * np.sqrt(depth) * 10)
    np.testing.assert_array_equal(out[count:], expected[count:])
    np.testing.assert_array_equal(out[:, 0], expected[:, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(batch=st.integers(2, 13), depth=SIZES, wide=st.integers(1, 140), alone=st.integers(0, 12))
def test_a_sequence_has_the_same_bits_alone_and_among_others(dtype, batch, depth, wide, alone):
    generator = np.random.default_rng(batch * 1000 + wide)
    vectors, rows = drawn(generator, dtype, batch, 1, depth), drawn(generator, dtype, depth, wide)
    together, b = drawn(generator, dtype, batch, 1, wide), alone % batch
    single = together[b : b + 1].copy()
    products.add_products(vectors, 0, rows, together, 0, batch)
    products.add_products(vectors[b : b + 1].copy(), 0, rows, single, 0, 1)
    np.testing.assert_array_equal(together[b], single[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(steps=st.integers(0, 20), left=SIZES, right=st.integers(1, 140))
def test_outer_products_are_those_of_numpy(dtype, steps, left, right):
    generator = np.random.default_rng(steps * 1000 + right)
    a, b = drawn(generator, dtype, steps, left), drawn(generator, dtype, steps, right)
    out = drawn(generator, dtype, left, right)
    expected = out + a.T @ b
    products.add_outer(a, b, out)
    np.testing.assert_allclose(out, expected, rtol=0, atol=TOLERANCE[dtype] * 50)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_a_number_spoils_its_own_row_only(bad):
    vectors, rows = np.ones((8, 1, 5), np.float32), np.ones((5, 37), np.float32)
    out = np.zeros((8, 1, 37), np.float32)
    vectors[2, 0, 3] = bad
    products.add_products(vectors, 0, rows, out, 0, 8)
    assert (~np.isfinite(out)).all((1, 2)).nonzero()[0].tolist() == [2]
    assert (out[[0, 1, 3, 4, 5, 6, 7]] == 5).all()
