import copy
import json

import pytest

from ntmlib.training.config import TrainConfig

UNUSUAL = TrainConfig(
    task_options={"max_length": 7, "bits": 3},
    model_options={"controller": "lstm", "slots": 16},
    learning_rate=1,
    learning_rate_factors={"heads": 2},
    clip_norm=None,
    train_slots=8,
    curriculum_start=2,
    evaluation_lengths=(7, 14),
)


def test_json_gives_back_the_same_config():
    again = TrainConfig.from_json(UNUSUAL.to_json())
    assert again == UNUSUAL
    assert again.to_json() == UNUSUAL.to_json()
    assert hash(again) == hash(UNUSUAL)


def test_options_are_completed_with_their_defaults():
    assert UNUSUAL.task_options == {"max_length": 7, "min_length": 1, "bits": 3}
    assert UNUSUAL.model_options["width"] == 20
    assert TrainConfig() == TrainConfig(task_options={"max_length": 20}, model_options={"slots": 128})


def test_a_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        UNUSUAL.seed = 3
    with pytest.raises(TypeError):
        UNUSUAL.model_options["slots"] = 3
    assert copy.deepcopy(UNUSUAL) == UNUSUAL


def test_replace_changes_one_field_and_keeps_the_rest():
    other = UNUSUAL.replace(seed=5)
    assert other.seed == 5
    assert other.replace(seed=UNUSUAL.seed) == UNUSUAL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        ({"batch_size": True}, "batch_size must be a whole number of at least 1; got True"),
        ({"batch_size": 2.0}, "batch_size must be a whole number of at least 1; got 2.0"),
        ({"seed": -1}, "seed must be a whole number of at least 0; got -1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number; got nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be a finite number; got inf"),
        ({"learning_rate": 0}, "learning_rate must be above 0 and at most 10; got 0"),
        ({"learning_rate": "1e-3"}, "learning_rate must be a finite number; got '1e-3'"),
        ({"learning_rate": True}, "learning_rate must be a finite number; got True"),
        ({"momentum": 1}, r"momentum must be in \[0, 1\); got 1"),
        ({"clip_norm": -1.0}, "clip_norm must be above 0; got -1.0"),
        ({"optimizer": "sgd"}, "optimizer must be one of adam, graves_rmsprop; got 'sgd'"),
        ({"objective": "byte"}, "objective must be one of bit, sequence; got 'byte'"),
        ({"model": "gru"}, "model must be one of ntm, lstm, rnn, transformer; got 'gru'"),
        ({"mixed_lengths": 1}, "mixed_lengths must be true or false; got 1"),
        ({"engine": "steam"}, "engine must be one of 'auto', 'reference'"),
        ({"task": "cpoy"}, "did you mean 'copy'"),
        ({"task_options": {"max_lenght": 3}}, "did you mean 'max_length'"),
        ({"task_options": 3}, "task_options must map names to values; got 3"),
        ({"model_options": {"slot": 3}}, "did you mean 'slots'"),
        ({"model_options": {"input_size": 3}}, "model_options has no 'input_size'"),
        ({"model_options": {"num_shifts": 4}}, "num_shifts must be odd"),
        ({"train_slots": 2}, r"num_shifts must be at most slots \(2\)"),
        ({"train_slots": 8, "model_options": {"memory_init": "learned"}}, "learned slot by slot; got 8"),
        ({"model": "lstm", "train_slots": 8}, "train_slots must be None for the lstm"),
        ({"model": "lstm", "model_options": {"slots": 8}}, "model_options has no 'slots'; .*known: hidden, num_layers"),
        ({"model": "lstm", "model_options": {"hidden": 0}}, "hidden must be a whole number of at least 1; got 0"),
        ({"model": "lstm", "engine": "reference"}, "engine must be 'auto' for the lstm"),
        ({"learning_rate_factors": {"outputs": 4}}, "did you mean 'output'"),
        ({"learning_rate_factors": {"output": float("nan")}}, r"learning_rate_factors\['output'\] must be a finite"),
        ({"curriculum_start": 21}, r"\(1 to 20\); got 21"),
        ({"evaluation_lengths": (0,)}, "evaluation_lengths must be a whole number of at least 1; got 0"),
        ({"evaluation_lengths": 3}, "evaluation_lengths must be a list of lengths; got 3"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name_rule_and_value(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**changes)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match="config has no 'learning_rat'; did you mean 'learning_rate'"):
        TrainConfig.from_json(json.dumps({"learning_rat": 1}))


@pytest.mark.parametrize("text", ["", "[1]", "null", '{"seed": NaN}', '{"seed": 1'])
def test_what_is_no_config_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  # the parser's message or ours
        TrainConfig.from_json(text)
