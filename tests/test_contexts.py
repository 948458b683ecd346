"""Contexts: what came before, what followed, where it is kept."""

import math

import pytest
import torch

from ntmlib import NTM
from ntmlib.tasks import make
from ntmlib.views.contexts import (
    answers_to_context,
    contexts_before,
    counts_before,
    plot_estimates,
    plot_recall,
    rows_written,
    shared_information,
    slot_use,
)

BITS = torch.tensor([[0.0, 1, 0, 1, 1, 0]])


def test_a_context_is_the_bits_before_a_step_as_a_number():
    assert contexts_before(BITS, 2).tolist() == [[-1, -1, 0b01, 0b10, 0b01, 0b11]]


@pytest.mark.parametrize("context", [0, 7])
def test_a_context_must_fit_in_the_sequence(context):
    with pytest.raises(ValueError, match=f"context must be from 1 to 6, .* got {context}"):
        contexts_before(BITS, context)


def test_counts_are_of_what_followed_the_same_context_before():
    counts = counts_before(BITS, contexts_before(BITS, 1))
    assert counts[0].tolist() == [[0, 0], [0, 0], [0, 0], [0, 1], [1, 0], [1, 1]]


def test_a_window_forgets_what_followed_longer_ago():
    bits = torch.ones(1, 6)
    assert counts_before(bits, contexts_before(bits, 1), window=2)[0, :, 1].tolist() == [0, 0, 1, 2, 2, 2]
    assert counts_before(bits, contexts_before(bits, 1), window=6)[0, :, 1].tolist() == [0, 0, 1, 2, 3, 4]


def test_a_window_of_no_steps_is_refused():
    with pytest.raises(ValueError, match="window must be at least 1, or None; got 0"):
        counts_before(BITS, contexts_before(BITS, 1), window=0)


def test_the_best_predictor_of_the_task_follows_from_the_counts():
    task = make("dynamic_ngrams")
    batch = task.sample(20, generator=torch.Generator().manual_seed(3))
    bits = batch.targets[..., 0]
    zeros, ones = counts_before(bits, contexts_before(bits)).unbind(-1)
    torch.testing.assert_close((ones + 0.5) / (zeros + ones + 1), task.optimal_probabilities(batch))


def own_places(contexts: torch.Tensor) -> torch.Tensor:
    """Weightings of a head that has a slot for each context."""
    return torch.eye(4)[contexts.clamp_min(0)]


def test_slot_use_is_a_table_of_shares_and_steps_without_a_context_do_not_count():
    contexts = torch.tensor([[-1, 0, 1, 1]])
    assert slot_use(own_places(contexts), contexts, 4).diag().tolist() == pytest.approx([1 / 3, 2 / 3, 0, 0])


def test_without_any_context_there_is_no_use():
    with pytest.raises(ValueError, match="contexts must hold at least one that is known"):
        slot_use(torch.ones(1, 2, 3), torch.full((1, 2), -1))


def test_slots_of_their_own_tell_everything_about_the_context():
    contexts = torch.arange(4).repeat(1, 5)
    assert shared_information(slot_use(own_places(contexts), contexts, 4)) == pytest.approx(2)


@pytest.mark.parametrize("weighting", [torch.eye(4)[2].expand(1, 20, 4), torch.full((1, 20, 4), 0.25)])
def test_one_place_for_all_contexts_tells_nothing(weighting):
    use = slot_use(weighting, torch.arange(4).repeat(1, 5), 4)
    assert shared_information(use) == pytest.approx(0, abs=1e-6)


def test_shared_information_of_a_table_worked_by_hand():
    use = torch.tensor([[0.5, 0.0], [0.25, 0.25]])
    expected = 0.5 * math.log2(0.5 / 0.375) + 0.25 * math.log2(0.25 / 0.375) + 0.25 * math.log2(0.25 / 0.125)
    assert shared_information(use) == pytest.approx(expected)


def test_a_written_row_is_what_the_memory_holds_where_the_head_wrote():
    machine = NTM(1, 1, slots=8, width=4)
    trace = machine.trace(torch.rand(2, 5, 1, generator=torch.Generator().manual_seed(0)))
    slot = int(trace.write.weighting[1, 3, 0].argmax())
    torch.testing.assert_close(rows_written(trace)[1, 3], trace.memory[1, 3, slot])


def test_an_answer_to_a_context_comes_in_one_step_after_it():
    same = answers_to_context(torch.tensor([-1, 5, 3, 5, 5]))
    assert same.nonzero().tolist() == [[3, 2], [4, 2], [4, 4]]


def test_recall_shows_the_steps_with_a_context_and_circles_their_answers():
    contexts = torch.tensor([-1, 5, 3, 5, 5])
    axes = plot_recall(torch.rand(5, 5, generator=torch.Generator().manual_seed(0)), contexts, 5).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "3", "4"]
    [circles] = axes.lines
    assert list(zip(circles.get_ydata(), circles.get_xdata(), strict=True)) == [(1, 2), (2, 2), (2, 4)]


def test_recall_refuses_a_context_that_does_not_come():
    with pytest.raises(ValueError, match="context must be one of those that come; 7 does not"):
        plot_recall(torch.zeros(3, 3), torch.tensor([-1, 5, 3]), 7)


def test_estimates_of_the_best_predictor_lie_on_the_diagonal():
    counts = torch.tensor([[[0, 0], [1, 0], [1, 1], [1, 2]]])
    best = (counts[..., 1] + 0.5) / (counts.sum(-1) + 1)
    axes = plot_estimates(counts, {"best": best}).axes[0]
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert [x for x, _ in dots] == pytest.approx([0.5, 0.25, 0.5, 0.625])
    assert [y for _, y in dots] == pytest.approx([0.5, 0.25, 0.5, 0.625])
