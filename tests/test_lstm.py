"""Graves' stacked LSTM: the paper's parameter counts, the definition in loops, lengths, windows, gradients."""

import copy
import inspect
from typing import Any

import numpy as np
import pytest
import torch

from ntmlib.baselines import LSTM
from ntmlib.dropout import dropped


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(seed: int = 1, **changes: Any) -> LSTM:
    machine = LSTM(
        **{"input_size": 3, "output_size": 2, "hidden": 4, "num_layers": 3, **changes}, generator=seeded(seed)
    )
    with torch.no_grad():  # off the zeros they start with
        machine.initial_hidden.normal_(0, 0.5, generator=seeded(2))
        machine.initial_cell.normal_(0, 0.5, generator=seeded(3))
    return machine.double()


def sequences(batch: int = 4, time: int = 6) -> torch.Tensor:
    return torch.randn(batch, time, 3, generator=seeded(8), dtype=torch.float64)


@pytest.mark.parametrize(
    ("task", "inputs", "outputs", "hidden", "published"),
    [
        ("copy", 10, 9, 256, 1_352_969),
        ("repeat copy", 8, 7, 512, 5_312_007),
        ("associative recall", 8, 6, 256, 1_344_518),
        ("n-grams", 1, 1, 128, 331_905),
    ],
)
def test_the_paper_counts_as_many_parameters(task, inputs, outputs, hidden, published):
    assert LSTM(inputs, outputs, hidden, num_layers=3).num_parameters == published


def test_the_fifth_count_differs_from_the_paper_by_two_swapped_digits():
    in_print = 384_424
    ours = LSTM(10, 8, 128, num_layers=3).num_parameters
    assert ours == 348_424
    assert sorted(str(ours)) == sorted(str(in_print))


def run_in_loops(machine: LSTM, inputs: np.ndarray) -> np.ndarray:
    """One sequence, one layer, one step at a time."""
    p = {name: value.numpy(force=True) for name, value in machine.state_dict().items()}
    hidden, cell = p["initial_hidden"].copy(), p["initial_cell"].copy()
    logits = []
    for features in inputs:
        for layer in range(machine.num_layers):
            below = [hidden[layer - 1]] if layer else []
            seen = np.concatenate([features, *below])
            total = (
                p[f"from_input.{layer}"] @ seen + p[f"from_hidden.{layer}"] @ hidden[layer] + p[f"bias.{layer}"]
            ).reshape(4, -1)
            i, f, o = (1 / (1 + np.exp(-total[gate])) for gate in (0, 1, 3))
            cell[layer] = f * cell[layer] + i * np.tanh(total[2])
            hidden[layer] = o * np.tanh(cell[layer])
        logits.append(p["output_weight"] @ hidden.reshape(-1) + p["output_bias"])
    return np.array(logits)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_it_is_its_definition_in_loops(num_layers):
    machine = make(num_layers=num_layers)
    outputs, _ = machine(sequences())
    for index in range(4):
        expected = run_in_loops(machine, sequences()[index].numpy())
        np.testing.assert_allclose(outputs[index].detach(), expected, atol=1e-12, rtol=0)


def test_a_ragged_batch_equals_its_sequences_alone():
    machine, lengths = make(), [2, 6, 0, 5]
    outputs, state = machine(sequences(), lengths=torch.tensor(lengths))
    for index, length in enumerate(lengths):
        alone, alone_state = machine(sequences()[index : index + 1, :length])
        torch.testing.assert_close(outputs[index, :length], alone[0], atol=1e-12, rtol=0)
        assert not outputs[index, length:].any()
        for together, single in zip(state, alone_state, strict=True):
            torch.testing.assert_close(together[index], single[0], atol=1e-12, rtol=0)


def test_padding_changes_nothing_and_gets_no_gradient():
    machine, lengths = make(), torch.tensor([2, 6, 1, 5])
    padding = torch.arange(6) >= lengths[:, None]
    inputs = sequences().requires_grad_()
    outputs, _ = machine(inputs, lengths=lengths)
    other, _ = machine(torch.where(padding[..., None], 99.0, sequences()), lengths=lengths)
    assert torch.equal(outputs, other)
    (gradient,) = torch.autograd.grad(outputs.square().sum(), inputs)
    assert not gradient[padding].any()
    assert bool(gradient[~padding].any(-1).all())


def test_two_windows_with_the_state_passed_on_equal_one_run():
    machine = make()
    whole, final = machine(sequences())
    first, state = machine(sequences()[:, :4])
    second, last = machine(sequences()[:, 4:], tuple(part.detach() for part in state))
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-12, rtol=0)
    for one, other in zip(last, final, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_two_calls_agree_and_so_does_a_copy_from_saved_weights():
    machine, other = make(), make(seed=5)
    outputs, _ = machine(sequences())
    assert not torch.equal(other(sequences())[0], outputs)
    other.load_state_dict(machine.state_dict())
    for twin in (machine, other, copy.deepcopy(machine)):
        assert torch.equal(twin(sequences())[0], outputs)


@pytest.mark.parametrize("lengths", [None, [6, 2]])
def test_gradient_is_that_of_finite_differences(lengths):
    machine = make(hidden=2, num_layers=2)
    shares = torch.randn(2, 6, 2, generator=seeded(9), dtype=torch.float64)

    def loss(inputs: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        named = dict(zip(dict(machine.named_parameters()), parameters, strict=True))
        options = {"lengths": None if lengths is None else torch.tensor(lengths)}
        outputs, (hidden, cell) = torch.func.functional_call(machine, named, (inputs,), options)
        return (outputs * shares).sum() + (hidden * 0.3 - cell * 0.7).sum()

    leaves = [leaf.detach().requires_grad_() for leaf in (sequences(batch=2), *machine.parameters())]
    assert torch.autograd.gradcheck(loss, leaves, atol=1e-7, rtol=1e-5)


def test_no_dropout_changes_not_a_bit_and_draws_nothing():
    generator = seeded(7)
    for lengths in (None, torch.tensor([2, 6, 0, 5])):
        outputs, state = make()(sequences(), lengths=lengths)
        same, same_state = make()(sequences(), lengths=lengths, dropout=0.0, generator=generator)
        assert all(map(torch.equal, (outputs, *state), (same, *same_state)))
    assert torch.equal(generator.get_state(), seeded(7).get_state())


def test_dropout_lies_above_each_layer_and_leaves_the_state_alone():
    machine, seen, generator, tops = make(num_layers=2), sequences(), seeded(7), []
    for layer in range(2):
        start, first_cell = (part[:, layer] for part in machine.initial_state(4))
        hiddens, _, _ = machine._layer(layer, seen, start, first_cell, None)
        tops.append(dropped(hiddens, 0.5, generator))
        seen = torch.cat([sequences(), tops[-1]], -1)
    outputs, (hidden, _) = machine(sequences(), dropout=0.5, generator=seeded(7))
    expected = torch.cat(tops, -1) @ machine.output_weight.T + machine.output_bias
    torch.testing.assert_close(outputs, expected, atol=1e-12, rtol=0)
    assert torch.equal(hidden[:, 0], machine(sequences())[1][0][:, 0])
    assert not torch.equal(outputs, machine(sequences(), dropout=0.5, generator=seeded(8))[0])


@pytest.mark.parametrize(("batch", "time"), [(2, 0), (0, 3)])
def test_nothing_in_gives_nothing_out(batch, time):
    outputs, state = make()(sequences(batch, time))
    assert outputs.shape == (batch, time, 2)
    assert torch.equal(state[0], make().initial_state(batch)[0])


def test_building_it_draws_only_from_its_generator():
    before = torch.get_rng_state()
    one, again, other = (LSTM(3, 2, hidden=4, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first, second) for first, second in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.output_weight, other.output_weight)
    assert max(float(parameter.detach().abs().max()) for parameter in one.parameters()) <= 4**-0.5


def test_the_parameter_table_names_the_parts():
    table = make().parameter_table()
    assert table["layers"] == sum(4 * 4 * (4 + 3 + below + 1) for below in (0, 4, 4))
    assert table["output"] == (3 * 4 + 1) * 2
    assert table["initial"] == 2 * 3 * 4


@pytest.mark.parametrize("name", ["input_size", "output_size", "hidden", "num_layers"])
@pytest.mark.parametrize("value", [0, -3, True])
def test_a_size_must_be_a_positive_whole_number(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1; got {value}"):
        LSTM(**{"input_size": 3, "output_size": 2, name: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": torch.zeros(4, 6, 5).double()}, r"inputs must have axes .* with 3 features; got \[4, 6, 5\]"),
        (
            {"lengths": torch.tensor([6, 7, 1, 1])},
            r"lengths must be 4 numbers from 0 to 6 \(steps\); got \[6, 7, 1, 1\]",
        ),
        (
            {"lengths": torch.tensor([6, -1, 1, 1])},
            r"lengths must be 4 numbers from 0 to 6 \(steps\); got \[6, -1, 1, 1\]",
        ),
        ({"lengths": torch.tensor([6, 1, 1])}, r"lengths must be 4 numbers from 0 to 6 \(steps\); got \[6, 1, 1\]"),
        ({"state": make().initial_state(3)}, "state must be of 4 sequences, as inputs are; got 3"),
        ({"dropout": 0.1}, "dropout needs a generator of its own"),
        ({"dropout": 1.0, "generator": seeded(1)}, "dropout must be a share from 0 to below 1; got 1.0"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(arguments, message):
    unchecked = inspect.unwrap(LSTM.forward)  # as users run it: without the shape checks of the tests
    with pytest.raises(ValueError, match=message):
        unchecked(make(), **{"inputs": sequences(), **arguments})


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "output_hidden": 3, "embedding": 2}])
def test_a_trace_is_what_the_network_does_step_by_step(options):
    lstm = LSTM(4, 3, hidden=5, **options, generator=torch.Generator().manual_seed(1))
    inputs = torch.rand(2, 6, 4, generator=torch.Generator().manual_seed(2))
    trace = lstm.trace(inputs)
    outputs, (hidden, cell) = lstm(inputs)
    torch.testing.assert_close(trace.outputs, outputs.detach())
    torch.testing.assert_close(trace.hidden[:, -1], hidden.detach())
    torch.testing.assert_close(trace.cell[:, -1], cell.detach())
    _, (_, after_three) = lstm(inputs[:, :3])
    torch.testing.assert_close(trace.cell[:, 2], after_three.detach())
    assert not trace.cell.requires_grad


def test_a_trace_goes_on_from_a_state_and_needs_a_step():
    lstm = LSTM(4, 3, hidden=5, num_layers=1)
    inputs = torch.rand(1, 6, 4, generator=torch.Generator().manual_seed(2))
    _, state = lstm(inputs[:, :2])
    torch.testing.assert_close(lstm.trace(inputs[:, 2:], state).cell, lstm.trace(inputs).cell[:, 2:])
    with pytest.raises(ValueError, match="inputs must have at least one step to trace; got 0"):
        lstm.trace(inputs[:, :0])
