"""``ntm report``: check, run, print and index the notebooks."""

import contextlib
import dataclasses
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ntmlib.workbook import against as comparison
from ntmlib.workbook import freshness
from ntmlib.workbook.execute import Task, run_notebooks
from ntmlib.workbook.parameters import RefusedError, Value, read_parameters
from ntmlib.workbook.places import Cluster, Here, Place
from ntmlib.workbook.records import RunRecord, current_commit, now, put_in_place, read_records
from ntmlib.workbook.request import check_settings, find_notebooks, select_notebooks
from ntmlib.workbook.screen import Screen
from ntmlib.workbook.worker import NOTEBOOK, PAGE, RECORD

DONE, FAILED, REFUSED, STOPPED = 0, 1, 2, 130
MOST_JOBS = 64
_TEMPORARY = ".run-"


def run_report(
    names: Sequence[str] = (),
    *,
    preset: str = "quick",
    settings: Sequence[str] = (),
    jobs: int = 1,
    out: Path = Path("reports"),
    notebooks: Path | None = None,
    timeout: float | None = None,
    force: bool = False,
    against: Path | None = None,
    engine: str = "local",
    address: str | None = None,
) -> int:
    """Execute notebooks and leave one self-contained page for each, and an index of all.

    A page appears under its final name only when it is whole. A notebook that fails gets a page ``NN-name.failed.html``
    and leaves an earlier good page alone. A notebook is not run again when nothing that its page depends on has
    changed: its cells, its parameters, ntmlib, the data and the installed packages.

    Args:
        names: notebooks by name, number or file; all of them when empty.
        preset: size of the runs, for every notebook that has a ``preset``.
        settings: ``name=value`` for every selected notebook that has a parameter of this name.
        jobs: notebooks to run side by side, 1 to 64.
        out: folder of the pages, made when missing.
        notebooks: folder of the notebooks; found beside the working folder or beside the library when not given.
        timeout: seconds that one cell may take; None for any.
        force: run notebooks too of which nothing has changed.
        against: folder of an earlier report to compare this one with; ``out`` itself for what it held before.
        engine: "local" for processes of this computer, "ray" for tasks on a cluster whose nodes see the same folders.
        address: of the cluster, for "ray"; one of our own on this computer without.

    Returns:
        0 when all is done, 1 when a notebook failed, 2 when the request was refused before anything was touched, 130
        when Ctrl-C or a termination signal stopped it.
    """
    try:
        selected, values = _plan(names, preset, settings, jobs, out, notebooks, timeout)
        place = _place(engine, address, jobs)
        earlier = comparison.read_earlier(against) if against is not None else None
        work = _workplace(out.absolute())
    except RefusedError as error:
        for problem in error.problems:
            print(f"ntm report: {problem}", file=sys.stderr)
        return REFUSED
    screen = Screen(len(selected))
    start = time.monotonic()
    previous = _stop_on_termination()
    try:
        records = _run(
            selected,
            values,
            work,
            place=place,
            jobs=jobs,
            out=out.absolute(),
            timeout=timeout,
            force=force,
            screen=screen,
        )
        if earlier is not None and against is not None:
            _compare(earlier, against.resolve().name, out.absolute(), screen)
    except KeyboardInterrupt:
        screen.line("stopped; no page was left half-written")
        return STOPPED
    except ConnectionError as error:
        screen.line(f"ntm report: {error}")
        return FAILED
    except OSError as error:  # disk full, folder gone: what is under a final name is still whole
        screen.line(f"ntm report: {error.strerror}: {error.filename}")
        return FAILED
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)
    failed, kept = sum(not record.done for record in records), sum(bool(record.kept) for record in records)
    numbers = {"done": len(records) - failed - kept, "kept": kept, "failed": failed}
    verdict = ", ".join(f"{number} {what}" for what, number in numbers.items() if number)
    screen.line(f"{verdict} in {time.monotonic() - start:.0f} s; open {out / 'index.html'}")
    return FAILED if failed else DONE


def _plan(
    names: Sequence[str],
    preset: str,
    settings: Sequence[str],
    jobs: int,
    out: Path,
    notebooks: Path | None,
    timeout: float | None,
) -> tuple[dict[str, Path], dict[str, dict[str, Value]]]:
    """Everything that can be refused, before anything is touched."""
    folder = notebooks if notebooks is not None else notebook_folder()
    problems = []
    if type(jobs) is not int or not 1 <= jobs <= MOST_JOBS:
        problems.append(f"jobs must be a whole number from 1 to {MOST_JOBS}; got {jobs!r}")
    if timeout is not None and not 0 < timeout < 1e7:
        problems.append(f"timeout must be a number of seconds above 0; got {timeout!r}")
    problems += problems_of_out(out)
    available = find_notebooks(folder)
    selected: dict[str, Path] = {}
    values: dict[str, dict[str, Value]] = {}
    if not available:
        problems.append(f"there are no notebooks named NN-name.ipynb in {folder}")
    else:
        try:
            selected = select_notebooks(available, names)
            declared = {name: read_parameters(path) for name, path in selected.items()}
            values = check_settings(declared, settings, preset)
        except RefusedError as error:
            problems += error.problems
    if problems:
        raise RefusedError(problems)
    return {name: path.resolve() for name, path in selected.items()}, values


def _place(engine: str, address: str | None, jobs: int) -> Place:
    """Where to run; nothing is started yet."""
    if engine not in ("local", "ray"):
        raise RefusedError([f"engine must be local or ray; got {engine!r}"])
    if engine == "local" and address is not None:
        raise RefusedError([f"address is for --engine ray; got {address!r} for {engine}"])
    try:
        return Cluster(address, cpus=jobs) if engine == "ray" else Here()
    except ValueError as error:
        raise RefusedError([str(error)]) from None


def problems_of_out(out: Path) -> list[str]:
    """Why a folder cannot be written to, as a list of sentences; empty when it can."""
    there = out.absolute()
    while not os.path.exists(there) and there != there.parent:  # pathlib's way raises when a name is too long
        there = there.parent
    if not there.is_dir():
        return [f"out must be a folder; {there} is a file"]
    if not os.access(there, os.W_OK | os.X_OK):
        return [f"out must be a folder that can be written to; {there} cannot"]
    return []


def notebook_folder() -> Path:
    """``notebooks`` in the working folder, else the one that stands beside the library in a checkout."""
    here = Path("notebooks")
    beside = Path(__file__).resolve().parents[2] / "notebooks"
    return beside if not find_notebooks(here) and find_notebooks(beside) else here


def _workplace(out: Path) -> Path:
    """Make the folder of the pages, and a temporary one in it, or say why that cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        # beside the pages, so that a rename into place never crosses file systems; named after its owner for _sweep
        return Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{os.getpid()}-", dir=out))
    except OSError as error:
        raise RefusedError([f"out must be a folder that can be written to; {out}: {error.strerror}"]) from None


def _run(
    selected: dict[str, Path],
    values: dict[str, dict[str, Value]],
    work: Path,
    *,
    place: Place,
    jobs: int,
    out: Path,
    timeout: float | None,
    force: bool,
    screen: Screen,
) -> list[RunRecord]:
    """Run what has to run, and keep the rest."""
    folder = next(iter(selected.values())).parent
    shared = freshness.shared_ingredients(folder)
    made_of = {name: freshness.ingredients(path, shared) for name, path in selected.items()}
    good, why = read_records(out, ".json"), dict[str, str]()
    records: list[RunRecord] = []

    def finished(task: Task, record: RunRecord) -> None:
        record = dataclasses.replace(
            record,
            why=why[task.name],
            made_of=made_of[task.name],
            written=freshness.checksums({".html": task.folder / PAGE, ".ipynb": task.folder / NOTEBOOK}),
        )
        (task.folder / RECORD).write_text(record.to_json(), encoding="utf-8")
        _publish(task, record, out)
        (out / comparison.PAGE).unlink(missing_ok=True)  # it told of what was there until now
        _write_index(task.folder, out)
        shutil.rmtree(task.folder, ignore_errors=True)
        records.append(record)
        screen.finished(record, out)

    try:
        for name, path in selected.items():
            parameters = {p.name: p.default for p in read_parameters(path)} | values[name]
            why[name] = freshness.reason_to_run(out, good.get(name), made_of[name], parameters, force=force)
            if not why[name]:
                kept = dataclasses.replace(good[name], kept=now())
                (work / RECORD).write_text(kept.to_json(), encoding="utf-8")
                put_in_place(work / RECORD, out / f"{name}.json")
                records.append(kept)
                screen.kept(kept)
        if records:
            _write_index(work, out)
        tasks = [Task(path, values[name], work / name) for name, path in selected.items() if why[name]]
        commit = current_commit(folder)
        with place if tasks else contextlib.nullcontext():
            run_notebooks(
                tasks,
                place=place,
                jobs=jobs,
                timeout=timeout,
                commit=commit,
                finished=finished,
                watch=screen.watch,
            )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return records


def _write_index(work: Path, out: Path) -> None:
    from ntmlib.workbook.index import index_page

    _write_page(work, out / "index.html", index_page(out))


def _write_page(work: Path, final: Path, text: str) -> None:
    made = work / final.name
    made.write_text(text, encoding="utf-8")
    put_in_place(made, final)


def _compare(earlier: comparison.Report, name: str, out: Path, screen: Screen) -> None:
    """Print what differs from an earlier report, and write it as a page that the index links."""
    from ntmlib.workbook.against_page import against_page

    changes = comparison.compare(earlier, comparison.Report.read(out))
    for line in comparison.lines(changes, name):
        screen.line(line)
    with tempfile.TemporaryDirectory(prefix=f"{_TEMPORARY}{os.getpid()}-", dir=out) as work:
        _write_page(Path(work), out / comparison.PAGE, against_page(changes, name))
        _write_index(Path(work), out)


def _publish(task: Task, record: RunRecord, out: Path) -> None:
    """Move page, notebook and record to their final names; the record last, because the index believes it."""
    ending = "" if record.done else ".failed"
    for made, kind in ((PAGE, ".html"), (NOTEBOOK, ".ipynb"), (RECORD, ".json")):
        put_in_place(task.folder / made, out / f"{task.name}{ending}{kind}")
    if record.done:
        for kind in (".json", ".html", ".ipynb"):
            (out / f"{task.name}.failed{kind}").unlink(missing_ok=True)


def _sweep(out: Path) -> None:
    """Remove what a killed run left behind; a folder whose owner is alive is left alone."""
    for folder in out.glob(f"{_TEMPORARY}*"):
        owner = folder.name.removeprefix(_TEMPORARY).partition("-")[0]
        try:
            os.kill(int(owner), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def _stop_on_termination() -> Any:
    """Let a termination signal take the same tidy way out as Ctrl-C. Only the main thread can ask for this."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, stop)
