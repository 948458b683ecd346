"""Read a notebook's parameters, and refuse a bad value before anything has happened.

papermill injects whatever it is given: a misspelt name, ``nan`` or a word where a number belongs all run to the end
with exit status 0. So the check happens here first. It needs no kernel and no import beyond the standard library.

A notebook declares its parameters in the cell tagged ``parameters``, one annotated plain literal per line. The comment
says what the value means and ends with the values that are allowed::

    seed: int = 0  # seed of every random draw [0, 2147483647]
    preset: str = "quick"  # size of the runs {quick, paper}
    interactive: bool = True  # live widgets (True) or players for a report (False)
    lengths: list[int] = [40, 80]  # lengths the trained machine is tested on [1, 1000]
"""

import ast
import io
import json
import math
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Scalar = bool | int | float | str
Value = Scalar | list[Scalar]

KINDS = ("int", "float", "bool", "str", "list[int]", "list[float]", "list[str]")
LONGEST_TEXT = 200
LONGEST_LIST = 100

_INTEGER = re.compile(r"-?[0-9]{1,40}")
_DECIMAL = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_RANGE = re.compile(r"\[\s*([^\[\],\s]+)\s*,\s*([^\[\],\s]+)\s*\]\s*$")
_CHOICES = re.compile(r"\{([^{}]+)\}\s*$")


class RefusedError(ValueError):
    """What was asked for cannot be done; nothing was touched.

    Attributes:
        problems: every problem found, one sentence each.
    """

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Parameter:
    """One parameter as a notebook declares it.

    Attributes:
        kind: one of `KINDS`.
        help: what the comment says before the allowed values.
        low: smallest allowed number, or None. For a list, of each entry.
        high: largest allowed number, or None; both ends are allowed.
        choices: the allowed values, or empty when a range or nothing limits them.
    """

    name: str
    kind: str
    default: Value
    help: str = ""
    low: int | float | None = None
    high: int | float | None = None
    choices: tuple[Scalar, ...] = ()

    @property
    def rule(self) -> str:
        """The allowed values in words."""
        many = self.kind.startswith("list")
        kind = self.kind[5:-1] if many else self.kind
        words = {"int": "a whole number", "float": "a finite number", "bool": "true or false", "str": "text"}[kind]
        if self.choices:
            words = "one of " + ", ".join(str(choice) for choice in self.choices)
        elif self.low is not None:
            words += f" from {self.low:g} to {self.high:g}" if kind == "float" else f" from {self.low} to {self.high}"
        elif kind == "str":
            words = f"printable text of at most {LONGEST_TEXT} characters"
        return f"1 to {LONGEST_LIST} values separated by commas, each {words}" if many else words

    def parse(self, text: str) -> Value:
        """Turn text from a command line into a value.

        Raises:
            ValueError: the text is no value of this parameter's kind, or not an allowed one. The message names the
                parameter, the rule and the text.
        """
        try:
            if self.kind.startswith("list"):
                parts = text.split(",")
                if len(parts) > LONGEST_LIST:
                    raise ValueError(text)
                return [self._allowed(_scalar(self.kind[5:-1], part)) for part in parts]
            return self._allowed(_scalar(self.kind, text))
        except ValueError:
            raise ValueError(f"{self.name} must be {self.rule}; got {shown(text)}") from None

    def _allowed(self, value: Scalar) -> Scalar:
        if self.choices and value not in self.choices:
            raise ValueError(value)
        limited = self.low is not None and self.high is not None and not isinstance(value, str)
        if limited and not self.low <= value <= self.high:  # type: ignore[operator]
            raise ValueError(value)
        return value


def shown(text: str) -> str:
    """The text quoted, short enough for one line of a terminal."""
    return ascii(text) if len(text) <= 60 else f"{text[:50]!a}... ({len(text)} characters)"


def _scalar(kind: str, text: str) -> Scalar:
    """Parse one value: only plain ASCII notation, exactly as one would write it by hand."""
    if kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "float" and _DECIMAL.fullmatch(text):
        value = float(text)
        vanished = value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])
        if math.isfinite(value) and not vanished:
            return value
    if kind == "bool" and text in ("true", "false", "True", "False"):
        return text in ("true", "True")
    if kind == "str" and len(text) <= LONGEST_TEXT and text.isprintable():
        return text
    raise ValueError(text)


def read_parameters(notebook: Path) -> list[Parameter]:
    """Read what the cell tagged ``parameters`` declares.

    Raises:
        RefusedError: the file is no notebook, has not exactly one such cell, or a line in it is not an annotated
            plain literal with a comment that ends with the allowed values.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        tagged = [c for c in cells if c["cell_type"] == "code" and "parameters" in c["metadata"].get("tags", [])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError([f"{notebook.name} is not a readable notebook: {type(error).__name__}: {error}"]) from None
    if len(tagged) != 1:
        raise RefusedError([f"{notebook.name} needs exactly one code cell tagged 'parameters'; it has {len(tagged)}"])
    source = "".join(tagged[0]["source"])
    try:
        return parse_declarations(source)
    except (ValueError, SyntaxError) as error:
        raise RefusedError([f"the parameters cell of {notebook.name}: {error}"]) from None


def parse_declarations(source: str) -> list[Parameter]:
    """Parse the source of a parameters cell.

    Raises:
        ValueError: a line is anything but ``name: type = literal  # meaning and allowed values``.
        SyntaxError: the source is not Python.
    """
    tree = ast.parse(source)
    comments = {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = [_declaration(statement, comments.get(statement.end_lineno or 0, "")) for statement in tree.body]
    names = [parameter.name for parameter in found]
    if len(set(names)) < len(names):
        raise ValueError(f"a parameter is declared twice among {', '.join(names)}")
    return found


def _declaration(statement: ast.stmt, comment: str) -> Parameter:
    if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value):
        raise ValueError(f"line {statement.lineno} must read 'name: type = value  # meaning'; got {_code(statement)}")
    name, kind = statement.target.id, ast.unparse(statement.annotation)
    if kind not in KINDS:
        raise ValueError(f"the type of {name} must be one of {', '.join(KINDS)}; got {kind}")
    default = _literal(statement.value, kind, name)
    limits = re.search(_RANGE, comment) or re.search(_CHOICES, comment)
    low = high = None
    choices: tuple[Scalar, ...] = ()
    scalar_kind = kind[5:-1] if kind.startswith("list") else kind
    if limits and comment[limits.start()] == "[" and scalar_kind in ("int", "float"):
        low, high = (_scalar(scalar_kind, limits[group]) for group in (1, 2))
    elif limits and comment[limits.start()] == "{":
        choices = tuple(_scalar(scalar_kind, choice.strip()) for choice in limits[1].split(","))
    elif scalar_kind in ("int", "float"):
        raise ValueError(f"the comment of {name} must end with its range, such as [0, 10]; got {comment!r}")
    meaning = comment[: limits.start()].strip() if limits and (choices or low is not None) else comment
    parameter = Parameter(name, kind, default, meaning, low, high, choices)  # type: ignore[arg-type]
    if not meaning:
        raise ValueError(f"the comment of {name} must say what it means")
    for value in default if isinstance(default, list) else [default]:
        try:
            parameter._allowed(value)
        except ValueError:
            raise ValueError(f"the default of {name} must be {parameter.rule}; got {value!r}") from None
    return parameter


def _literal(node: ast.expr, kind: str, name: str) -> Value:
    """The value of a plain literal of the declared kind; nothing is ever run."""
    problem = ValueError(f"the default of {name} must be a plain {kind}; got {_code(node)}")
    if kind.startswith("list"):
        if not isinstance(node, ast.List):
            raise problem
        entries = [_literal(entry, kind[5:-1], name) for entry in node.elts]
        return [entry for entry in entries if not isinstance(entry, list)]
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    constant = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    value = constant.value if isinstance(constant, ast.Constant) else None
    if kind == "float" and type(value) is int:
        value = float(value)
    if type(value).__name__ != kind or not isinstance(value, bool | int | float | str):
        raise problem
    if negative:
        if isinstance(value, bool | str):
            raise problem
        value = -value
    return value


def _code(node: ast.AST) -> str:
    return ast.unparse(node)[:60]
