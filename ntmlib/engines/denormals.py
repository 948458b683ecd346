"""Numbers too small to be stored in full precision, which a processor handles many times more slowly.

Sharp weightings leave weights of 1e-40 and less on slots that no head attends to. They change nothing that is computed
with them, but each operation on one takes many times as long as on another number (decision 14).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SMALLEST = 5e-324  # a denormal number: 0 for a thread that flushes them


@contextmanager
def flushed() -> Iterator[None]:
    """Take numbers below the smallest normal one (1.2e-38 in single precision) for zero, in this thread and inside."""
    already = _SMALLEST == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)
