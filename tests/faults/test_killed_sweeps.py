"""Sweeps that are killed, or whose workers are: every cell comes to its end, to the same bits, and only once."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trials import TINY

from ntmlib.sweeps import Outcome, Sweep, cells, local, read_outcome, read_sweep, run_sweep
from ntmlib.training import train

pytestmark = pytest.mark.slow
DRIVER_KILLS = 10
DEATHS = 2  # of each cell: 24 workers are killed
HERE = Path(__file__).parent
FILE = """
name = "tiny"
task = "copy"
seeds = "1-6"
[config]
max_updates = 15
batch_size = 4
train_slots = 6
checkpoint_every = 2
engine = "reference"
task_options = { max_length = 3, bits = 2 }
model_options = { hidden = 6, slots = 8, width = 4 }
curriculum_start = 1
evaluation_lengths = [3]
evaluation_sequences = 2
[grid]
model_options.controller = ["feedforward", "lstm"]
"""
Command = Callable[..., tuple[str, ...]]


@pytest.fixture(scope="module")
def asking(tmp_path_factory) -> Iterator[Command]:
    """Return what Python is to be started with to have a process forked: see `sweep_zygote.py` for jobs."""
    address = str(tmp_path_factory.mktemp("zygote") / "socket")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, HERE / "sweep_zygote.py", address], **pipes) as zygote:
        assert zygote.stdout.readline() == b"ready\n"

        def command(**job: Any) -> tuple[str, ...]:
            return ("-I", "-S", str(HERE / "stand_for.py"), address, json.dumps(job))

        yield command
        zygote.stdin.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> tuple[Path, Sweep, list[str]]:
    """A sweep of twelve cells: its file, itself, and what its cells give when trained one after the other, here."""
    file = tmp_path_factory.mktemp("tiny") / "tiny.toml"
    file.write_text(FILE)
    sweep = read_sweep(file)
    assert len(sweep.cells) == 12
    return file, sweep, [train(cell.config).result["weights_sha256"] for cell in sweep.cells]


def lives(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def bits(outcomes: Any) -> list[str]:
    return [outcome.result.get("weights_sha256", outcome.status) for outcome in outcomes]


@pytest.fixture
def workers(asking, tmp_path, monkeypatch):
    """Let the cells of this test's sweeps be forked, with these deaths; their lives are written down."""
    monkeypatch.setattr(local, "SECONDS_BETWEEN_LOOKS", 0.02)

    def employ(**job: Any) -> None:
        monkeypatch.setattr(cells, "WORKER", asking(role="worker", lives=str(tmp_path / "lives"), **job))

    return employ


def test_of_twelve_cells_whose_workers_are_killed_none_is_lost_changed_or_redone(tiny, workers, tmp_path):
    _, sweep, alone = tiny
    workers(deaths=DEATHS)
    outcomes = run_sweep(sweep.cells, tmp_path / "out", jobs=2, retries=DEATHS)
    assert bits(outcomes) == alone
    had = lives(tmp_path / "lives")
    assert len(had) - len(sweep.cells) == 12 * DEATHS >= 20  # each life but the last of a cell was ended by a kill
    assert not any(life["finished"] for life in had)
    assert bits(run_sweep(sweep.cells, tmp_path / "out", jobs=2)) == alone
    assert lives(tmp_path / "lives") == had, "the same call again starts nothing"


def test_a_sweep_that_does_not_look_what_is_done_would_be_caught(tiny, workers, tmp_path, monkeypatch):
    """The planted fault."""
    _, sweep, _ = tiny
    workers()
    run_sweep(sweep.cells[:2], tmp_path / "out", jobs=2)
    assert not any(life["finished"] for life in lives(tmp_path / "lives"))
    blind = tuple(Outcome(cell.name, "missing") for cell in sweep.cells[:2])
    monkeypatch.setattr(local, "survey", lambda *_, **__: blind)
    run_sweep(sweep.cells[:2], tmp_path / "out", jobs=2)
    assert sum(life["finished"] for life in lives(tmp_path / "lives")) == 2


def test_a_worker_that_forgets_what_it_has_drawn_would_be_caught(tiny, workers, tmp_path):
    """The other planted fault."""
    _, sweep, alone = tiny
    workers(deaths=DEATHS, forgets=True)
    outcomes = run_sweep(sweep.cells[:3], tmp_path / "out", jobs=2, retries=DEATHS)
    assert all(outcome.ended for outcome in outcomes)
    assert bits(outcomes) != alone[:3]


def test_a_sweep_killed_ten_times_goes_on_with_what_is_unfinished(tiny, asking, tmp_path):
    file, sweep, alone = tiny
    workers = asking(role="worker", lives=str(tmp_path / "lives"))
    ends = []
    for number in range(DRIVER_KILLS + 1):
        after = {"after": 4 * number % 15} if number < DRIVER_KILLS else {}  # 140 of 180 updates, at most
        driver = asking(role="driver", workers=workers, **after)
        command = [sys.executable, *driver, "sweep", str(file), "--out", "out", "--jobs", "2"]
        ends.append(subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False).returncode)
    assert ends == [-9] * DRIVER_KILLS + [0]
    outcomes = [read_outcome(cell, tmp_path / "out") for cell in sweep.cells]
    assert bits(outcomes) == alone
    had = lives(tmp_path / "lives")
    assert not any(life["finished"] for life in had)
    assert max(Counter(life["cell"] for life in had).values()) > 1, "no cell was met in its middle"
    assert len((tmp_path / "out" / "summary.csv").read_text().splitlines()) == 13


def test_a_sweep_of_a_hundred_finished_cells_starts_nothing_and_is_over_soon(tmp_path):
    """How long it takes on a computer with nothing else to do is in docs/reliability.md."""
    result = train(TINY.replace(max_updates=2)).result
    text = FILE.replace('"1-6"', '"1-50"').replace("max_updates = 15", "max_updates = 2")
    (tmp_path / "tiny.toml").write_text(text)
    sweep = read_sweep(tmp_path / "tiny.toml")
    for cell in sweep.cells:
        folder = tmp_path / "out" / cell.name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(cell.config.to_json())
        (folder / "result.json").write_text(json.dumps(dict(result)))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert len(before) == 300
    command = [sys.executable, "-m", "ntmlib", "sweep", "tiny.toml", "--out", "out"]
    began = time.monotonic()
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    print(f"a rerun of 100 finished cells took {time.monotonic() - began:.1f} s")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "100 cells: 100 unsolved" in ran.stdout
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert set(after) - set(before) == {tmp_path / "out" / "summary.csv"}
    assert {path: after[path] for path in before} == before
