"""The engine ``ray`` where no Ray runs: what is refused, what is not imported, how the pool judges what was lost."""

import os
import signal
import subprocess
import sys

import pytest
from stand_in_cells import lives, stand_ins
from tiny_run import tiny

from ntmlib.cli import main
from ntmlib.cluster import connection, errand
from ntmlib.cluster.connection import Connection, Ending
from ntmlib.sweeps import Cell, cells, engines, local, read_outcome, run_sweep
from ntmlib.sweeps.engines import Local
from ntmlib.sweeps.resources import Resources, read_resources

CELLS = tuple(Cell(f"seed-{seed}", tiny(seed=seed), {}) for seed in (1, 2))
FILE = 'name = "mine"\ntask = "copy"\nseeds = "1-2"\n'


@pytest.fixture
def stand_in(tmp_path_factory, monkeypatch):
    return stand_ins(monkeypatch, tmp_path_factory.mktemp("script"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "mine.toml").write_text(FILE)
    return tmp_path


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.draws_globally
def test_without_ray_the_command_says_what_to_install_and_touches_nothing(here, monkeypatch, capsys):
    found = connection.importlib.util.find_spec
    monkeypatch.setattr(connection.importlib.util, "find_spec", lambda name: None if name == "ray" else found(name))
    assert main(["sweep", "mine.toml", "--engine", "ray"]) == 2
    assert "`make cluster` in a checkout, or pip install 'ntmlib[cluster]'" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    "address", ["", "head", "head:", "ray://head:10001", "http://head:8265", "head:6379/x", "a b:1"]
)
def test_an_address_that_is_none_is_refused(here, address):
    with pytest.raises(ValueError, match="address must be HOST:PORT of the cluster's head, or auto; got"):
        Connection(address, cpus=1)


def test_a_cluster_without_a_token_is_refused_unless_the_user_says_so(here, monkeypatch):
    with pytest.raises(ValueError, match=r"address needs the token of the cluster, in RAY_AUTH_TOKEN or in a file"):
        Connection("head:6379", cpus=1)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(here / "mine.toml"))
    Connection("head:6379", cpus=1)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(here / "none"))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    Connection("head:6379", cpus=1)


@pytest.mark.draws_globally
def test_a_cluster_that_does_not_answer_is_named(here, monkeypatch, capsys):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "ab" * 32)
    assert main(["sweep", "mine.toml", "--engine", "ray", "--address", "127.0.0.1:1"]) == 1
    assert "no cluster answers at 127.0.0.1:1: " in capsys.readouterr().err
    assert "ray" not in sys.modules


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cpus": 0}, r"resources\.cpus must be more than 0 and at most 1, or a whole number up to 1024; got 0"),
        ({"cpus": 1.5}, r"resources\.cpus must be .*; got 1\.5"),
        ({"cpus": True}, r"resources\.cpus must be .*; got True"),
        ({"cpus": "1"}, r"resources\.cpus must be .*; got '1'"),
        ({"cpus": float("nan")}, r"resources\.cpus must be .*; got nan"),
        ({"gpus": -0.5}, r"resources\.gpus must be at least 0 and at most 1, or a whole number up to 1024; got -0\.5"),
        ({"gpus": 0.33333}, r"resources\.gpus must have at most four decimals; got 0\.33333"),
        ({"memory": 1}, r"resources has no 'memory'; known: cpus, gpus"),
        ([1], r"resources must be a table; got \[1\]"),
    ],
)
def test_resources_out_of_range_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        read_resources(given)


@pytest.mark.parametrize(
    ("resources", "cells_at_once"),
    [({}, 8), ({"cpus": 0.5}, 16), ({"cpus": 3}, 2), ({"cpus": 16}, 1), ({"gpus": 0.25}, 4), ({"gpus": 2}, 1)],
)
def test_this_computer_takes_as_many_cells_as_fit(resources, cells_at_once):
    assert Resources(**resources).at_once(8) == cells_at_once


# --- what is not imported ----------------------------------------------------------------------------------------


def test_nothing_imports_ray_before_somebody_connects():
    modules = "ntmlib, ntmlib.cli, ntmlib.sweeps.command, ntmlib.sweeps.engines, ntmlib.workbook.report"
    say = f"import sys, {modules}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", say], timeout=120).returncode == 0


def test_what_runs_on_a_node_loads_no_torch():
    say = "import sys, ntmlib.cluster.errand; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", say], timeout=120).returncode == 0


# --- how the pool judges -----------------------------------------------------------------------------------------


class Lost(engines._Process):
    """A process that is taken away from outside, as far as anybody knows."""

    def wait(self) -> Ending:
        super().wait()
        return Ending(None, "its node was lost", lost=True)


class Losing(Local):
    """Processes of this computer, the first few of which are lost."""

    def __init__(self, times: int) -> None:
        self.times, self.again = times, []

    def start(self, cell, directory, *, again=False):
        self.again.append(again)
        kind = Lost if len(self.again) <= self.times else engines._Process
        return kind(super().start(cell, directory).process)


def test_a_cell_that_was_lost_with_its_node_is_tried_again_without_counting_that(tmp_path, stand_in):
    stand_in("if life > 3: end('solved')")
    engine = Losing(times=3)
    assert run_sweep(CELLS[:1], tmp_path, jobs=1, retries=0, engine=engine)[0].status == "solved"
    assert engine.again == [False, True, True, True]
    assert len(lives(tmp_path, 1)) == 4


def test_a_cell_that_is_lost_every_time_is_given_up_and_named(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(local, "MOST_LOSSES", 2)
    stand_in("pass")
    outcome = run_sweep(CELLS[:1], tmp_path, jobs=1, retries=0, engine=Losing(times=99))[0]
    assert (outcome.status, outcome.error) == ("failed", "the process failed: its node was lost")
    assert len(lives(tmp_path, 1)) == 3
    assert read_outcome(CELLS[0], tmp_path) == outcome


def test_a_cell_that_was_lost_after_its_result_is_done(tmp_path, stand_in):
    stand_in("end('solved')")
    assert run_sweep(CELLS[:1], tmp_path, jobs=1, engine=Losing(times=1))[0].status == "solved"
    assert len(lives(tmp_path, 1)) == 1


def test_no_cluster_is_started_when_nothing_is_left_to_train(tmp_path, stand_in):
    class Never(Local):
        def __enter__(self):
            raise AssertionError("nobody asked for it")

    stand_in()
    run_sweep(CELLS, tmp_path, jobs=2)
    assert [outcome.status for outcome in run_sweep(CELLS, tmp_path, jobs=2, engine=Never())] == ["solved"] * 2


# --- the task itself ---------------------------------------------------------------------------------------------


def run_errand(folder, patience=0.0):
    arguments, message, log = cells.prepare(CELLS[0], folder)
    return errand.run(arguments, message, log, cells.REFUSED, patience)


def test_a_folder_in_use_is_tried_again_for_a_while(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(errand, "SECONDS_BETWEEN_TRIES", 0.01)
    stand_in("sys.exit(0 if life == 3 else 2)")
    assert run_errand(tmp_path)[0] == cells.REFUSED
    assert run_errand(tmp_path, patience=60.0)[0] == 0
    assert len(lives(tmp_path, 1)) == 3


def test_a_node_that_does_not_see_the_folder_says_so(tmp_path, stand_in):
    stand_in()
    arguments, message, _ = cells.prepare(CELLS[0], tmp_path)
    assert errand.run(arguments, message, str(tmp_path / "gone" / "log"), 2, 0.0)[0] == errand.NO_FOLDER


def test_a_request_to_stop_reaches_the_process_and_leaves_the_handlers_as_they_were(tmp_path, stand_in):
    stand_in(
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(130))\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"  # as a cancelled task does
        "hang()"
    )
    before = signal.getsignal(signal.SIGINT)
    assert run_errand(tmp_path)[0] == 130
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs Linux's /proc")
def test_what_a_failed_start_left_behind_is_ended_and_nothing_else():
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep) as older:
        before = connection.children()
        with subprocess.Popen(sleep) as left:
            connection.end(connection.children() - before)
            assert left.wait(timeout=30) == -signal.SIGKILL
        assert older.poll() is None
        older.kill()
