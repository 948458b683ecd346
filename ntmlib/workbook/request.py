"""What was asked for on the command line: which notebooks, with which values. Whatever is wrong is refused here."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ntmlib.workbook.parameters import Parameter, RefusedError, Value, shown


def find_notebooks(folder: Path) -> dict[str, Path]:
    """The workbook's notebooks in order: ``NN-name`` to its file."""
    files = sorted(folder.glob("[0-9][0-9]-*.ipynb"))
    return {file.stem: file for file in files}


def select_notebooks(available: Mapping[str, Path], names: Sequence[str]) -> dict[str, Path]:
    """Pick notebooks by any of their names: ``03-copy``, ``copy``, ``03``, ``3`` or a path to the file.

    Raises:
        RefusedError: a name belongs to no notebook; the nearest one is suggested.
    """
    known: dict[str, str] = {}
    for stem in available:
        number, _, short = stem.partition("-")
        known.update({stem: stem, short: stem, number: stem, str(int(number)): stem})
    chosen, problems = set(), []
    for name in names:
        stem = name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".ipynb")
        if stem in known:
            chosen.add(known[stem])
        else:
            problems.append(f"no notebook is called {shown(name)}{nearest(stem, known)}; there are {_list(available)}")
    if problems:
        raise RefusedError(problems)
    return {stem: path for stem, path in available.items() if stem in chosen or not names}


def check_settings(
    declared: Mapping[str, Sequence[Parameter]], settings: Sequence[str], preset: str
) -> dict[str, dict[str, Value]]:
    """Check ``name=value`` settings against what the notebooks declare.

    A setting goes to every notebook that has a parameter of that name, and at least one must have it.

    Args:
        declared: the parameters of each selected notebook.
        settings: texts of the form ``name=value``.
        preset: goes to every notebook that has a ``preset``.

    Returns:
        For each notebook the values to inject, always with ``interactive`` False where it exists.

    Raises:
        RefusedError: with every problem found.
    """
    given, problems = _split(settings)
    for name in given:
        if not any(name == parameter.name for parameters in declared.values() for parameter in parameters):
            names = {p.name: None for parameters in declared.values() for p in parameters}
            problems.append(
                f"no selected notebook has a parameter {shown(name)}{nearest(name, names)}; there are {_list(names)}"
            )
    if given.get("interactive", "false") not in ("false", "False"):
        problems.append("interactive must be false in a report, which has no kernel behind it; leave it out")
    fixed = {"preset": preset, **given, "interactive": "false"}
    values: dict[str, dict[str, Value]] = {}
    for notebook, parameters in declared.items():
        values[notebook] = {}
        for parameter in parameters:
            if parameter.name in fixed:
                try:
                    values[notebook][parameter.name] = parameter.parse(fixed[parameter.name])
                except ValueError as error:
                    problems.append(f"{error} (in {notebook})")
    if problems:
        raise RefusedError(list(dict.fromkeys(problems)))
    return values


def _split(settings: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    given: dict[str, str] = {}
    problems = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            problems.append(f"a setting must read name=value; got {shown(setting)}")
        elif name in given:
            problems.append(f"{shown(name)} is set twice: {shown(given[name])} and {shown(text)}")
        else:
            given[name] = text
    return given, problems


def nearest(name: str, known: Mapping[str, object]) -> str:
    """A hint ``, did you mean 'seed'?`` when a known name looks much like this one, else nothing."""
    close = difflib.get_close_matches(name[:80], list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none"
