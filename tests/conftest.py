"""What every test relies on: one thread, quiet plots, a browser on request, and untouched global random state."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; child processes inherit it
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # notebooks run on this environment's kernel

import importlib.util
import random
import shutil
from collections.abc import Iterator

import beartype._check.code.codemain
import hypothesis
import numpy as np
import playwright.sync_api
import pytest
import torch

IN_CI = os.environ.get("CI") == "true"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

torch.set_num_threads(1)
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # the kernels of the cuda engine then run, slowly, on the CPU

# The shape checks look at one item of a list or tuple, picked with Python's global generator: they get their own.
beartype._check.code.codemain.getrandbits = random.Random(0).getrandbits

# No deadline and no complaint about slow examples: the machine may be busy, and time is not what these tests are about.
hypothesis.settings.register_profile(
    "default", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], max_examples=200
)
hypothesis.settings.register_profile(
    "ci",
    hypothesis.settings.get_profile("default"),
    max_examples=1000,
    derandomize=True,
    database=None,
    print_blob=True,
)
hypothesis.settings.load_profile("ci" if IN_CI else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files with the longest tests first, so that no worker is left alone with them at the end."""

    def weight(item: pytest.Item) -> int:
        return max(
            (rank for rank, name in enumerate(("slow", "browser", "notebooks"), 1) if name in item.keywords), default=0
        )

    heaviest: dict[str, int] = {}
    for item in items:
        heaviest[str(item.path)] = max(heaviest.get(str(item.path), 0), weight(item))
    items.sort(key=lambda item: -heaviest[str(item.path)])  # stable: the order inside a file stays


@pytest.fixture(autouse=True)
def global_random_state_is_untouched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which anything drew from torch's, numpy's or Python's process-global generator."""
    before = (torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate())  # noqa: NPY002
    yield
    if request.node.get_closest_marker("draws_globally"):
        return
    after = (torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate())  # noqa: NPY002
    assert torch.equal(before[0], after[0]), "something drew from torch's global generator: pass a torch.Generator"
    assert str(before[1]) == str(after[1]), "something drew from numpy's global generator"
    assert before[2] == after[2], "something drew from Python's global generator"


@pytest.fixture(scope="session")
def gpu() -> torch.device:
    """Where the cuda engine runs: on a GPU, or on the CPU under Triton's interpreter. Without Triton, see below."""
    if importlib.util.find_spec("triton") is None:
        missing = "no triton: the cuda engine's kernels cannot run, not even interpreted (make triton)"
        if IN_CI:
            pytest.fail(missing)
        pytest.skip(missing)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of an installed chromium. Without one, browser tests are skipped here and fail in CI."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        missing = f"no browser: none of {', '.join(CHROMIUM_NAMES)} is on PATH"
        if IN_CI:
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[playwright.sync_api.Browser]:
    """A headless chromium, closed when the test file ends: while it lives, the thread has a running event loop."""
    with playwright.sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=chromium_path, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()
