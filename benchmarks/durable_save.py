"""What a durable save costs: temporary file, fsync, rename, fsync of the folder, old ones removed.

    .venv/bin/python benchmarks/durable_save.py [FOLDER]

A machine of the paper's size with Adam's memory of it, saved 200 times into a folder of this computer's disk; then
the share of training time at the interval that configs have by default.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import ntmlib
from ntmlib.training import TrainConfig, Trainer, checkpoints

SAVES = 200
UPDATES = 50


def main() -> None:
    """Print what was measured."""
    trainer = Trainer(ntmlib.presets.copy_quick(seed=1))
    for _ in range(3):
        trainer.advance()
    started = time.perf_counter()
    for _ in range(UPDATES):
        trainer.advance()
    update = (time.perf_counter() - started) / UPDATES
    milliseconds = []
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else ".") as folder:
        for number in range(SAVES):
            started = time.perf_counter()
            path = checkpoints.save(Path(folder), number, trainer.checkpoint())
            milliseconds.append(1000 * (time.perf_counter() - started))
        size = path.stat().st_size
    median, late = statistics.median(milliseconds), statistics.quantiles(milliseconds, n=20)[-1]
    weights = 4 * trainer.model.num_parameters
    interval = TrainConfig().checkpoint_every
    print(
        f"{trainer.model.num_parameters:,} parameters: a save takes {median:.1f} ms, one in twenty over {late:.1f} ms"
    )
    print(f"{size:,} bytes, {(size - 20_000) / weights:.2f} times the weights and 20 kB")
    share = median / (10 * update * interval)
    print(f"every {interval} updates of {1000 * update:.1f} ms that is {share:.2f} % of the time")


if __name__ == "__main__":
    main()
