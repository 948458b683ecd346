"""SIGKILL at any moment costs the updates since the last checkpoint and not one bit of the result."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trials import TINY, TINY_LSTM, amount

from ntmlib.training import TrainConfig
from ntmlib.training.checkpoints import fingerprint, paths, unpack

pytestmark = pytest.mark.slow
KILLS = amount("NTM_FAULT_KILLS", 4)  # of each kind of run
ENOUGH = 25  # kills of a kind after which it can be asked how many of them struck in a save
LONG_SAVE = 0.004  # seconds
Live = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Train in a child of a process that is ready for it; answer how the child ended."""
    command = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as zygote:
        assert zygote.stdout.readline() == "ready\n"

        def run(folder: Path, config: TrainConfig, **death: Any) -> dict[str, Any]:
            job = {"folder": str(folder), "config": config.to_dict(), **death}
            zygote.stdin.write(json.dumps(job) + "\n")
            zygote.stdin.flush()
            return json.loads(zygote.stdout.readline())

        yield run
        zygote.stdin.close()


UNLIKE = ("seconds", "cpu_seconds", "history_bytes", "environment")  # what differs from one life to the next


def outcome(folder: Path) -> tuple[Any, ...]:
    """All that a run leaves but the time it took: weights, optimizer, generator, curriculum, history, evaluations."""
    checkpoint = unpack(paths(folder / "checkpoints")[0].read_bytes())
    state = {k: v for k, v in checkpoint.state.items() if k not in UNLIKE}
    rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    seconds = rows[0].index("seconds")
    history = [row[:seconds] + row[seconds + 1 :] for row in rows]
    weights = json.loads((folder / "result.json").read_text())["weights_sha256"]
    return fingerprint(checkpoint.tensors), state, history, (folder / "evaluations.csv").read_text(), weights


TASKS = {
    "copy": {},
    "recall": {
        "task": "associative_recall",
        "task_options": {"max_length": 3, "min_length": 2, "item_vectors": 2, "bits": 2},
        "curriculum_start": 2,
        "curriculum_window": 3,
    },
}
KINDS = {
    f"{controller}-{task}-{every}": TINY.replace(
        model_options={**TINY.model_options, "controller": controller}, checkpoint_every=every, **changes
    )
    for controller in ("feedforward", "lstm")
    for task, changes in TASKS.items()
    for every in (1, 10)
}
KINDS["baseline-copy-5"] = TINY_LSTM.replace(mixed_lengths=True, checkpoint_every=5)


def death(draw: random.Random, number: int, life: float, config: TrainConfig) -> dict[str, float]:
    """Draw when to die: every other time at any moment of the life, else soon after a save has begun."""
    if number % 2:
        return {"save": draw.randint(1, 30 // config.checkpoint_every), "after": draw.uniform(0, LONG_SAVE)}
    return {"after": draw.uniform(0.05, 0.9) * life}


@pytest.mark.parametrize("kind", KINDS)
def test_random_kills_change_nothing(live, tmp_path, kind):
    config = KINDS[kind].replace(max_updates=40)
    start = time.perf_counter()
    assert live(tmp_path / "whole", config) == {"killed": False, "code": 0}
    life = time.perf_counter() - start
    draw = random.Random(kind)
    kills = saving = run = 0
    while kills < KILLS:
        run += 1
        folder, before = tmp_path / str(run), kills
        while (end := live(folder, config, **(sentence := death(draw, kills, life, config))))["killed"]:
            kills += 1
            saving += end["saving"]
        assert end["code"] == 0
        assert outcome(folder) == outcome(tmp_path / "whole")
        if kills == before and "save" not in sentence:  # a whole life takes less now than the first did
            life = sentence["after"]
    print(f"{kind}: {kills} kills, {saving} of them in a save")
    assert kills < ENOUGH or saving >= kills // 8


def test_a_kill_at_any_file_system_call_changes_nothing(live, tmp_path):
    config = TINY.replace(checkpoint_every=2, max_updates=6)
    live(tmp_path / "whole", config)
    calls = json.loads((tmp_path / "whole" / "calls.json").read_text())
    assert calls.count("replace") >= 5  # config, three checkpoints, result
    half_written = 0
    for at in range(1, len(calls) + 1):
        for within in (False, True):  # before the call; after it, or in the middle of a write
            folder = tmp_path / f"{at}-{within}"
            assert live(folder, config, at=at, within=within)["killed"]
            half_written += any((folder / "checkpoints").glob(".update*.tmp"))
            assert live(folder, config) == {"killed": False, "code": 0}
            assert outcome(folder) == outcome(tmp_path / "whole"), f"killed at call {at}: {calls[at - 1]}"
            assert not list(folder.rglob("*.tmp"))
    assert half_written >= 10  # deaths inside a save


def test_these_kills_do_break_a_naive_saver(live, tmp_path):
    config = TINY.replace(checkpoint_every=2, max_updates=6)
    live(tmp_path / "whole", config, saver="naive")
    calls = json.loads((tmp_path / "whole" / "calls.json").read_text())
    lost = 0
    for at in (number for number, name in enumerate(calls, 1) if name == "write"):
        live(tmp_path / str(at), config, saver="naive", at=at, within=True)
        lost += live(tmp_path / str(at), config, saver="naive")["code"] != 0
    assert lost >= 3
