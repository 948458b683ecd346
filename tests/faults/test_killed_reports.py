"""A report whose kernel or whose own process is killed: good pages stay, no page lies, and nothing outlives it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_notebooks import write_notebook
from trials import amount

from ntmlib.workbook.records import RunRecord
from ntmlib.workbook.report import run_report

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux's /proc")]
KILLS = amount("NTM_FAULT_REPORT_KILLS", 8)
DIE = "import os, signal\n{}os.kill(os.getpid(), signal.SIGKILL)\nprint('never')"
MOMENTS = {"start": "", "middle": "print('so far', flush=True)\n"}


def test_a_kernel_killed_in_any_cell_leaves_the_good_page_and_names_the_cell(tmp_path):
    reports, cells = tmp_path / "reports", {}
    reports.mkdir()
    for number, (cell, moment) in enumerate(((c, m) for c in (2, 3, 4) for m in MOMENTS), 1):
        sources = ["print('good')"] * 3
        sources[cell - 2] = DIE.format(MOMENTS[moment])
        cells[f"{number:02}-a"] = cell
        write_notebook(tmp_path / "notebooks", f"{number:02}-a", *sources)
        for kind in (".html", ".ipynb"):
            (reports / f"{number:02}-a{kind}").write_text("the good one from before")
    assert run_report(out=reports, notebooks=tmp_path / "notebooks", jobs=2) == 1
    for name, cell in cells.items():
        failed = RunRecord.from_json((reports / f"{name}.failed.json").read_text("utf-8"))
        assert (failed.failed_cell, failed.error.partition(":")[0]) == (cell, "DeadKernelError")
        assert (reports / f"{name}.failed.html").read_text("utf-8").endswith("</html>\n")
        notebook = json.loads((reports / f"{name}.failed.ipynb").read_text("utf-8"))
        ran = [c["execution_count"] for c in notebook["cells"] if c["cell_type"] == "code"]
        assert ran[-1] is None or cell == 4, "a cell that never ran has no number"
        assert {(reports / f"{name}{kind}").read_text() for kind in (".html", ".ipynb")} == {"the good one from before"}


def working_in(folder: Path) -> list[int]:
    """Return the processes whose working folder this is: those that run its notebooks, and their kernels."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")) == folder and b"\0" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def whole(reports: Path) -> bool:
    for path in reports.glob("*.*") if reports.exists() else ():
        text = path.read_text("utf-8") if path.is_file() else "</html>\n"
        if not (text.endswith("</html>\n") if path.suffix == ".html" else path.is_dir() or json.loads(text)):
            return False
    return True


def wait_until(happened: Callable[[], bool], seconds: float) -> bool:
    """Return whether it happened within that time."""
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.02)
    return happened()


def start(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ntmlib", "report", "--force"]  # nothing changes between these runs
    return subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_report_killed_at_random_leaves_no_half_page_and_no_kernel(tmp_path):
    notebooks = write_notebook(tmp_path / "notebooks", "01-a", "print('good')", "import time\ntime.sleep(0.3)").parent
    began = time.monotonic()
    assert start(tmp_path).wait(timeout=600) == 0
    life = time.monotonic() - began
    draw, stopped = random.Random(1), 0
    for number in range(KILLS):
        report = start(tmp_path)
        if number % 4 < 2:  # at any time of its life, however fast this computer is just now
            time.sleep(draw.uniform(0.1, 1.0) * life)
        else:  # while it has a kernel, soon or late: the kernel is what could be left behind
            assert wait_until(lambda: len(working_in(notebooks)) >= 2, seconds=300)
            time.sleep(draw.uniform(0.0, 0.3))
        report.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        stopped += report.wait(timeout=30) != 0
        assert wait_until(lambda: not working_in(notebooks), seconds=10), "a kernel outlived its report by ten seconds"
        assert whole(tmp_path / "reports")
    assert stopped >= KILLS // 4, "only those killed at any time may have ended before"
    assert start(tmp_path).wait(timeout=600) == 0  # a rerun repairs
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "01-a.html",
        "01-a.ipynb",
        "01-a.json",
        "index.html",
    ]


def test_a_kernel_that_outlives_its_report_would_be_seen(tmp_path):
    """The planted fault."""
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=tmp_path)
    try:
        assert working_in(tmp_path) == [orphan.pid]
    finally:
        orphan.kill()
        orphan.wait()
    assert working_in(tmp_path) == []
