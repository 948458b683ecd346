"""Tiny notebooks for the tests of the workbook: no torch, a second each."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = """\
seed: int = 0  # seed of every random draw [0, 2147483647]
preset: str = "quick"  # size of the runs {quick, paper}
interactive: bool = True  # live widgets (True) or players for a report (False)
learning_rate: float = 5e-3  # step size [1e-6, 1]
lengths: list[int] = [40, 80]  # lengths the machine is tested on [1, 1000]
"""


def write_notebook(folder: Path, name: str, *cells: str, parameters: str = PARAMETERS, title: str = "") -> Path:
    """Write NN-name.ipynb: title and question, parameters, then cells; one that starts with "md:" is Markdown."""
    head = f"# {title or name}\n\n**Question.** What does *{name}* show?\n\nMore text."
    body = [
        new_markdown_cell(cell.removeprefix("md:")) if cell.startswith("md:") else new_code_cell(cell) for cell in cells
    ]
    declared = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=[new_markdown_cell(head), declared, *body], metadata={"kernelspec": kernel})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything under a folder: names, times of change and contents."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
