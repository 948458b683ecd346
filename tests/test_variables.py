"""Where a variable is kept: searches whose answer is known, readouts, and their pictures."""

from pathlib import Path

import pytest
import torch

from ntmlib import NTM, load_run
from ntmlib.tasks.one_two_ax import OneTwoAX
from ntmlib.training.variables import VariableSearch, find_variable, fit_readout, legibility
from ntmlib.views.variables import plot_variable, plot_variable_search

KEPT = Path(__file__).parent.parent / "data/runs/one-two-ax-feedforward/representative"
PAIR = OneTwoAX.encode("1CZAXBY"), OneTwoAX.encode("2CZAXBY")


def small_machine(controller="feedforward"):
    return NTM(8, 1, hidden=10, slots=3, width=4, controller=controller, generator=torch.Generator().manual_seed(3))


def kept_search():
    return find_variable(load_run(KEPT).machine.with_slots(4), *PAIR)


def search_of(shares, first=0):
    return VariableSearch(first, ("0", "1", "read vector"), tuple([1] * len(shares)), torch.tensor(shares))


def test_the_kept_machine_holds_its_rule_in_one_slot_and_what_was_read_of_it():
    search = kept_search()
    assert (search.share("0 + read vector") == 1).all()
    for part in ("1", "2", "3", "all heads"):
        assert (search.share(part) == 0).all(), part


def test_a_search_counts_the_later_answers_on_which_the_two_runs_disagree():
    search = kept_search()
    assert search.first == 0
    assert search.disputed == (2, 2, 2, 2, 1, 1)
    assert search.followed.shape == (6, len(search.parts))


def test_only_the_steps_of_the_mask_hold_answers():
    mask = torch.tensor([[True] * 6 + [False]])  # the last of the disputed answers does not count
    machine = load_run(KEPT).machine.with_slots(4)
    assert find_variable(machine, *PAIR, mask=mask).disputed == (1, 1, 1, 1, 0, 0)
    everything = find_variable(machine, *PAIR, mask=torch.full((1, 7), True))
    assert torch.equal(everything.followed, kept_search().followed)
    with pytest.raises(ValueError, match="mask must be one for each of 7 steps; got 3"):
        find_variable(machine, *PAIR, mask=mask[:, :3])


def test_where_nothing_is_disputed_any_more_the_share_is_not_a_number():
    search = find_variable(load_run(KEPT).machine.with_slots(4), *map(OneTwoAX.encode, ("1CZCXCZCX", "1CZAXCZCX")))
    assert search.first == 3
    assert search.disputed == (1, 0, 0, 0, 0)
    assert search.followed[1:].isnan().all()


def test_searching_leaves_the_machine_as_it_was():
    machine = small_machine("lstm")
    before = {name: value.clone() for name, value in machine.state_dict().items()}
    find_variable(machine, *PAIR)
    assert all(torch.equal(value, before[name]) for name, value in machine.state_dict().items())


@pytest.mark.parametrize(
    ("inputs", "donor", "message"),
    [
        ("1AX", "2AXB", "donor_inputs must have the shape of inputs"),
        ("1AX", "1AX", r"they do at \[\]"),
        ("1AX", "1AY", r"they do at \[2\]"),
    ],
)
def test_a_search_refuses_runs_that_do_not_differ_as_they_should(inputs, donor, message):
    with pytest.raises(ValueError, match=message):
        find_variable(small_machine(), OneTwoAX.encode(inputs), OneTwoAX.encode(donor))


def test_a_search_names_the_parts_it_has():
    with pytest.raises(ValueError, match="part must be one of 0, 1, read vector; got '7'"):
        search_of([[1.0, 0.0, 0.0]]).share("7")


def test_a_readout_finds_the_weights_that_made_the_numbers():
    contents = torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(1))
    values = contents @ torch.tensor([2.0, -1.0, 0.5]) + 0.25
    readout = fit_readout(contents, values)
    torch.testing.assert_close(readout.weights, torch.tensor([2.0, -1.0, 0.5]))
    assert readout.offset == pytest.approx(0.25, abs=1e-5)


def test_classes_with_a_direction_each_are_legible_and_noise_is_not():
    generator = torch.Generator().manual_seed(2)
    classes = torch.randint(0, 4, (400,), generator=generator)
    noise = torch.randn(400, 6, generator=generator)
    assert legibility(torch.eye(6)[classes] + 0.1 * noise, classes + 5) == 1
    assert legibility(noise, classes) < 0.4


def test_a_readout_needs_more_examples_than_weights():
    with pytest.raises(ValueError, match="contents must hold more than 5 vectors; got 5"):
        fit_readout(torch.zeros(5, 4), torch.zeros(5))


def test_the_picture_of_a_search_has_a_row_for_each_part_and_a_column_for_each_step():
    figure = plot_variable_search(search_of([[1.0, 0.0, 0.5], [1.0, 0.0, 0.5]], first=1), "12AXB", ["read vector", "1"])
    axes = figure.axes[0]
    assert axes.images[0].get_array().tolist() == [[0.5, 0.5], [0.0, 0.0]]
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["read vector", "slot 1"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "A"]


def test_steps_without_a_dispute_are_hatched():
    nan = float("nan")
    axes = plot_variable_search(search_of([[1.0, 0.0, 0.5], [nan, nan, nan]]), "1AX").axes[0]
    assert [patch.get_hatch() for patch in axes.patches] == ["////"]


def test_the_picture_of_a_search_needs_a_symbol_for_each_step():
    with pytest.raises(ValueError, match="symbols must be one for each step, at least 2; got 1"):
        plot_variable_search(search_of([[1.0, 0.0, 0.5]] * 2), "1")


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
