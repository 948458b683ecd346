"""What is left of a sweep will cost: from finished cells of the same settings, or from some updates made just now."""

import heapq
import math
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ntmlib.sweeps.cells import Outcome
from ntmlib.sweeps.pace import last_row
from ntmlib.sweeps.plan import Cell
from ntmlib.sweeps.progress import in_words
from ntmlib.training import Diverged, TrainConfig, Trainer
from ntmlib.training.process import threads

WARM_UPS = 2  # updates that compile the kernels and fill caches
UPDATES = 10  # that are timed, fewer where they are slow
SECONDS_FOR_ONE = 3.0  # settings
SECONDS_FOR_ALL = 30.0  # after which no further settings are tried
FEWEST_RUNS = 2  # finished ones that say something; one does not tell how far the next may be from it


@dataclass(frozen=True)
class Price:
    """What a whole run takes.

    Attributes:
        seconds: by the clock, on a core of this computer as busy as it is now, or was.
        cpu_seconds: of the processor.
        error: standard error of both, as a share of them.
        deviation: of one run from the next, as a share of both.
        runs: the finished runs it comes from; 0 if it comes from updates made just now.
    """

    seconds: float
    cpu_seconds: float
    error: float
    deviation: float = 0.0
    runs: int = 0


@dataclass(frozen=True)
class Estimate:
    """What the cells that are left will cost.

    Attributes:
        num_cells: how many that is.
        seconds: until all of them are done.
        cpu_seconds: of all cores together.
        error: standard error of both, as a share of them.
        at_most: whether it supposes of some that they are not solved before their last update.
        sources: what it comes from, and what it leaves out.
    """

    num_cells: int
    seconds: float
    cpu_seconds: float
    error: float
    at_most: bool
    sources: tuple[str, ...]

    def lines(self) -> list[str]:
        """Say it in words."""
        cost = (
            f"cost: {'at most' if self.at_most else 'about'} {self.cpu_seconds / 3600:.2g} core hours, "
            f"{in_words(self.seconds)} by the clock, give or take {math.ceil(200 * self.error)} %"
        )
        return [cost if self.cpu_seconds else "cost: not known", *(f"  {source}" for source in self.sources)]


def probe(config: TrainConfig) -> Price:
    """Make some updates with sequences as long as they get, and say what a run of ``max_updates`` would take.

    Nothing is written, and no generator but the run's own is drawn from.

    Raises:
        ValueError: the engine cannot run this here.
        Diverged: an update did.
    """
    trainer = Trainer(config)
    trainer.top_length = trainer.task.max_length
    clock: list[float] = []
    processor: list[float] = []
    began = time.perf_counter()
    with threads(config.threads):
        for _ in range(WARM_UPS):
            trainer.advance()
        while len(clock) < 2 or (len(clock) < UPDATES and time.perf_counter() - began < SECONDS_FOR_ONE):
            before = time.perf_counter(), time.process_time()
            trainer.advance()
            clock.append(time.perf_counter() - before[0])
            processor.append(time.process_time() - before[1])
    seconds, cpu_seconds = statistics.fmean(clock), statistics.fmean(processor)
    error = statistics.stdev(clock) / math.sqrt(len(clock)) / seconds
    return Price(seconds * config.max_updates, cpu_seconds * config.max_updates, error)


def of_finished(outcomes: Iterable[Outcome]) -> Price | None:
    """Say what runs of the same settings took, as far as enough of them are at their end."""
    results = [o.result for o in outcomes if o.status in ("solved", "unsolved") and "cpu_seconds" in o.result]
    if len(results) < FEWEST_RUNS:
        return None
    took = [float(result["seconds"]) for result in results]
    deviation = statistics.stdev(took) / statistics.fmean(took)
    cpu_seconds = statistics.fmean(float(result["cpu_seconds"]) for result in results)
    return Price(statistics.fmean(took), cpu_seconds, deviation / math.sqrt(len(took)), deviation, len(took))


def estimate(
    cells: Sequence[Cell], outcomes: Sequence[Outcome], directory: Path, *, jobs: int, cores: int, starting: float
) -> Estimate:
    """Say what the cells that are not at their end will cost.

    Args:
        cells: of the sweep.
        outcomes: how each of them stands, in the same order.
        directory: folder of the sweep.
        jobs: cells trained at the same time.
        cores: that there are for them.
        starting: seconds of the processor that each process takes before it trains.
    """
    groups: dict[str, list[tuple[Cell, Outcome]]] = {}
    for cell, outcome in zip(cells, outcomes, strict=True):
        groups.setdefault(repr(sorted(cell.varied.items())), []).append((cell, outcome))
    prices: dict[str, Price] = {}
    problems: dict[str, list[str]] = {}
    began = time.perf_counter()
    for settings, group in groups.items():
        todo = [cell for cell, outcome in group if not outcome.ended]
        if not todo:
            continue
        if price := of_finished(outcome for _, outcome in group):
            prices[settings] = price
        elif time.perf_counter() - began < SECONDS_FOR_ALL:
            try:
                prices[settings] = probe(todo[0].config)
            except (Diverged, ValueError) as error:
                problems.setdefault(str(error), []).append(todo[0].name)
    return _added_up(groups, prices, problems, directory, min(jobs, cores), starting)


def _added_up(
    groups: dict[str, list[tuple[Cell, Outcome]]],
    prices: dict[str, Price],
    problems: dict[str, list[str]],
    directory: Path,
    lanes: int,
    starting: float,
) -> Estimate:
    """Sum up what all cells cost; those of settings that were not tried cost as much as the mean of the others."""
    durations: list[float] = []
    cpu_seconds, squares = 0.0, 0.0
    counts = {"finished": 0, "tried": 0, "mean": 0}
    no_price = {name for names in problems.values() for name in names}
    num_cells = 0
    for settings, group in groups.items():
        todo = [cell for cell, outcome in group if not outcome.ended]
        num_cells += len(todo)
        price = prices.get(settings)
        if not prices or any(cell.name in no_price for cell in todo):
            continue
        counts["mean" if price is None else "finished" if price.runs else "tried"] += len(todo)
        price = price or _mean(list(prices.values()))
        shares = [_share_left(cell, price, directory) for cell in todo]
        durations += [share * price.seconds + starting for share in shares]
        cpu_seconds += sum(share * price.cpu_seconds + starting for share in shares)
        squares += (sum(shares) * price.seconds * price.error) ** 2
        squares += sum((share * price.seconds * price.deviation) ** 2 for share in shares)
    sources = [*_sources(counts, prices, starting)]
    sources += [f"without {', '.join(names)}: {problem}" for problem, names in problems.items()]
    error = math.sqrt(squares) / sum(durations) if durations else 0.0
    at_most = counts["tried"] + counts["mean"] > 0
    return Estimate(num_cells, _by_the_clock(durations, lanes), cpu_seconds, error, at_most, tuple(sources))


def _mean(prices: Sequence[Price]) -> Price:
    seconds = [price.seconds for price in prices]
    mean = statistics.fmean(seconds)
    error = statistics.stdev(seconds) / mean if len(seconds) > 1 else prices[0].error
    return Price(mean, statistics.fmean(price.cpu_seconds for price in prices), error)


def _share_left(cell: Cell, price: Price, directory: Path) -> float:
    """Return what is left of a run that has begun, as a share of a whole one."""
    updates, seconds = last_row(directory / cell.name)
    done = seconds / price.seconds if price.runs else updates / cell.config.max_updates
    return max(1 - done, 0.0)


def _by_the_clock(durations: Iterable[float], lanes: int) -> float:
    """Give every cell to the core that is free first, as the pool does."""
    free = [0.0] * lanes
    for seconds in durations:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def _sources(counts: dict[str, int], prices: dict[str, Price], starting: float) -> Iterable[str]:
    """Say where the numbers come from."""
    if counts["finished"]:
        runs = sum(price.runs for price in prices.values())
        yield f"{counts['finished']} cells by what {runs} finished ones with the same settings took"
    if counts["tried"]:
        yield (
            f"{counts['tried']} cells by updates made just now, with the longest sequences and up to max_updates: "
            "shorter sequences cost less, and a solved task ends a run"
        )
    if counts["mean"]:
        yield f"{counts['mean']} cells by the mean of the others, because {SECONDS_FOR_ALL:.0f} s were over"
    if sum(counts.values()):
        yield (
            f"{starting:.1f} s for the start of each process; evaluations come on top, and cells side by side, "
            "or beside other work, are slower than one alone"
        )
