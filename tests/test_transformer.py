"""The small Transformer: the definition in loops, reading in windows, lengths, fresh rows, gradients, dropout."""

import copy
import inspect
import math
from typing import Any

import pytest
import torch

from ntmlib.baselines import Transformer, TransformerState
from ntmlib.dropout import dropped
from ntmlib.training.optimizers import Adam


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(seed: int = 1, **changes: Any) -> Transformer:
    sizes = {"input_size": 3, "output_size": 2, "hidden": 8, "num_layers": 2, "num_heads": 2, "context": 4}
    machine = Transformer(**{**sizes, **changes}, generator=seeded(seed))
    with torch.no_grad():  # off the small numbers and the ones they start with, so that everything matters
        for name, parameter in machine.named_parameters():
            spread = 0.3 if name.endswith("norm") else 0.7
            parameter.add_(torch.randn(parameter.shape, generator=seeded(len(name))), alpha=spread)
    return machine.double()


def sequences(batch: int = 4, time: int = 11) -> torch.Tensor:
    return torch.randn(batch, time, 3, generator=seeded(8), dtype=torch.float64)


def in_windows(machine: Transformer, inputs: torch.Tensor, *sizes: int) -> tuple[torch.Tensor, TransformerState]:
    outputs, state = [], machine.initial_state(inputs.shape[0])
    for window in inputs.split(list(sizes), 1):
        logits, state = machine(window, state)
        outputs.append(logits)
    return torch.cat(outputs, 1), state


def assert_same(one: TransformerState, other: TransformerState, atol: float = 1e-12) -> None:
    """Compare what states mean: what precedes ``filled`` is nobody's business."""
    assert torch.equal(one.filled, other.filled)
    for row, filled in enumerate(one.filled.tolist()):
        for name in ("keys", "values"):
            kept = [getattr(state, name)[row] for state in (one, other)]
            start = kept[0].shape[2] - filled
            torch.testing.assert_close(kept[0][:, :, start:], kept[1][:, :, start:], atol=atol, rtol=0)


def normed(vector: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    centred = vector - vector.mean()
    return centred / torch.sqrt(centred.square().mean() + 1e-5) * weight


def turned(vector: torch.Tensor, place: int) -> torch.Tensor:
    """Turn each pair of neighbouring numbers by an angle that grows with the place, the first pair fastest."""
    result = vector.clone()
    for pair in range(len(vector) // 2):
        angle = place / 10_000 ** (2 * pair / len(vector))
        x, y = vector[2 * pair], vector[2 * pair + 1]
        result[2 * pair] = x * math.cos(angle) - y * math.sin(angle)
        result[2 * pair + 1] = x * math.sin(angle) + y * math.cos(angle)
    return result


def run_in_loops(machine: Transformer, inputs: torch.Tensor) -> torch.Tensor:
    """One sequence, one place, one head at a time."""
    width = machine.hidden // machine.num_heads
    vectors = [machine.input_weight @ features for features in inputs]
    for block in machine.blocks:
        made = [block.to_heads @ normed(vector, block.attention_norm) for vector in vectors]
        queries, keys, values = ([row.chunk(3)[part].split(width) for row in made] for part in range(3))
        for place, vector in enumerate(vectors):
            found, seen = [], range(max(0, place - machine.context + 1), place + 1)
            for head in range(machine.num_heads):
                query = turned(queries[place][head], place)
                scores = torch.stack([query @ turned(keys[other][head], other) for other in seen]) / width**0.5
                weighting = torch.exp(scores) / torch.exp(scores).sum()
                found.append(sum(share * values[other][head] for share, other in zip(weighting, seen, strict=True)))
            after = vector + block.from_heads @ torch.cat(found)
            raised = block.up @ normed(after, block.perceptron_norm)
            vectors[place] = after + block.down @ (raised * (1 + torch.erf(raised / 2**0.5)) / 2)
    return torch.stack([machine.output_weight @ normed(vector, machine.last_norm) for vector in vectors])


@pytest.mark.parametrize("changes", [{}, {"num_layers": 1, "num_heads": 1}, {"context": 1}, {"context": 20}])
def test_it_is_its_definition_in_loops(changes):
    machine, inputs = make(**changes), sequences(batch=2)
    outputs, _ = machine(inputs)
    for row in range(2):
        torch.testing.assert_close(outputs[row], run_in_loops(machine, inputs[row]), atol=1e-12, rtol=0)


def test_its_gradient_is_that_of_its_definition_in_loops():
    machine, inputs = make(), sequences(batch=1).requires_grad_()
    shares = torch.randn(11, 2, generator=seeded(9), dtype=torch.float64)
    leaves = [inputs, *machine.parameters()]
    found = torch.autograd.grad((machine(inputs)[0][0] * shares).sum(), leaves)
    expected = torch.autograd.grad((run_in_loops(machine, inputs[0]) * shares).sum(), leaves)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("sizes", [(11,), (4, 4, 3), (1, 2, 8), (7, 3, 1), (1,) * 11])
@pytest.mark.parametrize("context", [1, 2, 4, 30])
def test_windows_of_any_size_give_what_one_call_gives(sizes, context):
    machine = make(context=context)
    whole, last = machine(sequences())
    outputs, state = in_windows(machine, sequences(), *sizes)
    torch.testing.assert_close(outputs, whole, atol=1e-12, rtol=0)
    assert_same(state, last)


def test_in_single_precision_a_text_read_symbol_by_symbol_agrees_to_five_digits():
    machine = Transformer(10, 10, hidden=32, num_heads=2, context=16)
    inputs = torch.eye(10)[torch.randint(10, (2, 50), generator=seeded(3))]
    torch.testing.assert_close(in_windows(machine, inputs, *[1] * 50)[0], machine(inputs)[0], atol=1e-5, rtol=0)


def test_it_sees_back_as_far_as_its_context_in_each_block():
    machine, inputs = make(num_layers=1), sequences(batch=1).requires_grad_()
    (gradient,) = torch.autograd.grad(machine(inputs)[0][0, 8].sum(), inputs)
    assert gradient[0].any(-1).tolist() == [5 <= place <= 8 for place in range(11)]


def test_a_ragged_batch_equals_its_sequences_alone():
    machine, lengths = make(), [2, 11, 0, 6]
    for start in (None, machine(sequences(time=5))[1]):
        outputs, state = machine(sequences(), start, lengths=torch.tensor(lengths))
        for row, length in enumerate(lengths):
            own = None if start is None else TransformerState(*(part[row : row + 1] for part in start))
            alone, alone_state = machine(sequences()[row : row + 1, :length], own)
            torch.testing.assert_close(outputs[row, :length], alone[0], atol=1e-12, rtol=0)
            assert not outputs[row, length:].any()
            assert_same(TransformerState(*(part[row : row + 1] for part in state)), alone_state)


def test_padding_changes_nothing_and_gets_no_gradient():
    machine, lengths = make(), torch.tensor([2, 11, 1, 5])
    padding = torch.arange(11) >= lengths[:, None]
    inputs = sequences().requires_grad_()
    outputs, _ = machine(inputs, lengths=lengths)
    other, _ = machine(torch.where(padding[..., None], 99.0, sequences()), lengths=lengths)
    assert torch.equal(outputs, other)
    (gradient,) = torch.autograd.grad(outputs.square().sum(), inputs)
    assert not gradient[padding].any()
    assert bool(gradient[~padding].any(-1).all())


def test_a_row_with_nothing_filled_starts_afresh():
    machine, inputs = make(), sequences()
    _, state = machine(sequences(time=5))
    filled = state.filled.clone()
    filled[1:3] = 0
    outputs, after = machine(inputs, state._replace(filled=filled))
    fresh, fresh_after = machine(inputs)
    going_on, _ = machine(inputs, state)
    torch.testing.assert_close(outputs[1:3], fresh[1:3], atol=1e-12, rtol=0)
    torch.testing.assert_close(outputs[[0, 3]], going_on[[0, 3]], atol=1e-12, rtol=0)
    assert_same(TransformerState(*(p[1:3] for p in after)), TransformerState(*(p[1:3] for p in fresh_after)))


def test_a_state_is_a_value():
    machine = make()
    _, state = machine(sequences())
    kept = copy.deepcopy(state.detach())
    first, _ = machine(sequences(), state)
    second, _ = machine(sequences(), state)
    assert torch.equal(first, second)
    assert all(map(torch.equal, state, kept))


def test_a_gradient_flows_into_a_state_unless_it_was_cut_off():
    machine, inputs = make(), sequences().requires_grad_()
    _, state = machine(inputs[:, :6])
    (gradient,) = torch.autograd.grad(machine(inputs[:, 6:], state)[0].sum(), inputs, retain_graph=True)
    whole = torch.autograd.grad(machine(inputs)[0][:, 6:].sum(), inputs)[0]
    torch.testing.assert_close(gradient, whole, atol=1e-12, rtol=0)
    (cut,) = torch.autograd.grad(machine(inputs[:, 6:], state.detach())[0].sum(), inputs)
    assert not cut[:, :6].any()
    assert bool(cut[:, 6:].any(-1).all())


@pytest.mark.parametrize("lengths", [None, [4, 2]])
def test_gradient_is_that_of_finite_differences(lengths):
    machine = make(hidden=4, num_layers=1, num_heads=1, context=3)
    shares = torch.randn(2, 4, 2, generator=seeded(9), dtype=torch.float64)

    def loss(inputs: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        named = dict(zip(dict(machine.named_parameters()), parameters, strict=True))
        options = {"lengths": None if lengths is None else torch.tensor(lengths)}
        outputs, state = torch.func.functional_call(machine, named, (inputs,), options)
        return (outputs * shares).sum() + (state.keys * 0.3 - state.values * 0.7).sum()

    leaves = [leaf.detach().requires_grad_() for leaf in (sequences(2, 4), *machine.parameters())]
    assert torch.autograd.gradcheck(loss, leaves, atol=1e-7, rtol=1e-5, fast_mode=True)


def test_dropout_follows_the_embedding_and_both_parts_of_a_block():
    machine, inputs, generator = make(num_layers=1), sequences(time=1), seeded(7)
    block, norm = machine.blocks[0], torch.nn.functional.layer_norm
    features = dropped(inputs @ machine.input_weight.T, 0.5, generator)
    values = norm(features, [8], block.attention_norm) @ block.to_heads[16:].T  # one symbol sees itself alone
    features = features + dropped(values @ block.from_heads.T, 0.5, generator)
    risen = torch.nn.functional.gelu(norm(features, [8], block.perceptron_norm) @ block.up.T)
    features = features + dropped(risen @ block.down.T, 0.5, generator)
    expected = norm(features, [8], machine.last_norm) @ machine.output_weight.T
    outputs, _ = machine(inputs, dropout=0.5, generator=seeded(7))
    torch.testing.assert_close(outputs, expected, atol=1e-12, rtol=0)
    assert not torch.equal(outputs, machine(inputs, dropout=0.5, generator=seeded(8))[0])


def test_no_dropout_changes_not_a_bit_and_draws_nothing():
    machine, generator = make(), seeded(7)
    assert torch.equal(machine(sequences())[0], machine(sequences(), dropout=0.0, generator=generator)[0])
    assert torch.equal(generator.get_state(), seeded(7).get_state())


def test_it_learns_a_text_by_heart_window_by_window():
    text = torch.randint(4, (2, 33), generator=seeded(4))
    machine = Transformer(4, 4, hidden=32, num_layers=2, num_heads=2, context=8, generator=seeded(1))
    optimizer, costs = Adam(machine.parameters(), 3e-3, (0.9, 0.999)), []
    for _ in range(70):
        state = machine.initial_state(2)
        for start in (0, 16):
            logits, state = machine(torch.eye(4)[text[:, start : start + 16]], state.detach())
            targets = text[:, start + 1 : start + 17]
            cost = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
        costs.append(cost.item())
    assert costs[0] == pytest.approx(math.log(4), abs=0.1)
    assert costs[-1] < 0.1


def test_two_calls_agree_and_so_does_a_copy_from_saved_weights():
    machine, other = make(), make(seed=5)
    outputs, _ = machine(sequences())
    assert not torch.equal(other(sequences())[0], outputs)
    other.load_state_dict(machine.state_dict())
    for twin in (machine, other, copy.deepcopy(machine)):
        assert torch.equal(twin(sequences())[0], outputs)


@pytest.mark.parametrize(("batch", "time"), [(2, 0), (0, 3)])
def test_nothing_in_gives_nothing_out(batch, time):
    outputs, state = make()(sequences(batch, time))
    assert outputs.shape == (batch, time, 2)
    assert_same(state, make().initial_state(batch))


def test_building_it_draws_only_from_its_generator():
    before = torch.get_rng_state()
    one, again, other = (Transformer(3, 2, hidden=8, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first, second) for first, second in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.output_weight, other.output_weight)


def test_the_parameter_table_names_the_parts():
    table = make().parameter_table()
    assert table == {"layers": 8 * 3 + 2 * (12 * 8 * 8 + 2 * 8) + 8, "output": 2 * 8}
    assert make().num_parameters == sum(table.values())


@pytest.mark.parametrize("name", ["input_size", "output_size", "hidden", "num_layers", "num_heads", "context"])
@pytest.mark.parametrize("value", [0, -3, True])
def test_a_size_must_be_a_positive_whole_number(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1; got {value}"):
        Transformer(**{"input_size": 3, "output_size": 2, name: value})


@pytest.mark.parametrize(("hidden", "num_heads"), [(30, 4), (12, 4), (8, 8)])
def test_heads_must_be_of_one_even_size(hidden, num_heads):
    with pytest.raises(ValueError, match=f"hidden must be a multiple of {2 * num_heads}, .* got {hidden}"):
        Transformer(3, 2, hidden, num_heads=num_heads)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": torch.zeros(4, 6, 5).double()}, r"inputs must have axes .* with 3 features; got \[4, 6, 5\]"),
        (
            {"lengths": torch.tensor([11, 12, 1, 1])},
            r"lengths must be 4 numbers from 0 to 11 \(steps\); got \[11, 12, 1, 1\]",
        ),
        ({"lengths": torch.tensor([6, 1, 1])}, r"lengths must be 4 numbers from 0 to 11 \(steps\); got \[6, 1, 1\]"),
        ({"state": make().initial_state(3)}, "state must be of 4 sequences, as inputs are; got 3"),
        (
            {"state": make(context=5).initial_state(4)},
            r"state must have keys of shape \[4, 2, 2, 3, 4\]; got \[4, 2, 2",
        ),
        ({"dropout": 0.1}, "dropout needs a generator of its own"),
        ({"dropout": 1.0, "generator": seeded(1)}, "dropout must be a share from 0 to below 1; got 1.0"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(arguments, message):
    unchecked = inspect.unwrap(Transformer.forward)  # as users run it: without the shape checks of the tests
    with pytest.raises(ValueError, match=message):
        unchecked(make(), **{"inputs": sequences(), **arguments})
