"""Memory of the fused engine that is wanted again at every update.

What the system hands out anew it clears first, page by page; at batch 64 that took a tenth of an update or more. So
memory goes back to a few idle pieces as soon as the last array on it is gone, whoever held that: autograd until its
backward pass, a thread until it is done or fails.
"""

import math
from functools import lru_cache

import numpy as np

Shapes = tuple[tuple[int, ...], ...]

LARGEST_IDLE = 2**26  # bytes kept for the next update, all pieces together
_ALIGNMENT = 64  # bytes: a line of the cache, and the widest vector

_idle: dict[int, np.ndarray] = {}  # oldest first; single operations of a dictionary need no lock


class _Lease:
    """A piece of memory in use. Arrays refer to it; when it is gone, the memory is idle."""

    def __init__(self, piece: np.ndarray) -> None:
        self.piece = piece
        self.__array_interface__ = piece.__array_interface__

    def __del__(self) -> None:
        give_back(self.piece)


def give_back(piece: np.ndarray) -> None:
    """Keep a piece for later, and forget the oldest ones if these are too much."""
    _idle[id(piece)] = piece
    while sum(other.nbytes for other in list(_idle.values())) > LARGEST_IDLE:
        _idle.pop(next(iter(list(_idle)), 0), None)


def take(count: int, dtype: np.dtype) -> np.ndarray:
    """Return an array of so many numbers, of any value."""
    size = 1 << (count * dtype.itemsize + _ALIGNMENT).bit_length()  # few sizes; pages never touched cost nothing
    piece = None
    for key, other in list(_idle.items()):
        if other.nbytes == size and (piece := _idle.pop(key, None)) is not None:
            break
    whole = np.asarray(_Lease(np.empty(size, np.uint8) if piece is None else piece))
    start = -whole.__array_interface__["data"][0] % _ALIGNMENT
    return whole[start : start + count * dtype.itemsize].view(dtype)


def arrays(shapes: Shapes, dtype: np.dtype) -> list[np.ndarray]:
    """Return arrays of these shapes, of any value."""
    return cut(take(numbers(shapes), dtype), shapes)


def cut(whole: np.ndarray, shapes: Shapes, number: int = 0) -> list[np.ndarray]:
    """Cut an array into arrays of these shapes; ``number`` says which of several such sets one after another."""
    begin = number * numbers(shapes)
    return [whole[begin + start : begin + stop].reshape(shape) for start, stop, shape in _places(shapes)]


def numbers(shapes: Shapes) -> int:
    """Count the numbers that ``cut`` needs."""
    _, stop, _ = _places(shapes)[-1]
    return _rounded(stop)


@lru_cache(64)
def _places(shapes: Shapes) -> list[tuple[int, int, tuple[int, ...]]]:
    found, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        found.append((start, stop, shape))
        start = _rounded(stop)
    return found


def _rounded(size: int) -> int:
    return -(-size // 16) * 16
