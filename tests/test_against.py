"""Two reports beside each other: what is told, in which words, and what is refused."""

import dataclasses

import pytest
from synthetic_notebooks import snapshot, write_notebook

from ntmlib.workbook.against import Report, compare, lines, read_earlier
from ntmlib.workbook.against_page import against_page
from ntmlib.workbook.outputs import find_request
from ntmlib.workbook.parameters import RefusedError
from ntmlib.workbook.records import RunRecord
from ntmlib.workbook.report import run_report


def measured(value, better="", name="bits", unit=""):
    shown = f"{value} {unit}".rstrip()
    return {"name": name, "value": value, "shown": shown, "unit": unit, "paper": "", "source": "", "better": better}


def record(*results, name="03-copy", **fields):
    return RunRecord(
        name, "failed" if "error" in fields else "done", title="03 · Copy", results=list(results), **fields
    )


def row(old, new):
    (change,) = compare(Report({"03-copy": record(old)}, {}), Report({"03-copy": record(new)}, {}))
    return next(iter(change.rows["results"]), None)


@pytest.mark.parametrize(
    ("old", "new", "better", "difference", "verdict"),
    [
        (0.5, 0.25, "lower", "-0.25", "better"),
        (0.25, 0.5, "lower", "+0.25", "worse"),
        (2072, 3072, "lower", "+1,000", "worse"),
        (3, 5, "higher", "+2", "better"),
        (3, 5, "", "+2", "changed"),
        ("92.7%", "99.2%", "higher", "+6.5 points", "better"),
        ("19 of 20 seeds", "18 of 20 seeds", "higher", "-1 of 20 seeds", "worse"),
        ("1.550 nats", "1.548 nats", "lower", "-0.002 nats", "better"),
        ("10 of 15", "10 of 16", "higher", "", "changed"),
        ("+0.01 to +0.02", "+0.01 to +0.03", "", "", "changed"),
        ("slot 0", "slot 3", "", "", "changed"),
    ],
)
def test_a_result_is_told_with_its_difference_and_better_or_worse_where_that_is_known(
    old, new, better, difference, verdict
):
    told = row(measured(old, better), measured(new, better))
    assert (told.difference, told.verdict) == (difference, verdict)


@pytest.mark.parametrize("value", [0, 2.5, "92.7%", "slot 0"])
def test_an_equal_result_is_only_counted(value):
    assert row(measured(value), measured(value, "lower")) is None


def test_a_unit_that_changed_makes_no_difference_of_numbers():
    assert row(measured(1.0, "lower", unit="bits"), measured(0.7, "lower", unit="nats")).verdict == "changed"


def test_parameters_versions_and_commit_that_changed_are_told():
    old = record(parameters={"seed": 0, "lengths": [1]}, commit="abc", versions={"torch": "2.12"})
    new = record(parameters={"seed": 3, "lengths": [1], "slots": 9}, commit="abd", versions={"torch": "2.13"})
    (change,) = compare(Report({"03-copy": old}, {}), Report({"03-copy": new}, {}))
    assert [(r.name, r.old, r.new) for r in change.rows["parameters"]] == [("seed", "0", "3"), ("slots", "", "9")]
    assert [(r.name, r.old, r.new) for r in change.rows["made with"]] == [
        ("commit", "abc", "abd"),
        ("torch", "2.12", "2.13"),
    ]


def test_notebooks_that_came_went_or_failed_are_told():
    failed = record(error="ValueError: no", name="02-b")
    old = Report({"01-a": record(name="01-a"), "02-b": record(name="02-b")}, {})
    new = Report({"02-b": record(name="02-b"), "03-c": record(name="03-c")}, {"02-b": failed})
    fates = [change.fate for change in compare(old, new)]
    assert fates == [
        "Only the earlier report has it.",
        "It fails now: ValueError: no",
        "The earlier report does not have it.",
    ]
    assert [change.fate for change in compare(new, old)][1].startswith("It failed before and does not fail any more")


def test_two_equal_reports_are_alike():
    report = Report({"03-copy": record(measured(1))}, {})
    assert [change.nothing for change in compare(report, report)] == [True]
    told = list(lines(compare(report, report), "old"))
    assert told[-1] == "  results: 1 the same; 1 of 1 notebooks are alike in everything"


def test_a_page_escapes_what_it_tells_and_asks_for_nothing():
    old, new = (record(measured(v, name="<b>"), parameters={"<i>": v}) for v in ("<u>", "<s>"))
    changes = compare(Report({"03-copy": old}, {}), Report({"03-copy": new}, {}))
    page = against_page(changes, "<old>")
    assert [tag for tag in ("<b>", "<i>", "<u>", "<s>", "<old>") if tag in page] == []
    assert find_request(page) == ""


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda folder: None, "there is no folder"),
        (lambda folder: folder.write_text("a file"), "there is no folder"),
        (lambda folder: folder.mkdir(), "holds no record of a run"),
        (lambda folder: (folder.mkdir(), (folder / "01-a.json").write_text("{}")), "holds no record of a run"),
    ],
)
def test_a_folder_that_is_no_report_is_refused_before_anything_runs(tmp_path, capsys, make, problem):
    write_notebook(tmp_path / "notebooks", "01-a")
    make(tmp_path / "old")
    before = snapshot(tmp_path)
    options = {"out": tmp_path / "new", "notebooks": tmp_path / "notebooks"}
    assert run_report(**options, against=tmp_path / "old") == 2
    error = capsys.readouterr().err
    assert "against must be the folder of an earlier report" in error
    assert problem in error
    assert snapshot(tmp_path) == before
    with pytest.raises(RefusedError):
        read_earlier(tmp_path / "old")


def test_a_report_is_compared_with_what_its_folder_held_before(tmp_path, capsys):
    publish = (
        "from ntmlib.workbook import Result, publish\npublish([Result('bits <wrong>', 5.0 + seed, better='lower')])"
    )
    write_notebook(tmp_path / "notebooks", "01-a", publish)
    options = {"out": tmp_path / "reports", "notebooks": tmp_path / "notebooks"}
    assert run_report(**options) == 0
    assert run_report(**options, settings=["seed=2"], against=tmp_path / "reports") == 0
    said = capsys.readouterr().out
    assert "    bits <wrong>: 5 → 7 (+2, worse)" in said
    assert "    seed: 0 → 2" in said
    page = (tmp_path / "reports" / "against.html").read_text("utf-8")
    assert "<td>+2</td>" in page
    assert 'href="against.html"' in (tmp_path / "reports" / "index.html").read_text("utf-8")
    assert run_report(**options, settings=["seed=3"]) == 0  # what it told is over
    assert not (tmp_path / "reports" / "against.html").exists()
    assert "against.html" not in (tmp_path / "reports" / "index.html").read_text("utf-8")


def test_records_from_before_directions_were_known_can_be_compared():
    old, new = measured(5), measured(4, "lower")
    del old["better"]
    assert row(old, new).verdict == "better"
    assert dataclasses.replace(record(old)).results == [old]
