"""Memory of the fused engine comes again, to one owner at a time, and not for ever."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ntmlib.engines import buffers

FLOAT32 = np.dtype(np.float32)


@pytest.fixture(autouse=True)
def nothing_idle():
    buffers._idle.clear()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_memory_comes_again_once_the_last_array_on_it_is_gone():
    whole = buffers.take(1000, FLOAT32)
    part, where = whole[10:20].reshape(2, 5), address(whole)
    del whole
    other = buffers.take(1000, FLOAT32)
    assert address(other) != where  # a part is still there
    del part
    assert address(buffers.take(900, FLOAT32)) == where


def test_arrays_have_the_type_and_size_asked_for_and_begin_at_a_line_of_the_cache():
    for dtype in (FLOAT32, np.dtype(np.float64)):
        for count in (1, 1000):
            array = buffers.take(count, dtype)
            assert (array.dtype, array.shape, address(array) % 64) == (dtype, (count,), 0)


def test_an_array_is_cut_into_parts_that_do_not_overlap():
    shapes = ((2, 3), (0, 4), (5,), (1, 17))
    whole = np.zeros(3 * buffers.numbers(shapes), np.float32)
    for number in range(3):
        for index, part in enumerate(buffers.cut(whole, shapes, number)):
            assert part.shape == shapes[index]
            part += 1
    assert whole.max() == 1
    assert whole.sum() == 3 * (6 + 5 + 17)


def test_no_more_than_a_limit_stays_idle(monkeypatch):
    monkeypatch.setattr(buffers, "LARGEST_IDLE", 100_000)
    del [buffers.take(10_000, FLOAT32) for _ in range(5)][:]
    assert 0 < sum(piece.nbytes for piece in buffers._idle.values()) <= 100_000
    buffers.take(1_000_000, FLOAT32)  # larger than all that may stay
    assert sum(piece.nbytes for piece in buffers._idle.values()) <= 100_000


def test_threads_never_get_the_same_memory():
    def alone(number: int) -> bool:
        array = buffers.take(500, FLOAT32)
        array[:] = number
        return all((array == number).all() for _ in range(20))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(alone, range(2000)))
