"""The machine people use: batches, lengths, windows, starts, traces, what is refused."""

import copy
import inspect
from dataclasses import fields
from typing import Any

import pytest
import torch

from ntmlib.dropout import dropped
from ntmlib.engines import reference
from ntmlib.machine import MachineState, address, read, write
from ntmlib.ntm import NTM

STARTS = [
    (memory, weighting)
    for memory in ("constant", "learned", "random")
    for weighting in ("one_hot", "learned", "uniform")
]
both_controllers = pytest.mark.parametrize("controller", ["feedforward", "lstm"])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(controller: str = "lstm", seed: int = 7, **changes: Any) -> NTM:
    settings = {"hidden": 8, "slots": 9, "width": 4, "num_heads": 2, **changes}
    return NTM(3, 2, controller=controller, generator=seeded(seed), **settings)


def sequences(batch: int = 4, time: int = 6, seed: int = 8) -> torch.Tensor:
    return torch.randn(batch, time, 3, generator=seeded(seed))


def tensors(state: MachineState) -> list[torch.Tensor]:
    return [state.memory, state.read_weighting, state.write_weighting, state.read_vector, *state.controller]


def assert_same_state(one: MachineState, other: MachineState, **tolerance: float) -> None:
    for first, second in zip(tensors(one), tensors(other), strict=True):
        torch.testing.assert_close(first, second, **tolerance)


# --- batches, lengths, windows -----------------------------------------------------------------------------------


@both_controllers
def test_a_batch_of_four_equals_four_batches_of_one(controller):
    machine, inputs = make(controller, num_layers=2).double(), sequences().double()
    together, state = machine(inputs)
    for index in range(4):
        alone, alone_state = machine(inputs[index : index + 1])
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-12, rtol=0)
        torch.testing.assert_close(state.memory[index : index + 1], alone_state.memory, atol=1e-12, rtol=0)


@both_controllers
def test_two_calls_agree_so_nothing_is_kept_between_sequences(controller):
    machine = make(controller)
    first, first_state = machine(sequences())
    machine(sequences(seed=99))
    second, second_state = machine(sequences())
    assert torch.equal(first, second)
    assert_same_state(first_state, second_state, atol=0, rtol=0)


@both_controllers
def test_a_ragged_batch_equals_its_sequences_alone(controller):
    machine, inputs, lengths = make(controller).double(), sequences().double(), [6, 2, 0, 5]
    outputs, state = machine(inputs, lengths=torch.tensor(lengths))
    for index, length in enumerate(lengths):
        alone, alone_state = machine(inputs[index : index + 1, :length])
        torch.testing.assert_close(outputs[index, :length], alone[0], atol=1e-12, rtol=0)
        assert_same_state(state.map(lambda part, i=index: part[i : i + 1]), alone_state, atol=1e-12, rtol=0)


@both_controllers
def test_two_windows_with_the_state_passed_on_equal_one_run(controller):
    machine, inputs = make(controller).double(), sequences().double()
    whole, final = machine(inputs)
    first, state = machine(inputs[:, :4])
    second, last = machine(inputs[:, 4:], state.detach())
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-12, rtol=0)
    assert_same_state(last, final, atol=1e-12, rtol=0)


def test_a_detached_state_carries_no_gradient_back():
    machine, inputs = make(), sequences().requires_grad_()
    _, state = machine(inputs[:, :4])
    outputs, _ = machine(inputs[:, 4:], state.detach())
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs)
    assert not gradient[:, :4].any()
    assert gradient[:, 4:].any()


@both_controllers
def test_steps_by_hand_equal_the_whole_sequence(controller):
    machine, inputs = make(controller), sequences()
    outputs, _ = machine(inputs)
    state = machine.initial_state(4)
    for time in range(6):
        logits, state, _ = machine.step(inputs[:, time], state)
        torch.testing.assert_close(logits, outputs[:, time])


@pytest.mark.parametrize(("batch", "time"), [(2, 0), (0, 3)])
def test_nothing_in_gives_nothing_out(batch, time):
    outputs, state = make()(sequences(batch, time))
    assert outputs.shape == (batch, time, 2)
    assert_same_state(state, make().initial_state(batch))


# --- how it starts -----------------------------------------------------------------------------------------------


@both_controllers
@pytest.mark.parametrize(("memory_init", "weighting_init"), STARTS)
def test_every_start_runs_and_every_parameter_gets_a_gradient(controller, memory_init, weighting_init):
    machine = make(controller, memory_init=memory_init, weighting_init=weighting_init)
    outputs, state = machine(sequences())
    gradients = torch.autograd.grad(outputs.square().sum() + state.memory.square().sum(), list(machine.parameters()))
    assert all(bool(gradient.isfinite().all()) and bool(gradient.any()) for gradient in gradients)


@pytest.mark.parametrize(("memory_init", "weighting_init"), STARTS)
def test_saved_weights_give_the_same_machine(memory_init, weighting_init):
    one, other = (make(seed=seed, memory_init=memory_init, weighting_init=weighting_init) for seed in (1, 2))
    assert not torch.equal(one(sequences())[0], other(sequences())[0])
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(sequences())[0], other(sequences())[0])


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_dropout_leaves_out_the_same_units_in_every_engine(engine):
    machine = NTM(3, 2, "lstm", hidden=7, slots=6, width=3, output_hidden=50, embedding=4)
    inputs = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(1))
    plain, state = machine(inputs)
    logits, dropped_state = machine(inputs, engine=engine, dropout=0.5, generator=torch.Generator().manual_seed(2))
    passed = dropped(torch.ones(2, 5, 50), 0.5, torch.Generator().manual_seed(2))
    expected, _ = reference.unroll(machine.cell, inputs, machine.initial_state(2), passed=passed)
    torch.testing.assert_close(logits, expected)
    assert not torch.allclose(logits, plain)
    torch.testing.assert_close(dropped_state.memory, state.memory)  # only the output is touched


def test_dropout_wants_a_hidden_layer_and_a_generator():
    inputs = torch.zeros(1, 2, 3)
    with pytest.raises(ValueError, match=r"dropout must be 0 for a machine without output_hidden; got 0\.5"):
        NTM(3, 2)(inputs, dropout=0.5, generator=torch.Generator())
    with pytest.raises(ValueError, match="dropout needs a generator"):
        NTM(3, 2, output_hidden=4)(inputs, dropout=0.5)


def test_building_a_machine_draws_only_from_its_generator():
    before = torch.get_rng_state()
    one, again, other = make(seed=1), make(seed=1), make(seed=2)
    assert torch.equal(before, torch.get_rng_state())
    for first, second, third in zip(one.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(first, second)
        assert not first.any() or not torch.equal(first, third)  # the zeros are the same for every seed


FIRST_OUTPUTS = {
    "feedforward": [[0.243585, -0.146471], [0.401743, -0.081652], [0.502092, -0.041088], [0.191321, -0.119341]],
    "lstm": [[-0.154237, 0.226016], [-0.145404, 0.237973], [-0.136465, 0.257386], [-0.166192, 0.229017]],
}


@both_controllers
def test_a_seeded_machine_says_what_it_always_said(controller):
    outputs, _ = make(controller)(sequences(1, 4))
    torch.testing.assert_close(outputs[0], torch.tensor(FIRST_OUTPUTS[controller]), atol=1e-4, rtol=0)


@both_controllers
def test_single_and_double_precision_agree(controller):
    machine, inputs = make(controller), sequences()
    single, _ = machine(inputs)
    double, state = copy.deepcopy(machine).double()(inputs.double())
    assert {part.dtype for part in tensors(state)} == {torch.float64}
    torch.testing.assert_close(single.double(), double, atol=1e-5, rtol=0)


def test_a_deep_copy_shares_nothing():
    machine = make(memory_init="random")
    expected, _ = machine(sequences())
    twin = copy.deepcopy(machine)
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(1)
    assert torch.equal(twin(sequences())[0], expected)


# --- traces ------------------------------------------------------------------------------------------------------


@both_controllers
def test_a_trace_shows_what_forward_computed(controller):
    machine, inputs = make(controller), sequences()
    trace = machine.trace(inputs)
    outputs, state = machine(inputs)
    torch.testing.assert_close(trace.outputs, outputs)
    torch.testing.assert_close(trace.memory[:, -1], state.memory)
    torch.testing.assert_close(trace.read.weighting[:, -1], state.read_weighting)
    torch.testing.assert_close(trace.write.weighting[:, -1], state.write_weighting)
    torch.testing.assert_close(trace.read_vector[:, -1], state.read_vector)
    assert_same_state(trace.initial, machine.initial_state(4))


@both_controllers
def test_every_stage_of_a_trace_follows_from_its_instructions(controller):
    trace = make(controller).double().trace(sequences().double())
    memory_before = torch.cat([trace.initial.memory[:, None], trace.memory[:, :-1]], 1)
    starts = (
        (trace.read, trace.memory, trace.initial.read_weighting),
        (
            trace.write,
            memory_before,
            trace.initial.write_weighting,
        ),
    )
    for head, memory, start in starts:
        previous = torch.cat([start[:, None], head.weighting[:, :-1]], 1)
        told = (head.key, head.key_strength, head.interpolation_gate, head.shift_weighting, head.sharpening)
        found = address(*told, memory[:, :, None], previous)
        for field in fields(found):
            torch.testing.assert_close(getattr(head, field.name), getattr(found, field.name), atol=1e-12, rtol=0)
    torch.testing.assert_close(trace.memory, write(memory_before, trace.write.weighting, trace.erase, trace.add))
    torch.testing.assert_close(trace.read_vector, read(trace.memory, trace.read.weighting))


def test_a_trace_stays_as_it_was_when_training_goes_on():
    machine = make()
    trace = machine.trace(sequences().requires_grad_())
    kept = copy.deepcopy(trace)
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(1)
    assert_same_state(trace.initial, kept.initial, atol=0, rtol=0)
    assert torch.equal(trace.memory, kept.memory)
    assert not any(part.requires_grad for part in [trace.inputs, trace.outputs, *tensors(trace.initial)])


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"inputs": torch.zeros(4, 6, 5)},
            r"inputs must have axes \[batch time features\] with 3 features; got \[4, 6, 5\]",
        ),
        (
            {"lengths": torch.tensor([6, 7, 1, 1])},
            r"lengths must be 4 numbers from 0 to 6 \(steps\); got \[6, 7, 1, 1\]",
        ),
        (
            {"lengths": torch.tensor([6, -1, 1, 1])},
            r"lengths must be 4 numbers from 0 to 6 \(steps\); got \[6, -1, 1, 1\]",
        ),
        ({"inputs": torch.zeros(6, 3)}, r"inputs must have axes \[batch time features\] with 3 features; got \[6, 3\]"),
        ({"lengths": torch.tensor([6, 1, 1])}, r"lengths must be 4 numbers from 0 to 6 \(steps\); got \[6, 1, 1\]"),
        ({"state": make().initial_state(3)}, "state must be of 4 sequences, as inputs are; got 3"),
        ({"engine": "warp"}, r"engine must be one of 'auto', .*; got 'warp'"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(arguments, message):
    unchecked = inspect.unwrap(NTM.forward)  # as users run it: without the shape checks of the tests
    with pytest.raises(ValueError, match=message):
        unchecked(make(), **{"inputs": sequences(), **arguments})


def test_a_trace_of_no_steps_is_refused():
    with pytest.raises(ValueError, match="inputs must have at least one step to trace; got 0"):
        make().trace(sequences(2, 0))
