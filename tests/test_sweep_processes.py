"""Cells that really train: the same bits as in this process, whatever dies meanwhile, and nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_run import tiny

from ntmlib.sweeps import Cell, local, run_sweep, summarize
from ntmlib.training import load_run, train

pytestmark = pytest.mark.slow

TINY_FILE = """
name = "tiny"
task = "copy"
seeds = "1-2"
[config]
max_updates = 1000000
batch_size = 4
train_slots = 6
checkpoint_every = 10
engine = "reference"
task_options = { max_length = 3, bits = 2 }
model_options = { hidden = 8, slots = 8, width = 4 }
curriculum_start = "none"
solved_threshold = "none"
"""


def cells_of(*seeds: int, **changes) -> list[Cell]:
    return [Cell(f"seed-{seed}", tiny(seed=seed, **changes), {}) for seed in seeds]


def wait_until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def process_of(folder: Path) -> int:
    """Return the process that trains in a folder, as its lock names it."""
    return int((folder / ".lock").read_text().split()[1])


def is_training(pid: int) -> bool:
    """Whether a process lives; one that has ended and that nobody has asked about does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@contextmanager
def sweep_in_another_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Run ``ntm sweep`` until two cells have checkpoints; give its process and theirs."""
    (folder / "tiny.toml").write_text(TINY_FILE)
    command = [sys.executable, "-m", "ntmlib", "sweep", "tiny.toml", "--out", "out", "--jobs", "2"]
    homes = [folder / "out" / f"seed-{seed}" for seed in (1, 2)]
    sweep = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    pids: list[int] = []
    try:
        wait_until(lambda: sweep.poll() is not None or all([*(home / "checkpoints").glob("u*")] for home in homes))
        pids += map(process_of, homes)
        assert all(map(is_training, pids))
        yield sweep, pids
    finally:
        for pid in [sweep.pid, *pids]:
            if is_training(pid):
                os.kill(pid, signal.SIGKILL)
        sweep.communicate()


def test_cells_give_the_bits_of_a_run_in_this_process_and_only_missing_ones_are_trained(tmp_path):
    cells = cells_of(1, 2)
    run_sweep(cells[:1], tmp_path, jobs=2)
    written = (tmp_path / "seed-1" / "result.json").stat().st_mtime_ns
    seen = set()
    outcomes = run_sweep(cells, tmp_path, jobs=2, watch=lambda progress: seen.update(progress.running))
    assert seen <= {"seed-2"}
    assert (tmp_path / "seed-1" / "result.json").stat().st_mtime_ns == written
    for cell, outcome, row in zip(cells, outcomes, summarize(cells, tmp_path), strict=True):
        here, there = train(cell.config), load_run(tmp_path / cell.name)
        assert outcome.result["weights_sha256"] == there.result["weights_sha256"] == here.result["weights_sha256"]
        assert (row["status"], row["sequences"], row["num_parameters"]) == ("unsolved", 48, here.machine.num_parameters)


def test_a_killed_cell_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "SECONDS_BETWEEN_LOOKS", 0.02)
    cell = cells_of(1, max_updates=120, checkpoint_every=10, evaluate_every=None, solved_threshold=None)[0]
    killed = []

    def kill_once(progress) -> None:
        if not killed and any((tmp_path / "seed-1" / "checkpoints").glob("update-*")):
            killed.append(process_of(tmp_path / "seed-1"))
            os.kill(killed[0], signal.SIGKILL)

    outcome = run_sweep([cell], tmp_path, jobs=1, watch=kill_once)[0]
    assert len(killed) == 1
    assert process_of(tmp_path / "seed-1") != killed[0]
    assert outcome.result["weights_sha256"] == train(cell.config).result["weights_sha256"]
    assert outcome.result["exact"]


def test_a_running_cell_is_seen_coming_on_between_its_checkpoints(tmp_path):
    cell = cells_of(1, max_updates=10**6, checkpoint_every=10**6, evaluate_every=None, solved_threshold=None)[0]
    seen = []

    def stop(progress) -> None:
        if any(running.rate for running in progress.cells):
            seen.append(progress)
            raise LookupError

    with pytest.raises(LookupError):
        run_sweep([cell], tmp_path, jobs=1, watch=stop)
    assert seen[0].cells[0].update > 0
    assert seen[0].at_most
    assert seen[0].seconds_left == seen[0].cells[0].seconds_left


def test_a_sweep_that_is_terminated_saves_its_cells_and_takes_them_along(tmp_path):
    with sweep_in_another_process(tmp_path) as (sweep, pids):
        sweep.terminate()
        assert "the same command goes on" in sweep.communicate(timeout=30)[1]
        assert sweep.returncode == 130
        assert not any(map(is_training, pids))
    for seed in (1, 2):
        run = load_run(tmp_path / "out" / f"seed-{seed}")
        rows = (tmp_path / "out" / f"seed-{seed}" / "history.csv").read_text().splitlines()
        assert len(run.history) == len(rows) - 1  # it stopped at a checkpoint and lost no update
    assert (tmp_path / "out" / "summary.csv").read_text().count("missing") == 2


def test_cells_do_not_outlive_a_sweep_that_is_killed(tmp_path):
    with sweep_in_another_process(tmp_path) as (sweep, pids):
        sweep.kill()
        wait_until(lambda: not any(map(is_training, pids)), seconds=10.0)
