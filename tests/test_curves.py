from types import SimpleNamespace

import numpy as np
import pytest

from ntmlib.training.history import History
from ntmlib.views import plot_generalisation, plot_history

HALVING = {"sequences": np.arange(16, 1616, 16), "bits_per_sequence": 84 * 0.9 ** np.arange(100)}


def lines(figure) -> dict[str, list]:
    return {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}


def test_the_bold_line_is_the_mean_of_the_last_twenty_updates():
    bold = lines(plot_history(HALVING, labels=["ours"]))["ours"]
    assert bold[0] == pytest.approx(84)
    assert bold[50] == pytest.approx(HALVING["bits_per_sequence"][31:51].mean())


def test_several_histories_are_told_apart_and_compared_with_guessing():
    drawn = lines(plot_history([HALVING, HALVING], labels=["NTM", "LSTM"], chance_bits=84.0, solved_bits=0.8))
    assert {"NTM", "LSTM", "guessing: 84 bits", "solved: 0.8 bits"} <= set(drawn)


def test_the_history_of_a_run_can_be_drawn_even_before_its_first_row():
    history = History()
    plot_history(history)
    history.append(1, 16, 0.1, 5, 5, 1.0, 84.0, 0.3)
    assert plot_history(history).axes[0].get_xlabel() == "sequences seen"


def test_the_cost_axis_is_logarithmic_unless_told_otherwise():
    assert plot_history(HALVING).axes[0].get_yscale() == "log"
    assert plot_history(HALVING, log=False).axes[0].get_yscale() == "linear"


def test_a_missing_column_and_a_missing_label_are_named():
    with pytest.raises(ValueError, match=r"histories must have the columns .*'bits_per_sequence' is missing"):
        plot_history({"sequences": [1]})
    with pytest.raises(ValueError, match=r"labels must be 2 names, one for each history; got \['a'\]"):
        plot_history([HALVING, HALVING], labels=["a"])


def test_generalisation_shades_the_lengths_of_the_training():
    results = {"NTM": {"length": [20, 40], "bit_error_rate": [0, 0.1]}}
    figure = plot_generalisation(results, trained_lengths=(1, 20), chance=0.5)
    band = figure.axes[0].patches[0].get_extents().transformed(figure.axes[0].transData.inverted())
    assert (band.x0, band.x1) == pytest.approx((1, 20))
    assert lines(figure)["NTM"] == [0, 0.1]


def test_a_list_of_reports_is_drawn_like_columns():
    reports = [SimpleNamespace(length=20, bits_right=1.0), SimpleNamespace(length=40, bits_right=0.9)]
    figure = plot_generalisation({"NTM": reports}, metric="bits_right")
    assert lines(figure)["NTM"] == [1.0, 0.9]
    assert figure.axes[0].get_ylabel() == "right answers, as a share of all"


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match=r"metric must be one of 'bit_error_rate'.*; got 'speed'"):
        plot_generalisation({}, metric="speed")
