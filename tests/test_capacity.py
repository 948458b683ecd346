"""The picture of accuracy against the size of the memory."""

from types import SimpleNamespace

import pytest

from ntmlib.views.capacity import plot_capacity


def report(slots, bits_right):
    return SimpleNamespace(slots=slots, bits_right=bits_right)


def test_every_line_is_drawn_over_its_slots():
    lines = {"2-back": [report(3, 0.9), report(8, 1.0)], "4-back": [report(4, 0.7)]}
    axes = plot_capacity(lines, chance=0.5, chance_name="always no").axes[0]
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}
    assert drawn["2-back"] == ([3, 8], [0.9, 1.0])
    assert drawn["4-back"] == ([4], [0.7])
    assert drawn["always no"][1] == [0.5, 0.5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "4", "8"]


@pytest.mark.parametrize(
    ("right", "chance", "bottom"),
    [(0.64, 0.7, 0.45), (0.64, None, 0.45), (0.5, 0.5, 0.45), (0.3, 0.5, 0), (0.64, 0.2, 0), (0.64, 0.0, 0)],
)
def test_the_axis_reaches_below_all_that_is_drawn(right, chance, bottom):
    axes = plot_capacity({"2-back": [report(3, right), report(8, 1.0)]}, chance=chance).axes[0]
    assert axes.get_ylim() == (bottom, 1.02)
    assert axes.get_ylabel() == "right answers, as a share of all"  # bits or symbols


@pytest.mark.parametrize("line", [[], [report(None, 1.0)]])
def test_a_line_without_slots_is_refused(line):
    with pytest.raises(ValueError, match="number of slots for each line; see 'LSTM'"):
        plot_capacity({"LSTM": line})
