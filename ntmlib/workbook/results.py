"""What a notebook calls: publish its figures beside the paper's, and show the source of a function it explains."""

import ast
import html
import inspect
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MIME = "application/vnd.ntm.results+json"


@dataclass(frozen=True)
class Result:
    """One measured figure.

    Attributes:
        name: what was measured, such as ``bits wrong at length 20``.
        value: a number, or a short text.
        unit: such as ``bits per sequence``; empty for a plain count.
        paper: the number the paper gives for the same thing, as text; empty when it gives none.
        source: where the paper gives it, such as ``Fig. 4``.
        better: which way is better, ``higher`` or ``lower``; empty when neither is.
    """

    name: str
    value: float | int | str
    unit: str = ""
    paper: str = ""
    source: str = ""
    better: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("name must say what was measured; got an empty text")
        if isinstance(self.value, bool) or not isinstance(self.value, int | float | str):
            raise ValueError(f"value must be a number or a text; got {type(self.value).__name__}")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise ValueError(f"value must be finite; got {self.value} for {self.name!r}")
        if self.better not in ("", "higher", "lower"):
            raise ValueError(f"better must be 'higher', 'lower' or empty; got {self.better!r} for {self.name!r}")

    @property
    def shown(self) -> str:
        """The value as a reader likes it: four significant digits, thousands apart, its unit behind it."""
        if isinstance(self.value, str):
            text = self.value
        elif isinstance(self.value, int) or (self.value.is_integer() and abs(self.value) >= 1000):
            text = f"{int(self.value):,}"
        else:
            text = f"{self.value:.4g}"
        return f"{text} {self.unit}".rstrip()

    @property
    def paper_shown(self) -> str:
        """The paper's number with the place where it stands."""
        return f"{self.paper} ({self.source})" if self.paper and self.source else self.paper


def publish(results: Sequence[Result]) -> None:
    """Show results as a table and hand them to the report; the first one is the notebook's main result.

    The same output is a table in JupyterLab, lines of text in a terminal, and figures on the report's index.

    Raises:
        ValueError: there is no result.
    """
    if not results:
        raise ValueError("results must hold at least one Result; got none")
    records = [{**asdict(r), "shown": r.shown} for r in results]
    _display({MIME: records, "text/html": _table(results), "text/plain": _lines(results)})


def _display(bundle: dict[str, Any]) -> None:
    from IPython.display import display  # here, so that checking a command line need not wait for IPython

    display(bundle, raw=True)


def _table(results: Sequence[Result]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(r.name)}</th><td>{html.escape(r.shown)}</td>'
        f"<td>{html.escape(r.paper_shown) or '–'}</td></tr>"
        for r in results
    )
    head = '<tr><th scope="col">result</th><th scope="col">this run</th><th scope="col">paper</th></tr>'
    return f'<table class="ntm-results"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _lines(results: Sequence[Result]) -> str:
    width = max(len(r.name) for r in results)
    return "\n".join(
        f"{r.name:<{width}}  {r.shown}" + (f"   (paper: {r.paper_shown})" if r.paper else "") for r in results
    )


def show_source(function: Callable[..., Any], *, docstring: bool = False) -> None:
    """Show the lines of a function or class, coloured as code, under a line that says where they live.

    The output is Markdown, so that JupyterLab and the report each colour it in their own light or dark scheme.

    Args:
        function: any function or class written in Python.
        docstring: keep the docstring; left out by default, because the notebook's text says the same beside it.
    """
    function = inspect.unwrap(function)
    lines, first = inspect.getsourcelines(function)
    code = textwrap.dedent("".join(lines)).rstrip()
    if not docstring:
        code = _without_docstring(code)
    file = Path(inspect.getsourcefile(function) or "")
    root = function.__module__.count(".") if file.name != "__init__.py" else function.__module__.count(".") + 1
    where = "/".join(file.parts[-root - 1 :])
    caption = f"`{function.__module__}.{function.__qualname__}` · {where}, line {first}"
    _display({"text/markdown": f"{caption}\n\n```python\n{code}\n```", "text/plain": code})


def _without_docstring(code: str) -> str:
    definition = ast.parse(code).body[0]
    if not isinstance(definition, ast.FunctionDef | ast.ClassDef) or ast.get_docstring(definition) is None:
        return code
    text, lines = definition.body[0], code.splitlines()
    if len(definition.body) == 1 or text.end_lineno is None:
        return code
    rest = lines[text.end_lineno :]
    while rest and not rest[0].strip():
        rest = rest[1:]
    return "\n".join(lines[: text.lineno - 1] + rest)
