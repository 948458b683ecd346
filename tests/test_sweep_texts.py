"""Kept sweeps of texts: their table."""

import math
from pathlib import Path

import pytest

from ntmlib import train
from ntmlib.sweeps import (
    TEXT_COLUMNS,
    keep_sweep,
    load_standings,
    read_kept,
    read_scores,
    read_sweep,
    save_standings,
    text_standings,
)
from ntmlib.tasks.text.catalogue import CORPORA
from ntmlib.training import load_run
from ntmlib.training.texts import evaluate_text

TEXTS = Path(__file__).parents[1] / "data" / "texts"
VERSE = "the cat sat on the mat; the dog sat on the log. "
FILE = """
name = "{model}"
task = "text"
preset = "{preset}"
seeds = "1-2"
[config]
task_options = {{text = "{text}", window = 5}}
model_options = {{{options}}}
batch_size = 3
max_updates = 6
evaluate_every = 2
evaluation_sequences = 2
"""
MODELS = {
    "quick": "hidden = 5, slots = 6, width = 3, output_hidden = 4, embedding = 2",
    "lstm-quick": "hidden = 5, output_hidden = 4, embedding = 2",
    "transformer-quick": "hidden = 4, num_layers = 1, num_heads = 2, context = 8",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Kept sweeps of three models on a small text, and the text."""
    home = tmp_path_factory.mktemp("texts")
    text = home / "verse.txt"
    text.write_text(VERSE * 20, "utf-8")
    for preset, options in MODELS.items():
        file = home / f"text-{preset}.toml"
        file.write_text(FILE.format(model=file.stem, preset=preset, text=text.as_posix(), options=options))
        cells = read_sweep(file).cells
        for cell in cells:
            train(cell.config, home / "runs" / file.stem / cell.name)
        keep_sweep(file, cells, home / "runs" / file.stem, home / "kept" / file.stem)
    return home


@pytest.fixture
def standings(folder):
    return text_standings(read_scores(folder / "kept"), str(folder / "verse.txt"))


def test_each_model_has_a_row(standings):
    assert [standing.model for standing in standings] == ["NTM LSTM", "LSTM", "Transformer"]
    assert all(len(standing.row) == len(TEXT_COLUMNS) for standing in standings)
    assert all(standing.row[2:4] == ("2", "90") for standing in standings)  # 6 updates of 3 windows of 5 characters
    assert all(min(standing.cpu_seconds) > 0 for standing in standings)


def test_the_cost_is_that_of_the_best_machine_in_one_stream(folder, standings):
    for seed, nats in enumerate(standings[0].nats, 1):
        run = load_run(folder / "runs" / "text-quick" / f"seed-{seed}")
        assert nats == pytest.approx(evaluate_text(run.machine, run.task).bits_per_bit * math.log(2), rel=1e-6)


def test_the_cost_on_the_way_is_kept(folder, standings):
    for standing in standings:
        assert [[characters for characters, _ in curve] for curve in standing.curves] == [[30, 60, 90]] * 2
    run = load_run(folder / "runs" / "text-lstm-quick" / "seed-2")
    evaluated = run.evaluations["bits_per_bit"] * math.log(2)
    assert [nats for _, nats in standings[1].curves[1]] == pytest.approx(evaluated.tolist(), abs=1e-5)
    kept = read_kept(folder / "kept" / "text-lstm-quick")
    assert kept.validation[0].keys() == {"cell", "sequences", "bits"}


def test_sweeps_of_other_texts_and_tasks_are_left_out(folder):
    assert text_standings(read_scores(folder / "kept"), "shakespeare") == []


def test_standings_can_be_kept_without_the_text(standings, tmp_path):
    file = tmp_path / "verse.json"
    save_standings(standings, file)
    assert load_standings(file) == standings
    assert len(standings[0].sha256) == 64


@pytest.mark.parametrize("content", ["3", "[3]", '[{"model": "NTM"}]', "{", '[{"colour": 1}]'])
def test_a_damaged_file_of_standings_is_refused(content, tmp_path):
    file = tmp_path / "broken.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"broken\.json does not hold standings of a text|Expecting"):
        load_standings(file)


@pytest.mark.parametrize("file", sorted(TEXTS.glob("*.json")), ids=lambda file: file.stem)
def test_a_kept_table_is_of_the_text_it_is_named_after(file):
    standings = load_standings(file)
    assert {(one.text, one.sha256) for one in standings} == {(file.stem, CORPORA[file.stem].sha256)}
    neural = [one for one in standings if one.curves]
    assert all(len(one.nats) >= 3 for one in neural)
    assert {"NTM LSTM, large", "LSTM, large"} <= {one.model for one in neural}
