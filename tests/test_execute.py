"""Running notebooks: who counts as failed, which interpreter runs, and that nothing outlives the run."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic_notebooks import write_notebook

from ntmlib.workbook.records import RunRecord
from ntmlib.workbook.report import run_report

# The second lets the words get out of the kernel, which hands them to a thread of its own.
KILLED = "import os, signal, time\nprint('last words', flush=True)\ntime.sleep(1)\nos.kill(os.getpid(), signal.SIGKILL)"
WHERE = "import os, sys, json\nprint(json.dumps([sys.executable, os.getcwd(), os.environ['OMP_NUM_THREADS'], seed]))"
NAMES = ("01-good", "02-raises", "03-exits", "04-killed", "05-formula", "06-slow")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """One run over a good notebook and five bad ones, in a home whose kernel called python3 is a trap."""
    home = tmp_path_factory.mktemp("run")
    trap = home / "jupyter" / "kernels" / "python3"
    trap.mkdir(parents=True)
    (trap / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "trap", "language": "python"}))
    write_notebook(home / "notebooks", "01-good", WHERE, "assert interactive is False and preset == 'quick'")
    write_notebook(home / "notebooks", "02-raises", "x = 1", "{}['no such\\nkey']", "print('never')")
    write_notebook(home / "notebooks", "03-exits", "import sys\nsys.exit(0)", "print('never')")
    write_notebook(home / "notebooks", "04-killed", "x = 1", KILLED, "print('never')")
    write_notebook(home / "notebooks", "05-formula", "x = 1", r"md:The formula $\nosuchcommand x$.")
    write_notebook(home / "notebooks", "06-slow", "import time\ntime.sleep(60)", "print('never')")
    environment = {**os.environ, "JUPYTER_PATH": str(home / "jupyter"), "JUPYTER_PREFER_ENV_PATH": "0"}
    program = (
        "import sys; from ntmlib.workbook.report import run_report\n"
        "sys.exit(run_report(settings=['seed=5'], jobs=2, timeout=4.0))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    return home, run


def record(home: Path, name: str) -> RunRecord:
    return RunRecord.from_json((home / "reports" / f"{name}.json").read_text("utf-8"))


def test_the_exit_status_says_that_something_failed(outcome):
    _, run = outcome
    assert run.returncode == 1, run.stderr
    assert run.stderr == ""


def test_a_good_notebook_runs_in_this_interpreter_in_its_folder_with_one_thread(outcome):
    home, _ = outcome
    notebook = json.loads((home / "reports" / "01-good.ipynb").read_text("utf-8"))
    printed = [output["text"] for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert json.loads("".join(printed[0])) == [sys.executable, str(home / "notebooks"), "1", 5]


def test_the_record_tells_which_parameters_differ_from_their_defaults(outcome):
    home, _ = outcome
    good = record(home, "01-good")
    assert good.done
    assert good.changed == {"seed": [0, 5]}
    assert good.parameters["learning_rate"] == 5e-3


@pytest.mark.parametrize(
    ("name", "cell", "error"),
    [
        ("02-raises", 3, "KeyError: 'no such\\nkey'"),
        ("03-exits", 2, "SystemExit: 0 (the cells after it never ran)"),
        ("04-killed", 3, "DeadKernelError: the kernel died; it was killed, crashed, or ran out of memory"),
        ("05-formula", 2, "\\nosuchcommand is unknown"),
        ("06-slow", 2, "CellTimeoutError: the cell took longer than --timeout allows"),
    ],
)
def test_a_notebook_that_did_not_run_to_its_end_failed_and_says_where(outcome, name, cell, error):
    home, run = outcome
    failed = record(home, f"{name}.failed")
    assert (failed.status, failed.failed_cell) == ("failed", cell)
    assert error in failed.error
    lines = [line for line in run.stdout.splitlines() if name in line]
    assert len(lines) == 1
    assert f"cell {cell}: {failed.error}  (reports/{name}.failed.html)" in lines[0]


def test_a_failed_run_never_takes_the_name_of_a_good_page(outcome):
    home, _ = outcome
    made = {path.name for path in (home / "reports").iterdir()}
    endings = (".html", ".ipynb", ".json")
    good = {f"01-good{ending}" for ending in endings}
    assert made == {f"{name}.failed{ending}" for name in NAMES[1:] for ending in endings} | good | {"index.html"}


def test_numbers_of_cells_are_those_that_jupyter_shows(outcome):
    home, _ = outcome
    page = (home / "reports" / "02-raises.failed.html").read_text("utf-8")
    assert "Cell In[3], line 1" in page
    assert "In[4]" not in page


def test_the_output_before_a_kernel_died_is_kept(outcome):
    home, _ = outcome
    assert "last words" in (home / "reports" / "04-killed.failed.html").read_text("utf-8")


# ---- interruptions

SLEEPER = "import os, time\nfrom pathlib import Path\nPath('kernel.pid').write_text(str(os.getpid()))\ntime.sleep(120)"


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and only waits to be collected does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_stopped_run_leaves_no_kernel_and_no_page(tmp_path, number, status):
    write_notebook(tmp_path / "notebooks", "01-sleeps", SLEEPER)
    # A test run that a shell has put into the background ignores SIGINT, and so would this program.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{listen}\nimport sys; from ntmlib.workbook.report import run_report\nsys.exit(run_report())"
    run = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    note = tmp_path / "notebooks" / "kernel.pid"
    assert wait_for(lambda: note.exists() and note.read_text(), 60)
    run.send_signal(number)
    printed, _ = run.communicate(timeout=20)
    assert run.returncode == status
    assert wait_for(lambda: not alive(int(note.read_text())), 10)
    assert [path.name for path in (tmp_path / "reports").iterdir() if not path.name.startswith(".")] == []
    if number != signal.SIGKILL:
        assert "stopped" in printed
        assert list((tmp_path / "reports").iterdir()) == []


def test_a_run_sweeps_up_what_a_killed_one_left_behind(tmp_path):
    write_notebook(tmp_path / "notebooks", "01-good", "1 + 1")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "out" / f".run-{dead.pid}-x" / "01-good").mkdir(parents=True)
    (tmp_path / "out" / f".run-{os.getpid()}-y").mkdir()
    assert run_report(out=tmp_path / "out", notebooks=tmp_path / "notebooks") == 0
    assert [path.name for path in (tmp_path / "out").glob(".*")] == [f".run-{os.getpid()}-y"]
