"""Shortened notebooks: the exercises, and of the cells before them only those that they build on.

To run a student's copy from its first cell to its last would train every machine a second time. That is not needed: all
cells but those of the exercises are the same as in the notebook with solutions, which runs as a whole, and none of them
uses what an exercise defines (`names_that_leak` tells). So what is left to be run is the exercises themselves.
"""

import ast
from collections.abc import Iterable
from typing import Any

import nbformat

TRAINS = ("train", "train_many")
SCOPES = (ast.FunctionDef, ast.Lambda)


class Names:
    """What a cell needs from the cells before it, and what it gives to those after it.

    Attributes:
        needed: names it reads before it has given them a value itself.
        given: names it gives a value to.
        changed: names of objects that it changes in place, as ``x[0] = 1`` does.
    """

    def __init__(self, source: str):
        self.needed: set[str] = set()
        self.given: set[str] = set()
        self.changed: set[str] = set()
        self._go_through(ast.parse(source).body)

    def _go_through(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, ast.For):
                self._look_at(statement.iter)
                self._look_at(statement.target)
            elif isinstance(statement, ast.With):
                for item in statement.items:
                    self._look_at(item)
            elif isinstance(statement, ast.If | ast.While):
                self._look_at(statement.test)
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                self.given |= {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
            else:
                self._look_at(statement)
            if isinstance(statement, ast.For | ast.With | ast.If | ast.While):
                self._go_through([*statement.body, *getattr(statement, "orelse", [])])

    def _look_at(self, node: ast.AST) -> None:
        inner = {name for scope in ast.walk(node) for name in _own(scope)}
        names = [one for one in ast.walk(node) if isinstance(one, ast.Name) and one.id not in inner]
        read = {one.id for one in names if isinstance(one.ctx, ast.Load)}
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            read.add(node.target.id)
        self.needed |= read - self.given
        self.given |= {one.id for one in names if isinstance(one.ctx, ast.Store)}
        if isinstance(node, ast.FunctionDef):
            self.given.add(node.name)
        for one in ast.walk(node):
            if isinstance(one, ast.Subscript | ast.Attribute) and isinstance(one.ctx, ast.Store):
                self.changed.add(ast.unparse(one).partition(".")[0].partition("[")[0])


def _own(node: ast.AST) -> set[str]:
    """The names that belong to a function or a comprehension alone."""
    if isinstance(node, SCOPES):
        arguments = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        body = node.body if isinstance(node.body, list) else []
        return arguments | {name for statement in body for name in _stored(statement)}
    return _stored(node.target) if isinstance(node, ast.comprehension) else set()


def _stored(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def is_exercise(cell: Any) -> bool:
    """Whether a code cell belongs to the section of the exercises: it calls ``check``, or imports it."""
    names = Names(cell.source)
    return "check" in names.needed | names.given


def shortened(notebook: Any) -> Any:
    """The notebook with its parameters, its exercises, and the cells that these build on, directly or not."""
    copy = nbformat.from_dict(notebook)
    wanted: set[str] = set()
    kept = []
    for cell in reversed(code_cells(copy)):
        names = Names(cell.source)
        parameters = "parameters" in cell.metadata.get("tags", [])
        if is_exercise(cell) or parameters or wanted & (names.given | names.changed):
            kept.append(cell)
            wanted = (wanted - names.given) | names.needed
    copy.cells = kept[::-1]
    return copy


def names_that_leak(notebook: Any) -> list[str]:
    """Names that an exercise gives a value to and a later cell outside of the exercises needs."""
    answered: set[str] = set()
    leaking = []
    for cell in code_cells(notebook):
        names = Names(cell.source)
        if is_exercise(cell):
            answered |= (names.given | names.changed) - {"check"}
        else:
            leaking += sorted(names.needed & answered)
            answered -= names.given
    return leaking


def training_cells(notebook: Any) -> list[str]:
    """The ids of the cells that train a machine."""
    found = []
    for cell in code_cells(notebook):
        calls = [node.func for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
        if any(ast.unparse(function).rpartition(".")[2] in TRAINS for function in calls):
            found.append(cell.id)
    return found
