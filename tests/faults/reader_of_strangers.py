"""Reads hostile files in forked children, one each, and says what that did: see test_hostile_files.py.

Reads a job as JSON from each line of standard input: ``what`` to do with the run in ``folder``. An audit hook notes
everything that would run code, start a process or open a connection.
"""

import json
import os
import resource
import sys
import time
import warnings
from typing import Any

import torch._dynamo  # noqa: F401  # torch's optimizers import it when first used, which takes a second

from ntmlib import training

RUNS_CODE = (
    "exec",
    "compile",
    "pickle.",
    "marshal.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.",
    "socket.",
)


def live(job: dict[str, Any]) -> dict[str, Any]:
    noted: list[str] = []

    def note(event: str, arguments: Any) -> None:
        asks_git = event == "subprocess.Popen" and arguments[0] == "git"  # for the commit, which a run records
        if event.startswith(RUNS_CODE) and not asks_git and event != "socket.gethostname":  # that goes into the lock
            noted.append(event)

    if job["what"] == "unpickle":
        import pickle  # on purpose: the fault that must be caught
    modules = set(sys.modules)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    sys.addaudithook(note)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            if job["what"] == "unpickle":
                with open(job["folder"], "rb") as file:
                    pickle.load(file)  # noqa: S301  # on purpose: the fault that must be caught
            elif job["what"] == "train":
                training.train(training.TrainConfig.from_dict(job["config"]), job["folder"])
            else:
                training.load_run(job["folder"])
            end = "done"
        except (ValueError, training.Diverged) as error:
            end = f"refused: {error}"
        except BaseException as error:  # whatever else it is, the test must hear of it
            end = f"crashed: {error!r}"
    seconds = time.process_time() - start
    new = sorted({name.split(".")[0] for name in set(sys.modules) - modules} - {"torch", "ntmlib", "numpy"})
    return {
        "end": end,
        "said": [str(warning.message) for warning in said],
        "seconds": seconds,
        "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
        "noted": noted,
        "modules": new,
    }


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            with os.fdopen(writing, "w") as answer:
                json.dump(live(json.loads(line)), answer)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            print(answer.read(), flush=True)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
