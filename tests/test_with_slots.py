"""The same weights on a memory of another size."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from ntmlib.ntm import NTM

LEARNED_STARTS = [("learned", "one_hot"), ("constant", "learned"), ("learned", "learned"), ("random", "learned")]


def make(controller: str = "lstm", **changes: Any) -> NTM:
    settings = {"hidden": 8, "slots": 9, "width": 4, "num_heads": 2, **changes}
    return NTM(3, 2, controller=controller, generator=torch.Generator().manual_seed(7), **settings)


def sequences() -> torch.Tensor:
    return torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(8))


def walking(slots: int) -> NTM:
    """A machine whose heads never look anything up: their gates are closed, they only shift."""
    machine = make("feedforward", slots=slots).double()
    layout = machine.cell.layout
    with torch.no_grad():
        for start in (0, layout.addressing_size):
            for head in range(layout.num_heads):
                gate = head * layout.pair_size + start + layout.width + 1
                machine.cell.heads.weight[gate] = 0
                machine.cell.heads.bias[gate] = -60
    return machine


def test_more_slots_change_nothing_while_no_head_goes_round():
    machine, inputs = walking(slots=20), sequences().double()
    bigger = machine.with_slots(200)
    assert bigger.config == replace(machine.config, slots=200)
    assert bigger.num_parameters == machine.num_parameters
    torch.testing.assert_close(bigger(inputs)[0], machine(inputs)[0], atol=1e-9, rtol=0)


def test_a_memory_too_small_to_walk_through_does_change_it():
    machine, inputs = walking(slots=20), sequences().double()
    assert not torch.allclose(machine.with_slots(4)(inputs)[0], machine(inputs)[0], atol=1e-6)


@pytest.mark.parametrize(("slots", "width"), [(9, 4), (7, 5), (128, 20), (3, 1)])
def test_a_random_memory_keeps_its_first_rows(slots, width):
    machine = make(memory_init="random", slots=slots, width=width)
    bigger = machine.with_slots(slots + 6).initial_state(1).memory
    assert torch.equal(bigger[:, :slots], machine.initial_state(1).memory)
    assert bool(bigger[:, slots:].any(-1).all())


@pytest.mark.parametrize(("memory_init", "weighting_init"), LEARNED_STARTS)
def test_a_start_learned_slot_by_slot_cannot_be_resized(memory_init, weighting_init):
    machine = make(memory_init=memory_init, weighting_init=weighting_init)
    with pytest.raises(ValueError, match=r"slots must stay 9: .* learned.*; got 12"):
        machine.with_slots(12)
    assert torch.equal(machine.with_slots(9)(sequences())[0], machine(sequences())[0])


def test_a_resized_machine_is_independent_of_the_first():
    machine = make().double().eval()
    bigger = machine.with_slots(30)
    expected, _ = bigger(sequences().double())
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(1)
    machine.register_forward_hook(lambda *_: pytest.fail("a hook of the first machine ran on its copy"))
    assert torch.equal(bigger(sequences().double())[0], expected)
    assert not bigger.training
