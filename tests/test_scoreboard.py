"""Kept sweeps as rows of a scoreboard."""

import hashlib
import math
from pathlib import Path

import pytest

from ntmlib.sweeps import Kept, Score, answers_by_model, find_scores, read_ablations, read_scores
from ntmlib.sweeps.scoreboard import quartiles

SEEDS = [
    {"cell": "seed-1", "seed": 1, "num_parameters": None, "sequences_to_1_bit": None},
    {"cell": "seed-2", "seed": 2, "num_parameters": 7, "sequences_to_1_bit": 800},
]
ANSWERS = [
    {"cell": "seed-2", "question": "as trained", "bits_per_sequence": 0.5, "exact": 1},
    {"cell": "seed-2", "question": "length 120", "bits_per_sequence": 3, "exact": 0.9},
]
TWO_SEEDS = "cell,seed,num_parameters\nseed-1,1,\nseed-2,2,77\n"
SCORE = Score("mine", "copy", "LSTM", 7, Kept(Path("mine"), SEEDS, [], ANSWERS))


@pytest.fixture
def kept(tmp_path):
    """Write a kept sweep by hand."""

    def write(name, settings="", task="copy", preset="quick", seeds=TWO_SEEDS):
        folder = tmp_path / name
        folder.mkdir()
        files = {
            "seeds.csv": seeds,
            "curves.csv": "cell,sequences,bits,full\n",
            "examination.csv": "cell,question,bits_per_sequence\nseed-2,as trained,0.5\n",
            "sweep.toml": f'name = "{name}"\ntask = "{task}"\npreset = "{preset}"\nseeds = "1-2"\n{settings}',
        }
        sums = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {file}\n" for file, text in files.items())
        for file, text in {**files, "SHA256SUMS": sums}.items():
            (folder / file).write_text(text)
        return tmp_path

    return write


def test_a_seed_that_never_arrived_costs_infinitely_much():
    assert SCORE.costs("sequences_to_1_bit") == [math.inf, 800]
    assert SCORE.num_seeds == 2


def test_a_seed_that_could_not_be_asked_answers_infinity():
    assert SCORE.answers("length 120") == [math.inf, 3]
    assert SCORE.answers("length 120", "exact") == [math.inf, 0.9]
    assert SCORE.final_bits == [math.inf, 0.5]


def test_an_unknown_question_is_refused_with_those_asked():
    with pytest.raises(ValueError, match="question must be one of as trained, length 120; got 'length 7'"):
        SCORE.answers("length 7")


def test_a_sweep_of_which_every_seed_diverged_has_no_final_cost():
    assert Score("mine", "copy", "LSTM", 0, Kept(Path("mine"), SEEDS, [], [])).final_bits == [math.inf, math.inf]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([4.0, 1.0, 3.0, 2.0], (1, 2, 3)),
        ([5.0], (5, 5, 5)),
        ([1.0, 2.0, 3.0, math.inf, math.inf], (2, 3, math.inf)),
        ([math.inf] * 3, (math.inf,) * 3),
    ],
)
def test_quartiles_are_values_that_were_there_and_failures_count(values, expected):
    assert quartiles(values) == expected


@pytest.mark.parametrize(
    ("settings", "task", "preset", "model"),
    [
        ("", "copy", "quick", "NTM feed-forward"),
        ('[config]\nmodel_options.controller = "lstm"\n', "copy", "quick", "NTM LSTM"),
        ("", "copy", "lstm-quick", "LSTM"),
        ('[config]\nmodel = "rnn"\n', "parity_check", "lstm-quick", "RNN"),
        ("", "repeat_copy", "pulses-quick", "NTM feed-forward, pulses"),
    ],
)
def test_a_model_is_named_as_in_the_published_tables(kept, settings, task, preset, model):
    [score] = read_scores(kept("mine", settings, task, preset))
    assert (score.name, score.task, score.model, score.num_parameters) == ("mine", task, model, 77)


def test_sweeps_with_a_grid_and_single_runs_are_left_out(kept, tmp_path):
    kept("grid", "[grid]\nlearning_rate = [0.1, 0.2]\n")
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "config.json").write_text("{}")
    assert read_scores(tmp_path) == []


def test_an_ablation_gathers_the_seeds_of_each_combination(kept):
    grid = 'model_options.memory_init = ["constant", "random"]\nmodel_options.weighting_init = ["one_hot"]\n'
    columns = "cell,model_options.memory_init,model_options.weighting_init,seed,solved_at_sequences\n"
    rows = "a,constant,one_hot,1,800\nb,constant,one_hot,2,\nc,random,one_hot,1,900\nd,random,one_hot,2,700\n"
    [found] = read_ablations(kept("grid", f"[grid]\n{grid}", seeds=columns + rows))
    assert (found.name, found.task, found.settings) == ("grid", "copy", ("memory init", "weighting init"))
    assert found.solved_after == {
        ("constant", "one hot"): [800, math.inf],
        ("random", "one hot"): [900, 700],
    }


def test_sweeps_without_a_grid_are_no_ablations(kept):
    assert read_ablations(kept("plain")) == []


def test_answers_are_gathered_by_model_and_question():
    assert answers_by_model({"LSTM": SCORE}, ["length 120"], "exact") == {"LSTM": {"length 120": [math.inf, 0.9]}}


def test_models_of_a_task_come_in_the_order_of_the_tables_variants_last(kept, tmp_path):
    kept("a", preset="lstm-quick", task="repeat_copy")
    kept("b", preset="pulses-quick", task="repeat_copy")
    kept("c", '[config]\nmodel_options.controller = "lstm"\n', task="repeat_copy")
    kept("d", task="repeat_copy")
    kept("e")
    found = find_scores(read_scores(tmp_path), "repeat_copy")
    assert list(found) == ["NTM feed-forward", "NTM LSTM", "LSTM", "NTM feed-forward, pulses"]
