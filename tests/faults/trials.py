"""What the tests of faults share: a tiny run, and how much of everything they try."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny_run import TINY, TINY_LSTM

__all__ = ["TINY", "TINY_LSTM", "amount"]


def amount(variable: str, usual: int) -> int:
    """Return how many kills, files or runs a test tries: as usual, or what an environment variable says."""
    return int(os.environ.get(variable, usual))
