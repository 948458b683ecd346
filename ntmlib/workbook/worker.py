"""One notebook in a process of its own: execute it, judge it, print it. Started by `execute`, never by hand.

The task comes as one line of JSON on standard input, events go out as lines of JSON on standard output, or in the file
that the task names under ``events``. Everything is
written into the temporary folder of the run; nothing here knows a final name. When standard input closes, whoever
started this process is gone, and so the kernel and this process go too.
"""

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntmlib.workbook.parameters import read_parameters
from ntmlib.workbook.records import RunRecord, installed_versions, now

NOTEBOOK, PAGE, RECORD = "run.ipynb", "page.html", "record.json"
MARKED_BY_PAPERMILL = "papermill-error-cell-tag"
INJECTED = "injected-parameters"
TOO_SLOW = "CellTimeoutError: the cell took longer than --timeout allows"


@dataclass(frozen=True)
class Failure:
    """Where and why a run failed: the code cell's number as Jupyter counts (0: before the first) and one line."""

    cell: int
    error: str


def code_cells(notebook: Any) -> list[Any]:
    """The notebook's own code cells that hold code, in order; the n-th is ``[n]`` in Jupyter."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip() and INJECTED not in cell.metadata.get("tags", [])
    ]


def find_failure(notebook: Any, error: BaseException | None, running: int) -> Failure | None:
    """Judge an executed notebook by its cells, never by papermill's word that it completed.

    After a killed kernel papermill calls the dead cell and all cells that never ran ``completed``, and ``sys.exit(0)``
    in the middle counts as success. A cell has really run when the kernel gave it a number and it shows no error.

    Args:
        notebook: what papermill left behind.
        error: what papermill raised, if anything.
        running: number of the code cell that was started last.
    """
    for number, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                if type(error).__name__ == "CellTimeoutError":
                    return Failure(number, TOO_SLOW)  # the kernel only shows how it was interrupted
                text = f"{output.ename}: {output.evalue}".strip().splitlines()
                last = (text[-1] if text else output.ename).removesuffix(":").strip()
                return Failure(number, f"{last} (the cells after it never ran)" if _is_exit(output) else last)
        status = cell.metadata.get("papermill", {}).get("status")
        if error is None and (cell.execution_count is None or status != "completed"):
            return Failure(number, f"the cell never ran to its end (status {status})")
    if error is None:
        return None
    name = type(error).__name__
    if name == "DeadKernelError":
        return Failure(running, "DeadKernelError: the kernel died; it was killed, crashed, or ran out of memory")
    if name == "CellTimeoutError":
        return Failure(running, TOO_SLOW)
    lines = str(error).strip().splitlines() or [""]
    return Failure(running, f"{name}: {lines[-1]}")


def _is_exit(output: Any) -> bool:
    return output.ename == "SystemExit" and output.evalue in ("", "0")


def execute(task: dict[str, Any], announce: Callable[..., None]) -> tuple[Any, Failure | None, float]:
    """Run the notebook through papermill in a kernel of this very interpreter.

    Returns:
        The executed notebook, its failure or None, and the seconds it took.
    """
    import nbformat
    import papermill
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class SameInterpreter(AsyncKernelManager):
        """Starts this interpreter, whatever kernel of the name python3 the user has installed elsewhere."""

        @property
        def kernel_spec(self) -> KernelSpec:
            described = "--IPKernelApp.extra_extensions=ntmlib.workbook.described"
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", described]
            return KernelSpec(argv=command, display_name="Python 3", language="python", interrupt_mode="signal")

        async def start_kernel(self, *args: Any, **options: Any) -> None:  # type: ignore[override]
            await super().start_kernel(*args, **options)
            announce(kernel=getattr(self.provisioner, "pid", None))

    result = Path(task["folder"]) / NOTEBOOK
    source = nbformat.read(task["notebook"], as_version=4)
    total, running = len(code_cells(source)), 0

    def on_cell_start(cell: Any, cell_index: int) -> None:
        nonlocal running
        if cell.cell_type == "code" and cell.source.strip() and INJECTED not in cell.metadata.get("tags", []):
            running += 1
            announce(cell=running, of=total)

    error: BaseException | None = None
    start = time.monotonic()
    try:
        papermill.execute_notebook(
            task["notebook"],
            str(result),
            parameters=task["values"],
            kernel_name="python3",
            cwd=str(Path(task["notebook"]).parent),
            progress_bar=False,
            log_output=False,
            execution_timeout=task["timeout"],
            kernel_manager_class=SameInterpreter,
            on_cell_start=on_cell_start,
        )
    except Exception as caught:  # whatever went wrong, it goes on the page
        error = caught
    seconds = time.monotonic() - start
    announce(kernel=None)
    executed = source
    if result.exists():
        with contextlib.suppress(ValueError):
            executed = nbformat.read(result, as_version=4)
    return executed, find_failure(executed, error, running), seconds


def clean(notebook: Any) -> None:
    """Drop what papermill and widgets add: banners, paths of this machine, the state of widgets without a kernel.

    The cell that papermill injects also shifts the numbers of all cells after it; those are put back to what a reader
    of the notebook sees in Jupyter, in tracebacks too.
    """
    notebook.cells = [c for c in notebook.cells if MARKED_BY_PAPERMILL not in c.metadata.get("tags", [])]
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    ran = {cell.execution_count: number for number, cell in enumerate(code_cells(notebook), start=1)}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = ran.get(cell.execution_count) if cell.execution_count else None
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [_renumbered(line, ran) for line in output.traceback]
                elif output.output_type == "execute_result":
                    output.execution_count = cell.execution_count


def _joined(outputs: list[Any]) -> list[Any]:
    """Make one output of pieces of the same stream; nbclient's own way takes minutes for one very long line."""
    joined: list[Any] = []
    for output in outputs:
        if joined and output.output_type == "stream" and output.get("name") == joined[-1].get("name"):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _renumbered(line: str, numbers: dict[int | None, int]) -> str:
    return re.sub(r"(?<=In\[)\d+(?=\])", lambda found: str(numbers.get(int(found[0]), found[0])), line)


def work(task: dict[str, Any], announce: Callable[..., None]) -> RunRecord:
    """Execute, judge and print one notebook; leaves notebook, page and record in the task's folder."""
    import nbformat

    from ntmlib.workbook import export

    started = now()
    notebook, failure, seconds = execute(task, announce)
    clean(notebook)
    story = export.read_story(notebook)
    defaults = {p.name: p.default for p in read_parameters(Path(task["notebook"]))}
    values = {**defaults, **task["values"]}
    changed = {n: [defaults[n], v] for n, v in values.items() if v != defaults[n] and n != "interactive"}

    def record(failure: Failure | None) -> RunRecord:
        return RunRecord(
            name=Path(task["notebook"]).stem,
            status="failed" if failure else "done",
            started=started,
            seconds=round(seconds, 2),
            parameters=values,
            changed=changed,
            commit=task["commit"],
            versions=installed_versions(),
            failed_cell=failure.cell if failure else 0,
            error=failure.error if failure else "",
            **story,
        )

    home = Path(task["notebook"]).parent
    try:
        page = export.page(notebook, record(failure), folder=home)
    except export.ExportError as error:
        failure = failure or Failure(error.cell, f"the page could not be made: {error}")
        page = export.page(notebook, record(failure), folder=home, strict=False)
    folder = Path(task["folder"])
    nbformat.write(notebook, folder / NOTEBOOK)
    (folder / PAGE).write_text(page, encoding="utf-8")
    final = record(failure)
    (folder / RECORD).write_text(final.to_json(), encoding="utf-8")
    return final


def environment(folder: Path) -> dict[str, str]:
    """The environment of a worker and its kernel: the same for everybody, one thread each, this copy of ntmlib."""
    mine = dict(os.environ)
    package_home = Path(__file__).resolve().parents[2]
    if package_home.name != "site-packages":  # a checkout: let the worker find the code that is running now
        others = [path for path in mine.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(package_home))]
        mine["PYTHONPATH"] = os.pathsep.join([str(package_home), *others])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        mine[name] = "1"  # cores are used across notebooks, and results do not depend on their number
    mine["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    mine["IPYTHONDIR"] = str(folder / "ipython")  # no start-up files, profiles or history of the user
    mine["PYTHONUNBUFFERED"] = "1"
    mine.pop("PYTHONSTARTUP", None)
    mine.pop("PYTHONWARNINGS", None)
    return mine


def main() -> None:
    """Read the task, do it, and follow whoever started this process into the grave."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # processes of Ray block it for their children too
    task = json.loads(sys.stdin.buffer.raw.readline())  # type: ignore[union-attr]
    given = environment(Path(task["folder"]))  # on a cluster nobody has seen to it
    os.environ.clear()
    os.environ.update(given)
    out = os.open(task["events"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644) if "events" in task else os.dup(1)
    events = os.fdopen(out, "w", encoding="utf-8")
    os.dup2(2, 1)  # a stray print of some library must not be taken for an event
    kernel: int | None = None

    def announce(**event: Any) -> None:
        nonlocal kernel
        kernel = event.get("kernel", kernel)
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(event), file=events, flush=True)

    def leave_with_the_parent() -> None:
        while os.read(0, 4096):
            pass
        kill_group(kernel)
        os._exit(1)

    threading.Thread(target=leave_with_the_parent, daemon=True).start()
    try:
        announce(finished=work(task, announce).status)
    except OSError as error:  # a full disk has no room for a traceback in the log either
        announce(reason=f"OSError: {error}")
        raise


def kill_group(pid: int | None) -> None:
    """End a process and what it started, at once; nothing happens when it is gone already."""
    if pid is None:
        return
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    main()
