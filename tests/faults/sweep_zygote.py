"""Forks the processes of sweeps, and kills them: torch is imported once, so that a life costs a fraction of a second.

Started as ``sweep_zygote.py SOCKET``; whoever wants a process starts `stand_for.py`. Its job is a table:

* ``role``: "worker", as `ntmlib.sweeps.worker`, or "driver", as `ntm`;
* ``lives``: a file that gets a line for each life of a worker;
* ``deaths``: how many lives of each cell end by SIGKILL, in or before a random one of their first updates;
* ``after``: the updates of all workers after which a driver is killed;
* ``forgets``: planted fault, a worker that goes on with a generator of its own.

A killed driver is reported when all workers are gone.
"""

import contextlib
import json
import os
import random
import selectors
import signal
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch._dynamo  # noqa: F401  # torch's optimizers import it when first used, which takes a second
import tyro  # noqa: F401  # as does the command line

from ntmlib import cli, training
from ntmlib.sweeps import cells, command, worker  # noqa: F401  # the command is imported when first used

TICKS = 3  # the descriptor on which a worker tells of each update
FIRST_UPDATES = 6
KILLED_WITHIN = 0.004  # seconds after an update began: in it, in a save after it, or in the next


@dataclass
class Child:
    """A process, who asked for it, the updates it has begun, and the one at which it dies."""

    pid: int
    role: str
    asked: socket.socket
    ticks: int = 0
    sentence: int | None = None


class Zygote:
    """Everything happens in one thread, because a process with several had better not fork."""

    def __init__(self, path: str) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.draw, self.lives = random.Random(1), Counter[str]()
        self.children: dict[int, Child] = {}
        self.ended: list[tuple[Child, int]] = []

    def serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)  # its end is the end of the test
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    for child in self.children.values():
                        os.kill(child.pid, signal.SIGKILL)
                    return
                if key.fileobj is self.listener:
                    selector.register(self.fork(), selectors.EVENT_READ)
                elif not self.hear(key.fd):
                    selector.unregister(key.fd)
                    self.bury(key.fd)

    def fork(self) -> int:
        """Start the process that somebody asks for; return where its updates are heard of."""
        asked, _ = self.listener.accept()
        message, given, *_ = socket.recv_fds(asked, 65536, 3)
        order = json.loads(message)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                for number, descriptor in enumerate([*given, writing]):
                    os.dup2(descriptor, number, inheritable=number < TICKS)
                os.closerange(TICKS + 1, 512)
                os.chdir(order["folder"])
                status = live(order["job"], order["arguments"])
            finally:
                os._exit(status)
        for descriptor in (*given, writing):
            os.close(descriptor)
        child = Child(pid, order["job"]["role"], asked)
        self.children[reading] = child
        if child.role == "driver":
            child.sentence = order["job"].get("after")
            self.execute_if_due(child)
            return reading
        folder = Path(order["arguments"][0])
        with open(order["job"]["lives"], "a") as lives:
            lives.write(json.dumps({"cell": folder.name, "finished": (folder / "result.json").exists()}) + "\n")
        self.lives[str(folder)] += 1
        if self.lives[str(folder)] <= order["job"].get("deaths", 0):
            child.sentence = self.draw.randrange(FIRST_UPDATES + 1)
            self.execute_if_due(child)
        return reading

    def hear(self, descriptor: int) -> bool:
        """Count updates and carry out sentences; return False once the process is gone."""
        ticks = len(os.read(descriptor, 65536))
        for child in self.children.values():
            if child is self.children[descriptor] or child.role == "driver":
                child.ticks += ticks
                self.execute_if_due(child)
        return ticks > 0

    def execute_if_due(self, child: Child) -> None:
        if child.sentence is not None and child.ticks >= child.sentence:
            time.sleep(self.draw.uniform(0, KILLED_WITHIN))
            os.kill(child.pid, signal.SIGKILL)  # nobody has waited for it yet, so the number is still its own
            child.sentence = None

    def bury(self, descriptor: int) -> None:
        """Tell how a process ended; a driver's end only when no worker is left."""
        child = self.children.pop(descriptor)
        os.close(descriptor)
        self.ended.append((child, os.waitpid(child.pid, 0)[1]))
        alone = not any(other.role == "worker" for other in self.children.values())
        for dead, status in [end for end in self.ended if end[0].role == "worker" or alone]:
            self.ended.remove((dead, status))
            with contextlib.suppress(BrokenPipeError):  # whoever asked may be gone as well
                dead.asked.sendall(str(status).encode())
            dead.asked.close()


def live(job: dict[str, Any], arguments: list[str]) -> int:
    """Be the process that was asked for."""
    if job["role"] == "driver":
        cells.WORKER = tuple(job["workers"])
        return cli.main(arguments)
    real = training.Trainer.advance

    def advance(trainer: training.Trainer) -> None:
        os.write(TICKS, b".")
        real(trainer)

    training.Trainer.advance = advance  # type: ignore[method-assign]
    training.environment._commit = lambda: None  # asking git takes longer than some of these trainings
    if job.get("forgets"):
        training.drawing.Drawing.restore = lambda self, tensors: None  # type: ignore[method-assign]
    sys.argv = ["worker", *arguments]
    return worker.main()


if __name__ == "__main__":
    Zygote(sys.argv[1]).serve()
