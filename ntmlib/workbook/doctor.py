"""``ntm doctor``: is this machine ready? Asked before a workshop, answered in a few seconds, without a network.

Each check runs what users will run, with the interpreter they will run it with; each failure names its remedy.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ntmlib.workbook import memory
from ntmlib.workbook.request import find_notebooks

ENOUGH_SPACE = 500_000_000
"""Bytes that a few runs with their checkpoints and a report need, with room to spare."""
ENOUGH_MEMORY = 2_000_000_000
"""Bytes that JupyterLab, the hungriest notebook of the workshop and a browser take together, with some to spare."""

_TEXT_BROWSERS = ("www-browser", "links", "elinks", "lynx", "w3m")
_TOO_LONG = 60
_COMPILING = 3  # status of a program that would have had to compile

_TRAIN = """
def train(controller, engine, updates):
    generator = torch.Generator().manual_seed(0)
    task = ntmlib.tasks.make("copy", max_length=5)
    sizes = len(task.input_channels), len(task.output_channels)
    machine = ntmlib.NTM(*sizes, controller=controller, hidden=32, slots=16, width=8, generator=generator)
    for _ in range(updates):
        batch = task.sample(4, generator=generator)
        logits, _ = machine(batch.inputs, engine=engine)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[batch.mask], batch.targets[batch.mask])
        gradients = torch.autograd.grad(loss, list(machine.parameters()))
        with torch.no_grad():  # by hand: torch.optim takes a second to load
            for parameter, gradient in zip(machine.parameters(), gradients, strict=True):
                parameter -= 0.01 * gradient
    assert torch.isfinite(loss), f"the loss after {updates} updates is {loss}"
    return f"{updates} updates of copy, {machine.num_parameters} parameters"
"""

# The reference engine needs nothing compiled, so that this takes a second on any machine.
_MACHINE = f"""
import torch, ntmlib
torch.set_num_threads(1)
{_TRAIN}
print(train("feedforward", "reference", 20))
"""

# Loads what was compiled before; where something is missing it ends instead of compiling, unless that is wanted.
_ENGINE = f"""
import os, sys
from numba.core import event
import torch, ntmlib
torch.set_num_threads(1)
{_TRAIN}
class Stop(event.Listener):
    def on_start(self, event):
        os._exit({_COMPILING})
    def on_end(self, event): ...
def both():
    for controller in ("feedforward", "lstm"):
        train(controller, "fused", 1)
if "--compile" in sys.argv:
    both()
else:
    with event.install_listener("numba:compile", Stop()):
        both()
print("the fast engine is compiled for this computer")
"""

_PICTURE = """
import matplotlib
import torch, ntmlib
from ntmlib import views
trace = ntmlib.NTM(2, 1, hidden=4, slots=4, width=3).trace(torch.zeros(1, 3, 2))
png = views.plot_heads(trace).png()
assert png.startswith(b"\\x89PNG"), "matplotlib wrote no PNG"
page = views.step_through(trace, interactive=False).to_html()
assert "<script" in page, "the player has no script"
print(f"matplotlib {matplotlib.__version__} draws, a player of {len(page) // 1000} kB is written")
"""

# The kernel that JupyterLab would start, which need not be ours: "python3" is a name, and users may have given it away.
_KERNEL = """
import sys
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="python3")
manager.start_kernel()
client = manager.client()
client.start_channels()
said = []
def listen(message):
    if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
        said.append(message["content"]["text"])
try:
    client.wait_for_ready(timeout=600)  # whoever runs this has a shorter limit
    reply = client.execute_interactive("import sys; print(1 + 1, sys.prefix)", timeout=600, output_hook=listen)
    assert reply["content"]["status"] == "ok", reply["content"]
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
answer, _, prefix = "".join(said).strip().partition(" ")
assert answer == "2", f"the kernel says that 1 + 1 is {answer}"
assert prefix == sys.prefix, f"the kernel called python3 is another Python, that in {prefix}"
print("the kernel python3 starts, is this Python, and knows that 1 + 1 is 2")
"""


@dataclass(frozen=True)
class Finding:
    """What one check found: fine (True), broken (False) or worth knowing (None), and what to do about it."""

    fine: bool | None
    text: str
    remedy: str = ""


def check_python() -> Finding:
    """Python is at least 3.11."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        sys.version_info >= (3, 11), f"Python {version}", "install Python 3.11 or newer, then run the set-up"
    )


def check_packages() -> Finding:
    """Every dependency is installed, and not older than ntmlib's lower bound for it."""
    remedy = "run the set-up again: make setup, or pip install -e ."
    try:
        wanted = dict(_lower_bounds(metadata.requires("ntmlib") or []))
    except metadata.PackageNotFoundError:
        return Finding(False, "ntmlib is not installed in this Python", remedy)
    problems = []
    for name, bound in wanted.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            problems.append(f"{name} is missing")
            continue
        if _numbers(found) < _numbers(bound):
            problems.append(f"{name} {found} is older than {bound}")
    text = "; ".join(problems) or f"{len(wanted)} packages are there and new enough"
    return Finding(not problems, text, remedy)


def _lower_bounds(requirements: list[str]) -> Iterator[tuple[str, str]]:
    for requirement in requirements:
        found = re.match(r"([A-Za-z0-9._-]+)[^;>]*(?:>=\s*([0-9.]+))?", requirement)
        if found and "extra ==" not in requirement:
            yield found[1], found[2] or "0"


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def check_kernel() -> Finding:
    """The kernel that JupyterLab starts for the notebooks is this Python, and answers."""
    return _in_python(
        _KERNEL,
        "install ipykernel into this Python: pip install ipykernel; if another Python has taken the name python3: "
        "jupyter kernelspec list, then jupyter kernelspec remove python3",
    )


def check_machine() -> Finding:
    """A small machine trains for 20 updates."""
    return _in_python(_MACHINE, "torch or ntmlib does not work here: run the set-up again in a fresh environment")


def check_engine() -> Finding:
    """The fast engine is compiled, so that nobody waits for it in the lesson."""
    finding = _in_python(_ENGINE, "numba does not work here: run the set-up again in a fresh environment")
    if finding.text == f"status {_COMPILING}":
        text = "the fast engine is not compiled yet: the first training here waits about 20 s for it"
        return Finding(None, text, "ntm doctor --compile does it now")
    return finding


def check_picture() -> Finding:
    """Matplotlib draws the heads without a screen, and the player is written."""
    return _in_python(_PICTURE, "reinstall matplotlib: pip install --force-reinstall matplotlib")


def check_space(folder: Path = Path()) -> Finding:
    """The working folder can be written to and has room."""
    remedy = "free some space, or work in another folder"
    if problem := _unwritable(folder):
        return Finding(False, f"the working folder cannot be written to ({problem})", "work in another folder")
    free = shutil.disk_usage(folder).free
    return Finding(free >= ENOUGH_SPACE, f"{free / 1e9:.1f} GB free in the working folder", remedy)


def check_notebooks(folder: Path = Path()) -> Finding:
    """The notebooks can be saved where they are, and find their data."""
    found = [name for name in ("workshop", "notebooks") if find_notebooks(folder / name)]
    if not found:
        return Finding(None, "there are no notebooks here", "go to the folder of the workbook, and ask again there")
    for name in found:
        if problem := _unwritable(folder / name):
            remedy = "copy the whole workbook into a folder of your own, and work there"
            return Finding(False, f"answers cannot be saved in {name} ({problem})", remedy)
    if not (folder / "data" / "runs").is_dir():
        remedy = "copy the folder data of the workbook, too"
        return Finding(False, "the notebooks read data/runs beside them, which is not there", remedy)
    return Finding(True, f"answers can be saved in {' and '.join(found)}, and the data are there")


def check_memory() -> Finding:
    """There is room in memory for JupyterLab, a notebook and a browser."""
    total, free = memory.total_bytes(), memory.available_bytes()
    if total is None:
        return Finding(None, "this system does not say what memory it has", f"{ENOUGH_MEMORY / 1e9:g} GB are enough")
    text = f"{total / 1e9:.1f} GB of memory" + ("" if free is None else f", {free / 1e9:.1f} GB free")
    remedy = f"close other programs; {ENOUGH_MEMORY / 1e9:g} GB are needed"
    return Finding((total if free is None else free) >= ENOUGH_MEMORY, text, remedy)


def check_browser() -> Finding:
    """Something opens pages on this computer; JupyterLab can also be reached by hand."""
    remedy = "start JupyterLab all the same, and open the address that it prints in any browser"
    try:
        name = str(getattr(webbrowser.get(), "name", "the browser of this system"))
    except webbrowser.Error:
        return Finding(None, "no browser opens by itself here", remedy)
    if Path(name).name in _TEXT_BROWSERS:
        return Finding(None, f"pages would open in {name}, which shows no pictures", remedy)
    return Finding(True, f"pages open with {name}")


def _unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder, or nothing."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"ready")
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _in_python(program: str, remedy: str, *arguments: str, patience: float = 1) -> Finding:
    """Run a program with this interpreter, as a notebook would be run."""
    here = dict(os.environ, OMP_NUM_THREADS="1")
    here["PYTHONPATH"] = os.pathsep.join(filter(None, [*_first_on_path(), here.get("PYTHONPATH", "")]))
    command = [sys.executable, "-c", program, *arguments]
    timeout = patience * _TOO_LONG
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=here, check=False)
    except subprocess.TimeoutExpired:
        return Finding(
            False, f"no answer within {timeout:g} s", "close other programs, this computer is busy; ask again"
        )
    lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines() or [f"status {run.returncode}"]
    return Finding(run.returncode == 0, lines[-1], remedy)


def _first_on_path() -> list[str]:
    """Where this very library is, in a checkout that is not installed."""
    home = Path(__file__).resolve().parents[2]
    return [] if home.name == "site-packages" else [str(home)]


CHECKS: dict[str, Callable[[], Finding]] = {
    "python": check_python,
    "packages": check_packages,
    "kernel": check_kernel,
    "machine": check_machine,
    "engine": check_engine,
    "picture": check_picture,
    "notebooks": check_notebooks,
    "space": check_space,
    "memory": check_memory,
    "browser": check_browser,
}


def run_doctor(*, compile_first: bool = False) -> int:
    """Check this machine and say what to do about what is missing.

    Args:
        compile_first: compile the fast engine before anything else, which takes about 20 s when it was not done yet.

    Returns:
        0 when the workbook will run here, 1 when something needs mending.
    """
    if compile_first:
        print("compiling the fast engine (nothing to do if that was done before) ...", flush=True)
        _in_python(_ENGINE, "", "--compile", patience=10)  # how that went is for check_engine to say
    start = time.monotonic()
    broken = 0
    with ThreadPoolExecutor(max_workers=len(CHECKS)) as pool:
        asked: dict[str, Future[Finding]] = {name: pool.submit(_timed, check) for name, check in CHECKS.items()}
        for name, answer in asked.items():
            finding = answer.result()
            broken += finding.fine is False
            mark = {True: "ok", False: "FAIL", None: "note"}[finding.fine]
            print(f"{mark:<4}  {name:<9} {finding.text}", flush=True)
            if not finding.fine:
                print(f"                → {finding.remedy}", flush=True)
    verdict = "this machine is ready" if not broken else f"{broken} of {len(CHECKS)} checks failed"
    print(f"{verdict} ({time.monotonic() - start:.1f} s)")
    return 1 if broken else 0


def _timed(check: Callable[[], Finding]) -> Finding:
    """Run a check; one that breaks is a finding too, not the end of the others."""
    start = time.monotonic()
    try:
        finding = check()
    except Exception as error:
        return Finding(False, f"{type(error).__name__}: {error}", "please report this")
    seconds = time.monotonic() - start
    text = f"{finding.text} ({seconds:.1f} s)" if seconds > 0.2 else finding.text
    return Finding(finding.fine, text, finding.remedy)
