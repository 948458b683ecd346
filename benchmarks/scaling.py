"""How time and memory of one training sequence grow with its length and with the number of slots.

    .venv/bin/python benchmarks/scaling.py

Each case runs in a process of its own, whose largest resident size is compared with that of a process that does
one short sequence. Fused engine, float32, one thread, batch 1, feed-forward controller of the paper's size.
"""

import itertools
import resource
import subprocess
import sys
import time

LENGTHS, SLOTS = (41, 400, 4000), (128, 1024, 8192)


def one(steps: int, slots: int) -> None:
    """Run one sequence forward and backward; print seconds and the process's peak in MB."""
    import torch

    import ntmlib

    torch.set_num_threads(1)
    machine = ntmlib.NTM(10, 9, slots=slots)
    inputs = torch.rand(1, steps, 10, generator=torch.Generator().manual_seed(0)).round()
    fastest = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        machine(inputs, engine="fused")[0].sum().backward()
        fastest = min(fastest, time.perf_counter() - started)
    print(fastest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measured(steps: int, slots: int) -> tuple[float, float]:
    """Measure one case in a fresh process."""
    command = [sys.executable, __file__, str(steps), str(slots)]
    seconds, megabytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Print the table."""
    measured(2, 128)  # compiles, if need be
    _, baseline = measured(2, 128)
    print("| steps | slots | seconds | MB more |\n|---|---|---|---|")
    for steps, slots in itertools.product(LENGTHS, SLOTS):
        seconds, megabytes = measured(steps, slots)
        print(f"| {steps:,} | {slots:,} | {seconds:.4f} | {megabytes - baseline:.0f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
