"""Checks of exercises: right answers get a tick, wrong ones a cross, and nothing whatever stops the notebook."""

import math
from collections import OrderedDict
from fractions import Fraction

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ntmlib.workbook import check
from ntmlib.workbook.exercises import MIME, Check, read_checks


class Untouchable:
    """Raises at whatever is done to it."""

    def __getattr__(self, name):
        raise RuntimeError(name)

    def __eq__(self, other):
        raise RuntimeError("compared")

    __hash__ = None

    def __repr__(self):
        raise RuntimeError("shown")


def line(capsys, value, expected, **options) -> str:
    check("the question", value, expected, **options)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (np.int64(3), 3),
        (torch.tensor(3), 3),
        (Fraction(1, 2), 0.5),
        (math.inf, math.inf),
        (True, np.bool_(True)),
        ("  Read Head ", "read head"),
        ((1, 2), [1, 2]),
        (range(3), torch.arange(3)),
        (torch.eye(2, requires_grad=True), np.eye(2)),
        ({3, 1}, {1, 3}),
        (OrderedDict(a=1), {"a": 1}),
        (7, lambda answer: answer % 2 == 1),
        (lambda: 6 // 2, 3),
        (abs, lambda function: function(-3) == 3),
        (torch.ones(2), lambda answer: (answer == 1).all()),
    ],
)
def test_a_right_answer_gets_a_tick_in_any_of_its_forms(capsys, value, expected):
    assert line(capsys, value, expected, hint="not shown") == "✓ passed: the question"


@pytest.mark.parametrize(
    ("value", "expected", "problem"),
    [
        (None, 3, "no answer yet"),
        (..., 3, "no answer yet"),
        (4, 3, "that is not it; you gave 4"),
        ("3", 3, "the answer should be a number, not a text"),
        (True, 1, "the answer should be a number, not True or False"),
        (1, True, "the answer should be True or False, not a number"),
        (math.nan, 3, "that is not a number"),
        (math.nan, math.nan, "that is not a number"),
        (-math.inf, math.inf, "that is not it"),
        (1j, 1, "the answer should be a number, not a complex"),
        ("write head", "read head", "that is not it"),
        ([1, 2], [1, 2, 3], "the answer should have 3 entries, not 2"),
        ([1, 5, 3], [1, 2, 3], "at place 1: that is not it"),
        (torch.ones(2, 3), torch.ones(2, 2), "at place 0: the answer should have 2 entries, not 3"),
        (torch.tensor([1.0, math.nan]), torch.ones(2), "at place 1: that is not a number"),
        (3, [3], "the answer should be a list, not a number"),
        (lambda: None, 3, "no answer yet"),
        (lambda: [2, 4], [2, 3], "at place 1: that is not it; you gave [2, 4]"),
        (lambda: [][0], 3, "IndexError while looking at your answer: list index out of range"),
        (7, lambda answer: answer > 10, "that is not it"),
        (7, lambda answer: answer / 0, "ZeroDivisionError while looking at your answer"),
        (torch.ones(2), lambda answer: answer == 1, "RuntimeError while looking at your answer"),
    ],
)
def test_a_wrong_answer_gets_a_cross_a_reason_and_the_hint_and_nothing_is_raised(capsys, value, expected, problem):
    said = line(capsys, value, expected, hint="Count again.")
    assert said.startswith("✗ not yet: the question\n")
    assert problem in said
    assert said.endswith("\n  Hint: Count again.")


def test_an_object_that_raises_at_everything_and_a_list_that_holds_itself_are_wrong_answers_too(capsys):
    ring: list = []
    ring.append(ring)
    assert "RuntimeError while looking at your answer" in line(capsys, Untouchable(), 3)
    assert "you gave a Untouchable" in line(capsys, Untouchable(), lambda answer: False)
    assert "RecursionError while looking at your answer" in line(capsys, ring, [1])


def test_a_tolerance_has_both_ends(capsys):
    assert [line(capsys, value, 3, tolerance=0.5)[0] for value in (2.4, 2.5, 3.5, 3.6)] == ["✗", "✓", "✓", "✗"]


def test_the_right_answer_stays_hidden_and_a_long_one_is_cut(capsys):
    said = line(capsys, "x" * 5000, "sesame")
    assert "sesame" not in said
    assert len(said) < 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": " "}, "name must say what was asked; got ' '"),
        ({"tolerance": -1}, "tolerance must be a finite number, at least 0; got -1"),
        ({"tolerance": math.nan}, "tolerance must be a finite number, at least 0; got nan"),
    ],
)
def test_a_mistake_of_the_author_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        check(**{"name": "q", "value": 1, "expected": 1, **options})


def test_checks_can_be_counted_in_an_executed_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr("ntmlib.workbook.exercises._show", shown.append)
    check("first", 1, 1)
    check("<second>", 1, 2, hint="2 < 3")
    assert "&lt;second&gt;" in shown[1]["text/html"]
    assert "2 &lt; 3" in shown[1]["text/html"]
    outputs = [new_output("display_data", data=bundle) for bundle in shown]
    loud = new_output("stream", text="✓ passed: a print is no check")
    cells = [new_markdown_cell("✗"), new_code_cell("", outputs=[loud, outputs[0]]), new_code_cell("", outputs=outputs)]
    notebook = nbformat.reads(nbformat.writes(new_notebook(cells=cells)), as_version=4)
    assert read_checks(notebook) == [Check("first", True), Check("first", True), Check("<second>", False)]
    assert MIME in outputs[0].data
