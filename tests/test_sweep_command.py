"""The command ``ntm sweep`` and what it shows."""

import csv
import dataclasses
import io
import json
import os
import signal

import pytest
from stand_in_cells import SOLVED, stand_ins

from ntmlib import sweeps
from ntmlib.cli import main

FILE = 'name = "mine"\ntask = "copy"\nseeds = "1-3"\nretries = 0\n[config]\nmax_updates = 12\n'


@pytest.fixture
def stand_in(tmp_path_factory, monkeypatch):
    return stand_ins(monkeypatch, tmp_path_factory.mktemp("script"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder of its own, with the file of a sweep in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(FILE)
    return tmp_path


@pytest.mark.draws_globally
def test_a_dry_run_prints_the_cells_and_makes_nothing(here, capsys):
    assert main(["sweep", "mine.toml", "--dry-run", "--jobs", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split() for line in said[1:3]] == [["seed-1", "96", "to", "do"], ["seed-2", "96", "to", "do"]]
    assert said[-1].startswith("sweep mine: copy with preset quick, 3 of 3 cells left to train, 2 at a time, in runs")
    assert [path.name for path in here.iterdir()] == ["mine.toml"]


@pytest.mark.draws_globally
@pytest.mark.parametrize(
    ("became", "status", "said"),
    [
        ("end('solved' if seed == 1 else 'unsolved')", 0, "3 cells: 1 solved, 2 unsolved; table in"),
        ("if seed == 3: sys.exit(1)\nend('solved')", 1, "seed-3: failed: the process ended with status 1"),
        ("end('diverged', update=7, what='loss')", 1, "seed-2: diverged at update 7: the loss is not finite"),
    ],
)
def test_the_exit_status_says_whether_all_cells_came_to_their_end(here, stand_in, capsys, became, status, said):
    stand_in(became)
    assert main(["sweep", "mine.toml", "--out", "there"]) == status
    assert said in "".join(capsys.readouterr())
    assert len((here / "there" / "summary.csv").read_text().splitlines()) == 4


@pytest.mark.draws_globally
def test_without_a_terminal_every_finished_cell_is_one_line(here, stand_in, capsys):
    stand_in()
    main(["sweep", "mine.toml", "--jobs", "1"])
    assert capsys.readouterr().err.splitlines() == [
        f"[{number}/3] seed-{number}: solved after 1,000 sequences, 2 s of training" for number in (1, 2, 3)
    ]
    assert json.loads((here / "runs" / "mine" / "seed-1" / "config.json").read_text())["max_updates"] == 12


@pytest.mark.draws_globally
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.toml"], r"none\.toml: cannot be read"),
        (["mine.toml", "--jobs", "0"], "jobs must be a whole number from 1 to 1024; got 0"),
        (["mine.toml", "--out", "mine.toml"], "must be a folder that can be written to"),
        (["mine.toml", "--jobs", "0", "--dry-run"], "jobs must be a whole number"),
        (["mine.toml", "--engine", "dask"], "--engine"),
        (["mine.toml", "--address", "127.0.0.1:6379"], "address is for --engine ray; got '127.0.0.1:6379' for local"),
    ],
)
def test_what_the_command_refuses_leaves_everything_as_it_was(here, capsys, arguments, message):
    assert main(["sweep", *arguments]) == 2
    assert message.replace("\\", "") in "".join(capsys.readouterr())
    assert [path.name for path in here.iterdir()] == ["mine.toml"]


@pytest.mark.draws_globally
def test_an_interrupted_sweep_has_exit_status_130_and_a_table_of_what_is_done(here, stand_in, monkeypatch, capsys):
    stand_in("if seed == 2: hang()\nend('solved')")

    def stop(progress) -> None:
        if (here / "runs" / "mine" / "hangs-2").exists():
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(sweeps.command, "narrate", lambda: stop)
    assert main(["sweep", "mine.toml", "--jobs", "1"]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    rows = csv.DictReader(io.StringIO((here / "runs" / "mine" / "summary.csv").read_text()))
    assert [row["status"] for row in rows] == ["solved", "missing", "missing"]


# --- what is shown -----------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_terminal_one_line_is_kept_up_to_date_and_failures_stay(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    show = sweeps.narrate()
    progress = sweeps.SweepProgress(20, 7, 5, 0, ("seed-8", "seed-9"), 700.0, None)
    show(progress)
    show(dataclasses.replace(progress, done=8, seconds_left=7000.0, ended=sweeps.Outcome("seed-8", "solved", SOLVED)))
    show(dataclasses.replace(progress, wrong=1, ended=sweeps.Outcome("seed-9", "failed", error="no memory")))
    first, second, gone, third = screen.getvalue().split("\r\x1b[2K")[1:]
    assert first == "7 of 20 cells done (5 solved), 2 running, time left unknown yet"
    assert second == "8 of 20 cells done (5 solved), 2 running, 1 h 57 min left"
    assert gone == "[8/20] seed-9: failed: no memory\n"
    assert "2 running, 1 failed or diverged" in third


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (89.4, "89 s"), (90.0, "2 min"), (5340.0, "89 min"), (5400.0, "1 h 30 min"), (180e3, "2 d 2 h")],
)
def test_times_are_said_as_people_do(seconds, words):
    assert sweeps.progress.in_words(seconds) == words
