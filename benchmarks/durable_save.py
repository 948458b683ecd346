"""What durable saves cost a run: rows of the histories, temporary file, fsyncs, rename, fsync of the folder.

    .venv/bin/python benchmarks/durable_save.py [FOLDER]

A machine of the paper's size is trained in a folder of this computer's disk, with a save at the interval that configs
have by default. The share of the time is that of the sums, slow saves included.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import ntmlib
from ntmlib.training import History, TrainConfig, Trainer, checkpoints
from ntmlib.training.history import EVALUATIONS

SAVES = 40
WARM_UPS = 20  # updates


def main() -> None:
    """Print what was measured."""
    trainer = Trainer(ntmlib.presets.copy_quick(seed=1))
    interval = TrainConfig().checkpoint_every
    saves, updates = [], 0.0
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else ".") as name:
        folder = Path(name)
        trainer.history, trainer.evaluations = History(), History(EVALUATIONS)
        trainer.history.attach(folder / "history.csv", 0)
        trainer.evaluations.attach(folder / "evaluations.csv", 0)
        for _ in range(WARM_UPS):
            trainer.advance()
        for _ in range(SAVES):
            started = time.perf_counter()
            for _ in range(interval):
                trainer.advance()
            ended = time.perf_counter()
            path = checkpoints.save(folder, trainer.update, trainer.checkpoint(), trainer.sync_rows)
            saves.append(time.perf_counter() - ended)
            updates += ended - started
        size = path.stat().st_size
        trainer.history.close()
        trainer.evaluations.close()
    median, late = 1000 * statistics.median(saves), 1000 * statistics.quantiles(saves, n=20)[-1]
    weights = 4 * trainer.model.num_parameters
    print(
        f"{trainer.model.num_parameters:,} parameters: a save takes {median:.1f} ms, one in twenty over {late:.1f} ms"
    )
    print(f"{size:,} bytes, {(size - 20_000) / weights:.2f} times the weights and 20 kB")
    share, update = 100 * sum(saves) / (sum(saves) + updates), 1000 * updates / (SAVES * interval)
    print(f"every {interval} updates of {update:.1f} ms that is {share:.2f} % of the time")


if __name__ == "__main__":
    main()
