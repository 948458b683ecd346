"""Ready-made configs: what was measured to train fast (``quick``), and what the paper did (``paper``)."""

from collections.abc import Callable

from ntmlib.training.config import TrainConfig
from ntmlib.training.presets.baseline import (
    associative_recall_lstm_quick,
    copy_lstm_quick,
    dynamic_ngrams_lstm_quick,
    n_back_lstm_quick,
    one_two_ax_lstm_quick,
    priority_sort_lstm_quick,
    repeat_copy_lstm_quick,
)
from ntmlib.training.presets.languages import (
    CHOMSKY,
    next_symbols_lstm_quick,
    next_symbols_one_length_quick,
    next_symbols_quick,
    recognition_lstm_controller_quick,
    recognition_lstm_quick,
    recognition_quick,
    recognition_rnn_quick,
)
from ntmlib.training.presets.paper import (
    associative_recall_lstm_paper,
    associative_recall_paper,
    copy_lstm_paper,
    copy_paper,
    dynamic_ngrams_lstm_paper,
    dynamic_ngrams_paper,
    priority_sort_lstm_paper,
    priority_sort_paper,
    repeat_copy_lstm_paper,
    repeat_copy_paper,
)
from ntmlib.training.presets.quick import (
    associative_recall_quick,
    copy_quick,
    dynamic_ngrams_long_tape_quick,
    dynamic_ngrams_quick,
    n_back_quick,
    one_two_ax_quick,
    priority_sort_quick,
    repeat_copy_pulses_quick,
    repeat_copy_quick,
    repeat_copy_two_pairs_quick,
)
from ntmlib.training.presets.text import (
    text_feedback_quick,
    text_huge,
    text_induction_quick,
    text_large,
    text_lstm_huge,
    text_lstm_large,
    text_lstm_quick,
    text_lstm_quotes,
    text_quick,
    text_quotes,
    text_transformer_quick,
)

Preset = Callable[..., TrainConfig]  # called with a seed

PRESETS: dict[str, dict[str, Preset]] = {
    "copy": {
        "quick": copy_quick,
        "paper": copy_paper,
        "lstm-quick": copy_lstm_quick,
        "lstm-paper": copy_lstm_paper,
    },
    "repeat_copy": {
        "quick": repeat_copy_quick,
        "pulses-quick": repeat_copy_pulses_quick,
        "two-pairs-quick": repeat_copy_two_pairs_quick,
        "paper": repeat_copy_paper,
        "lstm-quick": repeat_copy_lstm_quick,
        "lstm-paper": repeat_copy_lstm_paper,
    },
    "associative_recall": {
        "quick": associative_recall_quick,
        "paper": associative_recall_paper,
        "lstm-quick": associative_recall_lstm_quick,
        "lstm-paper": associative_recall_lstm_paper,
    },
    "dynamic_ngrams": {
        "quick": dynamic_ngrams_quick,
        "long-tape-quick": dynamic_ngrams_long_tape_quick,
        "paper": dynamic_ngrams_paper,
        "lstm-quick": dynamic_ngrams_lstm_quick,
        "lstm-paper": dynamic_ngrams_lstm_paper,
    },
    "priority_sort": {
        "quick": priority_sort_quick,
        "paper": priority_sort_paper,
        "lstm-quick": priority_sort_lstm_quick,
        "lstm-paper": priority_sort_lstm_paper,
    },
    "one_two_ax": {"quick": one_two_ax_quick, "lstm-quick": one_two_ax_lstm_quick},
    "n_back": {"quick": n_back_quick, "lstm-quick": n_back_lstm_quick},
    "recognition": {
        "quick": recognition_quick,
        "lstm-controller-quick": recognition_lstm_controller_quick,
        "lstm-quick": recognition_lstm_quick,
        "rnn-quick": recognition_rnn_quick,
    },
    "next_symbols": {
        "quick": next_symbols_quick,
        "one-length-quick": next_symbols_one_length_quick,
        "lstm-quick": next_symbols_lstm_quick,
    },
    "text": {
        "quick": text_quick,
        "lstm-quick": text_lstm_quick,
        "transformer-quick": text_transformer_quick,
        "induction-quick": text_induction_quick,
        "feedback-quick": text_feedback_quick,
        "large": text_large,
        "lstm-large": text_lstm_large,
        "huge": text_huge,
        "lstm-huge": text_lstm_huge,
        "quotes": text_quotes,
        "lstm-quotes": text_lstm_quotes,
    },
    **CHOMSKY,
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
