"""What a memory holds of a variable: measured on traces whose memory is known."""

import dataclasses

import pytest
import torch

from ntmlib import NTM
from ntmlib.views.variables import held, plot_separation, plot_variable, separation


def trace_with(memory):
    """A trace with a memory of our own, [batch time slots width]."""
    machine = NTM(2, 1, hidden=4, slots=memory.shape[2], width=memory.shape[3])
    trace = machine.trace(torch.zeros(memory.shape[0], memory.shape[1], 2))
    return dataclasses.replace(trace, memory=memory)


def test_separation_is_the_distance_of_the_mean_contents():
    first = torch.randn(6, 4, 5, 3, generator=torch.Generator().manual_seed(1))
    second = first.clone()
    second[:, 2:, 1] += torch.tensor([3.0, 0.0, 4.0])
    expected = torch.zeros(4, 5)
    expected[2:, 1] = 5
    torch.testing.assert_close(separation(trace_with(first), trace_with(second)), expected)


def test_separation_does_not_count_what_differs_both_ways():
    first, second = torch.zeros(2, 1, 4, 3), torch.zeros(2, 1, 4, 3)
    second[0, 0, 2], second[1, 0, 2] = 1, -1
    assert separation(trace_with(first), trace_with(second)).max() == 0


def test_separation_refuses_traces_of_two_shapes():
    with pytest.raises(ValueError, match="second must be a trace of first's shape"):
        separation(trace_with(torch.zeros(2, 3, 4, 3)), trace_with(torch.zeros(2, 4, 4, 3)))


@pytest.mark.parametrize(("share", "expected"), [(0.0, -1.0), (0.5, 0.0), (1.0, 1.0)])
def test_held_goes_from_minus_one_to_one_along_the_line(share, expected):
    one, two = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, 2.0, 0.0])
    memory = torch.zeros(1, 2, 4, 3)
    memory[:, :, 3] = one + share * (two - one)
    torch.testing.assert_close(held(trace_with(memory), 3, one, two), torch.full((1, 2), expected))


def test_held_does_not_see_what_is_across_the_line():
    memory = torch.zeros(1, 1, 4, 2)
    memory[0, 0, 0] = torch.tensor([2.0, 100.0])
    assert held(trace_with(memory), 0, torch.tensor([2.0, 0.0]), torch.tensor([3.0, 0.0])).item() == -1


def test_held_refuses_a_missing_slot_and_a_line_without_ends():
    trace, content = trace_with(torch.zeros(1, 1, 4, 2)), torch.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match="slot must be from 0 to 3; got 4"):
        held(trace, 4, content, content + 1)
    with pytest.raises(ValueError, match="two different contents"):
        held(trace, 0, content, content)


def test_the_picture_of_a_separation_names_the_slot_that_differs_most():
    distances = torch.zeros(6, 5)
    distances[2:, 3] = 1
    figure = plot_separation(distances, list("1AXBYC"))
    assert "slot 3 differs most" in figure.alt
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list("1AXBYC")


def test_the_picture_of_a_variable_has_its_lines_levels_and_marks():
    lines = {"left alone": torch.tensor([-1.0, -1.0, -1.0]), "exchanged": torch.tensor([-1.0, 1.0, 1.0])}
    axes = plot_variable(lines, list("1AX"), levels=("one", "two"), marked=[1]).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn["exchanged"] == [-1.0, 1.0, 1.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    assert [1, 1] in [list(line.get_xdata()) for line in axes.lines]


@pytest.mark.parametrize(
    ("values", "marked", "message"),
    [(torch.zeros(2), [], "values must be 3 for each line"), (torch.zeros(3), [3], "marked must be steps from 0 to 2")],
)
def test_a_picture_of_a_variable_refuses_what_does_not_fit(values, marked, message):
    with pytest.raises(ValueError, match=message):
        plot_variable({"rule": values}, list("1AX"), marked=marked)


def test_a_picture_of_a_separation_refuses_symbols_that_are_not_one_a_step():
    with pytest.raises(ValueError, match="symbols must be 4, one for each step; got 2"):
        plot_separation(torch.zeros(4, 3), ["1", "A"])
