"""The exercises of our notebooks, as a student gets them: they run before anything is answered, and each check says no.

What is run is shortened (see `exercise_slices`): the tests here say first that nothing is lost by it. That all checks
pass in the notebooks with solutions is seen where those run as a whole, in `browser/test_report_pages.py`.
"""

from pathlib import Path

import nbformat
import pytest
from exercise_slices import Names, is_exercise, names_that_leak, shortened, training_cells
from nbformat.v4 import new_code_cell, new_notebook

from ntmlib.workbook.exercises import read_checks
from ntmlib.workbook.report import run_report
from ntmlib.workbook.request import find_notebooks
from ntmlib.workbook.students import build_copies, student_copy

ROOT = Path(__file__).resolve().parent.parent
OURS = find_notebooks(ROOT / "notebooks")


def read(name):
    return nbformat.read(OURS[name], as_version=4)


@pytest.mark.parametrize(
    ("source", "needed", "given"),
    [
        ("y = f(x)", {"f", "x"}, {"y"}),
        ("x = 1\ny = x", set(), {"x", "y"}),
        ("x = x + 1", {"x"}, {"x"}),
        ("x += 1", {"x"}, {"x"}),
        ("for n in ns:\n    x = n", {"ns"}, {"n", "x"}),
        ("if a:\n    x = b", {"a", "b"}, {"x"}),
        ("[n for n in ns]", {"ns"}, set()),
        ("def f(a, b=c):\n    d = a\n    return d + e", {"c", "e"}, {"f"}),
        ("from a.b import c as d", set(), {"d"}),
        ("lambda q: q + r", {"r"}, set()),
    ],
)
def test_what_a_cell_needs_and_gives_is_read_from_its_source(source, needed, given):
    names = Names(source)
    assert (names.needed, names.given) == (needed, given)


def test_a_shortened_notebook_keeps_what_its_exercises_build_on_and_nothing_else():
    sources = ["x = 1", "x = 2", "z = 0", "x[0] = z", "w = 3", "check('q', y, x)\ny = 0", "print(y)"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    assert [cell.source for cell in shortened(notebook).cells] == ["x = 2", "z = 0", "x[0] = z", sources[5]]
    assert names_that_leak(notebook) == ["y"]


@pytest.mark.parametrize("name", OURS)
def test_a_notebook_has_two_to_four_exercises_one_of_them_a_prediction_each_with_a_hint_and_a_solution(name):
    notebook = read(name)
    copy, number = student_copy(notebook)
    asked = [cell.source for cell in notebook.cells if cell.source.startswith("### Exercise ")]
    left = [cell.source for cell in copy.cells if cell.source.startswith("### Exercise ")]
    assert 2 <= number == len(asked) == len(left) <= 4
    assert any("predict" in question.splitlines()[0] for question in asked)
    assert all(question.count("<summary>Hint<") == question.count("<summary>Solution<") == 1 for question in asked)
    assert all(question.count("<summary>Hint<") == 1 and "Solution" not in question for question in left)


@pytest.mark.parametrize("name", OURS)
def test_exercises_need_no_training_and_nothing_outside_of_them_needs_an_answer(name):
    notebook = read(name)
    assert training_cells(shortened(notebook)) == []
    assert names_that_leak(notebook) == []
    hidden = [cell for cell in notebook.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert hidden == [cell for cell in notebook.cells if "# BEGIN SOLUTION" in cell.source], "a reader is not spoiled"


@pytest.mark.notebooks
@pytest.mark.slow
def test_every_student_copy_runs_to_its_end_and_every_check_says_no(tmp_path):
    (tmp_path / "data").symlink_to(ROOT / "data")
    assert build_copies(notebooks=ROOT / "notebooks", out=tmp_path / "workshop") == 0
    asked = {}
    for path in sorted((tmp_path / "workshop").iterdir()):
        copy = nbformat.read(path, as_version=4)
        asked[path.stem] = sum(is_exercise(cell) for cell in copy.cells if cell.cell_type == "code") - 1  # the import
        nbformat.write(shortened(copy), path)
    assert run_report(notebooks=tmp_path / "workshop", out=tmp_path / "reports", jobs=2) == 0
    for name, number in asked.items():
        checks = read_checks(nbformat.read(tmp_path / "reports" / f"{name}.ipynb", as_version=4))
        assert [check.passed for check in checks] == [False] * number, f"{name}: {checks}"
