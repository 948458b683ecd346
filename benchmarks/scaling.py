"""How time and memory of one training update grow with length, slots and sequences.

    .venv/bin/python benchmarks/scaling.py

Each case runs in a process of its own, whose largest resident size is compared with that of a process that does
one short sequence. Fused engine, float32, one thread, feed-forward controller of the paper's size. The last column
is what the time would be for each step, slot and sequence; it is the same where time is linear in all three.
"""

import itertools
import resource
import subprocess
import sys
import time

LENGTHS, SLOTS, BATCHES = (41, 400, 4000), (128, 1024, 8192), (1, 4, 16, 64, 256)


def one(steps: int, slots: int, batch: int) -> None:
    """Run a batch forward and backward; print seconds and the process's peak in MB."""
    import torch

    import ntmlib

    torch.set_num_threads(1)
    machine = ntmlib.NTM(10, 9, slots=slots)
    inputs = torch.rand(batch, steps, 10, generator=torch.Generator().manual_seed(0)).round()
    fastest = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        machine(inputs, engine="fused")[0].sum().backward()
        fastest = min(fastest, time.perf_counter() - started)
    print(fastest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measured(steps: int, slots: int, batch: int) -> tuple[float, float]:
    """Measure one case in a fresh process."""
    command = [sys.executable, __file__, str(steps), str(slots), str(batch)]
    seconds, megabytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Print the table."""
    measured(2, 128, 1)  # compiles, if need be
    _, baseline = measured(2, 128, 1)
    print("| steps | slots | sequences | seconds | MB more | ns each |\n|---|---|---|---|---|---|")
    cases = [(steps, slots, 1) for steps, slots in itertools.product(LENGTHS, SLOTS)]
    for steps, slots, batch in [*cases, *((41, 128, batch) for batch in BATCHES[1:])]:
        seconds, megabytes = measured(steps, slots, batch)
        each = seconds / (steps * slots * batch) * 1e9
        more = megabytes - baseline
        print(f"| {steps:,} | {slots:,} | {batch} | {seconds:.4f} | {more:.0f} | {each:.0f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        one(*map(int, sys.argv[1:]))
    else:
        main()
