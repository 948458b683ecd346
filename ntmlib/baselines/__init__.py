"""Networks without an external memory, to compare with."""

from ntmlib.baselines.elman import Elman
from ntmlib.baselines.lstm import LSTM

__all__ = ["LSTM", "Elman"]
