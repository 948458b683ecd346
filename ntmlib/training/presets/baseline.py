"""The baseline without a memory: Graves' stacked LSTM, three layers of 128 units, with Adam.

Smaller than the paper's for copy, repeat copy and recall (256 or 512 units), so that ten seeds fit
into an afternoon. It never stops early: twenty cheap updates in a row only mean that their sequences
happened to be short.
"""

from typing import Any

from ntmlib.training.config import TrainConfig


def copy_lstm_quick(seed: int = 0) -> TrainConfig:
    """Copy with an LSTM: a million sequences in about ten minutes on one core."""
    return _lstm(
        "copy",
        seed,
        task_options={"max_length": 20},
        batch_size=16,
        max_updates=62_500,
        learning_rate=3e-3,
        evaluation_lengths=(10, 20, 40, 80, 120),
        evaluation_sequences=100,
        checkpoint_every=2000,
    )


def repeat_copy_lstm_quick(seed: int = 0) -> TrainConfig:
    """Repeat copy with an LSTM: 32,000 sequences in a minute or two."""
    return _lstm("repeat_copy", seed, max_updates=1000, mixed_lengths=True, evaluation_lengths=(10, 20))


def associative_recall_lstm_quick(seed: int = 0) -> TrainConfig:
    """Associative recall with an LSTM: 60,000 sequences, as many as the machine gets."""
    return _lstm("associative_recall", seed, max_updates=1875, mixed_lengths=True, evaluation_lengths=(6, 10, 15, 20))


def dynamic_ngrams_lstm_quick(seed: int = 0) -> TrainConfig:
    """Dynamic n-grams with an LSTM of the paper's size: 40,000 sequences, as many as the machine gets."""
    return _lstm("dynamic_ngrams", seed, batch_size=16, max_updates=2500, evaluation_lengths=(200,))


def priority_sort_lstm_quick(seed: int = 0) -> TrainConfig:
    """Priority sort with an LSTM of the paper's size: 50,000 sequences, as many as the machine gets."""
    return _lstm("priority_sort", seed, batch_size=16, max_updates=3125, evaluation_lengths=(20,))


def one_two_ax_lstm_quick(seed: int = 0) -> TrainConfig:
    """1-2-AX with an LSTM: 12,800 streams, drawn as for the machine."""
    return _lstm(
        "one_two_ax",
        seed,
        batch_size=16,
        task_options={"min_length": 20, "max_pairs": 8},
        max_updates=800,
        mixed_lengths=True,
        learning_rate=3e-3,
        evaluation_lengths=(30, 1000),
    )


def n_back_lstm_quick(seed: int = 0) -> TrainConfig:
    """2-back with an LSTM: 19,200 streams, drawn as for the machine."""
    return _lstm(
        "n_back",
        seed,
        batch_size=16,
        task_options={"match_share": 0.5},
        max_updates=1200,
        mixed_lengths=True,
        learning_rate=3e-3,
        evaluation_lengths=(30, 200),
    )


def _lstm(task: str, seed: int, **settings: Any) -> TrainConfig:
    usual: dict[str, Any] = {
        "batch_size": 32,
        "learning_rate": 2e-3,
        "solved_threshold": None,
        "final_learning_rate_factor": 1.0,
        "evaluation_sequences": 50,
        "checkpoint_every": 500,
    }
    sizes = {"hidden": 128, "num_layers": 3}
    return TrainConfig(task=task, model="lstm", model_options=sizes, seed=seed, **{**usual, **settings})
