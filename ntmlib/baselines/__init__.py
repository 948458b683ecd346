"""Models without an external memory, to compare with."""

from ntmlib.baselines.elman import Elman
from ntmlib.baselines.lstm import LSTM, LSTMTrace
from ntmlib.baselines.ngram import NGram
from ntmlib.baselines.transformer import Transformer, TransformerState

__all__ = ["LSTM", "Elman", "LSTMTrace", "NGram", "Transformer", "TransformerState"]
