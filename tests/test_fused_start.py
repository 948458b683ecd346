"""How the fused engine starts: from compiled code on disk, without a place for it, and what is said meanwhile."""

import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest

from ntmlib.engines import compilation

LIBRARY = Path(compilation.__file__).parent.parent

UPDATE = """
import time; begun = time.perf_counter()
import ntmlib, torch
imported = time.perf_counter()
torch.set_num_threads(1)
machine = ntmlib.NTM(2, 2, hidden=8, slots=8, width=4)
machine(torch.zeros(2, 3, 2), engine="fused")[0].sum().backward()
print(f"import {imported - begun:.2f} s, first update {time.perf_counter() - imported:.2f} s")
"""

BITS = """
import hashlib, sys, ntmlib, torch
sys.stderr.isatty = lambda: True
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
machine = ntmlib.NTM(10, 9, slots=32, generator=generator)
machine(torch.randn(5, 30, 10, generator=generator), engine="fused")[0].square().sum().backward()
print(hashlib.sha256(b"".join(p.grad.numpy().tobytes() for p in machine.parameters())).hexdigest())
"""

# A single small function stands for all: compiling everything takes too long for a quick test.
ONE_KERNEL = """
import numpy as np
from ntmlib.engines import kernels
values = np.array([0.0, 1.0]); kernels.squash(values, 1)
assert abs(values[1] - 0.7310585786300049) < 1e-12
print("cached at", kernels.squash.stats.cache_path)
"""


def python(program: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a program in a fresh process."""
    changed = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error", **environment}
    command = [sys.executable, "-P", "-c", program]  # -P: not the library of the current folder
    return subprocess.run(command, env=changed, capture_output=True, text=True, timeout=300)


def ok(result: subprocess.CompletedProcess) -> str:
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # nobody watches, so nothing is said
    return result.stdout


def test_a_second_process_starts_from_compiled_code(record_property):
    ok(python(UPDATE))  # compiles, unless that was done before
    begun = time.perf_counter()
    said = ok(python(UPDATE))
    record_property("second process", said)
    print(said)
    assert time.perf_counter() - begun < 30


def test_a_cache_folder_that_does_not_exist_is_made(tmp_path):
    assert str(tmp_path / "a") in ok(python(ONE_KERNEL, NUMBA_CACHE_DIR=str(tmp_path / "a" / "b")))
    assert list((tmp_path / "a").rglob("*.nbi"))


def test_what_calls_a_changed_function_of_another_file_is_compiled_anew(tmp_path):
    shutil.copytree(LIBRARY, tmp_path / "ntmlib", ignore=shutil.ignore_patterns("__pycache__"))
    program = ONE_KERNEL + "print(sum(kernels.squash.stats.cache_hits.values()))"
    environment = {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    hits = []
    for _ in range(2):
        hits += [ok(python(program, **environment)).split()[-1] for _ in range(2)]
        with (tmp_path / "ntmlib" / "engines" / "products.py").open("a") as products:
            products.write("# changed")
    assert hits == ["0", "1", "0", "1"]


@pytest.fixture
def library_nobody_can_write_beside(tmp_path, monkeypatch) -> str:
    """A copy of the library whose ``__pycache__`` is a file: no user can make a folder of it, root included."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    shutil.copytree(LIBRARY, tmp_path / "ntmlib", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "ntmlib" / "engines" / "__pycache__").write_text("")
    return str(tmp_path)


def test_beside_a_library_that_is_read_only_the_home_directory_is_used(library_nobody_can_write_beside, tmp_path):
    home = str(tmp_path / "home")
    said = ok(python(ONE_KERNEL, PYTHONPATH=library_nobody_can_write_beside, HOME=home, XDG_CACHE_HOME=home))
    assert f"cached at {home}" in said


@pytest.mark.parametrize("folder", [{}, {"NUMBA_CACHE_DIR": os.devnull + "/nothing"}])
def test_without_any_place_for_it_everything_is_compiled_anew(library_nobody_can_write_beside, folder):
    nowhere = os.devnull + "/nothing"
    environment = {"PYTHONPATH": library_nobody_can_write_beside, "HOME": nowhere, "XDG_CACHE_HOME": nowhere}
    assert ok(python(ONE_KERNEL, **environment, **folder)) == "cached at None\n"


@pytest.mark.slow
def test_the_first_compilation_is_announced_soon_over_and_gives_the_bits_of_later_ones(tmp_path):
    begun = time.perf_counter()
    first = python(BITS, NUMBA_CACHE_DIR=str(tmp_path))
    seconds = time.perf_counter() - begun
    assert first.stderr.count("compiling the fused engine, once on this computer") == 1
    assert seconds < 120, "about 20 s on a quiet computer"
    later = python(BITS, NUMBA_CACHE_DIR=str(tmp_path))
    assert later.stderr == ""
    assert first.stdout == later.stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("watched", [True, False])
def test_compiling_is_announced_once_and_only_to_who_watches(monkeypatch, watched):
    screen = Terminal() if watched else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(compilation, "_said", type(compilation._said)())
    for offset in range(3):
        with compilation.announced():
            assert numba.njit(lambda x, y: x + y)(1, offset) == 1 + offset
    assert screen.getvalue().count("compiling the fused engine") == (1 if watched else 0)


def test_importing_the_library_does_not_load_the_compiler():
    ok(python("import ntmlib, sys; machine = ntmlib.NTM(2, 2); assert 'numba' not in sys.modules"))


@pytest.mark.parametrize("given", [None, "77"])
def test_the_command_keeps_waiting_threads_from_taking_the_processor_unless_told(given):
    program = "import os, ntmlib.cli; ntmlib.cli.main(['bench', '--turns', '0']); print(os.environ['GOMP_SPINCOUNT'])"
    environment = {} if given is None else {"GOMP_SPINCOUNT": given}
    assert python(program, **environment).stdout.split()[-1] == (given or "10000")
