"""The pages in docs: the glossary's names and shapes are those of the code, every command is one that ntm accepts, and
what the teacher's guide points at is there."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch

import ntmlib
from ntmlib import cli, machine

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
QUANTITIES = re.findall(r"^\| \$.+?\$ \| `([\w.]+)` \| (.+?) \| .+ \|$", GLOSSARY, re.MULTILINE)
FUNCTIONS = re.findall(r"^\| ([2-9][\d to,]*) \| `ntmlib\.machine\.(\w+)` \|", GLOSSARY, re.MULTILINE)
GUIDE = (ROOT / "docs" / "workshop.md").read_text("utf-8")


def commands_of(text: str) -> list[str]:
    """All lines of a page that are to be typed into a terminal, and what stands in its sentences like them."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`(ntm [a-z][^`]*)`", text)


PAGES = {"what to try": (ROOT / "docs" / "what-to-try.md").read_text("utf-8"), "workshop": GUIDE}
OTHERS = [line for line in commands_of(GUIDE) if not line.startswith("ntm ")]
COMMANDS = list(dict.fromkeys(line for text in PAGES.values() for line in commands_of(text) if line not in OTHERS))
NOTEBOOKS = {
    path.name[:2]: json.loads(path.read_text("utf-8"))["cells"] for path in (ROOT / "notebooks").glob("*.ipynb")
}
# Where a command stops being read and starts to work. From here on a test that only reads is over.
WORK = (
    "ntmlib.training.train",
    "ntmlib.training.load_run",
    "ntmlib.training.speed.print_table",
    "ntmlib.sweeps.command.run_sweep",
    "ntmlib.workbook.report._run",
    "ntmlib.workbook.students._write",
    "ntmlib.workbook.doctor.run_doctor",
)


@pytest.fixture(scope="module")
def things():
    """What the names of the glossary begin with, each axis of another size."""
    small = ntmlib.NTM(5, 4, hidden=9, slots=11, width=7, num_heads=2, num_shifts=3)
    return {"machine": small, "trace": small.trace(torch.zeros(8, 6, 5)), "state": small.initial_state(8)}


SIZES = {"batch": 8, "time": 6, "features": 5, "outputs": 4, "slots": 11, "width": 7, "heads": 2, "shifts": 3}


def test_the_glossary_has_every_symbol_and_every_equation():
    symbols = GLOSSARY.split("## Operations")[0]
    for symbol in ("x", "r", "e", "a", "k", r"\beta", "g", "s", r"\gamma", "w^c", "w^g", "w", r"\mathbf{M}"):
        assert f"| ${symbol}_t$ |" in symbols
    assert len(QUANTITIES) == symbols.count("\n| $")
    assert {function for _, function in FUNCTIONS} == {name for name in machine.__all__ if name.islower()}


@pytest.mark.parametrize(("name", "shape"), QUANTITIES)
def test_a_name_in_the_glossary_is_there_and_has_that_shape(things, name, shape):
    first, *rest = name.split(".")
    value = things[first]
    for part in rest:
        value = getattr(value, part)
    if shape == "a number":
        assert value == SIZES[rest[-1]]
    else:
        assert list(value.shape) == [SIZES[axis] for axis in shape.split()]


@pytest.mark.parametrize(("equation", "function"), FUNCTIONS)
def test_a_function_in_the_glossary_names_its_equation(equation, function):
    said = getattr(machine, function).__doc__
    numbers = {int(number) for group in re.findall(r"eq\. ([\d\s,and-]+)", said) for number in re.findall(r"\d", group)}
    assert numbers >= {int(number) for number in re.findall(r"\d", equation)}


class Works(BaseException):
    """A command was understood and was about to begin."""


@pytest.mark.draws_globally  # tyro does, when it tidies up its cache
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_worth_trying_is_understood(command, monkeypatch, capsys):
    def begin(*arguments, **options):
        raise Works

    monkeypatch.chdir(ROOT)
    for place in WORK:
        monkeypatch.setattr(place, begin)
    program, *arguments = shlex.split(command)
    assert program == "ntm"
    try:
        assert cli.main(arguments) == 0, capsys.readouterr().err
    except Works:
        return
    assert arguments[:2] in (["data", "list"], ["sweep", "data/sweeps/copy-feedforward.toml"]), "nothing was begun"


# --- the teacher's guide -----------------------------------------------------------------------------------------


def texts_of(number: str) -> str:
    return "\n".join("".join(cell["source"]) for cell in NOTEBOOKS[number] if cell["cell_type"] == "markdown")


def test_other_commands_of_the_guide_are_targets_of_make_or_scripts_of_the_bundle():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert len(OTHERS) >= 3
    for command in OTHERS:
        program, argument = command.split()
        assert program in ("make", "sh")
        there = f"\n{argument}: " in makefile if program == "make" else (ROOT / "offline" / argument).is_file()
        assert there, command


PLACES = re.findall(r"^\| [\d–]+ \| .+ \| (\d\d), (.+) \|$", GUIDE, re.MULTILINE)


def test_the_plan_names_a_place_for_all_but_the_goodbye_and_fills_ninety_minutes():
    minutes = re.findall(r"^\| (\d+)–(\d+) \|", GUIDE, re.MULTILINE)
    assert [int(begin) for begin, _ in minutes] == [0, *(int(end) for _, end in minutes[:-1])]
    assert int(minutes[-1][1]) == 90
    assert len(PLACES) == len(minutes) - 1


@pytest.mark.parametrize(("number", "headings"), PLACES)
def test_a_place_in_the_plan_is_a_heading_of_its_notebook(number, headings):
    there = re.findall(r"^#+ (.+)$", texts_of(number), re.MULTILINE)
    named = re.findall(r'"([^"]+)"', headings)
    assert named
    assert set(named) <= set(there)


def test_a_heading_named_in_a_block_of_the_half_day_is_in_its_notebook():
    blocks = re.findall(r"^\| \*\*(\d\d) · ([^:]+):.+?\*\* \| (.+) \|$", GUIDE, re.MULTILINE)
    assert len(blocks) == 4
    for number, title, hour in blocks:
        assert f"# {number} · {title}" in texts_of(number)
        for quoted in re.findall(r'"([^"]{12,}?)"', hour):
            assert quoted.rstrip("?.,") in texts_of(number).replace("\n", " ") or "after G" in quoted, quoted


EXERCISES = re.findall(r"^\| (\d\d), exercise (\d) · (.+?) \| (.+) \|$", GUIDE, re.MULTILINE)


@pytest.mark.parametrize(("number", "which", "title", "answer"), EXERCISES)
def test_an_exercise_in_the_guide_has_its_title_and_its_answer(number, which, title, answer):
    told = texts_of(number)
    assert f"### Exercise {which} · {title}\n" in told
    solution = told.split(f"### Exercise {which} ")[1].split("<summary>Solution</summary>")[1].split("</details>")[0]
    assert answer in solution  # in the notebook's own words; that they are right is what its check says in CI


@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_the_guide_answers_every_exercise_of_the_ninety_minutes(number):
    assert texts_of(number).count("### Exercise") == sum(exercise[0] == number for exercise in EXERCISES)


def test_a_file_that_the_guide_names_is_there():
    names = {"start.sh", "start.bat", "reports/index.html", "ntm-workbook"}  # made by the installer and the report
    files = set(re.findall(r"`([\w./-]+\.(?:md|sh|bat|html|py))`|\]\(([\w.-]+)\)", GUIDE))
    for code, link in files:
        if code in names:
            continue
        folders = (ROOT, ROOT / "offline", ROOT / "docs")
        assert any((folder / (code or link)).exists() for folder in folders), code or link
    assert "reports/index.html" in GUIDE
    assert (ROOT / "data" / "runs" / "copy-feedforward").is_dir()


def test_the_read_head_of_the_first_picture_sets_out_when_and_where_the_guide_says():
    kept = ntmlib.load_run(ROOT / "data" / "runs" / "copy-ntm").machine
    inputs = ntmlib.tasks.make("copy").sample(1, length=12, generator=torch.Generator().manual_seed(0)).inputs
    trace = kept.trace(inputs)
    read, written = (record.weighting[0, :, 0].argmax(-1).tolist() for record in (trace.read, trace.write))
    assert read[:14] == [*[0] * 12, 1, 2]
    assert written[:12] == list(range(1, 13))
    assert "waits at slot 0 for the whole sequence, and sets out at step 12" in GUIDE
    assert "The first vector is in slot 1" in GUIDE
