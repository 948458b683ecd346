"""Rows of text that put our numbers beside the published ones."""

import math
from pathlib import Path

import pytest

from ntmlib.sweeps import Kept, Published, Score, answer_rows, cost_rows, fact_rows, shown
from ntmlib.sweeps.comparison import ANSWER_COLUMNS, COST_COLUMNS, FACT_COLUMNS


def fact(model, quantity, condition, value, evidence="text"):
    unit = "in words" if isinstance(value, str) else ""
    return Published("copy", model, quantity, condition, value, unit, evidence, "here")


def score(model, *to_one_bit):
    seeds = [
        {"cell": f"seed-{n}", "sequences_to_1_bit": cost, "sequences_to_0.1_bit": None}
        for n, cost in enumerate(to_one_bit)
    ]
    answers = [
        {"cell": row["cell"], "question": question, "bits_per_sequence": 0.5, "exact": exact}
        for row, exact in zip(seeds, (1, 0.95, 1), strict=False)
        for question in ("as trained", "length 120")
    ]
    return Score("mine", "copy", model, 13501, Kept(Path("mine"), seeds, [], answers))


FACTS = [
    fact("LSTM", "parameters", "", 1352969.0),
    fact("LSTM", "parameters", "if the table is wrong", 5.0),
    fact("LSTM", "training cost", "900,000 sequences", 0.6, "figure"),
    fact("LSTM", "training cost", "1,000,000 sequences", 0.5, "figure"),
    fact("LSTM", "generalisation", "length 120", "fails"),
]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.012345] * 3, "0.0123"),
        ([1234.0, 5678.0, 9999.0], "5,678 [1,234 to 9,999]"),
        ([133.456, math.inf, math.inf], "never [133.5 to never]"),
        ([math.inf], "never"),
    ],
)
def test_the_median_comes_with_its_quartiles_unless_all_agree(values, text):
    assert shown(values) == text


def test_a_row_of_costs_has_ours_beside_the_paper_s():
    rows = cost_rows([score("LSTM", 800, 900, None)], FACTS, {"copy": "copying", "sort": "sorting"})
    ours = ("13,501 (1,352,969)", "2 of 3", "900 [800 to never]", "0 of 3", "", "0.5", "0.5 (figure)")
    assert rows == [("copying", "LSTM", *ours)]
    assert len(rows[0]) == len(COST_COLUMNS)


def test_a_row_of_answers_counts_the_seeds_without_an_error():
    rows = answer_rows({"LSTM": score("LSTM", 1, 2, 3), "NTM LSTM": score("NTM LSTM", 1)}, FACTS, ["length 120"])
    assert len(ANSWER_COLUMNS) == len(rows[0])
    assert rows == [
        ("length 120", "LSTM", "2 of 3", "0.5", "fails"),
        ("length 120", "NTM LSTM", "1 of 1", "0.5", ""),
    ]


def test_facts_about_the_same_thing_share_a_row_and_those_about_any_model_fill_it():
    rows = fact_rows([FACTS[0], fact("NTM LSTM", "parameters", "", 7.0), fact("any", "runs", "", 10.0, "reported")])
    assert rows == [
        ("here", "copy", "parameters", "", "", "7", "1,352,969"),
        ("here (reported)", "copy", "runs", "", "10", "10", "10"),
    ]
    assert len(rows[0]) == len(FACT_COLUMNS)


def test_the_unit_stands_beside_the_quantity_unless_it_says_it_already():
    facts = [Published("copy", "LSTM", "cost", "", 1.0, "bits", "text", "here")]
    facts += [Published("copy", "LSTM", "runs of each", "", 1.0, "runs", "text", "here")]
    assert [row[2] for row in fact_rows(facts)] == ["cost, bits", "runs of each"]
