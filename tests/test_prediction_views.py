"""Pictures of predictions."""

import numpy as np
import pytest
import torch

from ntmlib.views.prediction import bits_paid, plot_cost_over_time, plot_followed, plot_paired, plot_predictions
from ntmlib.views.scoreboard import MODEL_COLOURS

BITS = torch.tensor([1.0, 0.0, 1.0, 1.0])
FAIR = torch.full((4,), 0.5)


def line(axes, colour):
    """The data of the one line of a colour."""
    [found] = [line for line in axes.lines if line.get_color() == colour and line.get_linestyle() == "-"]
    return found.get_xdata(), found.get_ydata()


def test_a_prediction_pays_for_the_bit_that_came():
    paid = bits_paid(torch.tensor([0.25, 0.25, 0.5, 1.0]), BITS)
    assert paid.tolist() == pytest.approx([2.0, -np.log2(0.75), 1.0, 0.0])


def test_the_curve_below_the_strips_adds_up_what_is_paid_above_the_best():
    figure = plot_predictions(BITS, FAIR, {"LSTM": torch.tensor([0.25, 0.5, 0.5, 1.0])})
    _, above = line(figure.axes[3], MODEL_COLOURS["LSTM"])
    assert above.tolist() == pytest.approx([1.0, 1.0, 1.0, 0.0])


def test_the_strips_show_bits_best_and_models_on_one_scale_from_0_to_1():
    figure = plot_predictions(BITS, FAIR, {"LSTM": FAIR / 2, "NTM LSTM": FAIR / 4})
    images = [axes.images[0] for axes in figure.axes[:4]]
    assert [image.get_array()[0, 0] for image in images] == [1, 0.5, 0.25, 0.125]
    assert {image.get_clim() for image in images} == {(0, 1)}
    assert [axes.get_yticklabels()[0].get_text() for axes in figure.axes[:4]] == [
        "the bits",
        "best possible",
        "LSTM",
        "NTM LSTM",
    ]


def test_a_prediction_of_another_length_is_refused_by_name():
    with pytest.raises(ValueError, match="predictions must have 4 values each; got 3 for 'LSTM'"):
        plot_predictions(BITS, FAIR, {"LSTM": FAIR[:3]})


def test_paired_and_unpaired_estimates_differ_by_what_the_sequences_cost_anyway():
    best = torch.tensor([100.0, 140.0, 180.0])
    figure = plot_paired(best, {"LSTM": best + torch.tensor([1.0, 2.0, 3.0])}, expected_best=130.0)
    alone, paired = (container.lines[0].get_xdata()[0] for container in figure.axes[1].containers)
    assert (alone, paired) == (12, 2)
    assert [text.get_text() for text in figure.axes[1].texts] == ["alone: +12.0 ± 23.7", "paired: +2.0 ± 0.6"]


def test_each_sequence_is_a_dot_at_what_it_costs():
    best = torch.tensor([100.0, 140.0])
    [dots] = [line for line in plot_paired(best, {"LSTM": best + 5}, 120.0).axes[0].lines if line.get_marker() == "."]
    assert dots.get_xdata().tolist() == [100, 140]
    assert dots.get_ydata().tolist() == [105, 145]


def test_one_sequence_has_no_standard_error():
    with pytest.raises(ValueError, match=r"best must hold at least 2 sequences .* got 1"):
        plot_paired(torch.ones(1), {"LSTM": torch.ones(1)}, 1.0)


def test_costs_are_averaged_over_sequences_and_windows_and_a_rest_is_left_out():
    best = torch.zeros(2, 5)
    cost = torch.tensor([[1.0, 3.0, 5.0, 7.0, 99.0], [3.0, 5.0, 7.0, 9.0, 99.0]])
    figure = plot_cost_over_time(best, {"LSTM": cost}, window=2)
    steps, means = line(figure.axes[0], MODEL_COLOURS["LSTM"])
    assert steps.tolist() == [0.5, 2.5]
    assert means.tolist() == [3, 7]


def test_the_right_panel_shows_what_is_paid_above_the_best():
    best, cost = torch.full((2, 4), 0.5), torch.full((2, 4), 0.75)
    _, above = line(plot_cost_over_time(best, {"LSTM": cost}, window=2).axes[1], MODEL_COLOURS["LSTM"])
    assert above.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("window", [0, 5])
def test_a_window_longer_than_a_sequence_or_empty_is_refused(window):
    with pytest.raises(ValueError, match=f"window must be from 1 to 4, .* got {window}"):
        plot_cost_over_time(torch.ones(2, 4), {}, window=window)


def test_models_without_a_colour_of_their_own_get_different_ones():
    figure = plot_predictions(BITS, FAIR, {"a": FAIR, "b": FAIR})
    colours = {line.get_color() for line in figure.axes[4].lines if line.get_label() in ("a", "b")}
    assert len(colours) == 2
    assert not colours & set(MODEL_COLOURS.values())


def test_what_is_said_is_drawn_against_the_own_and_the_donors_best():
    own, donor = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.6, 0.7, 0.8])
    figure = plot_followed({"as it is": own, "memory exchanged": donor}, own=own, donor=donor)
    upper, lower = (figure.axes[place].lines[1] for place in (0, 3))
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["as it is", "memory exchanged"]
    assert upper.get_xdata().tolist() == upper.get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert lower.get_xdata().tolist() == lower.get_ydata().tolist() == pytest.approx([0.6, 0.7, 0.8])


def test_a_prediction_for_other_sequences_is_refused_by_name():
    with pytest.raises(ValueError, match="said must have 2 values each; got 3 for 'as it is'"):
        plot_followed({"as it is": torch.ones(3)}, own=torch.ones(2), donor=torch.ones(2))
