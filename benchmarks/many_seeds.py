"""What it costs to train many seeds of copy in one launch on a GPU, and what comes out.

    .venv/bin/python benchmarks/many_seeds.py

Updates of `copy_quick` with 1 to 256 seeds side by side, then 64 seeds trained to their end. Needs a CUDA device.
"""

import statistics
import time

from ntmlib import presets
from ntmlib.training import Diverged, TrainConfig, train_many

SEEDS, UPDATES, TURNS = (1, 8, 64, 256), 20, 3
TO_THE_END = 64


def configs(count: int, **changes: object) -> list[TrainConfig]:
    return [presets.copy_quick(seed=seed).replace(engine="cuda", **changes) for seed in range(1, count + 1)]


def seconds(count: int) -> float:
    """Measure one update of so many seeds: the difference between a longer and a shorter training."""

    def measured(updates: int) -> float:
        short = configs(count, max_updates=updates, evaluation_lengths=(), curriculum_start=20)
        started = time.perf_counter()
        train_many(short)
        return time.perf_counter() - started

    return (measured(2 * UPDATES) - measured(UPDATES)) / UPDATES


def main() -> None:
    """Print the table."""
    seconds(1)  # compiles
    print("| seeds in one launch | ms per update of all | sequences/s |\n|---|---|---|")
    for count in SEEDS:
        median = statistics.median(seconds(count) for _ in range(TURNS))
        size = configs(1)[0].batch_size
        print(f"| {count} | {1000 * median:.1f} | {count * size / median:,.0f} |", flush=True)
    started = time.perf_counter()
    outcomes = train_many(configs(TO_THE_END, evaluation_lengths=()))
    took = time.perf_counter() - started
    runs = [outcome for outcome in outcomes if not isinstance(outcome, Diverged)]
    solved = [run.result["solved_at_sequences"] for run in runs if run.solved_at is not None]
    print(
        f"{TO_THE_END} seeds trained to their end in {took:.0f} s: {len(solved)} solved, after a median of "
        f"{statistics.median(solved):,.0f} sequences; {len(outcomes) - len(runs)} diverged"
    )


if __name__ == "__main__":
    main()
