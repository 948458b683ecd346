"""Models without an external memory, to compare with."""

from ntmlib.baselines.elman import Elman
from ntmlib.baselines.lstm import LSTM
from ntmlib.baselines.ngram import NGram

__all__ = ["LSTM", "Elman", "NGram"]
