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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ENOUGH_SPACE = 500_000_000
"""Bytes that a few runs with their checkpoints and a report need, with room to spare."""

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_TOO_LONG = 60

_MACHINE = """
import torch, ntmlib
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
task = ntmlib.tasks.make("copy", max_length=5)
sizes = len(task.input_channels), len(task.output_channels)
machine = ntmlib.NTM(*sizes, hidden=32, slots=16, width=8, generator=generator)
optimizer = torch.optim.Adam(machine.parameters(), lr=1e-3)
for _ in range(20):
    batch = task.sample(4, generator=generator)
    logits, _ = machine(batch.inputs)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[batch.mask], batch.targets[batch.mask])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
assert torch.isfinite(loss), f"the loss after 20 updates is {loss}"
print(f"20 updates of copy, {machine.num_parameters} parameters")
"""

_PICTURE = """
import io, matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
figure, axis = plt.subplots()
axis.imshow([[0, 1], [1, 0]])
buffer = io.BytesIO()
figure.savefig(buffer, format="png")
assert buffer.getvalue().startswith(b"\\x89PNG"), "matplotlib wrote no PNG"
print(f"matplotlib {matplotlib.__version__} draws a PNG of {len(buffer.getvalue()) // 1000} kB")
"""

_KERNEL = """
import sys
from jupyter_client.manager import KernelManager
from jupyter_client.kernelspec import KernelSpec
class Same(KernelManager):
    kernel_spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                             display_name="Python 3", language="python")
manager = Same()
manager.start_kernel()
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=30)
    reply = client.execute_interactive("1 + 1", timeout=30, output_hook=lambda message: None)
    assert reply["content"]["status"] == "ok", reply["content"]
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print("a notebook kernel of this Python starts and answers")
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
    """A Jupyter kernel starts with this interpreter and runs a line."""
    return _in_python(_KERNEL, "install ipykernel into this Python: pip install ipykernel, or run the set-up again")


def check_machine() -> Finding:
    """A small machine trains for 20 updates."""
    return _in_python(_MACHINE, "torch or ntmlib does not work here: run the set-up again in a fresh environment")


def check_picture() -> Finding:
    """Matplotlib draws a picture without a screen."""
    return _in_python(_PICTURE, "reinstall matplotlib: pip install --force-reinstall matplotlib")


def check_space(folder: Path = Path()) -> Finding:
    """The working folder can be written to and has room."""
    remedy = "free some space, or work in another folder"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"ready")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(False, f"the working folder cannot be written to ({error.strerror})", "work in another folder")
    return Finding(free >= ENOUGH_SPACE, f"{free / 1e9:.1f} GB free in the working folder", remedy)


def check_browser() -> Finding:
    """A browser that the browser tests can drive; everything else works without."""
    found = next((name for name in _BROWSERS if shutil.which(name)), None)
    if found:
        return Finding(True, f"{found} is there for the browser tests")
    return Finding(None, "no chromium: the browser tests of make test need one, nothing else does", "install chromium")


def _in_python(program: str, remedy: str) -> Finding:
    """Run a program with this interpreter, as a notebook would be run."""
    here = dict(os.environ, OMP_NUM_THREADS="1")
    home = Path(__file__).resolve().parents[2]
    if home.name != "site-packages":
        here["PYTHONPATH"] = os.pathsep.join(filter(None, [str(home), here.get("PYTHONPATH", "")]))
    try:
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=_TOO_LONG, env=here, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(False, f"no answer within {_TOO_LONG} s", remedy)
    lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines() or [f"status {run.returncode}"]
    return Finding(run.returncode == 0, lines[-1], remedy)


CHECKS: dict[str, Callable[[], Finding]] = {
    "python": check_python,
    "packages": check_packages,
    "kernel": check_kernel,
    "machine": check_machine,
    "picture": check_picture,
    "space": check_space,
    "browser": check_browser,
}


def run_doctor() -> int:
    """Check this machine and say what to do about what is missing.

    Returns:
        0 when the workbook will run here, 1 when something needs mending.
    """
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
