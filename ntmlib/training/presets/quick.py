"""Machines that learn their task in seconds to minutes on one core. Each setting was measured (``docs/decisions``).

What they share: a small learning rate for a gradient cut to a small norm, so that no single bad
sequence throws the machine off its path; an output layer that learns four times as fast, because
once the bits are right the cost is mostly a matter of larger logits; heads that begin as those of a
tape machine; lengths mixed within an update and raised step by step; a memory whose size is drawn
anew for each update, so that nothing can rely on it; and a learning rate that falls once the task
is solved.
"""

from ntmlib.training.config import TrainConfig


def copy_quick(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Copy in about two seconds on one core: what trains fast and reaches past the lengths trained on.

    Lengths grow from 1-5 to 1-20. Training on 32 slots, fewer than the 41 steps of the longest
    sequence, punishes stray writes; the machine has 128 afterwards.
    """
    return TrainConfig(
        task="copy",
        task_options={"max_length": 20},
        model_options={"controller": controller, "head_init": "tape"},
        seed=seed,
        batch_size=8,
        max_updates=8000,
        learning_rate_factors={"output": 4.0},
        clip_norm=0.1,
        train_slots=32,
        curriculum_start=5,
        updates_after_solved=600,
        final_learning_rate_factor=0.1,
        evaluation_lengths=(20, 40, 80, 120),
        evaluation_sequences=20,
    )


def repeat_copy_quick(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Repeat copy in about half a minute: lengths and repeats grow together from 1-3 to 1-10.

    Memories from 48 to 128 slots: trained on 32, the end marker is lost on a larger memory.
    """
    return TrainConfig(
        task="repeat_copy",
        model_options={"controller": controller, "head_init": "tape"},
        seed=seed,
        batch_size=8,
        max_updates=7500,
        mixed_lengths=True,
        learning_rate=2e-3,
        learning_rate_factors={"output": 4.0},
        clip_norm=0.1,
        train_slots=(48, 64, 96, 128),
        curriculum_start=3,
        curriculum_step=2,
        curriculum_threshold=0.05,
        solved_threshold=0.02,
        updates_after_solved=5000,
        final_learning_rate_factor=0.05,
        evaluation_lengths=(10, 20),
        evaluation_sequences=20,
        checkpoint_every=500,
    )


def repeat_copy_pulses_quick(seed: int = 0) -> TrainConfig:
    """Repeat copy whose count arrives as pulses, one a repeat, with two pairs of heads: it counts past ten."""
    config = repeat_copy_quick(seed)
    return config.replace(task_options={"count": "pulses"}, model_options={**config.model_options, "num_heads": 2})


def repeat_copy_two_pairs_quick(seed: int = 0) -> TrainConfig:
    """Repeat copy told a number, with two pairs of heads, one to spare: nearly every seed learns it."""
    config = repeat_copy_quick(seed)
    return config.replace(model_options={**config.model_options, "num_heads": 2})


def associative_recall_quick(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """Associative recall in about twenty seconds: items grow from 2-3 to 2-6, four pairs of heads."""
    return TrainConfig(
        task="associative_recall",
        model_options={"controller": controller, "num_heads": 4, "hidden": 128, "head_init": "tape"},
        seed=seed,
        batch_size=16,
        max_updates=3750,
        mixed_lengths=True,
        learning_rate=3e-3,
        learning_rate_factors={"output": 4.0},
        clip_norm=0.1,
        train_slots=(32, 64, 128),
        curriculum_start=3,
        curriculum_step=1,
        curriculum_threshold=0.1,
        solved_threshold=0.055,
        updates_after_solved=1500,
        final_learning_rate_factor=0.05,
        evaluation_lengths=(6, 10, 15, 20),
        evaluation_sequences=50,
        checkpoint_every=500,
    )


def dynamic_ngrams_quick(seed: int = 0, controller: str = "lstm") -> TrainConfig:
    """Dynamic n-grams in a few minutes, with an LSTM controller and 64 slots; the learning rate falls all along."""
    return TrainConfig(
        task="dynamic_ngrams",
        model_options={"controller": controller, "slots": 64, "memory_init": "random", "head_init": "tape"},
        seed=seed,
        batch_size=8,
        max_updates=5000,
        learning_rate=3e-3,
        clip_norm=0.1,
        solved_threshold=None,
        final_learning_rate_factor=0.1,
        evaluation_lengths=(200,),
        evaluation_sequences=200,
        checkpoint_every=500,
    )


def dynamic_ngrams_long_tape_quick(seed: int = 0, controller: str = "lstm") -> TrainConfig:
    """Dynamic n-grams with 256 slots, one for each of the 200 bits and more: notebook 09 says why that matters."""
    config = dynamic_ngrams_quick(seed, controller)
    return config.replace(
        model_options={**config.model_options, "slots": 256}, max_updates=7500, final_learning_rate_factor=0.03
    )


def priority_sort_quick(seed: int = 0, controller: str = "lstm") -> TrainConfig:
    """Priority sort in about a minute: an LSTM controller with four pairs of heads on a memory that starts learned.

    With a memory that starts constant it did not learn to sort; why a learned one helps is open (notebook 10).
    """
    return TrainConfig(
        task="priority_sort",
        model_options={
            "controller": controller,
            "num_heads": 4,
            "hidden": 100 if controller == "lstm" else 256,
            "slots": 64,
            "memory_init": "learned",
            "head_init": "tape",
        },
        seed=seed,
        batch_size=8,
        max_updates=6250,
        learning_rate=3e-3,
        learning_rate_factors={"output": 4.0},
        clip_norm=0.1,
        solved_threshold=None,
        final_learning_rate_factor=0.1,
        evaluation_lengths=(20,),
        evaluation_sequences=100,
        checkpoint_every=500,
    )


def one_two_ax_quick(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """1-2-AX in a few seconds: streams of 20 to 30 symbols, with up to 8 pairs after a digit.

    Two settings keep it right for a thousand symbols. The output layer learns no faster than the rest: where it
    does, larger logits make up for a memory that is blurred, and a blur grows with time. And some of the
    memories trained with have 4 slots only, so that 30 symbols are enough to meet again what was written before.
    """
    return TrainConfig(
        task="one_two_ax",
        task_options={"min_length": 20, "max_pairs": 8},
        model_options={"controller": controller, "slots": 16, "num_shifts": 1, "head_init": "tape"},
        seed=seed,
        batch_size=16,
        max_updates=5000,
        mixed_lengths=True,
        learning_rate=3e-3,
        clip_norm=0.1,
        train_slots=(4, 8, 32),
        solved_threshold=0.005,
        updates_after_solved=1500,
        final_learning_rate_factor=0.05,
        evaluation_lengths=(30, 1000),
        evaluation_sequences=20,
        checkpoint_every=500,
    )


def n_back_quick(seed: int = 0, controller: str = "feedforward") -> TrainConfig:
    """2-back in about twenty seconds: streams of up to 30 symbols, two pairs of heads.

    Every other symbol is a match: with the task's usual 30 % it takes longer to find out what is asked. Memories
    of 4 to 16 slots, and an output layer that learns no faster than the rest, for the reasons 1-2-AX has. The
    learning rate is low for a machine of ours: at 5e-3 two of six seeds had not begun to learn after three starts.
    """
    return TrainConfig(
        task="n_back",
        task_options={"match_share": 0.5},
        model_options={"controller": controller, "slots": 16, "num_heads": 2, "head_init": "tape"},
        seed=seed,
        batch_size=16,
        max_updates=6000,
        mixed_lengths=True,
        learning_rate=2e-3,
        clip_norm=0.1,
        train_slots=(4, 8, 16),
        solved_threshold=0.03,
        updates_after_solved=2000,
        final_learning_rate_factor=0.05,
        evaluation_lengths=(30, 200),
        evaluation_sequences=20,
        checkpoint_every=500,
    )
