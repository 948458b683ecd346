"""Ready-made configs: what was measured to train fast, and what the paper did."""

from collections.abc import Callable

from ntmlib.training.config import TrainConfig


def copy_quick(seed: int = 0) -> TrainConfig:
    """Copy in two to ten seconds on one core: what trains fast and reaches past the lengths trained on.

    Lengths grow from 1-5 to 1-20. Training on 32 slots, fewer than the 41 steps of the longest
    sequence, punishes stray writes; the machine has 128 afterwards. The output layer learns four
    times as fast, because once the bits are right the cost is mostly a matter of larger logits.
    """
    return TrainConfig(
        task="copy",
        task_options={"max_length": 20},
        seed=seed,
        batch_size=32,
        max_updates=2500,
        learning_rate_factors={"output": 4.0},
        train_slots=32,
        curriculum_start=5,
        updates_after_solved=200,
        final_learning_rate_factor=0.1,
        evaluation_lengths=(20, 40, 80, 120),
        evaluation_sequences=20,
    )


def copy_paper(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Copy as in the paper (section 4.1, tables 1 and 2): one sequence per update, up to a million sequences.

    Graves' RMSProp with learning rate 1e-4 and momentum 0.9, components of the gradient clipped
    to [-10, 10], one pair of heads, 100 controller units, 128 slots of width 20, lengths 1-20.

    Differs from the paper, which says neither how many sequences make an update (one here) nor
    when it stopped: this stops 10,000 sequences after the mean cost of 1,000 sequences is below 0.01 bits per bit.
    """
    return _as_in_the_paper(seed, 1e-4).replace(model_options={"controller": controller})


def copy_lstm_paper(seed: int = 0) -> TrainConfig:
    """Copy with the paper's baseline (table 3): three LSTM layers of 256 units, learning rate 3e-5."""
    return _as_in_the_paper(seed, 3e-5).replace(model="lstm", model_options={"hidden": 256, "num_layers": 3})


def copy_lstm_quick(seed: int = 0) -> TrainConfig:
    """Copy with a smaller LSTM (three layers of 128) and Adam: a million sequences in about ten minutes on one core.

    It does not stop when twenty updates in a row are cheap, because for an LSTM that only means that their
    sequences happened to be short.
    """
    return TrainConfig(
        task="copy",
        task_options={"max_length": 20},
        model="lstm",
        model_options={"hidden": 128, "num_layers": 3},
        seed=seed,
        max_updates=62_500,
        learning_rate=3e-3,
        solved_threshold=None,
        evaluation_lengths=(10, 20, 40, 80, 120),
        evaluation_sequences=100,
        checkpoint_every=2000,
    )


def _as_in_the_paper(seed: int, learning_rate: float) -> TrainConfig:
    return TrainConfig(
        task="copy",
        task_options={"max_length": 20},
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
        evaluation_lengths=(10, 20, 30, 50, 120),
        evaluation_sequences=20,
        checkpoint_every=1000,
    )


PRESETS: dict[str, dict[str, Callable[[int], TrainConfig]]] = {
    "copy": {
        "quick": copy_quick,
        "paper": copy_paper,
        "lstm-quick": copy_lstm_quick,
        "lstm-paper": copy_lstm_paper,
    }
}


def get(task: str, preset: str, seed: int = 0) -> TrainConfig:
    """Return a preset by name.

    Raises:
        ValueError: there is no preset of that name for that task.
    """
    if task not in PRESETS:
        raise ValueError(f"task must be one of {', '.join(PRESETS)}; got {task!r}")
    if preset not in PRESETS[task]:
        raise ValueError(f"preset must be one of {', '.join(PRESETS[task])}; got {preset!r}")
    return PRESETS[task][preset](seed)
