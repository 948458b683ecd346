import IPython.display
import pytest

from ntmlib.workbook import Result, publish, show_source
from ntmlib.workbook.export import duration
from ntmlib.workbook.results import MIME


@pytest.fixture
def bundle(monkeypatch):
    """What was displayed last, by form."""
    shown = {}
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.update(data))
    return shown


def test_results_are_a_table_lines_of_text_and_data(bundle):
    publish([Result("bits <wrong>", 0, "bits", "0", "Fig. 4"), Result("sequences", 32000)])
    assert "<td>0 bits</td><td>0 (Fig. 4)</td>" in bundle["text/html"]
    assert "bits &lt;wrong&gt;" in bundle["text/html"]
    assert bundle["text/plain"].splitlines()[0] == "bits <wrong>  0 bits   (paper: 0 (Fig. 4))"
    assert bundle[MIME][1]["value"] == 32000


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (32000, "32,000"), (0.123456, "0.1235"), (1e-7, "1e-07"), ("all", "all")]
)
def test_values_are_shown_short(value, shown):
    assert Result("x", value).shown == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((" ", 1), "name must say"),
        (("x", float("nan")), "value must be finite; got nan"),
        (("x", True), "got bool"),
        (("x", 1, "", "", "", "up"), "got 'up'"),
    ],
)
def test_a_result_that_says_nothing_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Result(*arguments)


def test_publishing_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one Result"):
        publish([])


def test_source_is_shown_without_its_docstring_unless_asked_for(bundle):
    show_source(duration)
    assert bundle["text/plain"].startswith("def duration(seconds: float) -> str:\n    if seconds < 90:")
    assert "`ntmlib.workbook.export.duration` · ntmlib/workbook/export.py, line " in bundle["text/markdown"]
    assert "```python\ndef duration" in bundle["text/markdown"]
    show_source(duration, docstring=True)
    assert '"""Seconds as people say them."""' in bundle["text/plain"]
