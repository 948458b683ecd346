"""Programs on Ray in tests: with surroundings that we can look into, and gone afterwards whatever happens."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sockets import descendants


def environment(short: Path, **more: str) -> dict[str, str]:
    """What a user without any settings of Ray has, with a home and a temporary folder that we can look into."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    (short / "home").mkdir()
    (short / "tmp").mkdir()
    return {**mine, "HOME": str(short / "home"), "TMPDIR": str(short / "tmp"), **more}


@contextmanager
def started(command: list[str], env: dict[str, str], log: Path, **more) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program; whatever happens, it and all it has started are gone afterwards."""
    with open(log, "wb") as said:
        process = subprocess.Popen([sys.executable, *command], env=env, stderr=said, **more)
    family: set[int] = set()
    try:
        yield process
        family = descendants(process.pid)
    finally:
        family |= descendants(process.pid)
        process.terminate()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        end_all(family - {process.pid})


def end_all(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def two_nodes(short: Path, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any], dict[str, str]]]:
    """A cluster of two nodes of one core each: its process, its ``address`` and ``raylet``, the environment to join."""
    token = short / "token"
    token.touch(mode=0o600)
    token.write_text("ab" * 32)
    env = environment(
        short, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token), RAY_USAGE_STATS_ENABLED="0",
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_worker_niceness="0",
    )  # fmt: skip
    command = [str(Path(__file__).with_name("two_nodes.py"))]
    with started(command, env, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nodes:
        yield nodes, json.loads(nodes.stdout.readline() or pytest.fail(log.read_text())), env
