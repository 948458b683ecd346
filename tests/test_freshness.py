"""Why a notebook is run again, or not."""

import nbformat
import pytest
from synthetic_notebooks import write_notebook

from ntmlib.workbook.freshness import checksums, ingredients, reason_to_run, shared_ingredients
from ntmlib.workbook.records import RunRecord

PARAMETERS = {"seed": 0, "lengths": [40, 80]}


@pytest.fixture
def made(tmp_path):
    """A notebook, data beside it, and what a good run of it leaves; the record is returned."""
    notebook = write_notebook(tmp_path / "notebooks", "01-a", "print(1)")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").write_text("1")
    files = {}
    for kind in (".html", ".ipynb"):
        files[kind] = tmp_path / f"01-a{kind}"
        files[kind].write_text(kind)
    made_of = ingredients(notebook, shared_ingredients(notebook.parent))
    return RunRecord("01-a", "done", parameters=PARAMETERS, made_of=made_of, written=checksums(files))


def reason(home, record, parameters=PARAMETERS, **options):
    notebooks = home / "notebooks"
    made_of = ingredients(notebooks / "01-a.ipynb", shared_ingredients(notebooks))
    return reason_to_run(home, record, made_of, parameters, **options)


def test_nothing_has_changed(tmp_path, made):
    assert reason(tmp_path, made) == ""


def test_outputs_that_were_saved_into_a_notebook_are_no_change(tmp_path, made):
    path = tmp_path / "notebooks" / "01-a.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="1")]
    notebook.cells[-1].execution_count = 3
    nbformat.write(notebook, path)
    assert reason(tmp_path, made) == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda home: write_notebook(home / "notebooks", "01-a", "print(2)"), "the notebook had changed"),
        (lambda home: (home / "data" / "table.csv").write_text("2"), "data had changed"),
        (lambda home: (home / "notebooks" / "picture.svg").write_text("<svg/>"), "data had changed"),
        (lambda home: (home / "01-a.html").write_text("half"), "its page was not the one that its record tells of"),
        (lambda home: (home / "01-a.ipynb").unlink(), "its page was not the one that its record tells of"),
        (lambda home: (home / "01-a.html").unlink(), "it had no page yet"),
        (lambda home: (home / "01-a.failed.json").write_text("{"), "its last run had failed"),
    ],
)
def test_a_change_of_what_a_page_depends_on_is_named(tmp_path, made, change, why):
    change(tmp_path)
    assert reason(tmp_path, made) == why


@pytest.mark.parametrize(
    ("name", "why"), [("library", "ntmlib had changed"), ("packages", "Python or an installed package had changed")]
)
def test_another_library_or_package_is_named(tmp_path, made, name, why):
    made.made_of[name] = "another"
    assert reason(tmp_path, made) == why


def test_a_parameter_is_named_with_both_values(tmp_path, made):
    assert (
        reason(tmp_path, made, {"seed": 7, "lengths": [40]}) == "seed is 7 and was 0, lengths is [40] and was [40, 80]"
    )


def test_force_and_records_without_checksums_run_it(tmp_path, made):
    assert reason(tmp_path, made, force=True) == "of --force"
    assert reason(tmp_path, None) == "it had no page yet"
    assert reason(tmp_path, RunRecord("01-a", "done", parameters=PARAMETERS)).startswith("its page did not say")
