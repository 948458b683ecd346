"""How long copy takes from a cold start: `ntm train copy` in fresh processes, compiled code cached, all included.

    .venv/bin/python benchmarks/cold_start.py

One process after the other, seeds 11 to 30; then how soon a process makes its first update. Each is asked for on one
thread. What is measured is the time of the whole process, from starting Python to the kept run.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEEDS = range(11, 31)
FIRST_UPDATES = 10
FIRST_UPDATE = """
import time
start = time.perf_counter()
import torch
torch_there = time.perf_counter()
import ntmlib
from ntmlib.training import Trainer
Trainer(ntmlib.presets.copy_quick(seed=1)).advance()
end = time.perf_counter()
print(torch_there - start, end - torch_there)
"""


def run(*command: str) -> tuple[float, str]:
    """Run Python in a fresh process; return its seconds and what it printed."""
    started = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, env=environment)
    return time.perf_counter() - started, done.stdout


def main() -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        run("-m", "ntmlib", "train", "copy", "--seed", "0", "--out", f"{folder}/warm")  # compiles, if need be
        seconds, solved = [], 0
        for seed in SEEDS:
            seconds.append(run("-m", "ntmlib", "train", "copy", "--seed", str(seed), "--out", f"{folder}/{seed}")[0])
            solved += json.loads(Path(folder, str(seed), "result.json").read_bytes())["status"] == "solved"
    print(f"ntm train copy, {len(SEEDS)} seeds: {solved} solved; median {statistics.median(seconds):.2f} s, ", end="")
    print(f"{min(seconds):.2f} to {max(seconds):.2f} s")
    firsts = [tuple(map(float, run("-c", FIRST_UPDATE)[1].split())) for _ in range(FIRST_UPDATES)]
    loading, first = (statistics.median(column) for column in zip(*firsts, strict=True))
    print(f"first update of a process: {first:.2f} s after torch's import, which takes {loading:.2f} s (medians)")


if __name__ == "__main__":
    main()
