"""How many characters a second training reads: the machine by its sizes, beside networks without a memory.

    .venv/bin/python benchmarks/texts.py

Whole updates of `presets.text_quick` (32 windows of 64 characters, state passed on), on one thread and on two. Rows
take turns, and medians are shown. What other processes take counts in seconds of the clock, not in those of the
processor. Two threads need two cores that are free.
"""

import os
import statistics
import time
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as `ntm` does, before torch is imported

import torch

from ntmlib.training import Trainer, presets

TURNS, UPDATES = 7, 5
MACHINE = dict(presets.text_quick().model_options)
LSTM = dict(presets.text_lstm_quick().model_options)
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "NTM, 107 units, 64 slots": ("ntm", MACHINE),
    "  100 units": ("ntm", MACHINE | {"hidden": 100}),
    "  100 units, read feedback": ("ntm", MACHINE | {"hidden": 100, "read_feedback": True}),
    "  without an embedding": ("ntm", MACHINE | {"embedding": 0}),
    "  feed-forward controller": ("ntm", MACHINE | {"controller": "feedforward"}),
    "  256 slots": ("ntm", MACHINE | {"slots": 256}),
    "  1,024 slots": ("ntm", MACHINE | {"slots": 1024}),
    "  256 units": ("ntm", MACHINE | {"hidden": 256}),
    "  512 units": ("ntm", MACHINE | {"hidden": 512}),
    "LSTM of as many parameters": ("lstm", LSTM),
    "LSTM, 256 units": ("lstm", LSTM | {"hidden": 256}),
    "Transformer, 3 layers of 48": ("transformer", {"hidden": 48, "num_layers": 3, "num_heads": 3, "context": 64}),
}


def measure(trainer: Trainer, threads: int) -> tuple[float, float]:
    """Return characters per second of the clock, and of the processor."""
    torch.set_num_threads(threads)
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(UPDATES):
        trainer.advance()
    read = UPDATES * trainer.config.batch_size * trainer.task.max_length
    return read / (time.perf_counter() - clock), read / (time.process_time() - processor)


def main() -> None:
    """Print the table."""
    configs = {name: presets.text_quick().replace(model=model, model_options=o) for name, (model, o) in ROWS.items()}
    trainers = {name: Trainer(config) for name, config in configs.items()}
    for trainer in trainers.values():
        measure(trainer, 1)
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(TURNS):
        for name, trainer in trainers.items():
            for threads in (1, 2):
                found.setdefault((name, threads), []).append(measure(trainer, threads))
    print(f"{'':<30} {'parameters':>10} {'1 thread':>9} {'2 threads':>9} {'a second of the processor':>25}")
    for name, trainer in trainers.items():
        one, two = ([statistics.median(column) for column in zip(*found[name, n], strict=True)] for n in (1, 2))
        parameters = f"{trainer.model.num_parameters:,}"
        print(f"{name:<30} {parameters:>10} {one[0]:>9,.0f} {two[0]:>9,.0f} {one[1]:>25,.0f}")


if __name__ == "__main__":
    main()
