"""Trains in forked children that get killed: torch is imported once, so that a life costs a fraction of a second.

Reads one job as JSON from each line of standard input and answers with how the child ended.
A job says where (``folder``), what (``config``), with which ``saver``, and how to die: ``after`` so many
seconds, or ``at`` the so-many-th file-system call, ``before`` it, or ``within`` it (a write that got half way).
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch._dynamo  # noqa: F401  # torch's optimizers import it when first used, which takes a second

from ntmlib import training
from ntmlib.training import checkpoints

CALLS = ("open", "write", "fsync", "replace", "unlink")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arrange_death(at: int, within: bool) -> list[str]:
    """Count the file-system calls made from now on, and die at one of them."""
    made: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            made.append(name)
            if len(made) == at and not within:
                die()
            if len(made) == at and name == "write":
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                die()
            result = real(*arguments, **keywords)
            if len(made) == at:
                die()
            return result

        return call

    for name in CALLS:
        setattr(os, name, watched(name, getattr(os, name)))
    return made


def naive_save(folder: Path, update: int, checkpoint: checkpoints.Checkpoint) -> Path:
    """Write over the only file, as most training scripts do."""
    path = folder / "update-000000001.safetensors"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(handle, checkpoints.pack(checkpoint))
    os.close(handle)
    return path


def live(job: dict[str, Any]) -> int:
    if job.get("saver") == "naive":
        training.runs.save = naive_save
    made = arrange_death(job.get("at", -1), job.get("within", False))
    try:
        training.train(training.TrainConfig.from_dict(job["config"]), job["folder"])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    Path(job["folder"], "calls.json").write_text(json.dumps(made))
    return 0


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(live(job))
        if "after" in job:
            time.sleep(job["after"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"killed": os.WIFSIGNALED(status), "code": status >> 8}), flush=True)


if __name__ == "__main__":
    main()
