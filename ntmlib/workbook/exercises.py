"""What an exercise of a notebook calls: compare an answer with the right one, and say so without ever stopping.

An answer may be anything a beginner can produce: nothing yet, a text in place of a number, a tensor of another shape,
NaN, an object that raises when it is compared. Each of them earns a cross and a hint, and the notebook runs on.
"""

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

MIME = "application/vnd.ntm.check+json"
LONGEST_SHOWN = 120
_COLOURS = {True: "#2e8b57", False: "#c0504d"}  # of a line beside the text; legible on a light and on a dark ground


@dataclass(frozen=True)
class Check:
    """One check of an executed notebook: its name, and whether the answer was right."""

    name: str
    passed: bool


def check(name: str, value: Any, expected: Any, *, tolerance: int | float = 0, hint: str = "") -> None:
    """Show a tick when an answer is right, else a cross, what is wrong with it, and a hint.

    The right answer stays hidden. Numbers, texts (in capitals or not), truth values, and lists, arrays, tensors and
    sets of them can be compared; an array has to have the right shape. ``None`` and ``...`` are the answer of someone
    who has not answered yet.

    Args:
        name: what was asked, shown beside the mark.
        value: the reader's answer, or a function without arguments that gives it, so that an error in the reader's own
            code is a cross, too. Nothing that it is or does makes this function raise.
        expected: the right answer, best computed on the spot; or a function that is given the answer and says whether
            it is right, for questions with many right answers.
        tolerance: how far a number may be from the right one, in its own unit.
        hint: one sentence that helps; it need not tell the answer.

    Raises:
        ValueError: ``name`` is empty or ``tolerance`` is no number from 0 on. Both are the author's, not the reader's.
    """
    if not name.strip():
        raise ValueError(f"name must say what was asked; got {name!r}")
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance must be a finite number, at least 0; got {tolerance!r}")
    problem = _judge(value, expected, float(tolerance))
    passed = not problem
    verdict = f"✓ passed: {name}" if passed else f"✗ not yet: {name}"
    remarks = [] if passed else [problem, *([f"Hint: {hint}"] if hint else [])]
    mark, words = verdict[0], html.escape(verdict[1:])
    below = "".join(f"<br>{html.escape(remark)}" for remark in remarks)
    _show(
        {
            MIME: {"name": name, "passed": passed},
            "text/html": f'<div role="status" style="border-left: 4px solid {_COLOURS[passed]}; padding: .1em .8em">'
            f'<strong><span aria-hidden="true">{mark}</span>{words}</strong>{below}</div>',
            "text/plain": "\n  ".join([verdict, *remarks]),
        }
    )


def read_checks(notebook: Any) -> list[Check]:
    """The checks that ran in an executed notebook, in order.

    Args:
        notebook: as nbformat reads it.
    """
    shown = [
        output.data[MIME]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if MIME in output.get("data", {})
    ]
    return [Check(str(one["name"]), one["passed"] is True) for one in shown]


def _show(bundle: dict[str, Any]) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    if InteractiveShell.initialized():
        display(bundle, raw=True)
    else:  # a plain Python program has no display, and would print the bundle itself
        print(bundle["text/plain"])


def _judge(value: Any, expected: Any, tolerance: float) -> str:
    """What is wrong with an answer in a few words, or nothing."""
    try:
        if callable(value) and not callable(expected):
            value = value()
        if value is None or value is ...:
            return "no answer yet"
        if callable(expected):
            problem = "" if bool(expected(value)) else "that is not it"
        else:
            problem = _difference(_plain(value), _plain(expected), tolerance)
    except Exception as error:  # the reader's own code may do anything
        return _shortened(f"{type(error).__name__} while looking at your answer: {_message(error)}".removesuffix(": "))
    return f"{problem}; you gave {_shown(value)}" if problem else ""


def _plain(value: Any) -> Any:
    """Numbers, texts and lists in place of arrays, tensors, tuples and ranges."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value


def _difference(value: Any, expected: Any, tolerance: float) -> str:
    kind, given = _kind(expected), _kind(value)
    if kind != given:
        return f"the answer should be {kind}, not {given}"
    if kind == "a number":
        if value != value:
            return "that is not a number"
        return "" if value == expected or abs(value - expected) <= tolerance else "that is not it"
    if kind == "a text":
        return "" if value.strip().casefold() == expected.strip().casefold() else "that is not it"
    if kind == "a list":
        if len(value) != len(expected):
            return f"the answer should have {len(expected)} entries, not {len(value)}"
        problems = [_difference(*pair, tolerance) for pair in zip(value, expected, strict=True)]
        return next((f"at place {place}: {problem}" for place, problem in enumerate(problems) if problem), "")
    return "" if bool(value == expected) else "that is not it"


def _kind(value: Any) -> str:
    """What sort of thing an answer is, in a beginner's words."""
    if isinstance(value, bool):
        return "True or False"
    for words, kinds in {"a number": Real, "a text": str, "a list": list, "a set": (set, frozenset)}.items():
        if isinstance(value, kinds):  # type: ignore[arg-type]
            return words
    return f"a {type(value).__name__}"


def _shown(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object may even refuse to say what it is
        text = f"a {type(value).__name__}"
    return _shortened(text)


def _message(error: Exception) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:
        return ""


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
