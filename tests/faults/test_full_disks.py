"""A disk that is full at any write, sync or rename: earlier checkpoints load, and with room again not a bit is lost."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trials import TINY

from ntmlib.training import RunRefused, checkpoints, durable, history, train
from ntmlib.training.checkpoints import load_latest

pytestmark = pytest.mark.slow
CONFIG = TINY.replace(checkpoint_every=1, max_updates=4, evaluate_every=None)


class Disk:
    """Counts what needs room, and is full from the so-many-th time on."""

    def __init__(self, full_at: int) -> None:
        self.full_at, self.calls = full_at, 0

    def take(self) -> None:
        self.calls += 1
        if self.calls >= self.full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def guarded(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.take()
            return real(*arguments, **keywords)

        return call

    def open(self, path: Path, mode: str) -> io.BufferedRandom:
        disk = self

        class Rows(io.FileIO):
            def write(self, data: Any) -> int:
                disk.take()
                return super().write(data)

        return io.BufferedRandom(Rows(path, mode.replace("b", "")))


def on(disk: Disk, monkeypatch: pytest.MonkeyPatch, folder: Path) -> BaseException | None:
    """Train on such a disk; return how that failed, if it did."""
    with monkeypatch.context() as patch:
        for name in ("open", "write", "fsync", "replace"):
            patch.setattr(durable.os, name, disk.guarded(getattr(os, name)))
        patch.setattr(history, "open", disk.open, raising=False)
        try:
            train(CONFIG, folder)
        except (OSError, RunRefused) as error:
            return error
    return None


@pytest.fixture(autouse=True)
def no_git(monkeypatch):
    """Asking git for the commit takes longer than these trainings."""
    monkeypatch.setattr("ntmlib.training.environment._commit", lambda: None)


def test_a_disk_full_at_every_kth_write_loses_nothing_that_was_saved(tmp_path, monkeypatch):
    whole = Disk(10**9)
    assert on(whole, monkeypatch, tmp_path / "whole") is None
    expected = json.loads((tmp_path / "whole" / "result.json").read_text())["weights_sha256"]
    assert whole.calls >= 30
    with_checkpoint = 0
    for k in range(1, whole.calls + 1):
        folder = tmp_path / str(k)
        error = on(Disk(k), monkeypatch, folder)
        assert error is not None, k
        assert "No space left on device" in str(error), (k, error)
        assert str(folder) in str(error), (k, error)
        assert not list(folder.rglob("*.tmp")), (k, error)
        assert not (folder / "result.json").exists() or k >= whole.calls - 1, k  # in place, but perhaps not for ever
        with_checkpoint += load_latest(folder / "checkpoints", lambda checkpoint: None) is not None
        if k % 3 == 0:
            assert train(CONFIG, folder).result["weights_sha256"] == expected, k
        shutil.rmtree(folder)
    assert with_checkpoint >= 15  # four saves, each full at its open, its write, its two syncs and its rename


def test_a_saver_that_writes_over_its_only_file_would_be_caught(tmp_path, monkeypatch):
    """The planted fault."""

    def naive(path: Path, data: bytes) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(handle, data)
        finally:
            os.close(handle)

    one = tmp_path / "update-000000001.safetensors"
    good = checkpoints.pack(checkpoints.Checkpoint({}, {"update": 1}))
    for write, kept in ((naive, False), (durable.write_durably, True)):
        write(one, good)
        with monkeypatch.context() as patch:
            patch.setattr(durable.os, "write", Disk(1).guarded(os.write))
            with pytest.raises(OSError, match="No space left"):
                write(one, good)
        assert (one.read_bytes() == good) == kept


SMALL = """
import sys
sys.path[:0] = [{tests!r}]
from tiny_run import TINY
from ntmlib.training import train
try:
    train(TINY.replace(max_updates=100_000, checkpoint_every=5), sys.argv[1])
except OSError as error:
    print(error)
"""


def test_a_disk_that_is_really_full_keeps_the_last_two_checkpoints(tmp_path):
    """A disk of 64 kB, which only this test sees."""
    command = (
        'mount -t tmpfs -o size=64k none "$1" && "$2" -c "$3" "$1/run" && ls -A "$1/run/checkpoints" && df -k "$1"'
    )
    private = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run(
        [*private, "mount", "-t", "tmpfs", "none", tmp_path], capture_output=True, check=False
    ).returncode:
        pytest.skip("this system lets nobody mount a disk of their own; the test above needs none")
    program = SMALL.format(tests=str(Path(__file__).parents[1]))
    arguments = ["sh", "-c", command, "sh", str(tmp_path), sys.executable, program]
    ran = subprocess.run([*private, *arguments], capture_output=True, text=True, timeout=60, check=False)
    said, *names = ran.stdout.splitlines()
    assert said.startswith("[Errno 28] No space left on device while writing "), ran.stdout + ran.stderr
    assert str(tmp_path / "run") in said
    assert len([name for name in names if name.endswith(".safetensors")]) == 2
    assert not any(name.endswith(".tmp") for name in names)
