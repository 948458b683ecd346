import subprocess
import sys

import pytest

from ntmlib import training
from ntmlib.training import presets, train
from ntmlib.training.models import build_model


@pytest.mark.parametrize("name", list(presets.PRESETS["copy"]))
def test_every_preset_builds_its_model_and_takes_a_seed(name):
    config = presets.get("copy", name, 3)
    assert config.seed == 3
    assert build_model(config).num_parameters > 10_000


def test_the_papers_settings_are_those_of_its_tables():
    config = presets.copy_paper(seed=2)
    assert (config.optimizer, config.learning_rate, config.momentum) == ("graves_rmsprop", 1e-4, 0.9)
    assert (config.clip_value, config.clip_norm, config.batch_size) == (10, None, 1)
    sizes = {"hidden": 100, "slots": 128, "width": 20, "num_heads": 1, "controller": "feedforward"}
    assert sizes.items() <= dict(config.model_options).items()
    assert config.task_options == {"max_length": 20, "min_length": 1, "bits": 8}
    assert presets.copy_paper(controller="lstm").model_options["controller"] == "lstm"


def test_the_papers_lstm_has_the_papers_number_of_parameters():
    assert build_model(presets.copy_lstm_paper()).num_parameters == 1_352_969
    assert presets.copy_lstm_paper().learning_rate == 3e-5


@pytest.mark.slow
def test_the_quick_preset_solves_copy_and_reaches_past_what_it_saw():
    run = train(presets.copy_quick(seed=4))
    assert run.result["status"] == "solved"
    assert run.result["bits_per_bit"] < 0.01
    right = dict(zip(run.evaluations.length.tolist(), run.evaluations.bits_right.tolist(), strict=True))
    assert right[20] > 0.999
    assert right[40] > 0.99
    assert run.machine.config.slots == 128


@pytest.mark.slow
def test_the_quick_preset_solves_copy_for_at_least_nine_of_ten_fresh_seeds():
    code = "from ntmlib.training import presets, train\n"
    code += "for seed in range(1001, 1011):\n"
    code += "    print(train(presets.copy_quick(seed).replace(evaluation_lengths=())).result['status'])\n"
    # In a process of its own, without the checks of shapes that slow the tests down several times.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split().count("solved") >= 9


@pytest.mark.slow
def test_the_papers_preset_learns_slowly_but_learns():
    run = train(presets.copy_paper(seed=1).replace(max_updates=300, evaluation_lengths=()))
    assert run.history.loss[-100:].mean() < run.history.loss[:100].mean()


def test_unknown_presets_are_refused():
    with pytest.raises(ValueError, match="preset must be one of quick, paper, lstm-quick, lstm-paper; got 'fast'"):
        presets.get("copy", "fast")
    with pytest.raises(ValueError, match="task must be one of copy; got 'sing'"):
        training.presets.get("sing", "quick")
