"""Two runs that start at the same moment in one folder: one trains, the other is refused and changes nothing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from trials import TINY, amount

pytestmark = pytest.mark.slow
TRIES = amount("NTM_FAULT_RACES", 50)

# Forks for each line of standard input, so that torch is imported once. Both wait for a file before they begin.
RUNNER = """
import json, os, sys, time
import torch._dynamo
from ntmlib import training
from ntmlib.training import folders
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    reading, writing = os.pipe()
    if os.fork() == 0:
        config = training.TrainConfig.from_dict(job["config"])
        if job["naive"]:
            folders._take = lambda lock: True
        while not os.path.exists(job["start"]):
            time.sleep(0.0005)
        try:
            end = training.train(config, job["folder"]).result["weights_sha256"]
        except training.RunRefused as error:
            end = f"refused: {error}"
        except Exception as error:
            end = f"crashed: {error!r}"
        os.write(writing, end.encode())
        os._exit(0)
    os.close(writing)
    print("waits", flush=True)
    with os.fdopen(reading) as answer:
        end = answer.read()
    print(json.dumps(end), flush=True)
    os.wait()
"""


@pytest.fixture(scope="module")
def runners() -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        two = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", RUNNER], text=True, **pipes)) for _ in range(2)
        ]
        for runner in two:
            assert runner.stdout.readline() == "ready\n"
        yield two
        for runner in two:
            runner.stdin.close()


def race(runners: list[subprocess.Popen[str]], folder: Path, naive: bool = False) -> list[str]:
    """Let both train the same run in the same folder; return how each ended, refused ones last."""
    start = folder.with_name(f"{folder.name}-start")
    job = {"config": TINY.to_dict(), "folder": str(folder), "start": str(start), "naive": naive}
    for runner in runners:
        runner.stdin.write(json.dumps(job) + "\n")
        runner.stdin.flush()
        assert runner.stdout.readline() == "waits\n"
    start.touch()
    return sorted((json.loads(runner.stdout.readline()) for runner in runners), key=lambda end: end[:7] == "refused")


def test_of_two_runs_in_one_folder_one_is_refused_and_the_other_unharmed(runners, tmp_path):
    alone = race(runners, tmp_path / "first")[0]
    assert len(alone) == 64  # a checksum
    refused = 0
    for number in range(TRIES):
        first, second = race(runners, tmp_path / str(number))
        assert first == alone
        # whoever comes when the other has ended already finds the work done
        refused += second != alone
        assert second == alone or "directory is in use: " in second, second
        stored = json.loads((tmp_path / str(number) / "result.json").read_text())
        assert stored["weights_sha256"] == alone
        assert not list((tmp_path / str(number)).rglob("*.tmp"))
    assert refused >= 0.9 * TRIES


def test_a_folder_without_a_lock_would_be_caught(runners, tmp_path):
    """The planted fault: nobody is ever refused."""
    ends = [end for number in range(3) for end in race(runners, tmp_path / str(number), naive=True)]
    assert not any(end.startswith("refused: directory is in use") for end in ends)
