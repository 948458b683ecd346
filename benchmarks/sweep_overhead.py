"""What a sweep costs beside its training: seconds per cell and processes' memory, of the local pool and of Ray.

Run it on an idle computer: ``python benchmarks/sweep_overhead.py [--cells 12] [--jobs 2] [--engines local ray]``.
Cells of one update each: what they take is all overhead. Times are of the wall clock and of the processor (this
process and all that have ended below it); memory is the sum of the proportional set sizes (PSS, Linux).
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

from ntmlib.sweeps import Sweep, run_sweep
from ntmlib.sweeps.engines import Local, Ray
from ntmlib.training import train

CONFIG = {
    "max_updates": 1,
    "batch_size": 1,
    "evaluation_lengths": [3],
    "evaluation_sequences": 1,
    "evaluate_every": "none",
    "curriculum_start": "none",
    "solved_threshold": "none",
    "train_slots": "none",
    "task_options": {"max_length": 3, "bits": 2},
    "model_options": {"hidden": 8, "slots": 8, "width": 4},
}


def processor() -> float:
    """Seconds of the processor so far, of this process and of its children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def descendants(root: int) -> set[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, more = set(), {root}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return found


def megabytes(pids: set[int]) -> float:
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            continue
    return total / 1024


def measure(engine: str, cells: int, jobs: int) -> None:
    sweep = Sweep("overhead", "copy", f"1-{cells}", config=CONFIG)
    place = Ray(cpus=jobs) if engine == "ray" else Local()
    peaks = [0.0]
    ends: list[float] = []

    def watch(progress) -> None:
        peaks.append(megabytes(descendants(os.getpid())))
        if progress.ended:
            ends.append(progress.seconds)

    with tempfile.TemporaryDirectory() as folder:
        train(sweep.cells[0].config, Path(folder, "first"))  # compiles the kernels where that was not done yet
        begun = time.perf_counter()
        train(sweep.cells[0].config, Path(folder, "again"))
        alone = time.perf_counter() - begun
        begun, used = time.perf_counter(), processor()
        run_sweep(sweep.cells, Path(folder, "sweep"), jobs=jobs, engine=place, watch=watch)
        wall, cpu = time.perf_counter() - begun, processor() - used
    per_cell = statistics.fmean(b - a for a, b in zip(ends, ends[jobs:], strict=False)) if cells > jobs else wall
    around = wall - ends[-1]
    print(f"{engine}: {cells} cells, {jobs} at once, {wall:.1f} s in all, {around:.1f} s of it around the cells")
    print(f"    {per_cell:.2f} s a cell in its place, {cpu / cells:.2f} s of the processor (processes that have ended)")
    print(f"    at most {max(peaks):,.0f} MB below this process; the same training in this process: {alone:.3f} s")


def idle(jobs: int) -> None:
    """Start Ray, let its workers start, and say what it takes while nothing runs."""
    begun = time.perf_counter()
    with Ray(cpus=jobs):
        started = time.perf_counter() - begun
        time.sleep(15)
        below = descendants(os.getpid())
        print(f"Ray, {jobs} cores: up in {started:.1f} s; idle {megabytes(below):,.0f} MB in {len(below)} processes")
    print(f"    down again after {time.perf_counter() - begun - started - 15:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=("local", "ray"), default=["local", "ray"])
    given = parser.parse_args()
    for engine in given.engines:
        measure(engine, given.cells, given.jobs)
    if "ray" in given.engines:
        idle(given.jobs)


if __name__ == "__main__":
    main()
