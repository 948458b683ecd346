"""``ntm sweep``: read the file, check, train what is missing, write the table."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ntmlib.sweeps.cells import Outcome
from ntmlib.sweeps.engines import Engine, Local, Ray
from ntmlib.sweeps.estimate import estimate
from ntmlib.sweeps.keep import keep_sweep
from ntmlib.sweeps.local import MOST_JOBS, run_sweep, survey, usable_cores
from ntmlib.sweeps.plan import Sweep, read_sweep
from ntmlib.sweeps.progress import describe, narrate
from ntmlib.sweeps.summary import summarize, write_summary
from ntmlib.training.folders import CONFIG, RunRefused

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def run_command(
    file: Path,
    *,
    out: Path | None = None,
    engine: str = "local",
    address: str | None = None,
    jobs: int | None = None,
    keep: Path | None = None,
    dry_run: bool = False,
) -> int:
    """Run the sweep that a file describes.

    Args:
        file: the sweep, in TOML.
        out: folder of the sweep; by default ``runs/`` and the sweep's name.
        engine: "local" for processes of this computer, "ray" for tasks on a cluster.
        address: of the cluster, for "ray"; one of our own on this computer without.
        jobs: cells trained at the same time; by default as many as there is room for.
        keep: folder to write what is worth keeping; nothing is kept without one.
        dry_run: only print the table of cells, and an estimate of what they cost.

    Returns:
        0 when all cells are at their end, solved or not; 1 when one failed or diverged; 2 when something was refused
        before anything was touched; 130 when Ctrl-C or a termination signal stopped it.
    """
    starting = time.process_time()  # what it took to come here is what each cell's process takes
    try:
        sweep = read_sweep(file)
        folder = out or Path("runs", sweep.name)
        if address is not None and engine != "ray":
            raise ValueError(f"address is for --engine ray; got {address!r} for {engine}")
        if jobs is None:  # a cluster queues what it has no room for, and may grow
            jobs = sweep.resources.at_once(usable_cores()) if address is None else MOST_JOBS
        place = Ray(address, resources=sweep.resources, cpus=usable_cores()) if engine == "ray" else Local()
        if dry_run:
            outcomes = survey(sweep.cells, folder, jobs=jobs)
            _print_table(sweep, folder, outcomes, jobs)
            if not all(outcome.ended for outcome in outcomes):
                cost = estimate(
                    sweep.cells, outcomes, folder, jobs=jobs, cores=usable_cores(), starting=min(starting, 10.0)
                )
                print("\n".join(cost.lines()))
            return DONE
        status = _run(sweep, folder, jobs, place)
        if keep is not None and status in (DONE, FAILED):
            return _keep(file, sweep, folder, keep, status)
        return status
    except ValueError as error:
        print(f"ntm: refused: {error}", file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"ntm: failed: {error}", file=sys.stderr)
        return FAILED


def _run(sweep: Sweep, folder: Path, jobs: int, engine: Engine) -> int:
    """Train, write the table, and name what went wrong."""
    try:
        outcomes = run_sweep(sweep.cells, folder, jobs=jobs, watch=narrate(), retries=sweep.retries, engine=engine)
    except KeyboardInterrupt:
        if folder.is_dir():
            write_summary(summarize(sweep.cells, folder), folder)
        print("\ninterrupted; all runs have stopped, and the same command goes on", file=sys.stderr)
        return INTERRUPTED
    table = write_summary(summarize(sweep.cells, folder), folder)
    if sys.stderr.isatty():
        print(file=sys.stderr)  # leave the progress line standing
    wrong = [outcome for outcome in outcomes if outcome.went_wrong]
    for outcome in wrong:
        print(describe(outcome), file=sys.stderr)
    statuses = [outcome.status for outcome in outcomes]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    print(f"{len(outcomes)} cells: {counts}; table in {table}")
    return FAILED if wrong else DONE


def _keep(file: Path, sweep: Sweep, folder: Path, keep: Path, status: int) -> int:
    """Keep what the sweep found, unless a run of it is missing."""
    try:
        keep_sweep(file, sweep.cells, folder, keep)
    except RunRefused as error:
        print(f"nothing kept: {error}", file=sys.stderr)
        return FAILED
    print(f"kept in {keep}{os.sep}")
    return status


def _print_table(sweep: Sweep, folder: Path, outcomes: Sequence[Outcome], jobs: int) -> None:
    width = max(len(cell.name) for cell in sweep.cells)
    print(f"{'cell':<{width}}  {'sequences at most':>17}  state")
    for cell, outcome in zip(sweep.cells, outcomes, strict=True):
        most = cell.config.max_updates * cell.config.batch_size
        begun = (folder / cell.name / CONFIG).exists()
        state = outcome.status if outcome.status != "missing" else "unfinished" if begun else "to do"
        print(f"{cell.name:<{width}}  {most:>17,}  {state}")
    left = sum(not outcome.ended for outcome in outcomes)
    print(
        f"sweep {sweep.name}: {sweep.task} with preset {sweep.preset}, {left} of {len(outcomes)} cells left to train, "
        f"{jobs} at a time, in {folder}{os.sep}"
    )
