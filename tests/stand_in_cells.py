"""Processes that stand in for the cells of a sweep: they end, die or hang at once instead of training."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ntmlib.sweeps import cells, local

SOLVED = {
    "status": "solved",
    "solved_at_sequences": 1000,
    "sequences": 1200,
    "seconds": 2.5,
    "bits_per_sequence": 0.25,
    "num_parameters": 77,
}
STAND_IN = """
import json, os, pathlib, signal, sys, time
config = json.loads(sys.stdin.readline())
seed, folder = config["seed"], pathlib.Path(sys.argv[1])
lives = folder.parent / f"lives-{seed}"
lives.open("a").write(f"{os.getpid()}\\n")
life = len(lives.read_text().splitlines())

def end(status, **result):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "result.json").write_text(json.dumps({**SOLVED, "status": status, **result}))

def hang():
    (folder.parent / f"hangs-{seed}").touch()
    time.sleep(60)

"""


def stand_ins(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Callable[..., None]:
    """Let the processes of cells do what a text says, which knows ``seed``, ``life``, ``end`` and ``hang``."""
    monkeypatch.setattr(local, "SECONDS_BETWEEN_LOOKS", 0.02)
    monkeypatch.setattr(local, "SECONDS_AFTER_TERMINATE", 0.3)

    def behave(text: str = "end('solved')") -> None:
        script = folder / "stand_in.py"
        script.write_text(f"SOLVED = {SOLVED}" + STAND_IN + textwrap.dedent(text))
        monkeypatch.setattr(cells, "WORKER", (str(script),))

    return behave


def lives(folder: Path, seed: int) -> list[int]:
    """Return the process of each life that the cell of a seed has had."""
    path = folder / f"lives-{seed}"
    return list(map(int, path.read_text().split())) if path.exists() else []
