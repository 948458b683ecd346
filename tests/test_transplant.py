"""Moving parts of one state into another."""

import pytest
import torch

from ntmlib import NTM
from ntmlib.machine.transplant import transplant


def two_states(slots=5, batch=3):
    machine = NTM(4, 2, hidden=8, slots=slots, width=3, num_heads=2, controller="lstm")
    generator = torch.Generator().manual_seed(1)
    runs = [torch.rand(batch, 6, 4, generator=generator) for _ in range(2)]
    return [machine(inputs)[1].detach() for inputs in runs]


def test_only_the_named_slots_are_the_donors():
    state, donor = two_states()
    mixed = transplant(state, donor, slots=[1, 4])
    assert torch.equal(mixed.memory[:, [1, 4]], donor.memory[:, [1, 4]])
    assert torch.equal(mixed.memory[:, [0, 2, 3]], state.memory[:, [0, 2, 3]])


def test_nothing_else_moves_with_the_slots():
    state, donor = two_states()
    mixed = transplant(state, donor, slots=[0])
    for name in ("read_weighting", "write_weighting", "read_vector"):
        assert torch.equal(getattr(mixed, name), getattr(state, name))
    assert all(map(torch.equal, mixed.controller, state.controller))


@pytest.mark.parametrize("part", ["read_vector", "weightings"])
def test_read_vector_and_weightings_move_when_asked(part):
    state, donor = two_states()
    mixed = transplant(state, donor, **{part: True})
    names = ["read_vector"] if part == "read_vector" else ["read_weighting", "write_weighting"]
    assert torch.equal(mixed.memory, state.memory)
    for name in ("read_vector", "read_weighting", "write_weighting"):
        assert torch.equal(getattr(mixed, name), getattr(donor if name in names else state, name))


def test_moving_everything_makes_a_feed_forward_machine_the_donor():
    machine = NTM(4, 2, hidden=8, slots=5, width=3)
    inputs = torch.rand(3, 7, 4, generator=torch.Generator().manual_seed(2))
    state, donor = machine(inputs[:, :3])[1], machine(inputs[:, 3:5])[1]
    mixed = transplant(state, donor, slots=range(5), read_vector=True, weightings=True)
    torch.testing.assert_close(machine(inputs[:, 5:], mixed)[0], machine(inputs[:, 5:], donor)[0])


@pytest.mark.parametrize("slots", [[5], [-1], [0, 7]])
def test_a_slot_that_does_not_exist_is_refused(slots):
    with pytest.raises(ValueError, match="slots must be from 0 to 4"):
        transplant(*two_states(), slots=slots)


def test_a_donor_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="donor must be of the same shape"):
        transplant(two_states()[0], two_states(slots=6)[1])
