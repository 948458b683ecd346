"""The pages in docs: the glossary's names and shapes are those of the code, every command is one that ntm accepts."""

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
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "what-to-try.md").read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]
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
