"""The plain recurrent network: the definition in a loop, lengths, windows, gradients, and training by its name."""

import pytest
import torch

from ntmlib.baselines import Elman
from ntmlib.dropout import dropped
from ntmlib.training import TrainConfig, train


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(seed: int = 1) -> Elman:
    machine = Elman(3, 2, hidden=4, generator=seeded(seed))
    with torch.no_grad():  # off the zeros it starts with
        machine.initial_hidden.normal_(0, 0.5, generator=seeded(2))
    return machine.double()


def sequences(batch: int = 4, time: int = 6) -> torch.Tensor:
    return torch.randn(batch, time, 3, generator=seeded(8), dtype=torch.float64)


def test_it_computes_its_definition_step_by_step():
    machine, inputs = make(), sequences()
    hidden, logits = machine.initial_hidden.expand(4, 4), []
    for features in inputs.unbind(1):
        hidden = torch.tanh(features @ machine.from_input.T + hidden @ machine.from_hidden.T + machine.bias)
        logits.append(hidden @ machine.output_weight.T + machine.output_bias)
    found, last = machine(inputs)
    torch.testing.assert_close(found, torch.stack(logits, 1))
    torch.testing.assert_close(last, hidden)


def test_a_batch_of_four_lengths_is_four_batches_of_one():
    machine, inputs, lengths = make(), sequences(), torch.tensor([6, 0, 3, 1])
    logits, last = machine(inputs, lengths=lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, after = machine(inputs[row : row + 1, :length])
        torch.testing.assert_close(logits[row, :length], alone[0])
        torch.testing.assert_close(last[row], after[0])
        assert not logits[row, length:].any()


def test_a_sequence_may_be_run_in_two_parts():
    machine, inputs = make(), sequences()
    first, state = machine(inputs[:, :2])
    second, _ = machine(inputs[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), machine(inputs)[0])


def test_no_dropout_changes_not_a_bit_and_draws_nothing():
    generator = seeded(7)
    for lengths in (None, torch.tensor([2, 6, 0, 5])):
        logits, last = make()(sequences(), lengths=lengths)
        same, same_last = make()(sequences(), lengths=lengths, dropout=0.0, generator=generator)
        assert torch.equal(logits, same)
        assert torch.equal(last, same_last)
    assert torch.equal(generator.get_state(), seeded(7).get_state())


def test_dropout_lies_before_the_output_and_leaves_the_state_alone():
    machine, inputs, lengths = make(), sequences(), torch.tensor([6, 0, 3, 1])
    hiddens, state = [], None
    for vector in inputs.split(1, 1):
        _, state = machine(vector, state)
        hiddens.append(state)
    left = dropped(torch.stack(hiddens, 1), 0.5, seeded(7))
    logits, last = machine(inputs, lengths=lengths, dropout=0.5, generator=seeded(7))
    for row, length in enumerate(lengths.tolist()):
        expected = left[row, :length] @ machine.output_weight.T + machine.output_bias
        torch.testing.assert_close(logits[row, :length], expected)
    assert torch.equal(last, machine(inputs, lengths=lengths)[1])


def test_every_parameter_gets_a_true_gradient():
    machine, inputs = make(), sequences(2, 3)
    names, values = zip(*machine.named_parameters(), strict=True)

    def logits(*parameters):
        return torch.func.functional_call(machine, dict(zip(names, parameters, strict=True)), (inputs,))[0]

    assert torch.autograd.gradcheck(logits, values)
    assert sum(machine.parameter_table().values()) == machine.num_parameters == 4 * (3 + 4 + 1) + 2 * (4 + 1) + 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Elman(3, 2, hidden=0), "hidden must be a whole number of at least 1; got 0"),
        (lambda: make()(torch.zeros(2, 5, 4)), "inputs must have axes .* with 3 features"),
        (lambda: make()(sequences(), torch.zeros(3, 4)), "state must be of 4 sequences"),
        (lambda: make()(sequences(), lengths=torch.tensor([7, 1, 1, 1])), "lengths must be 4 numbers from 0 to 6"),
        (lambda: make()(sequences(), dropout=0.1), "dropout needs a generator of its own"),
        (lambda: TrainConfig(model="rnn", spare_slots=(4,)), "spare_slots must be None for the rnn"),
        (lambda: TrainConfig(model="rnn", model_options={"num_layers": 2}), "model_options has no 'num_layers'"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_it_is_trained_by_its_name_and_learns():
    config = TrainConfig("parity_check", {"max_length": 3}, "rnn", {"hidden": 16}, max_updates=300)
    run = train(config)
    assert isinstance(run.machine, Elman)
    costs = run.history["bits_per_sequence"]
    assert costs[-20:].mean() < 0.5 * costs[:20].mean()
