"""``ntm report --engine ray``: the same pages; nothing is left of a node that was lost, or of a report that stopped."""

import importlib.util
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from on_ray import end_all, environment, started, two_nodes
from sockets import beyond_loopback, descendants, listening
from synthetic_notebooks import write_notebook

from ntmlib.workbook.records import RunRecord

IN_CI = os.environ.get("CI") == "true"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc"),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None and not IN_CI, reason="no Ray (make cluster)"),
]
SECONDS = 600  # a limit for what takes half a minute on two free cores
# The second lets the words get out of the kernel, which hands them to a thread of its own.
KILLED = "import os, signal, time\nprint('last words', flush=True)\ntime.sleep(1)\nos.kill(os.getpid(), signal.SIGKILL)"
WHERE = "import os, sys, json\nprint(json.dumps([sys.executable, os.getcwd(), os.environ['OMP_NUM_THREADS'], seed]))"
SLEEPS = (
    "import os, time\nfrom pathlib import Path\n"
    "Path(f'../pids/{name}-{{os.getpid()}}').touch()\n"
    "while not Path('../go').exists(): time.sleep(0.1)"
)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: the sockets of Ray's processes allow no long ones."""
    with tempfile.TemporaryDirectory(prefix="ntm-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def record(out: Path, name: str) -> RunRecord:
    return RunRecord.from_json((out / f"{name}.json").read_text("utf-8"))


def until(condition, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def kernels(home: Path, name: str) -> list[int]:
    return [int(path.name.rpartition("-")[2]) for path in (home / "pids").glob(f"{name}-*")]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_report_on_ray_has_the_pages_of_a_local_one(tmp_path, short):
    write_notebook(tmp_path / "notebooks", "01-good", WHERE)
    write_notebook(tmp_path / "notebooks", "02-raises", "x = 1", "{}['no such key']")
    write_notebook(tmp_path / "notebooks", "03-killed", KILLED)
    command = ["-m", "ntmlib", "report", "--set", "seed=5", "--jobs", "2"]
    env, ports = environment(short), set()
    for engine in ("local", "ray"):
        log = tmp_path / engine
        with started(
            [*command, "--engine", engine, "--out", str(tmp_path / f"on-{engine}")], env, log,
            cwd=tmp_path, stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            while process.poll() is None:
                ports |= listening(descendants(process.pid))
                time.sleep(0.3)
        assert process.returncode == 1, log.read_text()
        if engine == "local":  # Ray's own processes complain when they have to start a second time
            assert log.read_text() == ""
    here, there = tmp_path / "on-local", tmp_path / "on-ray"
    assert {path.name for path in there.iterdir()} == {path.name for path in here.iterdir()}
    for name in ("01-good", "02-raises.failed", "03-killed.failed"):
        one, other = record(here, name), record(there, name)
        assert (one.status, one.error, one.failed_cell) == (other.status, other.error, other.failed_cell)
        assert (one.parameters, one.versions) == (other.parameters, other.versions)
        cells = [
            [(cell["cell_type"], cell["source"], [output.get("text") for output in cell.get("outputs", [])])
             for cell in json.loads((out / f"{name}.ipynb").read_text("utf-8"))["cells"]]
            for out in (here, there)
        ]  # fmt: skip
        assert cells[0] == cells[1]
    assert "last words" in (there / "03-killed.failed.html").read_text("utf-8")
    assert len(ports) > 5
    assert beyond_loopback(ports) == set()
    assert list((short / "tmp").glob("ntm-ray-*")) == []


def test_a_notebook_lost_with_its_node_runs_elsewhere_and_a_stopped_report_leaves_no_kernel(tmp_path, short):
    (tmp_path / "pids").mkdir()
    for name in ("01-a", "02-b"):
        write_notebook(tmp_path / "notebooks", name, SLEEPS.format(name=name))
    log, out = tmp_path / "log", tmp_path / "out"
    with two_nodes(short, tmp_path / "nodes") as (_, facts, env):
        command = ["-m", "ntmlib", "report", "--engine", "ray", "--address", facts["address"], "--out", str(out)]
        with started([*command, "--jobs", "2"], env, log, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
            until(lambda: all(kernels(tmp_path, name) for name in ("01-a", "02-b")), process, log)
            family = descendants(facts["raylet"])
            (lost,) = (name for name in ("01-a", "02-b") if set(kernels(tmp_path, name)) & family)
            end_all(family)  # as when the power goes
            (tmp_path / "go").touch()
            assert process.wait(SECONDS) == 0, log.read_text()
        assert len(kernels(tmp_path, lost)) == 2
        assert {record(out, name).status for name in ("01-a", "02-b")} == {"done"}

        (tmp_path / "go").unlink()
        # A test run that a shell has put into the background ignores SIGINT, and so would this program.
        listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        program = f"{listen}\nimport sys; from ntmlib.cli import main\nsys.exit(main(sys.argv[1:]))"
        for stop in (signal.SIGINT, signal.SIGTERM):
            end_all(kernels(tmp_path, "0"))
            for path in (tmp_path / "pids").iterdir():
                path.unlink()
            with started(
                ["-c", program, *command[2:], "01", "--force"], env, log, cwd=tmp_path, stdout=subprocess.PIPE
            ) as process:
                until(lambda: kernels(tmp_path, "01-a"), process, log)
                before = (out / "01-a.html").read_bytes()
                process.send_signal(stop)
                printed, _ = process.communicate(timeout=SECONDS)
                assert process.returncode == 130, log.read_text()
                assert b"stopped; no page was left half-written" in printed
                assert not any(map(alive, kernels(tmp_path, "01-a")))
                assert (out / "01-a.html").read_bytes() == before
                assert list(out.glob(".run-*")) == []
