"""`make setup` on a machine whose python3 only pretends, so that no gigabyte is installed to see what happens."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

STAND_IN = """#!{python}
import os, pathlib, signal, subprocess, sys
arguments = sys.argv[1:]
if arguments[:1] == ["-c"]:
    sys.exit(subprocess.call([{python!r}, "-c", "import sys; sys.version_info = {version}; " + arguments[1]]))
log = pathlib.Path({log!r})
log.write_text((log.read_text() if log.exists() else "") + " ".join(arguments) + chr(10))
if arguments[:2] == ["-m", "venv"]:
    bin = pathlib.Path(arguments[2]) / "bin"
    bin.mkdir(parents=True)
    (bin / "python").symlink_to(pathlib.Path(__file__).resolve())
if len(log.read_text().splitlines()) == int(os.environ.get("STOP_AT", 0)):
    os.kill(os.getppid() if "KILL_MAKE" in os.environ else os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def bare_machine(tmp_path):
    """Return a function that runs `make setup` in a copy of the set-up files with a stand-in for python3 on PATH."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "path").mkdir()

    def setup(version=(3, 11, 7), **environment):
        stand_in = tmp_path / "path" / "python3"
        stand_in.write_text(STAND_IN.format(python=sys.executable, version=version, log=str(tmp_path / "log")))
        stand_in.chmod(0o755)
        environment |= {"PATH": f"{stand_in.parent}:/usr/local/bin:/usr/bin:/bin"}
        return subprocess.run(
            ["make", "setup"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )

    return setup


def stamps(folder):
    return list(folder.glob(".venv/.ntm-setup-*"))


def calls(folder):
    return (folder / "log").read_text().splitlines()


def test_setup_installs_torch_then_the_lock_then_the_project(bare_machine, tmp_path):
    result = bare_machine()
    assert result.returncode == 0, result.stderr
    assert [re.sub(r"[\d.]+$", "", call) for call in calls(tmp_path)] == [
        "-m venv .venv",
        "-m pip install --quiet torch==",
        "-m pip install --quiet --no-deps --require-hashes -r requirements.lock",
        "-m pip install --quiet --no-deps --no-build-isolation -e ",
        "-m pip check",
    ]
    assert len(stamps(tmp_path)) == 1


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 10, 14), (2, 7, 18)])
def test_a_python_that_is_too_old_gets_one_line_and_nothing_is_made(bare_machine, tmp_path, version):
    result = bare_machine(version)
    assert result.returncode != 0
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "needs Python 3.11 or newer, but python3 is Python {}.{}".format(*version) in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_second_setup_does_nothing_in_under_a_second(bare_machine, tmp_path):
    bare_machine()
    first_calls = calls(tmp_path)
    started = time.perf_counter()
    assert bare_machine().returncode == 0
    assert time.perf_counter() - started < 1
    assert calls(tmp_path) == first_calls


@pytest.mark.parametrize("victim", ["step", "make"])
@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 5])
def test_an_interrupted_setup_is_redone_from_nothing(bare_machine, tmp_path, stop_at, victim):
    killed = bare_machine(STOP_AT=str(stop_at), **({"KILL_MAKE": "1"} if victim == "make" else {}))
    assert killed.returncode != 0
    assert stamps(tmp_path) == []
    (tmp_path / ".venv" / "half-made").touch()
    assert bare_machine().returncode == 0
    assert len(calls(tmp_path)) == stop_at + 5
    assert len(stamps(tmp_path)) == 1
    assert not (tmp_path / ".venv" / "half-made").exists()


@pytest.mark.parametrize("name", ["Makefile", "pyproject.toml", "requirements.lock"])
def test_setup_is_redone_when_what_it_installs_has_changed(bare_machine, tmp_path, name):
    bare_machine()
    with (tmp_path / name).open("a") as file:
        file.write("\n# changed\n")
    assert bare_machine().returncode == 0
    assert len(calls(tmp_path)) == 10


def test_help_is_the_default_and_names_every_target():
    text = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert all(
        f"make {target} " in text
        for target in ("setup", "report", "test", "lab", "check", "offline-bundle", "clean", "lock")
    )
