import pytest
import torch

from ntmlib.machine import read, write
from ntmlib.ntm import NTM, Trace
from ntmlib.views.origins import contents, origins, plot_lookup, plot_origins

STEPS, SLOTS, WIDTH = 6, 9, 4


def random_trace(heads: int = 2, memory_init: str = "learned") -> Trace:
    generator = torch.Generator().manual_seed(4)
    machine = NTM(
        5, 3, hidden=10, slots=SLOTS, width=WIDTH, num_heads=heads, memory_init=memory_init, generator=generator
    )
    return machine.trace(torch.randint(0, 2, (2, STEPS, 5), generator=generator).float())


def tape_trace() -> Trace:
    """One head that writes a vector of length 1 into slot s at step s, on an empty memory, and always reads slot 2."""
    trace = random_trace(heads=1)
    parts = (trace.initial.memory, trace.memory, trace.write.weighting, trace.read.weighting, trace.erase, trace.add)
    for part in parts:
        part.zero_()
    for step in range(STEPS):
        trace.write.weighting[:, step, 0, step] = 1
        trace.add[:, step, 0, step % WIDTH] = 1
        trace.memory[:, step:, step, step % WIDTH] = 1
    trace.read.weighting[..., 2] = 1
    return trace


def test_what_is_read_from_a_slot_was_written_when_it_was_written():
    found = origins(tape_trace())
    assert found.shape == (STEPS, 1, STEPS)
    assert found[4, 0].tolist() == [0, 0, 1, 0, 0, 0]


def test_nothing_is_read_before_it_is_written():
    assert origins(tape_trace())[:2].abs().max() == 0


def test_a_vector_erased_and_written_anew_has_only_its_new_origin():
    trace = tape_trace()
    trace.write.weighting[:, 4] = trace.write.weighting[:, 2]
    trace.erase[:, 4] = 1
    assert origins(trace)[3, 0].tolist() == [0, 0, 1, 0, 0, 0]
    assert origins(trace)[5, 0].tolist() == [0, 0, 0, 0, 1, 0]


def test_a_read_that_is_spread_over_two_slots_has_two_origins():
    trace = tape_trace()
    trace.read.weighting[..., 2] = 0.5
    trace.read.weighting[..., 3] = 0.5
    assert origins(trace)[5, 0].tolist() == pytest.approx([0, 0, 0.5, 0.5, 0, 0])


def test_without_an_initial_memory_the_shares_of_every_read_sum_to_1():
    trace = random_trace()
    trace.initial.memory.zero_()
    torch.testing.assert_close(origins(trace, 1).sum(-1), torch.ones(STEPS, 2, dtype=torch.float64))


@pytest.mark.parametrize("left_out", [0, 3, 5])
def test_a_share_is_what_is_missing_from_a_read_vector_when_a_step_adds_nothing(left_out):
    trace = random_trace()

    def last_read(left_out: int | None) -> torch.Tensor:
        memory = trace.initial.memory
        for step in range(STEPS):
            added = trace.add[:, step] * (step != left_out)
            memory = write(memory, trace.write.weighting[:, step], trace.erase[:, step], added)
        return read(memory, trace.read.weighting[:, -1])[0]

    whole = last_read(None)
    expected = ((whole - last_read(left_out)) * whole).sum(-1) / whole.square().sum(-1)
    torch.testing.assert_close(origins(trace)[-1, :, left_out].float(), expected, rtol=1e-4, atol=1e-5)


def test_the_initial_memory_keeps_its_share_to_itself():
    trace = tape_trace()
    trace.initial.memory[:, 2] = trace.add[:, 2, 0]  # the slot ends as twice this vector, half of it from before
    assert origins(trace)[5, 0].tolist() == pytest.approx([0, 0, 0.5, 0, 0, 0])


def test_a_slot_holds_what_a_head_on_it_alone_would_read():
    trace = random_trace()
    trace.read.weighting.zero_()
    trace.read.weighting[..., 3] = 1
    torch.testing.assert_close(contents(trace, 4)[3], origins(trace)[4, 0])


def test_plot_origins_draws_a_panel_for_each_read_head_on_a_scale_from_0_to_1():
    trace = random_trace()
    figure = plot_origins(trace, range(3, 6), 1, spans={"first": (0, 2), "second": (3, 5)})
    pictures = [axes.images[0] for axes in figure.axes[:2]]
    torch.testing.assert_close(torch.tensor(pictures[1].get_array()), origins(trace, 1)[3:6, 1])
    assert {picture.get_clim() for picture in pictures} == {(0, 1)}
    assert [text.get_text() for text in figure.axes[0].texts] == ["first", "second"]


def test_plot_lookup_shows_the_same_slots_left_and_right():
    left, right, _ = plot_lookup(tape_trace(), 0, [3, 4, 5]).axes
    assert left.images[0].get_array().shape == (SLOTS, STEPS)
    assert left.images[0].get_array()[2].tolist() == [0, 0, 1, 0, 0, 0]  # the full slot 2, written at step 2
    assert right.images[0].get_array()[:, 0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_plot_lookup_counts_what_is_read_and_not_where_nothing_is():
    trace = tape_trace()
    trace.read.weighting[..., 2] = 0.25
    trace.read.weighting[..., 8] = 0.75  # an empty slot
    right = plot_lookup(trace, 0, [3]).axes[1].images[0].get_array()
    assert right[:, 0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_plot_lookup_leaves_slots_dark_that_hold_next_to_nothing():
    trace = tape_trace()
    trace.memory.zero_()
    trace.memory[:, :, 2] = 1.0
    trace.memory[:, :, 1] = 0.01
    left = plot_lookup(trace, 0, [3]).axes[0].images[0].get_array()
    assert left[1].max() < 0.02 < left[2].max()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda trace: origins(trace, 2), "example must be a whole number from 0 to 1"),
        (lambda trace: contents(trace, 6), "steps must be from 0 to 5, .* got 6"),
        (lambda trace: plot_origins(trace, [1, 9]), "steps must be from 0 to 5, .* got 9"),
        (lambda trace: plot_lookup(trace, 2, [1]), "head must be from 0 to 1, .* got 2"),
        (lambda trace: plot_lookup(trace, 0, []), "steps must hold at least one step"),
    ],
)
def test_what_the_trace_does_not_have_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(random_trace())
