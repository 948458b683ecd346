"""The pool and the table, with stand-ins for the processes that train; test_sweep_processes.py has real ones."""

import csv
import dataclasses
import io
import os
import signal
import time
from pathlib import Path

import pytest
from stand_in_cells import SOLVED, lives, stand_ins
from tiny_run import tiny

from ntmlib import views
from ntmlib.cluster import errand
from ntmlib.sweeps import Cell, read_outcome, read_summary, run_sweep, summarize, summary_table, write_summary
from ntmlib.training import RunRefused

CELLS = tuple(Cell(f"seed-{seed}", tiny(seed=seed), {}) for seed in (1, 2, 3))


@pytest.fixture
def stand_in(tmp_path_factory, monkeypatch):
    return stand_ins(monkeypatch, tmp_path_factory.mktemp("script"))


def statuses(outcomes) -> list[str]:
    return [outcome.status for outcome in outcomes]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def logs(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "logs").iterdir())


# --- the pool ----------------------------------------------------------------------------------------------------


def test_all_cells_end_and_no_more_run_at_a_time_than_asked_for(tmp_path, stand_in):
    stand_in("time.sleep(0.2); end('unsolved')")
    seen = []
    outcomes = run_sweep(CELLS, tmp_path, jobs=2, watch=seen.append)
    assert statuses(outcomes) == ["unsolved"] * 3
    assert max(len(progress.running) for progress in seen) == 2
    assert [progress.ended.name for progress in seen if progress.ended][-1] == "seed-3"
    assert (seen[-1].done, seen[-1].wrong, seen[-1].seconds_left) == (3, 0, 0)
    assert logs(tmp_path) == []


def test_the_same_call_again_starts_only_what_is_missing(tmp_path, stand_in):
    stand_in()
    run_sweep(CELLS[:2], tmp_path, jobs=2)
    assert statuses(run_sweep(CELLS, tmp_path, jobs=2)) == ["solved"] * 3
    assert [len(lives(tmp_path, seed)) for seed in (1, 2, 3)] == [1, 1, 1]


def test_a_cell_that_dies_is_tried_again_after_the_others(tmp_path, stand_in):
    stand_in("if seed == 1 and life == 1: os.kill(os.getpid(), signal.SIGKILL)\nend('solved')")
    ended = []
    outcomes = run_sweep(
        CELLS, tmp_path, jobs=1, watch=lambda progress: progress.ended and ended.append(progress.ended.name)
    )
    assert statuses(outcomes) == ["solved"] * 3
    assert ended == ["seed-2", "seed-3", "seed-1"]
    assert logs(tmp_path) == []


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "the process was killed by SIGKILL"),
        ("raise MemoryError('too much')", "the process ended with status 1: MemoryError: too much"),
        ("sys.exit(0)", "the process ended with status 0"),
    ],
)
def test_a_cell_that_dies_every_time_is_named_and_the_others_go_on(tmp_path, stand_in, death, reason):
    stand_in(f"if seed == 2: {death}\nend('solved')")
    outcomes = run_sweep(CELLS, tmp_path, jobs=2, retries=2)
    assert statuses(outcomes) == ["solved", "failed", "solved"]
    assert outcomes[1].error == reason
    assert len(lives(tmp_path, 2)) == 3
    assert read_outcome(CELLS[1], tmp_path) == outcomes[1]
    assert logs(tmp_path) == ["seed-2.failed.txt"]


def test_a_failed_cell_is_tried_again_by_the_next_call(tmp_path, stand_in):
    stand_in("if seed == 2: raise MemoryError\nend('solved')")
    run_sweep(CELLS, tmp_path, jobs=2, retries=0)
    stand_in()
    assert statuses(run_sweep(CELLS, tmp_path, jobs=2)) == ["solved"] * 3
    assert [len(lives(tmp_path, seed)) for seed in (1, 2, 3)] == [1, 2, 1]
    assert logs(tmp_path) == []


def test_a_refusal_is_not_tried_again(tmp_path, stand_in):
    stand_in("print('refused: somebody is there'); sys.exit(2)")
    outcome = run_sweep(CELLS[:1], tmp_path, jobs=1, retries=5)[0]
    assert (outcome.status, len(lives(tmp_path, 1))) == ("failed", 1)
    assert outcome.error == "the process ended with status 2: refused: somebody is there"


def test_a_diverged_cell_is_named_and_neither_retried_nor_run_again(tmp_path, stand_in):
    stand_in("end('diverged', update=7, what='loss'); sys.exit(3)")
    for _ in range(2):
        outcome = run_sweep(CELLS[:1], tmp_path, jobs=1, retries=5)[0]
        assert (outcome.status, outcome.error) == ("diverged", "diverged at update 7: the loss is not finite")
    assert len(lives(tmp_path, 1)) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_cells_and_the_same_call_goes_on(tmp_path, stand_in, number):
    stand_in("if seed > 1: hang()\nend('solved')")
    before = [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]

    def stop(progress) -> None:
        if all((tmp_path / f"hangs-{seed}").exists() for seed in (2, 3)):
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        run_sweep(CELLS, tmp_path, jobs=2, watch=stop)
    assert [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)] == before
    assert not any(is_alive(pid) for seed in (2, 3) for pid in lives(tmp_path, seed))
    assert statuses(read_outcome(cell, tmp_path) for cell in CELLS) == ["solved", "missing", "missing"]
    assert logs(tmp_path) == []
    stand_in()
    assert statuses(run_sweep(CELLS, tmp_path, jobs=2)) == ["solved"] * 3
    assert [len(lives(tmp_path, seed)) for seed in (1, 2, 3)] == [1, 2, 2]


@pytest.mark.parametrize("times", [1, 2])
def test_a_cell_that_does_not_listen_is_ended_after_the_grace_period_or_when_asked_again(tmp_path, stand_in, times):
    stand_in("for n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\nhang()")

    def stop(progress) -> None:
        if (tmp_path / "hangs-1").exists():
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_sweep(CELLS[:1], tmp_path, jobs=1, watch=stop, grace=0.2 if times == 1 else 1000.0)
    assert not is_alive(lives(tmp_path, 1)[0])
    assert time.monotonic() - start < 30  # by itself it would have lived for a minute


def test_a_watcher_that_fails_leaves_no_process_behind(tmp_path, stand_in):
    stand_in("hang()")

    def fail(progress) -> None:
        if (tmp_path / "hangs-1").exists():
            raise LookupError("not my day")

    with pytest.raises(LookupError):
        run_sweep(CELLS[:1], tmp_path, jobs=1, watch=fail)
    assert not is_alive(lives(tmp_path, 1)[0])


def test_the_time_left_is_the_mean_of_the_cells_so_far_shared_by_the_jobs(tmp_path, stand_in):
    stand_in("time.sleep(0.5); end('solved')")
    told = []
    run_sweep(CELLS, tmp_path, jobs=1, watch=lambda progress: progress.ended and told.append(progress))
    wanted = [one.seconds / one.done * (len(CELLS) - one.done) for one in told]  # however slow this computer is
    assert [one.done for one in told] == [1, 2, 3]
    assert [one.seconds_left for one in told] == [pytest.approx(seconds, rel=0.5) for seconds in wanted]


def test_a_cell_computes_with_one_thread_whatever_the_user_set(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    given = errand.environment()
    assert {given[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")} == {"1"}


@pytest.mark.parametrize("jobs", [0, 1025, True])
def test_jobs_out_of_range_are_refused(tmp_path, jobs):
    with pytest.raises(ValueError, match=rf"jobs must be a whole number from 1 to 1024; got {jobs}"):
        run_sweep(CELLS, tmp_path / "new", jobs=jobs)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunRefused, match=r"must be a folder that can be written to; .*file cannot"):
        run_sweep(CELLS, tmp_path / "file" / "sweep", jobs=1)


def test_another_run_in_the_folder_of_a_cell_is_refused_before_anything_starts(tmp_path, stand_in):
    stand_in()
    run_sweep(CELLS[1:2], tmp_path, jobs=1)
    other = [CELLS[0], dataclasses.replace(CELLS[1], config=tiny(seed=2, batch_size=9))]
    with pytest.raises(RunRefused, match=r"holds another run: .*seed-2 has batch_size 4, not 9"):
        run_sweep(other, tmp_path, jobs=1)
    assert not (tmp_path / "seed-1").exists()


def test_a_result_that_cannot_be_read_is_refused_by_its_name(tmp_path, stand_in):
    stand_in()
    run_sweep(CELLS[:1], tmp_path, jobs=1)
    (tmp_path / "seed-1" / "result.json").write_text("{")
    with pytest.raises(RunRefused, match=r"seed-1.result\.json cannot be used"):
        run_sweep(CELLS, tmp_path, jobs=1)


# --- the table ---------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_every_cell_whatever_became_of_it(tmp_path, stand_in):
    stand_in("if seed == 2: raise MemoryError\nend('solved', **({'restarts': 2} if seed == 1 else {}))")
    varied = [dataclasses.replace(cell, varied={"model_options.width": 4}) for cell in CELLS]
    run_sweep(varied[:2], tmp_path, jobs=2, retries=0)
    rows = summarize(varied, tmp_path)
    assert statuses(read_outcome(cell, tmp_path) for cell in varied) == [row["status"] for row in rows]
    assert (
        rows[0]
        == {"cell": "seed-1", "model_options.width": 4, "seed": 1, "restarts": 2, "error": "", "exact": None} | SOLVED
    )
    assert rows[1]["error"] == "the process ended with status 1: MemoryError"
    assert (rows[2]["status"], rows[2]["sequences"]) == ("missing", None)
    read = list(csv.DictReader(io.StringIO(write_summary(rows, tmp_path).read_text())))
    assert [row["cell"] for row in read] == ["seed-1", "seed-2", "seed-3"]
    assert (read[0]["bits_per_sequence"], read[2]["bits_per_sequence"]) == ("0.25", "")


def test_a_table_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="rows must hold at least one cell; got none"):
        write_summary([], tmp_path)


def test_a_notebook_s_table_names_what_went_wrong_first(tmp_path, stand_in):
    stand_in("if seed == 2: raise MemoryError\nend('solved')")
    run_sweep(CELLS[:2], tmp_path, jobs=2, retries=0)
    written = summary_table(read_summary(write_summary(summarize(CELLS, tmp_path), tmp_path).parent))
    assert written == summary_table(summarize(CELLS, tmp_path))
    columns, rows, caption = written
    assert caption == "3 cells: 1 solved, 1 failed, 1 missing"
    assert rows == [
        ("seed-2", "failed", "", "", "", "", "the process ended with status 1: MemoryError"),
        ("seed-1", "solved", "1,000", "1,200", "0.25", "2 s", ""),
        ("seed-3", "missing", "", "", "", "", ""),
    ]
    assert views.Table(columns, rows, caption).to_text().startswith("3 cells: 1 solved, 1 failed, 1 missing\ncell ")


@pytest.mark.parametrize("text", [None, "", "cell,seed\n1,2\n", "\0"])
def test_what_is_no_table_of_a_sweep_is_refused_by_its_name(tmp_path, text):
    if text is not None:
        (tmp_path / "summary.csv").write_text(text)
    with pytest.raises(ValueError, match=r"directory must hold the summary\.csv of a sweep; .*summary\.csv"):
        read_summary(tmp_path)
