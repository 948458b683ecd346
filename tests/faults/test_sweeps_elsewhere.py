"""Twelve cells have the same bits wherever they are trained and whatever is killed: here, in a pool, on Ray."""

import contextlib
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from on_ray import end_all, environment, started, two_nodes
from sockets import Addresses, beyond_loopback, descendants, listening
from trials import amount

from ntmlib.cluster.connection import SLOW_TO_IMPORT
from ntmlib.sweeps import Sweep, read_sweep, run_sweep

ROOT = Path(__file__).parents[2]
IN_CI = os.environ.get("CI") == "true"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc"),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None and not IN_CI, reason="no Ray (make cluster)"),
]
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child")
SLURM = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "ip")
SECONDS = 900  # a limit for what takes a minute or less on two free cores
FILE = """
name = "twelve"
task = "copy"
seeds = "1-6"
retries = 50
[config]
max_updates = 24
batch_size = 4
engine = "reference"
train_slots = 6
task_options = { max_length = 3, bits = 2 }
model_options = { hidden = 8, slots = 8, width = 4 }
curriculum_start = "none"
solved_threshold = "none"
checkpoint_every = 3
evaluate_every = "none"
evaluation_lengths = [3]
evaluation_sequences = 4
[grid]
model_options.controller = ["feedforward", "lstm"]
[resources]
cpus = 1
"""
ALONE = """
import json, sys
from ntmlib.sweeps import read_sweep
from ntmlib.training import train
print(json.dumps({cell.name: train(cell.config).result["weights_sha256"] for cell in read_sweep(sys.argv[1]).cells}))
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("file") / "twelve.toml"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def sweep(file) -> Sweep:
    return read_sweep(file)


@pytest.fixture(scope="module")
def alone(file) -> dict[str, str]:
    """The checksum of each cell's weights, trained one after the other in one process without a pool."""
    return json.loads(subprocess.check_output([sys.executable, "-c", ALONE, str(file)], timeout=SECONDS))


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: the sockets of Ray's processes allow no long ones."""
    with tempfile.TemporaryDirectory(prefix="ntm-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def checksums(out: Path, sweep: Sweep) -> dict[str, str]:
    results = {cell.name: json.loads((out / cell.name / "result.json").read_text()) for cell in sweep.cells}
    assert all(result["exact"] for result in results.values())
    return {name: result["weights_sha256"] for name, result in results.items()}


def holder(home: Path) -> int | None:
    """Return the process that trains a cell, once it has a checkpoint and until it has a result."""
    if not any((home / "checkpoints").glob("update-*")) or (home / "result.json").exists():
        return None
    words = (home / ".lock").read_text().split()
    return int(words[1]) if words else None


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def variables(pid: int) -> dict[str, str]:
    with contextlib.suppress(OSError):
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
        return dict(entry.split("=", 1) for entry in entries if "=" in entry)
    return {}


def test_the_local_pool_gives_the_bits_of_one_run_after_the_other(sweep, alone, tmp_path):
    run_sweep(sweep.cells, tmp_path, jobs=2)
    assert checksums(tmp_path, sweep) == alone


def test_ray_keeps_to_this_computer_and_loses_nothing_to_killed_workers(file, sweep, alone, tmp_path, short):
    """Sockets, telemetry, tokens and traces are looked at while workers of Ray and cells are killed."""
    chance, kills, wanted = random.Random(0), 0, amount("NTM_FAULT_RAY_KILLS", 20)
    opened: Addresses = set()
    ended: dict[str, int] = {}
    last: dict[str, tuple[str, ...]] = {}  # checkpoints of a cell when it was looked at last
    with started(
        ["-m", "ntmlib", "sweep", str(file), "--engine", "ray", "--jobs", "2", "--out", str(tmp_path / "out")],
        environment(short),
        tmp_path / "log",
        stdout=subprocess.DEVNULL,
    ) as process:
        deadline, looked = time.monotonic() + SECONDS, 0.0
        while process.poll() is None:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            if time.monotonic() - looked > 1:
                looked = time.monotonic()
                family = descendants(process.pid)
                opened |= listening(family)
                of_ray = [v for pid in family if (v := variables(pid)).get("RAY_AUTH_TOKEN")]
                assert {v.get("RAY_USAGE_STATS_ENABLED") for v in of_ray} <= {"0"}
                for folder in (short / "tmp").glob("ntm-ray-*"):
                    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
                assert list((short / "tmp").rglob("usage_stats.json")) == []
            for cell in sweep.cells:
                home = tmp_path / "out" / cell.name
                if (home / "result.json").exists():
                    ended.setdefault(cell.name, (home / "result.json").stat().st_mtime_ns)
                with contextlib.suppress(OSError, ValueError):
                    there = tuple(sorted(path.name for path in (home / "checkpoints").glob("update-*")))
                    pid = holder(home)
                    if pid is None or there == last.get(cell.name) or kills >= wanted:
                        continue
                    last[cell.name] = there
                    if chance.random() < 0.7:
                        os.kill(pid if chance.random() < 0.5 else parent(pid), signal.SIGKILL)
                        kills += 1
            time.sleep(0.005)
        assert process.returncode == 0, (tmp_path / "log").read_text()
    assert kills == wanted
    assert checksums(tmp_path / "out", sweep) == alone
    for name, written in ended.items():  # what had ended was not trained again
        assert (tmp_path / "out" / name / "result.json").stat().st_mtime_ns == written
    assert len({port for _, _, port in opened}) >= 5
    assert beyond_loopback(opened) == set()
    assert list((short / "home").rglob("*")) == []  # no token that others may read, no settings, nothing
    assert list((short / "tmp").glob("ntm-ray-*")) == []


def test_a_node_that_is_lost_takes_no_cell_along(file, sweep, alone, tmp_path, short):
    lost: dict[str, int] = {}
    with two_nodes(short, tmp_path / "nodes") as (nodes, facts, env):
        command = ["-m", "ntmlib", "sweep", str(file), "--engine", "ray", "--address", facts["address"]]
        with started([*command, "--out", str(tmp_path / "out")], env, tmp_path / "log", stdout=-3) as process:
            deadline = time.monotonic() + SECONDS
            while process.poll() is None:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                for cell in sweep.cells if not lost else ():
                    with contextlib.suppress(OSError, ValueError):
                        pid = holder(tmp_path / "out" / cell.name)
                        family = descendants(facts["raylet"])
                        if pid in family:
                            end_all(family)  # the raylet among them: as when the power goes
                            lost[cell.name] = pid
                time.sleep(0.005)
            assert process.returncode == 0, (tmp_path / "log").read_text()
        assert beyond_loopback(listening(descendants(nodes.pid))) == set()
    assert len(lost) == 1
    assert checksums(tmp_path / "out", sweep) == alone
    for name, pid in lost.items():
        assert f"pid {pid} " not in (tmp_path / "out" / name / ".lock").read_text()
    assert stat.S_IMODE((short / "token").stat().st_mode) == 0o600
    assert list((short / "home").rglob("*")) == []


def namespaces() -> str:
    """Say why there can be no private namespaces here; empty where there can."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "private namespaces need root and unshare"
    tried = subprocess.run(
        [*UNSHARE, "sh", "-c", "mount -t proc proc /proc && mount -t tmpfs none /run && ip link set lo up"],
        capture_output=True,
        text=True,
    )
    return tried.stderr.strip()


def sbatch_script(file: Path, out: Path) -> str:
    """The script of docs/scaling.md, for this environment and this sweep."""
    found = re.search(r"```sh\n(#!/bin/bash\n.*?)```", (ROOT / "docs" / "scaling.md").read_text("utf-8"), re.DOTALL)
    script = found[1]
    for old, new in {
        "source .venv/bin/activate\n": f"export PATH={Path(sys.executable).parent}:$PATH\n",
        "sweep=data/sweeps/copy-feedforward.toml\n": f"sweep={file}\n",
        'ntm sweep "$sweep"': f'ntm sweep "$sweep" --out {out}',
    }.items():
        assert script.count(old) == 1
        script = script.replace(old, new)
    return script


def test_a_sweep_in_a_job_of_a_real_slurm_has_the_same_bits(file, sweep, alone, tmp_path, short):
    if absent := [name for name in SLURM if shutil.which(name) is None]:
        (pytest.fail if IN_CI else pytest.skip)(f"SLURM is not installed: no {', '.join(absent)}")
    if reason := namespaces():
        pytest.skip(f"no private namespaces: {reason}")
    env = environment(short, RAY_worker_niceness="0")
    leave_out(short, env)
    (short / "job.sh").write_text(sbatch_script(file, tmp_path / "out"))
    begun = time.monotonic()
    done = subprocess.run(
        [*UNSHARE, "bash", str(Path(__file__).with_name("slurm_node.sh")), str(short), "job.sh"],
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    logs = "".join(f"\n--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(short.glob("*.log")))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    print(f"SLURM up, sweep done and down again in {time.monotonic() - begun:.0f} s")
    assert checksums(tmp_path / "out", sweep) == alone
    assert list((short / "home").rglob("*")) == []


def leave_out(folder: Path, env: dict[str, str]) -> None:
    """Let ``ray start`` be ready within the time that Ray gives its parts, on a busy computer too."""
    (folder / f"{SLOW_TO_IMPORT}.py").write_text("raise ImportError\n")
    env["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT)])
