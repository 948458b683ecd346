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
    assert said[4].startswith("sweep mine: copy with preset quick, 3 of 3 cells left to train, 2 at a time, in runs")
    assert said[5].startswith("cost: at most 0.00")
    assert said[6].startswith("  3 cells by updates made just now")
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


def test_in_a_terminal_a_table_is_kept_up_to_date_and_failures_stay(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    show = sweeps.narrate()
    cells = (sweeps.Running("seed-8", 1234, 9999, 50.04), sweeps.Running("seed-10", 0, 9999))
    progress = sweeps.SweepProgress(20, 7, 5, 0, ("seed-8", "seed-10"), 700.0, None, cells=cells)
    show(progress)
    show(dataclasses.replace(progress, seconds_left=7000.0, at_most=True, cells=cells[:1]))
    show(dataclasses.replace(progress, wrong=1, cells=(), ended=sweeps.Outcome("seed-9", "failed", error="no memory")))
    show(dataclasses.replace(progress, done=8, cells=(), ended=sweeps.Outcome("seed-8", "solved", SOLVED)))
    first, second, third, fourth = screen.getvalue().split("\x1b[J")[:4]
    assert first.splitlines() == [
        "7 of 20 cells done (5 solved), 2 running, time left unknown yet",
        "  seed-8   update 1,234 of 9,999    50.0 updates/s  at most 3 min left",
        "  seed-10  update     0 of 9,999\x1b[2F",  # back to the first of three lines
    ]
    assert second.splitlines()[0] == "7 of 20 cells done (5 solved), 2 running, at most 1 h 57 min left"
    assert second.endswith("left\x1b[1F")
    assert third.startswith("[8/20] seed-9: failed: no memory\n7 of 20 cells")
    assert third.endswith("unknown yet\r")
    assert fourth == "8 of 20 cells done (5 solved), 2 running, time left unknown yet"


def test_the_table_is_never_larger_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    cells = tuple(sweeps.Running(f"seed-{n}", n, 9999, 50.0) for n in range(30))
    sweeps.narrate()(sweeps.SweepProgress(30, 0, 0, 0, tuple(c.name for c in cells), 1.0, None, cells=cells))
    lines = screen.getvalue().splitlines()
    assert len(lines) == 8
    assert max(map(len, lines)) == 39
    assert lines[-1] == "  and 24 more"


def test_elsewhere_a_line_now_and_then_says_how_things_stand(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    show = sweeps.narrate()
    for second in range(7201):
        show(sweeps.SweepProgress(20, 7, 5, 0, ("seed-8",), float(second), 7000.0))
    lines = out.getvalue().splitlines()
    assert set(lines) == {"7 of 20 cells done (5 solved), 1 running, 1 h 57 min left"}
    assert len(lines) == 54  # 20 in the first 20 minutes, and then each after a twentieth of the time so far
    show(sweeps.SweepProgress(20, 8, 6, 0, (), 7201.0, 0.0, ended=sweeps.Outcome("seed-8", "solved", SOLVED)))
    assert out.getvalue().splitlines()[-1].startswith("[8/20] seed-8: solved after")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (89.4, "89 s"), (90.0, "2 min"), (5340.0, "89 min"), (5400.0, "1 h 30 min"), (180e3, "2 d 2 h")],
)
def test_times_are_said_as_people_do(seconds, words):
    assert sweeps.progress.in_words(seconds) == words
