"""Every command that writes refuses a folder it cannot write to: at once, with status 2, and with nothing changed."""

import errno
import os
import re
import time
from pathlib import Path

import pytest
from trials import TINY

from ntmlib.cli import main
from ntmlib.training import train

LONG = "x" * 300  # a file's name has at most 255 bytes
NOWHERE = "/proc/no-folder-here"  # nobody can make a folder there, root included
SWEEP = 'name = "mine"\ntask = "copy"\nseeds = [1]\n[config]\nmax_updates = 12\n'
COMMANDS = {
    "train": ["train", "copy", "--out"],
    "train --resume": ["train", "copy", "--resume", "--out"],
    "keep": ["keep", "run"],
    "sweep": ["sweep", "mine.toml", "--out"],
    "report": ["report", "--out"],
}

pytestmark = [pytest.mark.draws_globally, pytest.mark.skipif(os.name == "nt", reason="the paths are of Linux")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(TINY, folder)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch, finished) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(finished)
    (tmp_path / "mine.toml").write_text(SWEEP)
    (tmp_path / "file").write_text("mine")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("where", [LONG, f"new/{LONG}", NOWHERE, "file", "file/below"])
def test_a_folder_that_cannot_be_made_is_refused(here, capsys, command, where):
    before = sorted(os.listdir())
    start = time.perf_counter()
    assert main([*COMMANDS[command], where]) == 2
    assert time.perf_counter() - start < 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert re.search("cannot be (written to|used)|must be a folder|Not a directory", said[0]), said
    assert [name for name in sorted(os.listdir()) if name != "new"] == before
    assert not list((here / "new").rglob("*")), "more than an empty folder on the way was left behind"
    assert (here / "file").read_text() == "mine"


def read_only(*_: object, **__: object) -> int:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_on_a_read_only_disk_is_refused(here, capsys, monkeypatch, command):
    """Where the system says so only when something is made: it is asked before the work, not after."""
    monkeypatch.setattr(os, "mkdir", read_only)
    assert main([*COMMANDS[command], "new"]) == 2
    assert "Read-only file system" in capsys.readouterr().err
    assert not (here / "new").exists()
