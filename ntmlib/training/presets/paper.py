"""What the paper did: tables 1 to 3, sections 4.1 to 4.6.

Graves' RMSProp with momentum 0.9, components of the gradient clipped to [-10, 10], a memory of 128
slots of width 20, up to a million sequences.

Differs from the paper, which says neither how many sequences make an update (one here) nor when it
stopped: a run stops 10,000 sequences after the mean cost of 1,000 sequences is below 0.01 bits per
bit, if that happens. Nor does it say how the heads and the memory begin, or how far a head can
shift (-1, 0 or 1 here).
"""

from typing import Any

from ntmlib.training.config import TrainConfig

# task: evaluation lengths, then for each model its sizes and learning rate, from tables 1 (feed-forward), 2 and 3
_TABLES: dict[str, tuple[tuple[int, ...], dict[str, tuple[dict[str, int], float]]]] = {
    "copy": (
        (10, 20, 30, 50, 120),
        {
            "feedforward": ({"num_heads": 1, "hidden": 100}, 1e-4),
            "lstm controller": ({"num_heads": 1, "hidden": 100}, 1e-4),
            "lstm": ({"hidden": 256, "num_layers": 3}, 3e-5),
        },
    ),
    "repeat_copy": (
        (10, 20),
        {
            "feedforward": ({"num_heads": 1, "hidden": 100}, 1e-4),
            "lstm controller": ({"num_heads": 1, "hidden": 100}, 1e-4),
            "lstm": ({"hidden": 512, "num_layers": 3}, 3e-5),
        },
    ),
    "associative_recall": (
        (6, 10, 15, 20),
        {
            "feedforward": ({"num_heads": 4, "hidden": 256}, 1e-4),
            "lstm controller": ({"num_heads": 1, "hidden": 100}, 1e-4),
            "lstm": ({"hidden": 256, "num_layers": 3}, 1e-4),
        },
    ),
    "dynamic_ngrams": (
        (200,),
        {
            "feedforward": ({"num_heads": 1, "hidden": 100}, 3e-5),
            "lstm controller": ({"num_heads": 1, "hidden": 100}, 3e-5),
            "lstm": ({"hidden": 128, "num_layers": 3}, 1e-4),
        },
    ),
    "priority_sort": (
        (20,),
        {
            "feedforward": ({"num_heads": 8, "hidden": 512}, 3e-5),
            "lstm controller": ({"num_heads": 5, "hidden": 100, "num_layers": 2}, 3e-5),
            "lstm": ({"hidden": 128, "num_layers": 3}, 3e-5),
        },
    ),
}


def copy_paper(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Copy as in the paper (section 4.1): lengths 1-20, one sequence per update, up to a million sequences."""
    return _machine("copy", seed, controller)


def repeat_copy_paper(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Repeat copy as in the paper (section 4.2): one to ten vectors, one to ten times."""
    return _machine("repeat_copy", seed, controller)


def associative_recall_paper(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Associative recall as in the paper (section 4.3): two to six items; four heads if feed-forward."""
    return _machine("associative_recall", seed, controller)


def dynamic_ngrams_paper(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Dynamic n-grams as in the paper (section 4.4): 200 bits after contexts of five."""
    return _machine("dynamic_ngrams", seed, controller)


def priority_sort_paper(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Priority sort as in the paper (section 4.5): the 16 highest of 20 vectors; eight heads if feed-forward."""
    return _machine("priority_sort", seed, controller)


def copy_lstm_paper(seed: int = 0) -> TrainConfig:
    """Copy with the paper's baseline (table 3): three LSTM layers of 256 units, learning rate 3e-5."""
    return _settings("copy", seed, "lstm")


def repeat_copy_lstm_paper(seed: int = 0) -> TrainConfig:
    """Repeat copy with the paper's baseline (table 3): three LSTM layers of 512 units, learning rate 3e-5."""
    return _settings("repeat_copy", seed, "lstm")


def associative_recall_lstm_paper(seed: int = 0) -> TrainConfig:
    """Associative recall with the paper's baseline (table 3): three LSTM layers of 256 units, learning rate 1e-4."""
    return _settings("associative_recall", seed, "lstm")


def dynamic_ngrams_lstm_paper(seed: int = 0) -> TrainConfig:
    """Dynamic n-grams with the paper's baseline (table 3): three LSTM layers of 128 units, learning rate 1e-4."""
    return _settings("dynamic_ngrams", seed, "lstm")


def priority_sort_lstm_paper(seed: int = 0) -> TrainConfig:
    """Priority sort with the paper's baseline (table 3): three LSTM layers of 128 units, learning rate 3e-5."""
    return _settings("priority_sort", seed, "lstm")


def _machine(task: str, seed: int, controller: str) -> TrainConfig:
    config = _settings(task, seed, "lstm controller" if controller == "lstm" else "feedforward")
    return config.replace(model_options={**config.model_options, "controller": controller})


def _settings(task: str, seed: int, model: str) -> TrainConfig:
    lengths, models = _TABLES[task]
    sizes, learning_rate = models[model]
    options: dict[str, Any] = {"model": "lstm"} if model == "lstm" else {}
    return TrainConfig(
        task=task,
        **options,
        model_options=sizes,
        seed=seed,
        batch_size=1,
        max_updates=1_000_000,
        objective="sequence",
        optimizer="graves_rmsprop",
        learning_rate=learning_rate,
        momentum=0.9,
        clip_norm=None,
        clip_value=10.0,
        solved_window=1000,
        updates_after_solved=10_000,
        evaluate_every=10_000,
        evaluation_lengths=lengths,
        evaluation_sequences=20,
        checkpoint_every=1000,
    )
