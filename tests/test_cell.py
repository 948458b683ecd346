"""One step of the cell: the order of its parts, how it starts, what it refuses."""

from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from ntmlib.machine import MachineConfig, NTMCell, address, read, write
from ntmlib.machine.config import check_flag, check_positive

SMALL = MachineConfig(input_size=3, output_size=2, hidden=5, slots=7, width=4, num_heads=2)


def make(**changes: object) -> NTMCell:
    return NTMCell(replace(SMALL, **changes), torch.Generator().manual_seed(0)).double()


def features(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_a_step_writes_then_reads_what_was_written(controller):
    cell = make(controller=controller)
    before = cell.initial_state(2)
    logits, after, record = cell.step(features(), before)
    memory = write(before.memory, record.write.weighting, record.erase, record.add)
    assert torch.equal(after.memory, memory)
    assert torch.equal(record.memory, memory)
    assert torch.equal(after.read_vector, read(memory, record.read.weighting))
    assert torch.equal(record.read_vector, after.read_vector)
    hidden, _ = cell.controller(torch.cat([features(), before.read_vector.flatten(1)], -1), before.controller)
    assert torch.equal(logits, cell.output(torch.cat([hidden, after.read_vector.flatten(1)], -1)))


def test_write_heads_look_at_the_old_memory_and_read_heads_at_the_new_one():
    cell = make()
    _, before, _ = cell.step(features(), cell.initial_state(2))
    _, after, record = cell.step(features(), before)
    looks = [(record.write, before.memory, before.write_weighting), (record.read, after.memory, before.read_weighting)]
    for head, memory, previous in looks:
        told = (head.key, head.key_strength, head.interpolation_gate, head.shift_weighting, head.sharpening)
        found = address(*told, memory[:, None], previous)
        assert torch.equal(head.weighting, found.weighting)
        assert torch.equal(head.content_weighting, found.content_weighting)
    assert torch.equal(after.read_weighting, record.read.weighting)
    assert torch.equal(after.write_weighting, record.write.weighting)


def test_the_machine_starts_constant_and_focused_on_slot_zero():
    state = make().initial_state(3)
    assert state.memory.unique().tolist() == [1e-6]
    for weighting in (state.read_weighting, state.write_weighting):
        assert weighting.shape == (3, 2, 7)
        assert bool((weighting[..., 0] == 1).all())
        assert bool((weighting[..., 1:] == 0).all())
    assert state.controller == ()


def rows_after_five_steps(**start: str) -> torch.Tensor:
    """Memory of a machine that begins as said and has heard five random inputs."""
    cell = make(head_init="tape", **start)
    state = cell.initial_state(2)
    for _ in range(5):
        _, state, _ = cell.step(features(), state)
    return state.memory.detach()


def test_a_uniform_start_on_a_constant_memory_never_tells_slots_apart():
    memory = rows_after_five_steps(memory_init="constant", weighting_init="uniform")
    torch.testing.assert_close(memory, memory[:, :1].expand_as(memory), rtol=1e-12, atol=0)


@pytest.mark.parametrize("start", [{"memory_init": "random"}, {"weighting_init": "one_hot"}])
def test_a_start_that_differs_anywhere_tells_slots_apart(start):
    memory = rows_after_five_steps(**{"memory_init": "constant", "weighting_init": "uniform"} | start)
    assert float((memory - memory[:, :1]).abs().max()) > 1e-3


def test_a_uniform_start_looks_everywhere_alike():
    state = make(weighting_init="uniform").initial_state(1)
    torch.testing.assert_close(state.read_weighting, torch.full((1, 2, 7), 1 / 7).double())


def test_a_learned_start_is_a_parameter_and_still_a_distribution():
    cell = make(weighting_init="learned", memory_init="learned")
    state = cell.initial_state(1)
    torch.testing.assert_close(state.write_weighting.sum(-1), torch.ones(1, 2).double())
    assert not torch.equal(state.read_weighting, state.write_weighting)
    parameters = [cell.initial_memory, cell.initial_weighting_logits, cell.initial_read_vector]
    logits, _, _ = cell.step(features(1), state)
    assert all(bool(gradient.any()) for gradient in torch.autograd.grad(logits.sum(), parameters))


def test_a_random_memory_is_the_same_at_every_start_and_follows_the_seed():
    one, other = (NTMCell(replace(SMALL, memory_init="random"), torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert torch.equal(one.initial_state(1).memory, one.initial_state(1).memory)
    assert not torch.equal(one.initial_state(1).memory, other.initial_state(1).memory)
    large = NTMCell(replace(SMALL, memory_init="random", slots=500), torch.Generator().manual_seed(1))
    assert float(large.initial_state(1).memory.std()) == pytest.approx(0.5, rel=0.05)


def test_a_state_is_a_value():
    state = make().initial_state(1)
    with pytest.raises(FrozenInstanceError):
        state.memory = state.memory + 1
    assert not state.detach().read_vector.requires_grad
    assert state.map(lambda part: part + 1).memory.unique().tolist() == [1 + 1e-6]


@pytest.mark.parametrize("name", ["input_size", "output_size", "hidden", "num_layers", "slots", "width", "num_heads"])
@pytest.mark.parametrize("value", [0, -1, True])
def test_a_size_must_be_a_positive_whole_number(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1; got {value!r}"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize("value", [1.5, 2.0, "3", None])
def test_a_size_of_another_type_is_refused_where_types_are_not_checked(value):
    with pytest.raises(ValueError, match="hidden must be a whole number of at least 1; got"):
        check_positive("hidden", value)


def test_only_true_and_false_are_flags():
    with pytest.raises(ValueError, match="read_feedback must be true or false; got 0"):
        check_flag("read_feedback", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_shifts": 2}, "num_shifts must be odd.*got 2"),
        ({"num_shifts": 9}, r"num_shifts must be at most slots \(7\); got 9"),
        ({"output_hidden": -1}, r"output_hidden \(where it is not 0\) must be a whole number of at least 1; got -1"),
        ({"embedding": True}, r"embedding \(where it is not 0\) must be a whole number of at least 1; got True"),
        ({"controller": "gru"}, "controller must be one of 'feedforward', 'lstm'; got 'gru'"),
        ({"memory_init": "zero"}, "memory_init must be one of 'constant', 'learned', 'random'; got 'zero'"),
        ({"weighting_init": "flat"}, "weighting_init must be one of 'one_hot', 'learned', 'uniform'; got 'flat'"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


def test_a_hidden_layer_of_the_output_combines_what_was_read_with_the_hidden_vector():
    """By hand: rectified affine map of both, then an affine map; nothing of it goes back into the machine."""
    cell = NTMCell(replace(SMALL, output_hidden=6), torch.Generator().manual_seed(0))
    plain = NTMCell(SMALL, torch.Generator().manual_seed(0))
    plain.load_state_dict({**plain.state_dict(), **{n: p for n, p in cell.state_dict().items() if "output" not in n}})
    features = torch.rand(2, 3, generator=torch.Generator().manual_seed(1))
    logits, state, record = cell.step(features, cell.initial_state(2))
    _, same_state, _ = plain.step(features, plain.initial_state(2))
    torch.testing.assert_close(state.memory, same_state.memory, atol=0, rtol=0)

    start = cell.initial_state(2)
    hidden, _ = cell.controller(torch.cat([features, start.read_vector.flatten(1)], -1), start.controller)
    together = torch.cat([hidden, record.read_vector.flatten(1)], -1)
    rectified = (together @ cell.output.weight.T + cell.output.bias).clamp_min(0)
    expected = rectified @ cell.output_after_hidden.weight.T + cell.output_after_hidden.bias
    torch.testing.assert_close(logits, expected)


def test_without_feedback_the_controller_sees_the_input_alone():
    """As if its weights for the read vectors were 0, in every result; what is read still goes to the output."""
    cell = NTMCell(replace(SMALL, read_feedback=False), torch.Generator().manual_seed(0))
    full = NTMCell(SMALL, torch.Generator().manual_seed(1))
    assert "initial_read_vector" not in cell.state_dict()
    for ours, theirs in zip(cell.controller.parameters(), full.controller.parameters(), strict=True):
        theirs.data.zero_()
        theirs.data[..., : SMALL.input_size] = ours[..., : SMALL.input_size]
        if ours.ndim > 1 and ours.shape[1] > SMALL.input_size:  # the LSTM's weights for its own hidden vector
            theirs.data[:, -(ours.shape[1] - SMALL.input_size) :] = ours[:, SMALL.input_size :]
        if ours.ndim == 1 or ours.shape == theirs.shape:
            theirs.data.copy_(ours)
    others = {name: value for name, value in cell.state_dict().items() if "controller" not in name}
    full.load_state_dict({**full.state_dict(), **others})
    features = torch.rand(2, 3, generator=torch.Generator().manual_seed(1))
    state = full.initial_state(2)
    logits, after, record = cell.step(features, state)
    expected, same, _ = full.step(features, state)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(after.memory, same.memory)
    assert record.read_vector.abs().sum() > 0
    other = replace(state, read_vector=state.read_vector + 5)
    torch.testing.assert_close(cell.step(features, other)[0], logits, atol=0, rtol=0)


def test_an_embedding_is_a_matrix_before_the_controller():
    """A symbol's row of it goes in as a vector would go into a machine without."""
    cell = NTMCell(replace(SMALL, embedding=4), torch.Generator().manual_seed(0))
    plain = NTMCell(cell.config.core, torch.Generator().manual_seed(1))
    plain.load_state_dict({name: value for name, value in cell.state_dict().items() if name != "embedding"})
    symbols = torch.tensor([2, 0])
    logits, state, _ = cell.step(torch.eye(3)[symbols], cell.initial_state(2))
    expected, same_state, _ = plain.step(cell.embedding[symbols], plain.initial_state(2))
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(state.memory, same_state.memory)


def test_units_that_dropout_leaves_out_do_not_reach_the_output():
    cell = NTMCell(replace(SMALL, output_hidden=6), torch.Generator().manual_seed(0))
    features = torch.rand(2, 3, generator=torch.Generator().manual_seed(1))
    start = cell.initial_state(2)
    logits, state, _ = cell.step(features, start, torch.zeros(2, 6))
    torch.testing.assert_close(logits, cell.output_after_hidden.bias.expand(2, -1))
    torch.testing.assert_close(state.memory, cell.step(features, start)[1].memory, atol=0, rtol=0)
    torch.testing.assert_close(cell.step(features, start, torch.ones(2, 6))[0], cell.step(features, start)[0])


def test_a_config_survives_the_way_through_plain_values():
    assert MachineConfig.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(ValueError, match="unknown machine setting 'memory_size'"):
        MachineConfig.from_dict({**SMALL.to_dict(), "memory_size": 128})
