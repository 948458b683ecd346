"""The reference engine: the cell's step repeated, sequences of unequal length, what an observer sees."""

import pytest
import torch

from ntmlib.engines import reference, select
from ntmlib.machine import MachineConfig, MachineState, NTMCell


def make(controller: str = "lstm") -> NTMCell:
    config = MachineConfig(3, 2, controller, hidden=5, num_layers=2, slots=7, width=4, num_heads=2)
    return NTMCell(config, torch.Generator().manual_seed(0)).double()


def sequences(batch: int = 4, time: int = 6) -> torch.Tensor:
    return torch.randn(batch, time, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def tensors(state: MachineState) -> list[torch.Tensor]:
    return [state.memory, state.read_weighting, state.write_weighting, state.read_vector, *state.controller]


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_unrolling_is_the_step_repeated(controller):
    cell, inputs = make(controller), sequences()
    outputs, final = reference.unroll(cell, inputs, cell.initial_state(4))
    state = cell.initial_state(4)
    for time in range(6):
        logits, state, _ = cell.step(inputs[:, time], state)
        assert torch.equal(outputs[:, time], logits)
    assert all(torch.equal(one, other) for one, other in zip(tensors(final), tensors(state), strict=True))


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_a_ragged_batch_equals_each_sequence_alone(controller):
    cell, inputs, lengths = make(controller), sequences(), [6, 1, 0, 4]
    outputs, final = reference.unroll(cell, inputs, cell.initial_state(4), torch.tensor(lengths))
    for index, length in enumerate(lengths):
        alone, state = reference.unroll(cell, inputs[index : index + 1, :length], cell.initial_state(1))
        torch.testing.assert_close(outputs[index, :length], alone[0], atol=1e-12, rtol=0)
        assert not outputs[index, length:].any()
        for together, single in zip(tensors(final), tensors(state), strict=True):
            torch.testing.assert_close(together[index], single[0], atol=1e-12, rtol=0)


def test_padding_changes_nothing_and_gets_no_gradient():
    cell, lengths = make(), torch.tensor([6, 1, 3, 4])
    padding = torch.arange(6) >= lengths[:, None]
    inputs = sequences().requires_grad_()
    outputs, _ = reference.unroll(cell, inputs, cell.initial_state(4), lengths)
    other, _ = reference.unroll(
        cell, torch.where(padding[..., None], 99.0, sequences()), cell.initial_state(4), lengths
    )
    assert torch.equal(outputs, other)
    (gradient,) = torch.autograd.grad(outputs.square().sum(), inputs)
    assert not gradient[padding].any()
    assert bool(gradient[~padding].any(-1).all())


def test_an_observer_sees_every_step_and_changes_nothing():
    cell, inputs, seen = make(), sequences(), []
    watched, final = reference.unroll(cell, inputs, cell.initial_state(4), observe=seen.append)
    unwatched, _ = reference.unroll(cell, inputs, cell.initial_state(4))
    assert torch.equal(watched, unwatched)
    assert len(seen) == 6
    assert torch.equal(seen[-1].memory, final.memory)


@pytest.mark.parametrize(("batch", "time"), [(2, 0), (0, 3), (0, 0)])
def test_nothing_to_run_gives_nothing_and_the_first_state(batch, time):
    cell = make()
    outputs, final = reference.unroll(cell, sequences(batch, time), cell.initial_state(batch))
    assert outputs.shape == (batch, time, 2)
    assert torch.equal(final.memory, cell.initial_state(batch).memory)


def test_engines_are_chosen_by_name():
    cell, inputs = make(), sequences()
    assert select("reference", cell, inputs, cell.initial_state(4)) is reference
    with pytest.raises(ValueError, match=r"engine must be one of .*'reference'.*; got 'fast'"):
        select("fast", cell, inputs, cell.initial_state(4))
