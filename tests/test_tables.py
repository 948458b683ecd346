from xml.etree import ElementTree

import pytest

from ntmlib.views import Table

ROWS = [("copy", "NTM", "3,448"), ("copy", "LSTM", ""), ("sort", "NTM", "a < b & c")]
TABLE = Table(("task", "model", "sequences"), ROWS, "What it cost.", num_headers=2)


def test_every_cell_that_names_a_row_or_column_is_a_heading():
    table = ElementTree.fromstring(TABLE.to_html())
    scopes = [heading.get("scope") for heading in table.iter("th")]
    assert scopes == ["col"] * 3 + ["rowgroup", "row", "row", "rowgroup", "row"]
    assert table.find("caption").text == "What it cost."


def test_rows_that_begin_alike_share_their_first_cell():
    groups = ElementTree.fromstring(TABLE.to_html()).findall("tbody")
    assert [len(group.findall("tr")) for group in groups] == [2, 1]
    assert groups[0].find("tr/th").get("rowspan") == "2"


def test_text_is_escaped_and_nothing_becomes_a_dash():
    cells = [cell.text for cell in ElementTree.fromstring(TABLE.to_html()).iter("td")]
    assert cells == ["3,448", "–", "a < b & c"]


def test_a_terminal_gets_aligned_columns():
    assert TABLE.to_text().splitlines() == [
        "What it cost.",
        "task  model  sequences",
        "copy  NTM    3,448",
        "copy  LSTM   –",
        "sort  NTM    a < b & c",
    ]


def test_a_notebook_gets_both():
    assert TABLE._repr_mimebundle_() == {"text/html": TABLE.to_html(), "text/plain": TABLE.to_text()}


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"rows must have 2 texts each; got \['a'\]"):
        Table(("x", "y"), [("a",)])
    with pytest.raises(ValueError, match="num_headers must be from 1 to 2; got 3"):
        Table(("x", "y"), [], num_headers=3)


def test_an_empty_heading_is_an_empty_cell():
    head = ElementTree.fromstring(Table(("", "bits"), [("NTM", "1")]).to_html()).findall("thead/tr/*")
    assert [cell.tag for cell in head] == ["td", "th"]
