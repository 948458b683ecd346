"""The pool: so many cells side by side, each in a process of its own, and none outlives this one."""

import math
import os
import queue
import signal
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ntmlib.cluster.connection import Ending
from ntmlib.sweeps import cells as processes
from ntmlib.sweeps.cells import Outcome, read_outcome
from ntmlib.sweeps.engines import Engine, Local, Work
from ntmlib.sweeps.pace import Pace, Running
from ntmlib.sweeps.plan import Cell
from ntmlib.sweeps.progress import SweepProgress, SweepWatch
from ntmlib.training import RunRefused

MOST_JOBS = 1024
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_AFTER_TERMINATE = 3.0
MOST_LOSSES = 10  # of one cell, before it is suspected of taking its nodes along


def usable_cores() -> int:
    """Return the number of cores this process may use, which a container or batch system may have limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def survey(cells: Sequence[Cell], directory: str | os.PathLike[str], *, jobs: int) -> tuple[Outcome, ...]:
    """Say how the cells stand before a sweep, and refuse what ``run_sweep`` would refuse; nothing is changed.

    Raises:
        ValueError: jobs is out of range.
        RunRefused: the folder cannot be used, or that of a cell holds another run.
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or not 1 <= jobs <= MOST_JOBS:
        raise ValueError(f"jobs must be a whole number from 1 to {MOST_JOBS}; got {jobs!r}")
    there = Path(directory).absolute()
    while not os.path.exists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise RunRefused(f"directory must be a folder that can be written to; {there} cannot")
    try:
        return tuple(read_outcome(cell, Path(directory)) for cell in cells)
    except OSError as error:
        raise RunRefused(f"directory cannot be used: {directory}: {error.strerror or error}") from error


def run_sweep(
    cells: Sequence[Cell],
    directory: str | os.PathLike[str],
    *,
    jobs: int,
    watch: SweepWatch | None = None,
    retries: int = 1,
    grace: float = 10.0,
    engine: Engine | None = None,
) -> tuple[Outcome, ...]:
    """Train the cells of a sweep that are not at their end yet, and go on with those that were interrupted.

    Ctrl-C and SIGTERM ask the running cells to save a checkpoint and stop; whatever has not stopped after the grace
    period, or at a second Ctrl-C, is ended. The same call then goes on.

    Args:
        cells: what to train.
        directory: folder of the sweep; each cell has a folder of its own in it.
        jobs: cells asked for at the same time, 1 to 1024; more than there is room for gain nothing.
        watch: called about once a second and whenever a cell has ended.
        retries: how often a cell is tried again after its process died. One that was lost with its node is tried again
            without counting that, ten times at most.
        grace: seconds that cells have to stop by themselves.
        engine: where the cells run; this computer by default.

    Returns:
        How each cell ended, in the order of the cells.

    Raises:
        ValueError: see ``survey``; nothing was changed.
        OSError: the cluster cannot be reached.
        KeyboardInterrupt: it was interrupted, and all processes have ended.
    """
    folder = Path(directory)
    outcomes = {outcome.name: outcome for outcome in survey(cells, folder, jobs=jobs)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunRefused(f"directory cannot be written to: {folder}: {error.strerror or error}") from error
    todo = [cell for cell in cells if not outcomes[cell.name].ended]
    with engine if engine is not None and todo else Local() as place:  # no cluster for nothing
        pool = _Pool(folder, outcomes, todo, jobs, retries, watch, place)
        with _stop_signals(pool.news):
            try:
                pool.work()
            finally:
                pool.stop(grace)
    return tuple(outcomes[cell.name] for cell in cells)


class _Job:
    """A cell whose process was asked for; it announces itself in the news when that has ended."""

    def __init__(
        self,
        cell: Cell,
        attempt: int,
        losses: int,
        folder: Path,
        start: Callable[[], Work],
        news: "queue.SimpleQueue[_Job | None]",
    ) -> None:
        self.cell, self.attempt, self.losses, self.started = cell, attempt, losses, time.monotonic()
        self.pace = Pace(cell, folder)
        self.work = start()
        self.ending: Ending | None = None
        self._begun = False

        def announce() -> None:
            self.ending = self.work.wait()
            news.put(self)

        threading.Thread(target=announce, daemon=True).start()

    def begun(self) -> bool:
        """Whether the process runs; its time counts from when this was first seen."""
        if not self._begun and self.work.begun():
            self._begun, self.started = True, time.monotonic()
        return self._begun


class _Pool:
    """The cells that wait, those that run, and how the others ended."""

    def __init__(
        self,
        folder: Path,
        outcomes: dict[str, Outcome],
        todo: list[Cell],
        jobs: int,
        retries: int,
        watch: SweepWatch | None,
        engine: Engine,
    ) -> None:
        self.news: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # jobs that ended; None: please stop
        self.folder, self.outcomes, self.jobs, self.retries, self.watch = folder, outcomes, jobs, retries, watch
        self.engine = engine
        self.waiting = deque((cell, 1, 0) for cell in todo)  # with the number of the attempt, and of losses before
        self.running: list[_Job] = []
        self.at_once = 1  # most cells seen running side by side
        self.started = time.monotonic()
        self.times: list[float] = []  # seconds that cells took from start to end
        for cell in todo:  # an earlier failure is no news
            outcomes[cell.name] = Outcome(cell.name, "missing")

    def work(self) -> None:
        """Run until no cell is left."""
        self._tell()
        while self.waiting or self.running:
            while self.waiting and len(self.running) < self.jobs:
                self.running.append(self._start(*self.waiting.popleft()))
            try:
                job = self.news.get(timeout=SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                self._tell()
                continue
            if job is None:
                raise KeyboardInterrupt
            self.running.remove(job)
            self._judge(job)

    def _start(self, cell: Cell, attempt: int, losses: int) -> _Job:
        def start() -> Work:
            return self.engine.start(cell, self.folder, again=losses > 0)

        return _Job(cell, attempt, losses, self.folder, start, self.news)

    def _judge(self, job: _Job) -> None:
        """Take a cell as ended, or put it back in the queue."""
        cell, ending = job.cell, job.ending
        assert ending is not None
        outcome = processes.finish(cell, self.folder, ending)
        if outcome.status == "failed" and ending.lost and job.losses < MOST_LOSSES:
            self.waiting.appendleft((cell, job.attempt, job.losses + 1))
            return
        if outcome.status == "failed" and ending.code != processes.REFUSED and job.attempt <= self.retries:
            self.waiting.append((cell, job.attempt + 1, job.losses))
            return
        if outcome.status == "failed":
            processes.give_up(outcome, cell, self.folder)
        self.times.append(time.monotonic() - job.started)
        self.outcomes[cell.name] = outcome
        self._tell(outcome)

    def stop(self, grace: float) -> None:
        """End what is running: ask, then insist; the next harder measure at once if we are asked again."""
        for measure, seconds in (
            ("interrupt", grace),
            ("terminate", SECONDS_AFTER_TERMINATE),
            ("kill", math.inf),
        ):
            for job in self.running:
                getattr(job.work, measure)()
            self._await_the_end(seconds)

    def _await_the_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            try:
                job = self.news.get(timeout=min(SECONDS_BETWEEN_LOOKS, max(deadline - time.monotonic(), 0)))
            except queue.Empty:
                continue
            if job is not None:
                self.running.remove(job)
                processes.forget(job.cell, self.folder)
            elif seconds < math.inf:
                return

    def _tell(self, ended: Outcome | None = None) -> None:
        if self.watch is None:
            return
        begun = [job for job in self.running if job.begun()]
        running = tuple(job.cell.name for job in begun)
        self.at_once = max(self.at_once, len(running))
        statuses = [outcome.status for outcome in self.outcomes.values()]
        wrong = sum(outcome.went_wrong for outcome in self.outcomes.values())
        cells = tuple(job.pace.look() for job in begun)
        self.watch(
            SweepProgress(
                total=len(statuses),
                done=len(statuses) - wrong - statuses.count("missing"),
                solved=statuses.count("solved"),
                wrong=wrong,
                running=running,
                seconds=time.monotonic() - self.started,
                seconds_left=self._seconds_left(begun, cells),
                ended=ended,
                cells=cells,
                at_most=not self.times,
            )
        )

    def _seconds_left(self, begun: Sequence[_Job], cells: Sequence[Running]) -> float | None:
        """Guess from the mean cell so far, or from the rates of the first.

        A running cell has at least nothing left, one that waits for room all.
        """
        now = time.monotonic()
        ran = [now - job.started for job in begun]
        if self.times:
            mean = statistics.fmean(self.times)
            left = [max(mean - seconds, 0.0) for seconds in ran]
        else:
            known = [cell.seconds_left for cell in cells if cell.seconds_left is not None]
            if not known:
                return None
            left = [statistics.fmean(known) if cell.seconds_left is None else cell.seconds_left for cell in cells]
            mean = statistics.fmean(map(sum, zip(ran, left, strict=True)))
        left += [mean] * (len(self.waiting) + len(self.running) - len(begun))
        return sum(left) / min(self.at_once, max(len(left), 1))


@contextmanager
def _stop_signals(news: "queue.SimpleQueue[_Job | None]") -> Iterator[None]:
    """Let Ctrl-C and SIGTERM become news, so that they never strike between starting a process and noting it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        news.put(None)  # SimpleQueue.put may be called from anywhere, even in the middle of its own get

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
