"""The Neural Turing Machine, to explore, train and look inside.

Example::

    import ntmlib

    task = ntmlib.tasks.make("copy", max_length=20)
    run = ntmlib.train(ntmlib.presets.copy_quick(seed=1))
    trace = run.machine.trace(task.sample(1, generator=..., length=20).inputs)
    ntmlib.views.step_through(trace)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ntmlib import baselines, sweeps, tasks, views, workbook
    from ntmlib.ntm import NTM, Trace
    from ntmlib.training import TrainConfig, evaluate, load_run, presets, train, train_many

# Where each public name lives. They are imported when first used, so that
# `ntm --help` and a refused argument need not wait for torch.
_HOMES = {
    "NTM": "ntmlib.ntm",
    "Trace": "ntmlib.ntm",
    "TrainConfig": "ntmlib.training",
    "evaluate": "ntmlib.training",
    "load_run": "ntmlib.training",
    "presets": "ntmlib.training",
    "train": "ntmlib.training",
    "train_many": "ntmlib.training",
}
_MODULES = ("baselines", "sweeps", "tasks", "views", "workbook")

__all__ = [
    "NTM",
    "Trace",
    "TrainConfig",
    "__version__",
    "baselines",
    "evaluate",
    "load_run",
    "presets",
    "sweeps",
    "tasks",
    "train",
    "train_many",
    "views",
    "workbook",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"ntmlib.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ntmlib' has no attribute {name!r}; it has {', '.join(__all__)}")
