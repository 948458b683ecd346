"""Tasks by name: what a machine is asked to learn."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ntmlib.tasks.associative_recall import AssociativeRecall
from ntmlib.tasks.base import Batch, Continuous, Task, answer_type, chance_right
from ntmlib.tasks.chomsky import CHOMSKY, Transduction
from ntmlib.tasks.copy import Copy
from ntmlib.tasks.dynamic_ngrams import DynamicNGrams
from ntmlib.tasks.languages import LANGUAGES, Language, NextSymbols, Recognition
from ntmlib.tasks.n_back import NBack
from ntmlib.tasks.one_two_ax import OneTwoAX
from ntmlib.tasks.priority_sort import PrioritySort
from ntmlib.tasks.repeat_copy import RepeatCopy
from ntmlib.tasks.text import Text

_ALL: tuple[type, ...] = (
    AssociativeRecall,
    *CHOMSKY,
    Copy,
    DynamicNGrams,
    NBack,
    NextSymbols,
    OneTwoAX,
    PrioritySort,
    Recognition,
    RepeatCopy,
    Text,
)
TASKS: dict[str, type] = {vars(task)["name"]: task for task in _ALL}

__all__ = [
    "CHOMSKY",
    "LANGUAGES",
    "AssociativeRecall",
    "Batch",
    "Continuous",
    "Copy",
    "DynamicNGrams",
    "Language",
    "NBack",
    "NextSymbols",
    "OneTwoAX",
    "PrioritySort",
    "Recognition",
    "RepeatCopy",
    "Task",
    "Text",
    "Transduction",
    "answer_type",
    "chance_right",
    "changed",
    "make",
    "names",
]


def names() -> list[str]:
    """Names of all tasks."""
    return sorted(TASKS)


def make(name: str, **options: Any) -> Task:
    """Build a task.

    Args:
        name: one of ``names()``.
        options: the task's own settings, such as ``max_length``.

    Raises:
        ValueError: no task or setting has that name, or a value is out of range.
    """
    if name not in TASKS:
        raise ValueError(f"task must be one of {names()}{_nearest(name, names())}; got {name!r}")
    known = [field.name for field in fields(TASKS[name])]
    for option in options:
        if option not in known:
            raise ValueError(f"task {name!r} has the settings {known}{_nearest(option, known)}; got {option!r}")
    task: Task = TASKS[name](**options)
    return task


def changed(name: str, options: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a task with some of them changed.

    What a task filled in by itself from an option that is changed, it fills in anew: the checksum of another text.
    """
    filled_in: Mapping[str, str] = getattr(TASKS[name], "filled_in", {})
    merged = {**options, **changes}
    for option, source in filled_in.items():
        if merged.get(source) != options.get(source) and option not in changes:
            merged.pop(option, None)
    return merged


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
