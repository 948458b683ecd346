"""Models of a text, which read it on from update to update.

All presets of a size read the same characters, with one seed in the same order. The LSTM has as many parameters as the
machine, to within 1 %, and what else it has (the embedding, the hidden layer before the output).
"""

from ntmlib.training.config import TrainConfig

QUOTES = {"window": 256, "quoted_share": 0.75, "min_passage": 8, "max_passage": 48, "max_distance": 150}


def text_quick(seed: int = 0) -> TrainConfig:
    """Read six million characters of the plays, LSTM controller that does not see what was read: about two minutes."""
    return TrainConfig(
        task="text",
        task_options={"text": "shakespeare", "window": 64},
        model_options={
            "controller": "lstm",
            "hidden": 107,
            "slots": 64,
            "width": 20,
            "head_init": "tape",
            "output_hidden": 64,
            "embedding": 16,
            "read_feedback": False,
        },
        seed=seed,
        batch_size=32,
        max_updates=3000,
        learning_rate=8e-3,
        clip_norm=1.0,
        fresh_share=0.02,
        skip_updates=5,
        solved_threshold=None,
        final_learning_rate_factor=0.02,
        evaluate_every=500,
        evaluation_sequences=16,
        keep_best=True,
        checkpoint_every=500,
    )


def text_lstm_quick(seed: int = 0) -> TrainConfig:
    """Read the same characters with an LSTM that has as many parameters."""
    sizes = {"hidden": 118, "num_layers": 1, "output_hidden": 64, "embedding": 16}
    return text_quick(seed).replace(model="lstm", model_options=sizes)


def text_transformer_quick(seed: int = 0) -> TrainConfig:
    """Read the same characters with a small Transformer, which has some more parameters."""
    sizes = {"hidden": 48, "num_layers": 3, "num_heads": 3, "context": 64}
    return text_quick(seed).replace(model="transformer", model_options=sizes, learning_rate=3e-3, warmup_updates=100)


def text_induction_quick(seed: int = 0) -> TrainConfig:
    """Read the same characters with a machine whose heads begin as induction heads, on twice as many wider slots."""
    config = text_quick(seed)
    sizes = {"hidden": 102, "slots": 128, "width": 32, "head_init": "induction"}
    return config.replace(model_options={**config.model_options, **sizes})


def text_feedback_quick(seed: int = 0) -> TrainConfig:
    """Read the same characters with a machine whose controller sees what was read, as the paper's does."""
    config = text_quick(seed)
    return config.replace(model_options={**config.model_options, "hidden": 100, "read_feedback": True})


def text_large(seed: int = 0) -> TrainConfig:
    """Read nine million characters with 256 units and dropout: about nine minutes."""
    config = text_quick(seed)
    sizes = {"hidden": 256, "output_hidden": 128, "embedding": 32}
    return config.replace(
        model_options={**config.model_options, **sizes}, max_updates=4500, learning_rate=6e-3, dropout=0.2
    )


def text_lstm_large(seed: int = 0) -> TrainConfig:
    """Read the same characters with an LSTM that has as many parameters."""
    sizes = {"hidden": 268, "num_layers": 1, "output_hidden": 128, "embedding": 32}
    return text_large(seed).replace(model="lstm", model_options=sizes)


def text_huge(seed: int = 0) -> TrainConfig:
    """Read ten million characters with 384 units, dropout of a half, and averaged weights: about 25 minutes."""
    config = text_large(seed)
    sizes = {"hidden": 384, "output_hidden": 256, "embedding": 48}
    return config.replace(
        model_options={**config.model_options, **sizes},
        max_updates=5000,
        learning_rate=5e-3,
        dropout=0.5,
        averaged_share=0.2,
    )


def text_lstm_huge(seed: int = 0) -> TrainConfig:
    """Read the same characters with an LSTM that has as many parameters."""
    sizes = {"hidden": 395, "num_layers": 1, "output_hidden": 256, "embedding": 48}
    return text_huge(seed).replace(model="lstm", model_options=sizes)


def text_quotes(seed: int = 0) -> TrainConfig:
    """Read the plays with passages quoted again, short ones at first; ``text_induction_quick`` with more slots.

    Windows are four times as long as those of ``text_quick``, for no gradient goes from one to the next: what is
    quoted must be written and read within one to teach the heads anything. Each begins with an empty memory that it
    cannot fill: on a ring that is full, the slot behind the one just written holds the oldest note, and the read head,
    which finds the present moment as well as the earlier one, reads that too.
    """
    config = text_induction_quick(seed)
    passages = {"quoted_share": 1.0, "min_passage": 8}
    lessons = [
        (1000, {"window": 48, "min_passage": 6, "max_passage": 14, "max_distance": 0}),
        (800, {"window": 96, "max_passage": 24, "max_distance": 16}),
        (800, {"window": 160, "max_passage": 48, "max_distance": 64}),
    ]
    return config.replace(
        task_options={**config.task_options, **QUOTES},
        model_options={**config.model_options, "slots": 320},
        lessons=[{"updates": updates, "task_options": {**passages, **options}} for updates, options in lessons],
        batch_size=16,
        max_updates=5500,
        learning_rate=5e-3,
        fresh_share=1.0,
        evaluation_sequences=8,
        keep_best=False,  # what is held out quotes nothing, and is read on for longer than the memory lasts
    )


def text_lstm_quotes(seed: int = 0) -> TrainConfig:
    """Read the same characters with an LSTM that has as many parameters."""
    return text_quotes(seed).replace(model="lstm", model_options=text_lstm_quick(seed).model_options)
