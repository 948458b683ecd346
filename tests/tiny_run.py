"""A training run small enough for tests: a machine of 8 slots that copies up to three vectors of two bits."""

from typing import Any

from ntmlib.training import TrainConfig

TINY = TrainConfig(
    task_options={"max_length": 3, "bits": 2},
    model_options={"hidden": 8, "slots": 8, "width": 4},
    seed=1,
    batch_size=4,
    max_updates=12,
    learning_rate_factors={"output": 4.0},
    train_slots=6,
    curriculum_start=1,
    curriculum_step=1,
    curriculum_threshold=1.2,
    curriculum_window=2,
    evaluate_every=5,
    evaluation_lengths=(3,),
    evaluation_sequences=4,
    checkpoint_every=4,
    engine="reference",
)
TINY_LSTM = TINY.replace(
    model="lstm",
    model_options={"hidden": 6, "num_layers": 2},
    train_slots=None,
    optimizer="graves_rmsprop",
    engine="auto",
)


def tiny(**changes: Any) -> TrainConfig:
    return TINY.replace(**changes)
