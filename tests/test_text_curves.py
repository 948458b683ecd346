"""Curves of models that learn a text, and passages read twice."""

import itertools

import pytest

from ntmlib.views import plot_repeats, plot_text_curves
from ntmlib.views.text_curves import _apart


def seed(*nats, characters=None):
    characters = characters or [1000 * 10**place for place in range(len(nats))]
    return {"characters": characters, "seconds": [count / 100 for count in characters], "nats": list(nats)}


def thick(axes):
    return [line for line in axes.lines if line.get_linewidth() == 2.2]


def test_a_thin_line_is_a_seed_and_a_thick_one_the_lower_median():
    [axes] = plot_text_curves({"LSTM": [seed(4, 3), seed(4, 2), seed(4, 1.5), seed(4, 2.5)]}).axes
    assert sum(line.get_linewidth() == 0.7 for line in axes.lines) == 4
    [median] = thick(axes)
    assert list(median.get_ydata()) == [4, 2]


def test_seeds_measured_at_different_places_have_a_median_as_far_as_all_have_come():
    curves = {"LSTM": [seed(4, 2, characters=[0, 100]), seed(4, 3, characters=[10, 60])]}
    [median] = thick(plot_text_curves(curves, log=False).axes[0])
    x, y = median.get_data()
    assert (x[0], x[-1]) == (10, 60)
    assert y[-1] == pytest.approx(4 - 2 * 0.6)


def test_lines_and_references_are_named_at_the_edge():
    figure = plot_text_curves({"LSTM": [seed(4, 1.5)], "NTM LSTM": [seed(4, 1.4)]}, references={"5-gram": 1.62})
    assert [text.get_text() for text in figure.axes[0].texts] == ["NTM LSTM  1.40", "LSTM  1.50", "5-gram  1.62"]
    assert not figure.legends
    dashed = [line for line in figure.axes[0].lines if list(line.get_ydata()) == [1.62, 1.62]]
    assert [line.get_linestyle() for line in dashed] == ["--"]
    assert "median at the end: LSTM 1.50, NTM LSTM 1.40; for comparison: 5-gram 1.62" in figure.alt


def test_with_too_many_names_there_is_a_legend():
    curves = {f"model {number}": [seed(4, 2 + number / 10)] for number in range(17)}
    figure = plot_text_curves(curves)
    assert not figure.axes[0].texts
    assert len(figure.legends[0].get_texts()) == 17


def test_models_differ_in_line_and_marker_too():
    names = ("NTM LSTM", "NTM feed-forward", "LSTM", "Transformer")
    axes = plot_text_curves({name: [seed(4, 2)] for name in names}).axes[0]
    assert len({line.get_linestyle() for line in thick(axes)}) == 4
    assert len({line.get_marker() for line in axes.lines if line.get_marker() != "None"}) == 4


def test_both_axes_are_two_panels_and_names_stand_beside_the_last():
    figure = plot_text_curves({"LSTM": [seed(4, 2)]}, against=("characters", "seconds"))
    assert [axes.get_xlabel() for axes in figure.axes] == ["characters read", "seconds of one core"]
    assert [len(axes.texts) for axes in figure.axes] == [0, 1]
    assert list(thick(figure.axes[1])[0].get_xdata()) == [10, 100]


@pytest.mark.parametrize("heights", [[0.5] * 3, [0.0, 0.01, 0.02], [0.98, 0.99, 1.0], [0.1, 0.5, 0.52, 0.9]])
def test_names_are_moved_apart_within_the_panel_and_keep_their_order(heights):
    moved = _apart(heights, 0.1)
    assert all(above - below >= 0.1 - 1e-9 for below, above in itertools.pairwise(moved))
    assert min(moved) >= -1e-9
    assert max(moved) <= 1 + 1e-9


def test_names_that_do_not_collide_stay():
    assert _apart([0.1, 0.5, 0.9], 0.1) == pytest.approx([0.1, 0.5, 0.9])


@pytest.mark.parametrize(
    ("curves", "settings", "message"),
    [
        ({"LSTM": []}, {}, "curves must have a seed for each model; 'LSTM' has none"),
        ({"LSTM": [{"characters": [1]}]}, {}, "curves must have the columns characters, nats; 'nats' is missing"),
        ({"LSTM": [{"characters": [1, 2], "nats": [3]}]}, {}, r"as many characters as nats; got \(2,\) and \(1,\)"),
        ({"LSTM": [{"characters": [0], "nats": [3]}]}, {}, "a point for each seed; one of 'LSTM' has none"),
        (
            {"LSTM": [seed(4, 3)]},
            {"against": "hours"},
            "against must be 'characters' or 'seconds', or both; got 'hours'",
        ),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(curves, settings, message):
    with pytest.raises(ValueError, match=message):
        plot_text_curves(curves, **settings)


def test_the_first_reading_is_hollow_and_the_second_filled_on_the_range_of_the_seeds():
    [axes] = plot_repeats({"LSTM": {"20 characters": [(2.0, 1.0), (2.2, 0.5), (2.1, 0.8)]}}).axes
    ranges = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "None"]
    assert ranges == [[2.0, 2.2], [0.5, 1.0]]
    first, second = (line for line in axes.lines if line.get_marker() != "None")
    assert (first.get_xdata()[0], first.get_markerfacecolor()) == (2.1, "white")
    assert (second.get_xdata()[0], second.get_markerfacecolor()) == (0.8, second.get_color())


def test_repeats_are_told_in_words_and_a_model_may_lack_a_condition():
    costs = {"NTM LSTM": {"0 apart": [(2, 0.1)], "9 apart": [(2, 1.5)]}, "LSTM": {"9 apart": [(2.1, 1.9)]}}
    figure = plot_repeats(costs, chance=4.1)
    assert "NTM LSTM, 0 apart: 2.00 then 0.10; NTM LSTM, 9 apart: 2.00 then 1.50; LSTM, 9 apart: 2.10" in figure.alt
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0 apart", "9 apart"]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["NTM LSTM", "LSTM", "first reading", "second reading", "guessing"]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([], "costs must have a seed for each condition; 'LSTM' has none for 'x'"),
        ([(1.0,)], r"costs must be pairs of first and second reading, in finite nats; got \(1.0,\)"),
        ([(1.0, float("nan"))], "costs must be pairs"),
    ],
)
def test_repeats_that_cannot_be_drawn_are_refused(seeds, message):
    with pytest.raises(ValueError, match=message):
        plot_repeats({"LSTM": {"x": seeds}})


def test_without_anything_kept_the_pictures_say_so():
    assert plot_text_curves({}).alt == "Cost of a character: nothing kept yet."
    assert plot_repeats({"LSTM": {}}).alt == "Repeated passages: nothing kept yet."
