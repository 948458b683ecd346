import dataclasses

import pytest

from ntmlib.workbook.index import index_page
from ntmlib.workbook.outputs import find_request
from ntmlib.workbook.records import RunRecord, put_in_place, read_records

RESULT = {"name": "bits <wrong>", "value": 0, "shown": "0 bits", "unit": "bits", "paper": "0.1", "source": "Fig. 4"}
GOOD = RunRecord(
    name="03-copy",
    status="done",
    title="03 · Copy",
    question="Can $w_t$ copy?",
    seconds=33.0,
    changed={"seed": [0, 3]},
    results=[RESULT],
    commit="abc1234",
    versions={"torch": "2.13.0"},
    cover="data:image/png;base64,AAAA",
    cover_text="a loss curve",
)
FAILED = RunRecord(name="03-copy", status="failed", failed_cell=7, error="ValueError: <no>", title="03 · Copy")


def write(folder, *records):
    for record in records:
        ending = ".json" if record.done else ".failed.json"
        (folder / f"{record.name}{ending}").write_text(record.to_json(), encoding="utf-8")


def test_a_card_tells_everything_about_a_run(tmp_path):
    write(tmp_path, GOOD)
    html = index_page(tmp_path)
    wanted = ("03 · Copy", "<math", "33 s", "seed = 3 (default 0)", "abc1234", "torch 2.13.0")
    assert [text for text in wanted if text not in html] == []
    assert '<img src="data:image/png;base64,AAAA" alt="a loss curve">' in html
    assert '<th scope="row">bits &lt;wrong&gt;</th><td>0 bits</td><td>0.1 (Fig. 4)</td>' in html
    assert find_request(html) == ""


def test_a_comparison_is_linked_when_there_is_one(tmp_path):
    write(tmp_path, GOOD)
    assert "against.html" not in index_page(tmp_path)
    (tmp_path / "against.html").touch()
    assert '<a href="against.html">' in index_page(tmp_path)


def test_a_run_that_was_kept_says_since_when_and_another_why_it_was_run(tmp_path):
    write(tmp_path, dataclasses.replace(GOOD, why="seed is 3 and was <0>", kept="2026-11-27T10:00:00+00:00"))
    assert "<dt>kept</dt><dd>nothing had changed on 2026-11-27 10:00</dd>" in index_page(tmp_path)
    write(tmp_path, dataclasses.replace(GOOD, why="seed is 3 and was <0>"))
    assert "<dt>run because</dt><dd>seed is 3 and was &lt;0&gt;</dd>" in index_page(tmp_path)


def test_a_failed_last_run_is_told_beside_the_good_page(tmp_path):
    write(tmp_path, GOOD, FAILED)
    html = index_page(tmp_path)
    assert html.count('class="card"') == 1
    assert 'href="03-copy.html"' in html
    assert 'href="03-copy.failed.html"' in html
    assert "ValueError: &lt;no&gt;" in html
    assert "0 bits" in html


def test_a_notebook_that_never_succeeded_links_only_its_failed_page(tmp_path):
    write(tmp_path, FAILED)
    html = index_page(tmp_path)
    assert 'href="03-copy.html"' not in html
    assert 'href="03-copy.failed.html"' in html


def test_cards_come_in_the_order_of_the_notebooks_and_unreadable_records_are_left_out(tmp_path):
    write(tmp_path, GOOD, RunRecord(name="01-a", status="done"))
    (tmp_path / "02-b.json").write_text('{"format": 1, "na')
    html = index_page(tmp_path)
    assert html.count('class="card"') == 2
    assert html.index("01-a.html") < html.index("03-copy.html")


def test_a_record_survives_the_way_to_json_and_back(tmp_path):
    write(tmp_path, GOOD)
    assert read_records(tmp_path, ".json") == {"03-copy": GOOD}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"format": 2, "name": "a", "status": "done"}',
        '{"format": 1, "nam": 1}',
        '{"format": 1, "name": "a", "status": "done", "seconds": "9"}',
        '{"format": 1, "name": "a", "status": "done", "changed": {"seed": 3}}',
        '{"format": 1, "name": "a", "status": "done", "results": [{"name": "bits"}]}',
    ],
)
def test_a_foreign_record_is_refused(text):
    with pytest.raises(ValueError, match="a run record"):
        RunRecord.from_json(text)


def test_a_file_is_put_in_place_in_one_step(tmp_path):
    (tmp_path / "new").write_text("new")
    (tmp_path / "final").write_text("old")
    put_in_place(tmp_path / "new", tmp_path / "final")
    assert (tmp_path / "final").read_text() == "new"
    assert not (tmp_path / "new").exists()
