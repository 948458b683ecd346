"""With what a run was computed, for whoever wants to compute it again."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ntmlib import __version__
from ntmlib.engines import device_for
from ntmlib.training.config import TrainConfig

# A run that goes on where one of these differs is no longer the same run bit for bit.
EXACT = ("torch", "numba", "machine", "cpu_capability", "threads", "ntmlib", "gpu")


def environment(config: TrainConfig) -> dict[str, Any]:
    """Name the versions and the kind of processor that the results of a run depend on."""
    device = device_for(config.engine)
    return {
        "ntmlib": __version__,
        "commit": _commit(),
        "torch": torch.__version__,
        "numba": _version("numba"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": config.threads,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Say what keeps a resumed run from being the same bit for bit; empty if nothing does."""
    return [f"{name} was {before.get(name)!r}, is {now[name]!r}" for name in EXACT if before.get(name) != now[name]]


def _version(package: str) -> str | None:
    """Return the version of an installed package without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of a source checkout, with "-dirty" if files have changed; None elsewhere."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    describe = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(describe, cwd=root, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
