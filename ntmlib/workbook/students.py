"""Write the student's copies of the notebooks: the exercises without their solutions (``ntm exercises build``).

A solution stands in the notebook itself, between nbgrader's markers, behind a placeholder that runs::

    my_slot = None  # a whole number
    # BEGIN SOLUTION
    my_slot = length
    # END SOLUTION
    check("where the writing ends", my_slot, slot, hint="one slot for each vector")

The copy keeps all but the lines between the markers, so that it runs from start to end before anything is answered, and
every check shows a cross. Text that gives a solution away is folded under ``<details><summary>Solution``; the copy has
it no more, while hints stay. Cells keep their ids.
"""

import ast
import re
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntmlib.workbook.parameters import RefusedError
from ntmlib.workbook.records import put_in_place
from ntmlib.workbook.report import notebook_folder, problems_of_out
from ntmlib.workbook.request import find_notebooks

DONE, FAILED, REFUSED = 0, 1, 2
STUB = "# YOUR CODE HERE"  # what nbgrader writes in place of a solution, without the line that raises
_MARKER = re.compile(r"^\s*#+\s*(BEGIN|END) SOLUTION\s*$")
_NEARLY = re.compile(r"\b(begin|end)[\s_-]*solutions?\b", re.IGNORECASE)
_SOLUTION = re.compile(r"<details[^>]*>\s*<summary>\s*Solution\b.*?</details>\s*", re.DOTALL)


@dataclass(frozen=True)
class Region:
    """The lines of one solution in a cell, from its first marker to its last one, counted from 0."""

    first: int
    last: int


def build_copies(*, notebooks: Path | None = None, out: Path = Path("workshop"), force: bool = False) -> int:
    """Write a student's copy of every notebook.

    Everything is checked first; a problem in any notebook means that nothing is written at all.

    Args:
        notebooks: folder of the notebooks with solutions; found like that of ``ntm report`` when not given.
        out: folder of the copies, made when missing. Notebooks look for ``../data``, so it should stand beside them.
        force: replace copies that are there already, together with what somebody may have answered in them.

    Returns:
        0 when all is written, 1 when the disk refused, 2 when the request was refused before anything was touched.
    """
    folder = notebooks if notebooks is not None else notebook_folder()
    try:
        copies = _plan(folder, out, force)
    except RefusedError as error:
        for problem in error.problems:
            print(f"ntm exercises: refused: {problem}", file=sys.stderr)
        return REFUSED
    try:
        _write(copies, out.absolute())
    except OSError as error:
        print(f"ntm exercises: failed: {error}", file=sys.stderr)
        return FAILED
    exercises = sum(number for _, number in copies.values())
    print(f"{len(copies)} notebooks with {exercises} exercises in {out}")
    if not (out.absolute().parent / "data").is_dir():
        print(f"note: the notebooks read ../data, and there is no folder {out.absolute().parent / 'data'}")
    return DONE


def student_copy(notebook: Any) -> tuple[Any, int]:
    """Take the solutions out of a notebook.

    Args:
        notebook: as nbformat reads it; it is left as it is.

    Returns:
        The copy, and the number of its exercises.

    Raises:
        RefusedError: with every problem found: markers that do not pair up or are misspelt, a solution without a
            placeholder, a fold that does not close, no exercise at all.
    """
    import nbformat

    copy = nbformat.from_dict(notebook)
    problems: list[str] = []
    number, cells = 0, []
    for place, cell in enumerate(copy.cells):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            following = [other.source for other in notebook.cells[place + 1 :] if other.cell_type == "code"]
            try:
                source = without_solutions(cell.source, following)
            except ValueError as error:
                problems.append(f"cell {cell.get('id', place)}: {error}")
                continue
            if source != cell.source:
                number += 1
                cell.source = source
                _unfold(cell)
        else:
            problems += [f"cell {cell.get('id', place)}: {problem}" for problem in _problems_of_text(cell.source)]
            source = _SOLUTION.sub("", cell.source).rstrip()
            if not source and cell.source.strip():
                continue  # nothing but a solution
            cell.source = source
        cells.append(cell)
    if not number and not problems:
        problems.append("there is no exercise, that is, no code cell with # BEGIN SOLUTION and # END SOLUTION")
    if problems:
        raise RefusedError(problems)
    copy.cells = cells
    return copy, number


def without_solutions(source: str, following: list[str]) -> str:
    """Put a stub in place of each solution in the source of a cell.

    Args:
        following: the sources of the code cells after it, which may use what a solution defines.

    Raises:
        ValueError: markers do not pair up or are misspelt, or the rest does not run without the solution.
    """
    lines = source.splitlines()
    regions = find_solutions(lines)
    if not regions:
        return source
    kept: list[str] = []
    last = -1
    for region in regions:
        begin = lines[region.first]
        kept += [*lines[last + 1 : region.first], begin[: len(begin) - len(begin.lstrip())] + STUB]
        last = region.last
    kept += lines[last + 1 :]
    rest = "\n".join(kept)
    for region in regions:
        inside = textwrap.dedent("\n".join(lines[region.first + 1 : region.last]))
        readers = [rest] if _in_function(source, region) else [rest, *following]
        if problem := _missing_placeholder(inside, rest, set().union(*map(_read, readers))):
            raise ValueError(f"the solution at line {region.first + 1} {problem}")
    return rest


def find_solutions(lines: list[str]) -> list[Region]:
    """The solutions among the lines of a cell.

    Raises:
        ValueError: a marker has no partner, or is written in another way than ``# BEGIN SOLUTION``.
    """
    regions: list[Region] = []
    begun: int | None = None
    for place, line in enumerate(lines):
        found = _MARKER.match(line)
        if found is None:
            if "#" in line and _NEARLY.search(line):
                raise ValueError(f"line {place + 1} must read # BEGIN SOLUTION or # END SOLUTION; got {line.strip()!r}")
        elif found[1] == "BEGIN":
            if begun is not None:
                raise ValueError(f"line {place + 1} begins a solution inside the one that line {begun + 1} began")
            begun = place
        elif begun is None:
            raise ValueError(f"line {place + 1} ends a solution that no # BEGIN SOLUTION began")
        else:
            regions.append(Region(begun, place))
            begun = None
    if begun is not None:
        raise ValueError(f"the solution that begins at line {begun + 1} has no # END SOLUTION")
    return regions


def _in_function(source: str, region: Region) -> bool:
    """Whether what a solution defines stays inside a function."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return False
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    return any(one.lineno <= region.first + 1 <= (one.end_lineno or 0) for one in functions)


def _missing_placeholder(inside: str, rest: str, read_outside: set[str]) -> str:
    """Why a cell would not run without one of its solutions, or nothing."""
    try:
        solution = ast.parse(inside)
    except SyntaxError as error:
        return f"is not Python: {error.msg}"
    try:
        placeholders = ast.parse(rest)
    except SyntaxError:
        return "has no placeholder: without it the cell is not Python; put a line that runs in front of it"
    there = set(_bound(placeholders))
    used = [name for name in dict.fromkeys(_bound(solution)) if name in read_outside]
    missing = [name for name in used if name not in there]
    if missing:
        return f"has no placeholder for {missing[0]}; put a line such as '{missing[0]} = None' in front of it"
    returns = any(isinstance(node, ast.Return) for node in ast.walk(solution))
    if returns and not any(isinstance(node, ast.Return) for node in ast.walk(placeholders)):
        return "returns a value, and nothing else does; put a 'return' with a placeholder behind it"
    if not used and not returns and not there & _read(inside):  # it may also change what the placeholder has made
        return "defines nothing that is used outside of it; it needs a placeholder and a check"
    return ""


def _read(source: str) -> set[str]:
    """Every name that some code reads; of a cell that is not plain Python, every word."""
    try:
        names = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))
    except SyntaxError:
        return set(re.findall(r"\w+", source))
    return {name.id for name in names if isinstance(name.ctx, ast.Load)}


def _bound(tree: ast.AST) -> Iterator[str]:
    """Every name that some code gives a value to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def _problems_of_text(source: str) -> Iterator[str]:
    if any(_MARKER.match(line) for line in source.splitlines()):
        yield "solution markers belong into code; fold a text under <details><summary>Solution"
    if source.count("<details") != source.count("</details>"):
        yield "a <details> is not closed, or closed twice"
    for solution in _SOLUTION.findall(source):
        if solution.count("<details") > 1:
            yield "the fold of a solution must not hold another one"


def _unfold(cell: Any) -> None:
    """Notebooks hide the input of a solved exercise; a student has to see it."""
    hidden = cell.metadata.get("jupyter", {})
    hidden.pop("source_hidden", None)
    if "jupyter" in cell.metadata and not hidden:
        del cell.metadata["jupyter"]


def _plan(folder: Path, out: Path, force: bool) -> dict[str, tuple[Any, int]]:
    """Make every copy in memory, and find whatever speaks against writing them."""
    import nbformat

    available = find_notebooks(folder)
    problems = problems_of_out(out)
    copies: dict[str, tuple[Any, int]] = {}
    if not available:
        problems.append(f"there are no notebooks named NN-name.ipynb in {folder}")
    if out.resolve() == folder.resolve():
        problems.append(f"out must be another folder than that of the notebooks; got {out}")
    elif there := [path.name for path in available.values() if (out / path.name).exists() and not force]:
        problems.append(f"out has {there[0]} already, maybe with answers in it; --force replaces what is there ({out})")
    for path in available.values():
        try:
            notebook = nbformat.read(path, as_version=4)
        except Exception as error:  # nbformat has many ways to say that a file is no notebook
            problems.append(f"{path.name} is not a readable notebook: {type(error).__name__}")
            continue
        try:
            copies[path.name] = student_copy(notebook)
        except RefusedError as error:
            problems += [f"{path.name}: {problem}" for problem in error.problems]
    if problems:
        raise RefusedError(problems)
    return copies


def _write(copies: dict[str, tuple[Any, int]], out: Path) -> None:
    """Write all copies beside their final places, and only then give them their names."""
    import nbformat

    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=out))
    try:
        for name, (copy, _) in copies.items():
            nbformat.write(copy, work / name)
        for name in copies:
            put_in_place(work / name, out / name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
