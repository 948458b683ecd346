"""Published numbers: the files of the repository, and what the reader refuses."""

from collections import Counter
from pathlib import Path

import pytest

from ntmlib.baselines import LSTM
from ntmlib.sweeps import find_published, read_published
from ntmlib.sweeps.published import COLUMNS, MODELS, costs_by_condition, training_points

FOLDER = Path(__file__).parents[1] / "data" / "published"
TASKS = ("copy", "repeat_copy", "associative_recall", "dynamic_ngrams", "priority_sort")
HEADER = ",".join(COLUMNS)
ROW = 'copy,LSTM,training cost,"1,000 sequences",0.5,bits per sequence,figure,Fig. 3'


@pytest.fixture
def file(tmp_path):
    def write(*rows, header=HEADER):
        (tmp_path / "facts.csv").write_text("\n".join([header, *rows, ""]))
        return tmp_path / "facts.csv"

    return write


@pytest.mark.parametrize("name", ["graves2014", "reproductions", "deletang2023", "languages"])
def test_no_fact_of_the_repository_is_told_twice(name):
    facts = read_published(FOLDER / f"{name}.csv")
    keys = Counter((f.task, f.model, f.quantity, f.condition, f.evidence, f.source) for f in facts)
    assert keys.most_common(1)[0][1] == 1


@pytest.mark.parametrize("task", TASKS)
def test_every_model_of_the_paper_has_its_size_for_every_task(task):
    facts = read_published(FOLDER / "graves2014.csv")
    for model in MODELS:
        [count] = find_published(facts, task, model, "parameters", "")
        assert count.evidence == "text"
        assert find_published(facts, task, model, "training cost")


def test_the_size_of_the_paper_s_copy_baseline_is_that_of_our_lstm():
    facts = read_published(FOLDER / "graves2014.csv")
    [count] = find_published(facts, "copy", "LSTM", "parameters")
    [hidden] = find_published(facts, "copy", "LSTM", "hidden units")
    assert LSTM(10, 9, hidden=int(hidden.value), num_layers=3).num_parameters == count.value


def test_a_fact_says_its_number_and_how_far_to_trust_it(file):
    [fact] = read_published(file(ROW))
    assert (fact.value, fact.after_sequences, fact.shown) == (0.5, 1000, "0.5 (figure)")


def test_published_curves_and_costs_are_sorted_by_model():
    facts = read_published(FOLDER / "graves2014.csv")
    assert training_points(facts, "copy")["LSTM"][:2] == [(100_000, 4.8), (200_000, 2.1)]
    assert costs_by_condition(facts, "associative_recall")["LSTM"] == {
        "6 items": 2.0,
        "10 items": 36.5,
        "15 items": 40.0,
        "20 items": 38.5,
    }


def test_words_stay_words_and_a_length_is_no_number_of_sequences(file):
    [fact] = read_published(file("copy,LSTM,generalisation,length 50,fails,in words,text,Fig. 5"))
    assert (fact.value, fact.after_sequences, fact.shown) == ("fails", None, "fails")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW.replace("copy", "coppy"), "line 2: task must be one of all, associative_recall, .*; got 'coppy'"),
        (ROW.replace("LSTM", "GRU"), "model must be one of any, NTM feed-forward, NTM LSTM, LSTM, RNN, .*; got 'GRU'"),
        (ROW.replace(",figure", ",guess"), "evidence must be one of text, figure, reported, computed; got 'guess'"),
        (ROW.replace("0.5", "nan"), "value must be a number unless the unit is 'in words'; got 'nan'"),
        (ROW.replace("Fig. 3", " "), "source must not be empty"),
        (ROW + ",more", "a row must have 8 values; got 9"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_line(file, row, message):
    with pytest.raises(ValueError, match=message):
        read_published(file(row))


def test_other_columns_are_refused(file):
    with pytest.raises(ValueError, match=r"must have the columns task,model,.*; got 'task,value'"):
        read_published(file(header="task,value"))
    with pytest.raises(ValueError, match="must have the columns"):
        read_published(file(header=""))
