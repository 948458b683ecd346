"""Two machines are made by hand: a tape, which writes in order of arrival, and one that sorts by place."""

import pytest
import torch
from torch.nn.functional import one_hot

from ntmlib import NTM, tasks
from ntmlib.views.sorting import heard_priorities, looks, nearest_gaps, placements, written_slots
from ntmlib.views.sorting_pictures import plot_gap_errors, plot_looks, plot_placements, plot_rows, plot_sorting

HEARD, SLOTS = 8, 24
TASK = tasks.make("priority_sort", max_length=HEARD, min_length=HEARD, highest=6, bits=3)
BATCH = TASK.sample(80, generator=torch.Generator().manual_seed(1))


def random_trace(heads=2):
    return NTM(5, 3, hidden=6, slots=SLOTS, width=4, num_heads=heads).trace(BATCH.inputs.clone())


def writing_to(slots):
    """A trace whose write heads put each vector of the list into the given slot."""
    trace = random_trace()
    trace.write.weighting[:, :HEARD] = one_hot(slots, SLOTS)[:, :, None].float()
    return trace


def tape():
    return writing_to(torch.arange(1, HEARD + 1).expand(80, -1))


def sorter():
    """Slots in an order that has nothing to do with their numbers."""
    shuffled = torch.randperm(SLOTS, generator=torch.Generator().manual_seed(2))
    return writing_to(shuffled[((heard_priorities(random_trace()) + 1) * 0.499 * SLOTS).long()])


def test_a_tape_is_explained_by_time_and_not_by_priority():
    found = placements(tape())[0]
    assert found.by_time == pytest.approx(1)
    assert abs(found.by_priority) < 0.2
    assert abs(found.rank_correlation) < 0.2


def test_a_machine_that_sorts_by_place_is_explained_by_priority_whatever_the_order_of_its_slots():
    found = placements(sorter())[1]
    assert abs(found.by_time) < 0.2
    assert found.by_priority > 0.5
    assert found.rank_correlation > 0.95


def test_a_head_that_never_moves_is_explained_by_nothing():
    found = placements(writing_to(torch.full((80, HEARD), 3)))[0]
    assert abs(found.by_priority) < 0.1
    assert abs(found.rank_correlation) < 0.2


def test_the_slot_of_a_vector_is_where_it_was_written():
    assert written_slots(tape())[5].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_head_that_finds_the_next_highest_looks_along_the_diagonal():
    trace = tape()
    order = heard_priorities(trace).argsort(1, descending=True)
    trace.read.weighting[:, HEARD + 1 :, 1] = one_hot(order[:, :6] + 1, SLOTS).float()
    found = looks(trace.read.weighting, trace)
    assert found.shape == (7, 2, HEARD)
    torch.testing.assert_close(found[1:, 1], torch.eye(HEARD)[:6])


def test_the_nearest_gap_is_that_of_the_nearer_neighbour_in_order_of_rank():
    gaps = nearest_gaps(torch.tensor([[0.0, 0.75, 0.5, -1.0]]))
    assert gaps.tolist() == [[0.25, 0.25, 0.5, 1.0]]


def test_lists_of_different_lengths_are_refused():
    trace = random_trace()
    trace.inputs[3, HEARD, -1], trace.inputs[3, HEARD - 1, -1] = 0, 1
    with pytest.raises(ValueError, match="trace must be of lists of one length, at least 2; its flags are at steps"):
        heard_priorities(trace)


def test_halves_of_one_sequence_are_refused():
    trace = NTM(5, 3, hidden=6, slots=SLOTS, width=4).trace(BATCH.inputs[:3])
    with pytest.raises(ValueError, match="trace must hold at least 4 sequences, two for each half; got 3"):
        placements(trace)


def test_lines_lead_from_where_a_vector_was_heard_to_its_rank():
    trace = tape()
    lines = plot_sorting(trace, 2, targets=BATCH.targets).axes[2].lines
    order = heard_priorities(trace)[2].argsort(descending=True).tolist()
    assert [list(line.get_ydata()) for line in lines[:6]] == [[step, rank] for rank, step in enumerate(order[:6])]
    assert len(lines) == HEARD  # the two that are not wanted have stubs


def test_wrong_bits_get_a_cross_and_right_ones_none():
    trace = tape()
    trace.outputs[2] = 20 * BATCH.targets[2] - 10
    trace.outputs[2, HEARD + 1 + 4, 1] *= -1
    (crosses,) = plot_sorting(trace, 2, targets=BATCH.targets).axes[3].lines
    assert (crosses.get_xdata().tolist(), crosses.get_ydata().tolist()) == ([1], [4])


def test_places_rise_with_the_priority_where_a_machine_sorts_by_place():
    upper, lower = plot_placements(sorter()).axes[0], plot_placements(tape()).axes[2]
    priority, place = (torch.as_tensor(part) for part in upper.lines[0].get_data())
    assert torch.corrcoef(torch.stack([priority.double(), place.double()]))[0, 1] > 0.95
    steps, slots = (part.tolist() for part in lower.lines[0].get_data())
    assert set(zip(steps, slots, strict=True)) == {(step, step + 1) for step in range(HEARD)}


def test_looks_are_drawn_for_every_head_on_a_scale_from_0_to_1():
    panels = plot_looks(tape()).axes[:4]
    assert [axes.get_title() for axes in panels] == ["read head 1", "read head 2", "write head 1", "write head 2"]
    assert {axes.images[0].get_clim() for axes in panels} == {(0, 1)}


def test_errors_are_counted_in_classes_of_gaps():
    gaps = torch.tensor([[0.001, 0.002, 0.02, 0.5]])
    left, right = plot_gap_errors(gaps, torch.tensor([[True, False, False, True]]), [0.0, 0.01, 0.1]).axes
    assert [bar.get_height() for bar in left.patches] == [0.5, 0, 1]
    assert [bar.get_height() for bar in right.patches] == [1, 0, 0, 1]
    assert [label.get_text() for label in left.get_xticklabels()] == ["0–0.01", "0.01–0.1", "over 0.1"]


def test_rows_are_compared_by_their_direction_only():
    rows = torch.tensor([[1.0, 0.0], [5.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    cosines = plot_rows(rows, {"first": (0, 1), "last": (2, 3)}).axes[1].images[0]
    assert cosines.get_array()[0].tolist() == [1, 1, 0, -1]
    assert cosines.get_clim() == (-1, 1)
