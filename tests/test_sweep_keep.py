"""Keeping what a sweep found."""

import hashlib
import json

import pytest

from ntmlib import load_run, train
from ntmlib.cli import main
from ntmlib.sweeps import keep, keep_sweep, read_kept, read_sweep
from ntmlib.sweeps.keep import passed, representative
from ntmlib.training import History, RunRefused
from ntmlib.training.examination import EXAMINATIONS, Question

FILE = """
name = "tiny"
task = "copy"
seeds = "1-3"
[config]
batch_size = 4
max_updates = 6
curriculum_start = 2
task_options = {max_length = 2, bits = 2}
model_options = {hidden = 4, slots = 8, width = 3}
train_slots = "none"
evaluation_lengths = [2]
evaluation_sequences = 2
"""
GRID = FILE + "[grid]\nlearning_rate = [0.001, 0.002]\n"
QUESTIONS = (Question("as trained", num_sequences=4), Question("length 3", 3, num_sequences=2))


@pytest.fixture(autouse=True)
def few_questions(monkeypatch):
    monkeypatch.setitem(EXAMINATIONS, "copy", QUESTIONS)


@pytest.fixture
def sweep(tmp_path):
    """A sweep that has come to its end: its file, its cells, its folder, and where to keep it."""

    def make(text=FILE):
        file, folder = tmp_path / "tiny.toml", tmp_path / "runs"
        file.write_text(text)
        cells = read_sweep(file).cells
        for cell in cells:
            train(cell.config, folder / cell.name)
        return file, cells, folder, tmp_path / "kept"

    return make


def diverge(run):
    """Let a finished run say that it diverged."""
    result = json.loads((run / "result.json").read_bytes())
    (run / "result.json").write_text(json.dumps({**result, "status": "diverged", "update": 5, "what": "loss"}))


def history(bits, top_length=20, batch=10):
    """A history of updates that cost so many bits per sequence."""
    tops = top_length if isinstance(top_length, list) else [top_length] * len(bits)
    table = History()
    for update, (cost, top) in enumerate(zip(bits, tops, strict=True), 1):
        table.append(update, update * batch, 0.1, top, top, cost, cost, 1.0)
    return table


def test_a_kept_sweep_is_read_back_as_it_was(sweep):
    kept = keep_sweep(*sweep())
    assert read_kept(kept.folder) == kept
    assert [row["cell"] for row in kept.seeds] == ["seed-1", "seed-2", "seed-3"]
    assert [(row["cell"], row["question"]) for row in kept.examination[:2]] == [
        ("seed-1", "as trained"),
        ("seed-1", "length 3"),
    ]


def test_the_checksums_are_those_of_the_files_and_the_sweep_s_file_is_among_them(sweep):
    file, cells, folder, to = sweep()
    keep_sweep(file, cells, folder, to)
    sums = dict(line.split()[::-1] for line in (to / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: hashlib.sha256((to / name).read_bytes()).hexdigest() for name in sums}
    assert set(sums) == {"seeds.csv", "curves.csv", "examination.csv", "sweep.toml"}
    assert (to / "sweep.toml").read_bytes() == file.read_bytes()


def test_who_reads_a_kept_run_that_went_on_elsewhere_is_told(sweep):
    file, cells, folder, to = sweep()
    result = json.loads((folder / "seed-2" / "result.json").read_bytes())
    (folder / "seed-2" / "result.json").write_text(json.dumps({**result, "exact": False}))
    with pytest.warns(UserWarning, match=r"not exact: the run in .*seed-2 went on"):
        keep_sweep(file, cells, folder, to)
    with pytest.warns(UserWarning, match=r"not exact: .*kept holds runs that went on elsewhere: seed-2$"):
        assert [row["exact"] for row in read_kept(to).seeds] == [True, False, True]


def test_the_middle_seed_s_machine_is_kept(sweep):
    kept = keep_sweep(*sweep())
    middle = kept.seeds[representative(kept.seeds)]
    run = load_run(kept.folder / "representative")
    assert (run.config.seed, run.result["weights_sha256"]) == (middle["seed"], middle["weights_sha256"])


def test_a_sweep_with_a_grid_keeps_its_settings_and_no_machine(sweep):
    kept = keep_sweep(*sweep(GRID))
    assert [row["learning_rate"] for row in kept.seeds] == 3 * [0.001] + 3 * [0.002]
    assert not (kept.folder / "representative").exists()


def test_a_seed_that_diverged_is_a_row_without_answers(sweep):
    file, cells, folder, to = sweep()
    diverge(folder / "seed-2")
    kept = keep_sweep(file, cells, folder, to)
    assert [row["status"] for row in kept.seeds] == ["unsolved", "diverged", "unsolved"]
    assert {row["cell"] for row in kept.examination} == {"seed-1", "seed-3"}
    assert {row["cell"] for row in kept.curves} == {"seed-1", "seed-2", "seed-3"}


def test_a_sweep_that_has_not_ended_is_refused_and_nothing_written(sweep):
    file, cells, folder, to = sweep()
    (folder / "seed-2" / "result.json").unlink()
    with pytest.raises(RunRefused, match=r"directory must hold a sweep at its end; .*seed-2 is missing"):
        keep_sweep(file, cells, folder, to)
    assert not to.exists()


def test_machines_are_asked_once_unless_the_questions_change(sweep, monkeypatch):
    made, asked = sweep(), []
    first = keep_sweep(*made)
    monkeypatch.setattr(keep, "examine", lambda model, config: asked.append(config.seed) or {})
    assert keep_sweep(*made).examination == first.examination
    assert asked == []
    monkeypatch.setitem(EXAMINATIONS, "copy", QUESTIONS[:1])
    keep_sweep(*made)
    assert asked == [1, 2, 3]


@pytest.mark.parametrize("name", ["seeds.csv", "curves.csv", "examination.csv"])
def test_a_table_that_was_changed_is_refused(sweep, name):
    folder = keep_sweep(*sweep()).folder
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    with pytest.raises(ValueError, match=f"{name} must be the file its checksum in SHA256SUMS was taken of"):
        read_kept(folder)


def test_a_curve_has_at_most_a_hundred_points_and_averages_between_them(tmp_path):
    (tmp_path / "tiny.toml").write_text(FILE.replace("max_updates = 6", "max_updates = 250"))
    cell = read_sweep(tmp_path / "tiny.toml").cells[0]  # of 250 updates, 4 sequences each: a point for every 10
    steps = history([float(update) for update in range(250)], [1] * 3 + [2] * 247, batch=4)
    curve = keep._curves([cell], [steps])
    assert [row["sequences"] for row in curve[:3]] == [8, 20, 28]
    assert [row["bits"] for row in curve[:3]] == [0.5, 3.0, 5.5]
    assert [row["full"] for row in curve[:3]] == [0, 0, 1]  # full only where all of it is
    assert len(curve) == 100


def test_a_threshold_is_passed_when_the_mean_over_a_thousand_sequences_is_below_it():
    table = history([2.0] * 100 + [0.05] * 150)
    found = passed(table, 20, 10)
    assert found["sequences_to_1_bit"] == 1520  # 52 of the last 100 updates cost 0.05: 0.986
    assert found["sequences_to_0.1_bit"] == 1980  # 98 of them: 0.089
    assert found["final_bits"] == pytest.approx(0.05)


def test_easy_sequences_do_not_count():
    found = passed(history([0.05] * 250, [5] * 100 + [20] * 150), 20, 10)
    assert found["sequences_to_0.1_bit"] == 2000
    assert passed(history([0.05] * 250, 15), 20, 10) == {
        "sequences_to_1_bit": None,
        "sequences_to_0.1_bit": None,
        "final_bits": None,
    }


@pytest.mark.parametrize("updates", [0, 1, 99])
def test_too_few_sequences_say_nothing(updates):
    assert set(passed(history([0.0] * updates), 20, 10).values()) == {None}


def test_a_threshold_once_passed_stays_passed_and_the_final_cost_tells_the_rest():
    found = passed(history([0.05] * 100 + [30.0] * 100), 20, 10)
    assert (found["sequences_to_0.1_bit"], found["final_bits"]) == (1000, 30)


@pytest.mark.parametrize(
    ("reached", "final", "middle"),
    [
        ([300, 100, 200], [0, 0, 0], 2),
        ([300, 100, 200, 400], [0, 0, 0, 0], 2),  # of an even number the better one
        ([None, 100, None], [7, 0, 9], 0),  # failures take part, by their final cost
        ([None, None, 100], [None, 5, 0], 1),
    ],
)
def test_the_representative_is_the_middle_of_all_seeds(reached, final, middle):
    seeds = [{"sequences_to_0.1_bit": r, "final_bits": f} for r, f in zip(reached, final, strict=True)]
    assert representative(seeds) == middle


@pytest.mark.draws_globally
def test_the_command_keeps_a_sweep_at_its_end(sweep, capsys):
    file, _, folder, to = sweep()
    assert main(["sweep", str(file), "--out", str(folder), "--keep", str(to)]) == 0
    assert f"kept in {to}" in capsys.readouterr().out
    assert len(read_kept(to).seeds) == 3


@pytest.mark.draws_globally
def test_the_command_fails_and_keeps_nothing_where_a_run_is_missing(sweep, capsys, monkeypatch):
    file, _, folder, to = sweep()
    (folder / "seed-2" / "result.json").unlink()
    monkeypatch.setattr("ntmlib.sweeps.command._run", lambda *_: 1)
    assert main(["sweep", str(file), "--out", str(folder), "--keep", str(to)]) == 1
    assert "nothing kept: directory must hold a sweep at its end" in capsys.readouterr().err
    assert not to.exists()
