"""Student's copies: solutions and their folds gone, all else as it was, nothing written when anything is wrong."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from synthetic_notebooks import snapshot, write_notebook

from ntmlib.cli import main
from ntmlib.workbook.parameters import RefusedError
from ntmlib.workbook.students import build_copies, student_copy, without_solutions

SOLVED = """\
guess = None  # a number
# BEGIN SOLUTION
six = 6
guess = six * 7
# END SOLUTION
print(guess)"""
IN_A_FUNCTION = """\
def double(number):
    # BEGIN SOLUTION
    return 2 * number
    # END SOLUTION
    return number


print(double(2))"""


@pytest.fixture
def home(tmp_path):
    write_notebook(tmp_path / "notebooks", "01-a", "md:Text", SOLVED)
    write_notebook(tmp_path / "notebooks", "02-b", IN_A_FUNCTION, SOLVED)
    (tmp_path / "data").mkdir()
    return tmp_path


def build(home, **options):
    return build_copies(**{"notebooks": home / "notebooks", "out": home / "workshop", **options})


def refusal(*cells) -> str:
    with pytest.raises(RefusedError) as refused:
        student_copy(new_notebook(cells=list(cells)))
    return str(refused.value)


def test_a_solution_gives_way_to_a_stub_and_the_placeholder_in_front_of_it_stays():
    assert without_solutions(SOLVED, []) == "guess = None  # a number\n# YOUR CODE HERE\nprint(guess)"


def test_a_stub_is_indented_like_its_solution_and_what_is_left_runs(capsys):
    copy = without_solutions(IN_A_FUNCTION, [])
    assert "    # YOUR CODE HERE\n    return number\n" in copy
    assert "2 * number" not in copy
    compile(copy, "copy", "exec")


def test_nbgraders_own_spelling_of_the_markers_is_read():
    assert without_solutions("a = 0\n### BEGIN SOLUTION\na = 1\n### END SOLUTION", ["a"]) == "a = 0\n# YOUR CODE HERE"


def test_a_name_inside_a_function_needs_no_placeholder_though_other_cells_have_one_of_that_name():
    local = "def f(x):\n    # BEGIN SOLUTION\n    cost = 2 * x\n    return cost\n    # END SOLUTION\n    return x"
    assert "cost" not in without_solutions(local, ["cost = 3", "print(cost)"])


def test_a_solution_may_change_what_the_placeholder_has_made():
    assert (
        without_solutions("a = []\n# BEGIN SOLUTION\na.append(1)\n# END SOLUTION", ["a"]) == "a = []\n# YOUR CODE HERE"
    )


def test_two_solutions_in_one_cell_are_both_taken_out():
    cell = "a = b = 0\n# BEGIN SOLUTION\na = 1\n# END SOLUTION\n# BEGIN SOLUTION\nb = 2\n# END SOLUTION\nprint(a, b)"
    assert without_solutions(cell, []) == "a = b = 0\n# YOUR CODE HERE\n# YOUR CODE HERE\nprint(a, b)"


def test_a_copy_keeps_ids_and_hints_and_loses_solutions_outputs_and_hidden_inputs():
    fold = "<details><summary>{}</summary>\n\nTry.\n\n</details>\n"
    text = new_markdown_cell("Ask.\n\n" + fold.format("Hint") + "\n" + fold.format("Solution"))
    gone = new_markdown_cell(fold.format("Solution and why"))
    code = new_code_cell(SOLVED, execution_count=3, metadata={"jupyter": {"source_hidden": True}, "tags": ["x"]})
    notebook = new_notebook(cells=[text, gone, code])
    before = nbformat.writes(notebook)
    copy, number = student_copy(notebook)
    assert nbformat.writes(notebook) == before
    assert number == 1
    assert [cell.id for cell in copy.cells] == [text.id, code.id]
    assert copy.cells[0].source == "Ask.\n\n" + fold.format("Hint").rstrip()
    assert copy.cells[1].metadata == {"tags": ["x"]}
    assert (copy.cells[1].execution_count, copy.cells[1].outputs) == (None, [])
    nbformat.validate(copy)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a = 0\n# BEGIN SOLUTION\na = 1", "the solution that begins at line 2 has no # END SOLUTION"),
        ("a = 1\n# END SOLUTION", "line 2 ends a solution that no # BEGIN SOLUTION began"),
        ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION", "line 2 begins a solution inside the one that line 1"),
        ("# begin solution\na = 1\n# END SOLUTION", "line 1 must read # BEGIN SOLUTION or # END SOLUTION"),
        (
            "# BEGIN SOLUTION\na = 1\n# END SOLUTION\nprint(a)",
            "has no placeholder for a; put a line such as 'a = None'",
        ),
        ("def f():\n    # BEGIN SOLUTION\n    return 1\n    # END SOLUTION\nf()", "without it the cell is not Python"),
        (
            "def f():\n    x = 1\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION\nf()",
            "returns a value, and noth",
        ),
        ("# BEGIN SOLUTION\nprint(1)\n# END SOLUTION", "defines nothing that is used outside"),
        ("a = 0\n# BEGIN SOLUTION\na = = 1\n# END SOLUTION\na", "is not Python"),
    ],
)
def test_a_faulty_solution_is_refused_with_its_line(source, message):
    assert message in refusal(new_code_cell(source), new_code_cell(SOLVED))


def test_a_placeholder_is_asked_for_when_only_a_later_cell_uses_the_answer():
    alone = new_code_cell("# BEGIN SOLUTION\na = 1\n# END SOLUTION")
    assert "no placeholder for a" in refusal(alone, new_code_cell("print(a)"))


def test_faulty_folds_and_a_notebook_without_exercise_are_refused():
    assert "a <details> is not closed" in refusal(new_markdown_cell("<details><summary>Solution</summary>"))
    assert "belong into code" in refusal(new_markdown_cell("# BEGIN SOLUTION"))
    nested = "<details><summary>Solution</summary><details></details></details>"
    assert "must not hold another one" in refusal(new_markdown_cell(nested))
    assert "there is no exercise" in refusal(new_code_cell("a = 1"))


def test_every_notebook_gets_a_copy_that_is_whole(home, capsys):
    assert build(home) == 0
    assert capsys.readouterr().out == f"2 notebooks with 3 exercises in {home / 'workshop'}\n"
    assert [path.name for path in sorted((home / "workshop").iterdir())] == ["01-a.ipynb", "02-b.ipynb"]
    for path in (home / "workshop").iterdir():
        nbformat.validate(nbformat.read(path, as_version=4))
        assert "SOLUTION" not in path.read_text("utf-8")


def test_what_was_answered_is_replaced_only_on_request(home, capsys):
    assert build(home) == 0
    (home / "workshop" / "02-b.ipynb").write_text("my answers")
    before = snapshot(home)
    assert build(home) == 2
    assert "out has 01-a.ipynb already, maybe with answers in it; --force replaces" in capsys.readouterr().err
    assert snapshot(home) == before
    assert build(home, force=True) == 0
    assert "my answers" not in (home / "workshop" / "02-b.ipynb").read_text("utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda home: write_notebook(home / "notebooks", "03-c", "a = 1"), "03-c.ipynb: there is no exercise"),
        (lambda home: (home / "notebooks" / "03-c.ipynb").write_text("{"), "03-c.ipynb is not a readable notebook"),
        (lambda home: (home / "workshop").write_text("mine"), "out must be a folder"),
        (lambda home: (home / "notebooks").rename(home / "elsewhere"), "there are no notebooks named NN-name.ipynb"),
    ],
)
def test_one_problem_and_nothing_is_written(home, capsys, spoil, message):
    spoil(home)
    before = snapshot(home)
    assert build(home) == 2
    assert message in capsys.readouterr().err
    assert snapshot(home) == before


def test_the_notebooks_themselves_are_never_overwritten(home, capsys):
    before = snapshot(home)
    assert build(home, out=home / "notebooks", force=True) == 2
    assert "out must be another folder than that of the notebooks" in capsys.readouterr().err
    assert snapshot(home) == before


def test_a_full_disk_leaves_the_earlier_copies_and_no_half_ones(home, capsys, monkeypatch):
    assert build(home) == 0
    before = snapshot(home / "workshop")

    def full(notebook, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nbformat, "write", full)
    assert build(home, force=True) == 1
    assert "failed: [Errno 28] No space left on device" in capsys.readouterr().err
    assert snapshot(home / "workshop") == before


@pytest.mark.draws_globally  # tyro does, when it tidies up its cache
def test_the_command_builds_and_tells_where_data_should_be(home, capsys):
    (home / "data").rmdir()
    arguments = ["--notebooks", str(home / "notebooks"), "--out", str(home / "w")]
    assert main(["exercises", "build", *arguments]) == 0
    assert f"there is no folder {home / 'data'}" in capsys.readouterr().out
    assert main(["exercises", "solve"]) == 2
    assert main(["exercises"]) == 2
    assert main(["exercises", "--help"]) == 0
