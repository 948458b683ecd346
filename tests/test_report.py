"""`ntm report` as its users see it: pages that are always whole, and good ones that stay."""

import json
import threading

import pytest
from synthetic_notebooks import snapshot, write_notebook

from ntmlib.workbook.report import run_report

PUBLISHES = "from ntmlib.workbook import Result, publish\npublish([Result('answer', 42, paper='41', source='Fig. 1')])"


def report(home, *names, **options):
    return run_report(names, out=home / "reports", notebooks=home / "notebooks", **options)


def test_a_failing_run_leaves_the_good_page_alone_until_a_good_run_replaces_it(tmp_path):
    write_notebook(tmp_path / "notebooks", "01-a", PUBLISHES)
    assert report(tmp_path) == 0
    good = snapshot(tmp_path / "reports")
    write_notebook(tmp_path / "notebooks", "01-a", "1 / 0")
    assert report(tmp_path) == 1
    after = snapshot(tmp_path / "reports")
    assert {name: after[name] for name in good if name != "index.html"} == {
        name: good[name] for name in good if name != "index.html"
    }
    index = (tmp_path / "reports" / "index.html").read_text("utf-8")
    assert 'href="01-a.html"' in index
    assert 'href="01-a.failed.html"' in index
    assert "ZeroDivisionError: division by zero" in index
    write_notebook(tmp_path / "notebooks", "01-a", PUBLISHES)
    assert report(tmp_path) == 0
    assert set(snapshot(tmp_path / "reports")) == set(good)


def test_one_notebook_is_redone_and_the_index_still_lists_the_others(tmp_path):
    for name in ("01-a", "02-b"):
        write_notebook(tmp_path / "notebooks", name, PUBLISHES)
    assert report(tmp_path, jobs=2) == 0
    first = snapshot(tmp_path / "reports")
    assert report(tmp_path, "b", settings=["seed=9"]) == 0
    again = snapshot(tmp_path / "reports")
    assert first["01-a.html"] == again["01-a.html"]
    index = again["index.html"][1].decode()
    assert index.count('class="card"') == 2
    assert index.count("seed = 9 (default 0)") == 1
    assert index.count("<td>42</td>") == 2


def test_a_rerun_of_an_unchanged_notebook_differs_only_in_the_marked_line(tmp_path):
    write_notebook(tmp_path / "notebooks", "01-a", PUBLISHES)
    pages = []
    for _ in range(2):
        assert report(tmp_path, force=True) == 0
        page = (tmp_path / "reports" / "01-a.html").read_text("utf-8")
        before, _, rest = page.partition("<!-- run -->")
        pages.append(before + rest.partition("<!-- /run -->")[2])
    assert pages[0] == pages[1]


def test_a_reader_never_sees_half_a_file(tmp_path):
    write_notebook(tmp_path / "notebooks", "01-a", PUBLISHES, "print('x' * 200_000)")
    assert report(tmp_path) == 0
    over, reads, broken = threading.Event(), 0, []

    def poll():
        nonlocal reads
        while not over.is_set():
            for name in ("01-a.html", "01-a.ipynb", "01-a.json", "index.html"):
                text = (tmp_path / "reports" / name).read_text("utf-8")
                try:
                    whole = text.endswith("</html>\n") if name.endswith("html") else bool(json.loads(text))
                except ValueError:
                    whole = False
                reads += 1
                broken.extend([] if whole else [name])
            over.wait(0.001)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        assert [report(tmp_path, force=True) for _ in range(3)] == [0, 0, 0]
    finally:
        over.set()
        reader.join()
    assert broken == []
    assert reads >= 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs must be a whole number from 1 to 64; got 0"),
        ({"jobs": 65}, "jobs must be a whole number from 1 to 64; got 65"),
        ({"timeout": -1.0}, "timeout must be a number of seconds above 0; got -1.0"),
        ({"timeout": float("nan")}, "timeout must be a number of seconds above 0; got nan"),
        ({"preset": "papr"}, "preset must be one of quick, paper; got 'papr'"),
        ({"names": ["02"]}, "no notebook is called '02'"),
        ({"engine": "dask"}, "engine must be local or ray; got 'dask'"),
        ({"address": "head:6379"}, "address is for --engine ray; got 'head:6379' for local"),
        ({"engine": "ray", "address": "head"}, "address must be HOST:PORT of the cluster's head, or auto; got 'head'"),
    ],
)
def test_a_bad_option_is_refused_and_nothing_is_made(tmp_path, capsys, options, message):
    write_notebook(tmp_path / "notebooks", "01-a")
    before = snapshot(tmp_path)
    names = options.pop("names", [])
    assert report(tmp_path, *names, **options) == 2
    assert message in capsys.readouterr().err
    assert snapshot(tmp_path) == before


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks", "01-a")
    (tmp_path / "reports").write_text("mine")
    assert report(tmp_path) == 2
    assert "out must be a folder" in capsys.readouterr().err
    assert (tmp_path / "reports").read_text() == "mine"


def test_a_folder_without_notebooks_is_refused(tmp_path, capsys):
    assert report(tmp_path) == 2
    assert "there are no notebooks named NN-name.ipynb" in capsys.readouterr().err


def lines_about(name, text):
    return [line for line in text.splitlines() if name in line]


def test_what_has_not_changed_is_kept_and_what_has_is_run_again_with_the_reason(tmp_path, capsys):
    notebooks = tmp_path / "notebooks"
    for name in ("01-a", "02-b"):
        write_notebook(notebooks, name, PUBLISHES)
    assert report(tmp_path) == 0
    assert "run because it had no page yet" in lines_about("01-a", capsys.readouterr().out)[0]
    before = snapshot(tmp_path / "reports")
    write_notebook(notebooks, "02-b", PUBLISHES, "print('more')")
    assert report(tmp_path) == 0
    said = capsys.readouterr().out
    assert "kept              nothing has changed since" in lines_about("01-a", said)[0]
    assert "run because the notebook had changed" in lines_about("02-b", said)[0]
    assert said.splitlines()[-1].startswith("1 done, 1 kept in")
    after = snapshot(tmp_path / "reports")
    assert [after[f"01-a{kind}"] == before[f"01-a{kind}"] for kind in (".html", ".ipynb")] == [True, True]
    assert after["02-b.html"] != before["02-b.html"]
    index = after["index.html"][1].decode()
    assert "nothing had changed" in index
    assert "the notebook had changed" in index
