"""Pictures of many seeds."""

import math

import numpy as np
import pytest

from ntmlib.views import plot_conditions, plot_costs, plot_learning, plot_matrix
from ntmlib.views.colours import LINE_COLOURS
from ntmlib.views.scoreboard import LEAST_BITS, MODEL_COLOURS


def curve(*costs, cell="seed-1", full=1):
    return [{"cell": cell, "sequences": 100 * n, "bits": cost, "full": full} for n, cost in enumerate(costs, 1)]


def lines(axes, **wanted):
    """The lines of a panel that have these properties."""
    return [line for line in axes.lines if all(getattr(line, f"get_{k}")() == v for k, v in wanted.items())]


def medians(figure):
    [line] = lines(figure.axes[0], linestyle="-", linewidth=2)
    return line.get_ydata()


def test_the_bold_line_is_the_median_and_the_band_the_quartiles():
    seeds = [row for n in range(1, 6) for row in curve(float(n), cell=f"seed-{n}")]
    figure = plot_learning({"copy": {"NTM LSTM": seeds}})
    assert list(medians(figure)) == [3]
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (2, 4)


def test_every_seed_is_a_line_of_its_own_failures_too():
    seeds = curve(8.0, 0.1, cell="good") + curve(8.0, 8.0, cell="bad")
    faint = lines(plot_learning({"copy": {"LSTM": seeds}}).axes[0], linewidth=0.6)
    assert [list(line.get_ydata()) for line in faint] == [[8, 0.1], [8, 8]]


def test_a_seed_that_has_ended_keeps_its_last_cost():
    figure = plot_learning({"copy": {"LSTM": curve(8.0, 2.0, cell="short") + curve(8.0, 6.0, 4.0, cell="long")}})
    assert list(medians(figure)) == [8, 4, 3]


def test_the_line_is_solid_only_where_half_of_the_seeds_are_at_full_difficulty():
    early = curve(1.0, full=0) + curve(1.0, 2.0)[1:]
    figure = plot_learning({"copy": {"LSTM": early}})
    assert np.isnan(medians(figure)).tolist() == [True, False]
    [dotted] = lines(figure.axes[0], linestyle=":")
    assert list(dotted.get_ydata()) == [1, 2]


def test_published_points_are_marked_and_zero_lies_on_the_edge():
    marks = {"copy": {"LSTM": [(1000, 4.0), (2000, 0)]}}
    axes = plot_learning({"copy": {"LSTM": curve(9.0)}}, marks=marks).axes[0]
    [point] = lines(axes, marker="D")
    [edge] = lines(axes, marker="v")
    assert (point.get_xdata()[0], point.get_ydata()[0], edge.get_ydata()[0]) == (1000, 4, LEAST_BITS)


@pytest.mark.parametrize(("costs", "scale"), [((100.0, 1.0), "log"), ((160.0, 134.0), "linear")])
def test_costs_that_hardly_differ_get_a_linear_axis(costs, scale):
    assert plot_learning({"any": {"LSTM": curve(*costs)}}).axes[0].get_yscale() == scale


def test_a_model_keeps_its_colour_in_every_picture():
    for models in (["LSTM"], ["NTM feed-forward", "LSTM"], ["NTM LSTM, pulses", "LSTM"]):
        figure = plot_learning({"copy": {model: curve(2.0) for model in models}})
        colours = [line.get_color() for line in lines(figure.axes[0], linestyle=":")]
        assert colours[-1] == MODEL_COLOURS["LSTM"]
        assert len(set(colours)) == len(models)
        assert set(colours) <= set(LINE_COLOURS)


def test_there_is_a_panel_for_each_task():
    figure = plot_learning({task: {"LSTM": curve(2.0)} for task in ("a", "b", "c")}, chance_bits={"b": 84.0})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b", "c", ""]
    assert [len(lines(axes, linestyle="--")) for axes in figure.axes] == [0, 1, 0, 0]


def test_curves_without_rows_or_columns_are_refused():
    for empty in ({}, {"copy": {}}, {"copy": {"LSTM": []}}):
        with pytest.raises(ValueError, match="curves must have a panel, models in each, and rows for each model"):
            plot_learning(empty)
    with pytest.raises(ValueError, match="curves must have the columns cell, sequences, bits, full; 'bits' is missing"):
        plot_learning({"copy": {"LSTM": [{"cell": "a", "sequences": 1, "full": 1}]}})


def test_every_seed_is_a_dot_or_a_cross_in_the_column_at_the_edge():
    figure = plot_costs({"copy": {"LSTM": [100.0, math.inf, 300.0, 200.0]}}, "sequences")
    axes, edge = figure.axes
    [dots], [crosses] = lines(axes, marker="o"), lines(edge, marker="x")
    assert (list(dots.get_xdata()), len(crosses.get_xdata())) == ([100, 200, 300], 1)
    assert [text.get_text() for text in edge.texts] == ["1"]


@pytest.mark.parametrize(
    ("costs", "median"),
    [([100.0, 200.0, math.inf], 200), ([1.0, 2.0, math.inf, math.inf], 2), ([1.0, math.inf, math.inf], None)],
)
def test_the_median_counts_failures_and_is_missing_where_most_failed(costs, median):
    axes = plot_costs({"copy": {"LSTM": costs}}, "sequences").axes[0]
    bars = lines(axes, linewidth=1.6)
    assert [bar.get_xdata()[0] for bar in bars] == ([] if median is None else [median])


def test_a_model_nobody_of_which_arrived_still_has_its_row():
    figure = plot_costs({"sort": {"LSTM": [math.inf] * 12}}, "sequences")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["sort · LSTM"]
    assert "0 of 12 seeds arrived" in figure.alt
    assert len(lines(figure.axes[1], marker="x")[0].get_xdata()) == 12


@pytest.mark.parametrize("costs", [{}, {"copy": {"LSTM": []}}, {"copy": {"LSTM": [0.0]}}])
def test_costs_that_cannot_be_drawn_are_refused(costs):
    with pytest.raises(ValueError, match="costs must hold at least one seed, and numbers above zero"):
        plot_costs(costs, "sequences")


def test_every_condition_shows_all_seeds_their_median_and_the_paper():
    answers = {"LSTM": {"6 items": [2.0, 1.0, 3.0], "10 items": [9.0, math.inf]}}
    axes = plot_conditions(answers, "bits", paper={"LSTM": {"10 items": 36.5}}).axes[0]
    assert [list(dots.get_ydata()) for dots in lines(axes, marker="o")] == [[1, 2, 3], [9]]
    assert [bar.get_ydata()[0] for bar in lines(axes, linewidth=1.6, marker="None")] == [2, 9]
    assert [mark.get_ydata()[0] for mark in lines(axes, marker="D")] == [36.5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["6 items", "10 items"]


def test_models_stand_side_by_side_and_may_lack_a_condition():
    answers = {"NTM LSTM": {"a": [1.0], "b": [1.0]}, "LSTM": {"b": [1.0]}}
    places = [dots.get_xdata()[0] for dots in lines(plot_conditions(answers, "bits").axes[0], marker="o")]
    assert places == pytest.approx([-0.2, 0.8, 1.2])


def test_what_was_not_kept_yet_is_said_instead_of_drawn():
    for figure in (plot_conditions({"LSTM": {}}, "bits"), plot_matrix({}, "bits", "columns")):
        assert "nothing kept yet" in figure.texts[0].get_text()
        assert figure.axes == []


def test_a_matrix_says_how_many_arrived_and_the_median_of_all():
    costs = {("constant", "one slot"): [5.0, 1.0, math.inf], ("random", "one slot"): [math.inf, math.inf, 2.0]}
    texts = [text.get_text() for text in plot_matrix(costs, "memory", "weighting").axes[0].texts]
    assert texts == ["2 of 3", "median 5", "1 of 3", "median: never"]


def test_a_matrix_with_a_hole_is_refused():
    with pytest.raises(ValueError, match=r"costs must have seeds for every pair of settings; none for \('b', 'x'\)"):
        plot_matrix({("a", "x"): [1.0], ("a", "y"): [1.0], ("b", "y"): [1.0]}, "rows", "columns")
    with pytest.raises(ValueError, match="costs must have seeds"):
        plot_matrix({("a", "x"): []}, "rows", "columns")
