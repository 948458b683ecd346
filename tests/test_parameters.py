import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_notebooks import PARAMETERS, snapshot, write_notebook

from ntmlib.workbook import places
from ntmlib.workbook.parameters import Parameter, RefusedError, parse_declarations, read_parameters
from ntmlib.workbook.report import run_report
from ntmlib.workbook.request import check_settings, find_notebooks, select_notebooks

DECLARED = parse_declarations(PARAMETERS)
BY_NAME = {parameter.name: parameter for parameter in DECLARED}
STEMS = ("01-architecture", "02-addressing", "03-copy")


def check(*settings: str, preset: str = "quick"):
    return check_settings({"03-copy": DECLARED}, settings, preset)


def test_a_parameters_cell_is_read_with_types_meanings_and_ranges():
    assert BY_NAME["seed"] == Parameter("seed", "int", 0, "seed of every random draw", 0, 2147483647)
    assert BY_NAME["preset"].choices == ("quick", "paper")
    assert (BY_NAME["learning_rate"].low, BY_NAME["learning_rate"].high) == (1e-6, 1)
    assert BY_NAME["interactive"].help == "live widgets (True) or players for a report (False)"
    assert BY_NAME["lengths"].default == [40, 80]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("seed = 0  # seed [0, 9]", "must read 'name: type"),
        ("import os", "must read 'name: type"),
        ("seed: int = 1 + 1  # seed [0, 9]", "plain int"),
        ("seed: int = True  # seed [0, 9]", "plain int"),
        ("seed: int = None  # seed [0, 9]", "plain int"),
        ("seed: int = 0  # seed", "must end with its range"),
        ("seed: int = 0", "must end with its range"),
        ("seed: int = 10  # seed [0, 9]", "the default of seed must be a whole number from 0 to 9; got 10"),
        ("seed: int = 0  # [0, 9]", "must say what it means"),
        ("size: complex = 1  # size [0, 9]", "the type of size must be one of int"),
        ("preset: str = 'fast'  # size {quick, paper}", "one of quick, paper"),
        ("seed: int = 0  # seed [0, 9]\nseed: int = 0  # seed [0, 9]", "declared twice"),
        ("lengths: list[int] = (1, 2)  # lengths [1, 9]", "plain list"),
    ],
)
def test_a_parameters_cell_that_is_not_plain_is_refused(source, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        parse_declarations(source)


def test_a_file_that_is_no_notebook_is_refused_by_name(tmp_path):
    (tmp_path / "01-bad.ipynb").write_text("{'cells': 1}")
    with pytest.raises(RefusedError, match=r"01-bad\.ipynb is not a readable notebook"):
        read_parameters(tmp_path / "01-bad.ipynb")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "0", 0),
        ("seed", "2147483647", 2147483647),
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", "1", 1.0),
        ("learning_rate", ".5", 0.5),
        ("learning_rate", "0.000001", 1e-6),
        ("lengths", "40,80,120", [40, 80, 120]),
        ("preset", "paper", "paper"),
    ],
)
def test_a_valid_value_is_accepted_and_typed(name, text, value):
    accepted = check(f"{name}={text}")["03-copy"][name]
    assert accepted == value
    assert type(accepted) is type(value)


NO_NUMBERS = ["nan", "inf", "-inf", "1e400", "abc", "", "None", "[1]", "0x10", "1_000", " 5", "5 ", "１", "٣", "1,5"]


@pytest.mark.parametrize("text", [*NO_NUMBERS, "1e-400", "0", "1.0001", "-1", "5\n", "1e", "e5", "."])
def test_a_bad_float_is_refused_with_name_range_and_value(text):
    with pytest.raises(RefusedError) as refusal:
        check(f"learning_rate={text}")
    problem = refusal.value.problems[0]
    assert "learning_rate must be a finite number from 1e-06 to 1" in problem
    assert ascii(text) in problem


@pytest.mark.parametrize("text", [*NO_NUMBERS, "1.0", "1e3", "-1", "2147483648", "9" * 5000, "True", "+1"])
def test_a_bad_integer_is_refused(text):
    with pytest.raises(RefusedError, match="seed must be a whole number from 0 to 2147483647"):
        check(f"seed={text}")


@pytest.mark.parametrize("text", ["40,,80", "", "40;80", "0,1", "1001", "40, 80", ",".join(["1"] * 101)])
def test_a_bad_list_is_refused(text):
    with pytest.raises(RefusedError, match="lengths must be 1 to 100 values separated by commas"):
        check(f"lengths={text}")


def test_free_text_takes_quotes_but_no_control_characters():
    label = Parameter("label", "str", "")
    assert label.parse('it\'s "so" {x}') == 'it\'s "so" {x}'
    for bad in ("a\nb", "a\x1b[0m", "a\x00", "x" * 201, "\udc80"):
        with pytest.raises(ValueError, match="label must be printable text of at most 200 characters"):
            label.parse(bad)


def test_every_problem_is_reported_at_once():
    with pytest.raises(RefusedError) as refusal:
        check("sead=1", "seed=x", "learning_rate=2", "interactive=true", "novalue", "lengths=1", "lengths=2")
    assert len(refusal.value.problems) == 6
    assert any("'sead', did you mean 'seed'?" in problem for problem in refusal.value.problems)
    assert any("'lengths' is set twice" in problem for problem in refusal.value.problems)


def test_a_setting_goes_to_every_notebook_that_has_the_name():
    declared = {"01-a": DECLARED, "02-b": parse_declarations("steps: int = 1  # steps [1, 9]")}
    values = check_settings(declared, ["steps=3", "seed=4"], "paper")
    assert values == {"01-a": {"seed": 4, "preset": "paper", "interactive": False}, "02-b": {"steps": 3}}


@pytest.mark.parametrize("name", ["copy", "03", "3", "03-copy", "03-copy.ipynb", "notebooks/03-copy.ipynb"])
def test_a_notebook_is_found_under_each_of_its_names(name, tmp_path):
    available = {stem: tmp_path / f"{stem}.ipynb" for stem in STEMS}
    assert list(select_notebooks(available, [name])) == ["03-copy"]


def test_an_unknown_notebook_is_refused_with_the_nearest_name(tmp_path):
    available = {stem: tmp_path / f"{stem}.ipynb" for stem in STEMS}
    with pytest.raises(RefusedError, match="'adressing', did you mean 'addressing'"):
        select_notebooks(available, ["copy", "adressing"])


def test_no_names_selects_all_in_order(tmp_path):
    for stem in reversed(STEMS):
        write_notebook(tmp_path, stem)
    write_notebook(tmp_path, "scratch")
    assert list(select_notebooks(find_notebooks(tmp_path), [])) == list(STEMS)


# ---- fuzzing: whatever is bad is refused before anything happens, whatever is good is taken

bad_integers = st.one_of(
    st.integers(max_value=-1).map(str),
    st.integers(min_value=2**31).map(str),
    st.integers(0, 10**6).map(lambda n: str(n).translate({ord("0") + d: ord("٠") + d for d in range(10)})),
    st.integers(0, 10**6).map(hex),
    st.integers(1000, 10**6).map(lambda n: f"{n:_}"),
    st.floats().map(repr),
    st.tuples(st.sampled_from(" \t\n\"'\u00a0"), st.integers(0, 99)).map(lambda pair: f"{pair[0]}{pair[1]}"),
    st.text().filter(lambda text: not text.isdigit()),
)
bad_floats = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).filter(lambda x: not 1e-6 <= x <= 1).map(repr),
    st.sampled_from(NO_NUMBERS),
    st.integers(309, 99999).map(lambda power: f"1e{power}"),
    st.text(alphabet="einfa._ xX'\"\n１٣", max_size=8),
)
bad_settings = st.one_of(
    bad_integers.map(lambda text: f"seed={text}"),
    bad_floats.map(lambda text: f"learning_rate={text}"),
    st.text(max_size=12).filter(lambda text: text not in ("quick", "paper")).map(lambda text: f"preset={text}"),
    st.text(max_size=12).filter(lambda text: text.split("=")[0] not in BY_NAME),
    st.sampled_from(["interactive=true", "interactive=yes", "lengths=1,x", "Seed=1", "=1", "seed", "seed ="]),
)
good_settings = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**31 - 1),
        "learning_rate": st.floats(1e-6, 1),
        "preset": st.sampled_from(["quick", "paper"]),
        "lengths": st.lists(st.integers(1, 1000), min_size=1, max_size=9),
        "interactive": st.just(False),
    },
)


def test_a_thousand_bad_settings_are_all_refused_and_touch_nothing(tmp_path, monkeypatch, capsys):
    write_notebook(tmp_path / "notebooks", "01-good", "1 + 1")
    monkeypatch.setattr(places.subprocess, "Popen", lambda *a, **k: pytest.fail("a kernel was started"))
    before = snapshot(tmp_path)

    @settings(max_examples=1000)
    @given(bad_settings, good_settings)
    def refused(bad, good):
        texts = [f"{name}={_text(value)}" for name, value in good.items() if name != bad.split("=")[0]]
        assert run_report(settings=[*texts, bad], out=tmp_path / "out", notebooks=tmp_path / "notebooks") == 2

    refused()
    capsys.readouterr()
    assert snapshot(tmp_path) == before


@settings(max_examples=1000)
@given(good_settings)
def test_no_valid_settings_are_refused(good):
    values = check(*(f"{name}={_text(value)}" for name, value in good.items()))["03-copy"]
    assert values == {"preset": "quick", "interactive": False, **good}


def _text(value):
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def test_a_refusal_takes_under_two_seconds_in_a_fresh_process_and_imports_no_papermill(tmp_path):
    write_notebook(tmp_path / "notebooks", "01-good")
    program = (
        "import sys; from ntmlib.workbook.report import run_report\n"
        "status = run_report(settings=['sead=1'])\n"
        "assert not {'papermill', 'nbconvert', 'torch', 'IPython'} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    start = time.monotonic()
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, time.monotonic() - start < 2) == (2, True), run.stderr
    assert "did you mean 'seed'" in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notebooks"]
