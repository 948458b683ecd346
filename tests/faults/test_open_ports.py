"""A local sweep and a report listen on nothing that another computer could reach."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trials  # noqa: F401  # puts the folder of the other tests on the path
from sockets import Addresses, beyond_loopback, descendants, listening
from synthetic_notebooks import write_notebook

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")]

SWEEP = """
name = "tiny"
task = "copy"
seeds = [1, 2]
[config]
max_updates = 1000000
batch_size = 4
engine = "reference"
train_slots = 6
task_options = { max_length = 3, bits = 2 }
model_options = { hidden = 8, slots = 8, width = 4 }
curriculum_start = "none"
solved_threshold = "none"
checkpoint_every = 10
"""
OPENS = "import socket, time\nfrom pathlib import Path\ns = socket.create_server(('{address}', 0))\n"
SLEEPS = "import time\nfrom pathlib import Path\nPath('sleeps').touch()\ntime.sleep(30)"


def watched(command: list[str], folder: Path, ready: list[Path]) -> Addresses:
    """Start a command; return all that it and its children listened on until some files were there, and a bit after."""
    found: Addresses = set()
    process = subprocess.Popen(
        [sys.executable, "-m", "ntmlib", *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end, more = time.monotonic() + 90, 10
        while more:
            assert time.monotonic() < end
            assert process.poll() is None, "it ended before it was ready"
            found |= listening(descendants(process.pid))
            more -= all(path.exists() for path in ready)
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(timeout=30)
    return found


def test_a_local_sweep_listens_on_nothing_at_all(tmp_path):
    (tmp_path / "tiny.toml").write_text(SWEEP)
    homes = [tmp_path / "out" / f"seed-{seed}" / "history.csv" for seed in (1, 2)]
    assert watched(["sweep", "tiny.toml", "--out", "out", "--jobs", "2"], tmp_path, homes) == set()


def test_a_report_listens_on_loopback_only(tmp_path):
    write_notebook(tmp_path / "notebooks", "01-a", SLEEPS)
    found = watched(["report"], tmp_path, [tmp_path / "notebooks" / "sleeps"])
    assert len({port for _, _, port in found}) >= 5  # the kernel's own, to the process that runs the notebook
    assert beyond_loopback(found) == set()


def test_an_open_port_would_be_caught(tmp_path):
    """The planted fault: a notebook that listens on every address."""
    write_notebook(tmp_path / "notebooks", "01-a", OPENS.format(address="0.0.0.0") + SLEEPS)
    found = watched(["report"], tmp_path, [tmp_path / "notebooks" / "sleeps"])
    (opened,) = beyond_loopback(found)
    assert opened[1] == "0.0.0.0"
    assert opened[0] != os.getpid()
