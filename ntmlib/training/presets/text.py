"""Models of a text, which read it on from update to update."""

from ntmlib.training.config import TrainConfig


def text_quick(seed: int = 0) -> TrainConfig:
    """Read the plays, LSTM controller: about two minutes."""
    return TrainConfig(
        task="text",
        task_options={"text": "shakespeare", "window": 64},
        model_options={
            "controller": "lstm",
            "hidden": 100,
            "slots": 64,
            "width": 20,
            "output_hidden": 64,
            "embedding": 16,
            "head_init": "tape",
        },
        seed=seed,
        batch_size=32,
        max_updates=3000,
        learning_rate=4e-3,
        clip_norm=1.0,
        fresh_share=0.02,
        solved_threshold=None,
        final_learning_rate_factor=0.02,
        evaluate_every=1000,
        evaluation_sequences=16,
        keep_best=True,
        checkpoint_every=500,
    )


def text_lstm_quick(seed: int = 0) -> TrainConfig:
    """Read the plays with an LSTM that has as many parameters, on the same characters."""
    sizes = {"hidden": 118, "num_layers": 1, "output_hidden": 64, "embedding": 16}
    return text_quick(seed).replace(model="lstm", model_options=sizes)
