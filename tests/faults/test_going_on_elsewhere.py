"""A run that goes on with anything else than it began with: refused, or said and recorded for good, never silent."""

import dataclasses
import json
import shutil
import warnings

import pytest
from synthetic_notebooks import write_notebook
from trials import TINY

from ntmlib.sweeps import Cell, read_summary, summarize, summary_table, write_summary
from ntmlib.training import RunRefused, TrainConfig, load_run, runs, train
from ntmlib.training import environment as surroundings
from ntmlib.workbook.report import run_report

FIELDS = [field.name for field in dataclasses.fields(TrainConfig) if field.name != "threads"]
OTHER = {
    "task": {"task": "associative_recall", "task_options": {}, "curriculum_start": None},
    "task_options": {"task_options": {"max_length": 4, "bits": 2}},
    "model": {"model": "lstm", "model_options": {}, "train_slots": None, "engine": "auto"},
    "model_options": {"model_options": {"hidden": 9, "slots": 8, "width": 4}},
    "mixed_lengths": {"mixed_lengths": True},
    "objective": {"objective": "sequence"},
    "optimizer": {"optimizer": "graves_rmsprop"},
    "learning_rate_factors": {"learning_rate_factors": {"output": 2.0}},
    "dropout": {"dropout": 0.1, "model_options": {**TINY.model_options, "output_hidden": 3}},
    "clip_value": {"clip_value": 1.0},
    "train_slots": {"train_slots": 7},
    "spare_slots": {"train_slots": None, "spare_slots": (3,)},
    "curriculum_start": {"curriculum_start": 2},
    "lessons": {
        "lessons": [{"updates": 2, "task_options": {"max_length": 2}}],
        "curriculum_start": None,
        "solved_threshold": None,
    },
    "stall_updates": {"stall_updates": 50},
    "max_restarts": {"max_restarts": 1, "stall_updates": 50},
    "evaluate_every": {"evaluate_every": 6},
    "evaluation_lengths": {"evaluation_lengths": (2,)},
    "keep_best": {"keep_best": True},
    "averaged_share": {"averaged_share": 0.2},
    "engine": {"engine": "fused"},
    "final_learning_rate_factor": {"final_learning_rate_factor": 0.5},
    "momentum": {"momentum": 0.8},
}


@pytest.fixture(autouse=True)
def no_git(monkeypatch):
    """Asking git for the commit takes longer than these trainings."""
    monkeypatch.setattr("ntmlib.training.environment._commit", lambda: None)


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A run that was interrupted at update 8 of 12."""
    folder = tmp_path_factory.mktemp("half") / "run"
    train(TINY, folder)
    (folder / "result.json").unlink()
    (folder / "checkpoints" / "update-000000012.safetensors").unlink()
    return folder


@pytest.fixture
def run(half, tmp_path):
    return shutil.copytree(half, tmp_path / "run")


def is_exact(folder) -> tuple[bool, int]:
    """Go on; return whether the run calls itself exact, and how many warnings there were."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = train(TINY, folder).result
    with warnings.catch_warnings(record=True) as read:
        warnings.simplefilter("always")
        assert load_run(folder).result["exact"] == result["exact"]
    assert len(read) == (not result["exact"]), "whoever reads it is told as well"
    return result["exact"], len(said)


@pytest.mark.parametrize("name", surroundings.EXACT)
def test_another_version_or_machine_is_said_and_recorded(run, monkeypatch, name):
    real = surroundings.environment
    monkeypatch.setattr(runs, "environment", lambda config: {**real(config), name: "another"})
    assert is_exact(run) == (False, 1)


def test_once_inexact_a_run_stays_so(run, monkeypatch):
    real = surroundings.environment
    with monkeypatch.context() as patch:
        patch.setattr(runs, "environment", lambda config: {**real(config), "torch": "9.9"})
        assert is_exact(run) == (False, 1)
    (run / "result.json").unlink()
    (run / "checkpoints" / "update-000000012.safetensors").touch()
    assert is_exact(run)[0] is False


def test_the_same_goes_on_without_a_word(run):
    assert is_exact(run) == (True, 0)


@pytest.mark.parametrize("name", FIELDS)
def test_another_setting_is_refused_by_its_name(run, name):
    if name == "fresh_share":
        with pytest.raises(ValueError, match="fresh_share"):
            TINY.replace(fresh_share=0.5)  # belongs to texts only
        return
    value = getattr(TINY, name)
    changes = OTHER.get(name) or {name: value + 1 if isinstance(value, int) else value * 1.5}
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    with pytest.raises(RunRefused, match=r"holds another run: .* has "):
        train(TINY.replace(**changes), run)
    assert {path: path.read_bytes() for path in before} == before


def test_a_report_that_reads_such_a_run_shows_it(run, tmp_path):
    result = train(TINY, run).result
    other = shutil.copytree(run, tmp_path / "elsewhere")
    (other / "result.json").write_text(json.dumps({**result, "exact": False}))
    read = f"import ntmlib\nfor name in {[str(run), str(other)]}:\n    print(ntmlib.load_run(name).result['status'])"
    notebooks = write_notebook(tmp_path / "notebooks", "01-a", read).parent
    assert run_report(out=tmp_path / "reports", notebooks=notebooks) == 0
    page = (tmp_path / "reports" / "01-a.html").read_text("utf-8")
    assert page.count("not exact: the run in") == page.count(f"not exact: the run in {other} ") == 1


def test_tables_of_sweeps_show_it(run, tmp_path):
    cell = Cell("run", TINY, {})
    result = dict(train(TINY, run).result)
    remarks = []
    for exact in (True, False):
        (run / "result.json").write_text(json.dumps({**result, "exact": exact}))
        write_summary(summarize([cell], tmp_path), tmp_path)
        remarks.append(summary_table(read_summary(tmp_path))[1][0][-1])
    assert remarks == ["", "not exact: it went on with other versions, or on another machine"]


def test_a_difference_that_nobody_looks_for_would_be_caught(run, monkeypatch):
    """The planted fault."""
    real = surroundings.environment
    monkeypatch.setattr(surroundings, "EXACT", ())
    monkeypatch.setattr(runs, "environment", lambda config: {**real(config), "torch": "9.9"})
    assert is_exact(run) == (True, 0)
