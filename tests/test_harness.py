"""The test run itself: shapes are checked, warnings are errors, global draws are noticed, the browser opens."""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import jaxtyping
import pytest
import torch

from ntmlib.machine import addressing

ROOT = Path(__file__).resolve().parent.parent


def test_shapes_are_checked_while_tests_run():
    with pytest.raises(jaxtyping.TypeCheckError):
        addressing.cosine_similarity(torch.zeros(4), torch.zeros(8, 5))


def test_shapes_are_not_checked_in_plain_runs():
    code = "import sys, ntmlib.machine; sys.exit('beartype' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0


def test_a_warning_is_an_error():
    with pytest.raises(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_tests_that_draw_globally_fail(tmp_path):
    draws = ["torch.rand(1)", "numpy.random.rand()", "random.random()"]
    tests = [f"def test_{number}():\n    {draw}\n" for number, draw in enumerate([*draws, "pass"])]
    (tmp_path / "test_it.py").write_text("import numpy, random, torch\n" + "".join(tests))
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "test_it.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert all(f"drew from {owner}'s global generator" in result.stdout for owner in ("torch", "numpy", "Python"))
    assert f"{len(tests)} passed, {len(draws)} error" in result.stdout


def test_one_thread_computes():
    assert torch.get_num_threads() == 1


@pytest.mark.browser
def test_the_browser_opens_a_page_without_a_network(browser):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.set_content("<h1>memory</h1>")
    assert page.inner_text("h1") == "memory"
    context.close()
