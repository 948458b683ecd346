"""Trains in forked children that get killed: torch is imported once, so that a life costs a fraction of a second.

Reads one job as JSON from each line of standard input and answers with how the child ended.
A job says where (``folder``), what (``config``), with which ``saver``, and how to die: ``after`` so many
seconds, of its life or of its so-many-th ``save``, or ``at`` the so-many-th file-system call, before it or ``within``
it (a write that got half way). The answer also says whether a child that died ``after`` some time was just saving.
"""

import json
import mmap
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
SAVING = mmap.mmap(-1, 2)  # shared with the children: whether one is in the middle of a save, and in which


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


def naive_save(folder: Path, update: int, checkpoint: checkpoints.Checkpoint, first: Callable[[], object]) -> Path:
    """Write over the only file, as most training scripts do."""
    first()
    path = folder / "update-000000001.safetensors"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(handle, checkpoints.pack(checkpoint))
    os.close(handle)
    return path


def noted_save(*arguments: Any) -> Path:
    """Save, and let it be known meanwhile."""
    SAVING[:] = bytes((1, SAVING[1] + 1))
    path = checkpoints.save(*arguments)
    SAVING[0] = 0
    return path


def kill(child: int, after: float, save: int) -> int:
    """Kill a child after some seconds, of its life or of a save; return how it ended, which may have been before."""
    while SAVING[1] < save:
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            return status
        time.sleep(0.0002)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)  # nobody has waited for it yet, so the number is still its own
    return os.waitpid(child, 0)[1]


def live(job: dict[str, Any]) -> int:
    training.runs.save = naive_save if job.get("saver") == "naive" else noted_save
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
        SAVING[:] = bytes(2)
        child = os.fork()
        if child == 0:
            os._exit(live(job))
        status = kill(child, job["after"], job.get("save", 0)) if "after" in job else os.waitpid(child, 0)[1]
        end = {"killed": os.WIFSIGNALED(status), "code": status >> 8}
        print(json.dumps(end | ({"saving": SAVING[0] == 1} if "after" in job else {})), flush=True)


if __name__ == "__main__":
    main()
