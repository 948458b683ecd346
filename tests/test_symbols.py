"""Answers that are one symbol each: what they cost, when they are wrong, what guessing gives."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_run import TINY_LSTM, tiny
from torch import nn

from ntmlib import tasks
from ntmlib.tasks import Batch
from ntmlib.training import Trainer, train
from ntmlib.training.evaluation import answer_nats, cost_nats, count_errors, evaluate
from ntmlib.training.many import advance_together

LETTERS = 4


class Spell:
    """Say the letters of a word, one of four each, while the input says nothing; the first step is not scored."""

    name = "spell"
    input_channels = ("nothing",)
    output_channels = ("a", "b", "c", "d")
    min_length = max_length = 3
    chance_bits = 6.0
    answer_type = "symbols"
    chance_right = 1 / LETTERS

    def up_to(self, length):
        return self

    def sample(self, batch_size, *, generator, length=None):
        letters = torch.randint(LETTERS, (batch_size, length or 3), generator=generator)
        targets = nn.functional.one_hot(letters, LETTERS).float()
        mask = torch.ones(letters.shape, dtype=torch.bool)
        mask[:, 0] = False
        inputs = torch.zeros(*letters.shape, 1)
        return Batch(inputs, targets * mask[..., None], mask, mask.sum(1) + 1, "symbols")


class Speller(nn.Module):
    """Answers as a function of the targets says; it has seen the batch before."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, inputs, state=None, *, lengths=None):
        batch = Spell().sample(len(inputs), generator=torch.Generator().manual_seed(7), length=inputs.shape[1])
        return self.answer(batch.targets), state


def report_of(answer, num_sequences=6, length=5):
    generator = torch.Generator().manual_seed(7)
    return evaluate(Speller(answer), Spell(), length=length, num_sequences=num_sequences, generator=generator)


def one_step(*logits: float, symbol: int) -> tuple[torch.Tensor, Batch]:
    targets = nn.functional.one_hot(torch.tensor([[symbol]]), len(logits)).float()
    batch = Batch(torch.zeros(1, 1, 1), targets, torch.tensor([[True]]), torch.tensor([1]), "symbols")
    return torch.tensor([[list(logits)]]), batch


@pytest.mark.parametrize(
    ("logits", "symbol", "nats"),
    [
        ((0.0, 0.0, 0.0), 2, math.log(3)),
        ((math.log(2), 0.0), 0, math.log(3 / 2)),
        ((math.log(2), 0.0), 1, math.log(3)),
        ((9.0, 9.0, 9.0, 9.0), 1, math.log(4)),  # what all have in common tells nothing
    ],
)
def test_a_symbol_costs_the_cross_entropy_of_a_softmax(logits, symbol, nats):
    assert cost_nats(*one_step(*logits, symbol=symbol)).item() == pytest.approx(nats)


def test_the_cost_stays_finite_where_the_answer_seems_impossible():
    logits, batch = one_step(200.0, 0.0, symbol=1)
    logits.requires_grad_()
    cost = cost_nats(logits, batch)
    cost.backward()
    assert cost.item() == pytest.approx(200)
    assert logits.grad.flatten().tolist() == pytest.approx([1, -1])


def test_an_answer_is_wrong_when_another_symbol_outbids_it():
    batch = Spell().sample(2, generator=torch.Generator().manual_seed(0), length=4)
    logits = batch.targets - 0.4
    logits[0, 1] = -logits[0, 1]  # scored
    logits[1, 0] = torch.tensor([0.0, 9, 0, 0])  # not scored
    assert count_errors(logits, batch).tolist() == [1, 0]
    as_bits = replace(batch, answer_type="bits")
    assert count_errors(logits, as_bits).tolist() == [4, 0]


def test_of_symbols_with_the_same_output_the_first_one_counts():
    assert [int(count_errors(*one_step(0.0, 2.0, 2.0, symbol=symbol))) for symbol in (1, 2)] == [0, 1]


def test_a_report_counts_symbols():
    report = report_of(lambda targets: torch.zeros_like(targets))
    assert (report.num_bits, report.answer_type, report.chance_right) == (6 * 4, "symbols", 0.25)
    assert report.bits_per_bit == pytest.approx(2)
    assert report.bits_per_sequence == pytest.approx(4 * 2)


def test_right_symbols_make_sequences_exact():
    def all_but_one(targets):
        logits = 9 * targets
        logits[0, -1] = -logits[0, -1]
        return logits

    report = report_of(all_but_one)
    assert (report.bit_errors, report.exact) == (1, pytest.approx(5 / 6))
    assert report.bits_right == pytest.approx(23 / 24)


def test_every_cost_unsummed_is_that_of_its_own_step():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, LETTERS, generator=generator)
    targets = nn.functional.one_hot(torch.randint(LETTERS, (2, 3), generator=generator), LETTERS).float()
    for kind, each in (("bits", (2, 3, LETTERS)), ("symbols", (6,))):
        costs = answer_nats(logits, targets, kind, "none")
        assert costs.shape == each
        assert costs.sum().item() == pytest.approx(answer_nats(logits, targets, kind, "sum").item())
        first = answer_nats(logits[:1, :1], targets[:1, :1], kind, "sum")
        assert costs.flatten()[: LETTERS if kind == "bits" else 1].sum().item() == pytest.approx(first.item())


def test_a_batch_keeps_its_type_on_the_way_to_a_device():
    batch = Spell().sample(2, generator=torch.Generator().manual_seed(0))
    assert batch.to(torch.device("meta")).answer_type == "symbols"
    assert batch.num_answers == 2 * 2
    assert replace(batch, answer_type="bits").num_answers == 2 * 2 * LETTERS


def test_tasks_answer_in_bits_unless_they_say_otherwise():
    assert (tasks.answer_type(tasks.make("copy")), tasks.chance_right(tasks.make("copy"))) == ("bits", 0.5)
    assert (tasks.answer_type(Spell()), tasks.chance_right(Spell())) == ("symbols", 0.25)


def test_an_answer_type_that_does_not_exist_is_refused():
    logits, batch = one_step(0.0, 1.0, symbol=1)
    with pytest.raises(ValueError, match="answer_type must be one of bits, symbols; got 'symbol'"):
        replace(batch, answer_type="symbol")
    with pytest.raises(ValueError, match="kind must be one of bits, symbols; got 'Symbols'"):
        answer_nats(logits, batch.targets, "Symbols", "sum")


@pytest.mark.parametrize("missing", ["answer_type", "chance_right"])
def test_a_task_that_keeps_quiet_about_the_type_of_its_answers_is_not_evaluated(missing):
    members = {name: value for name, value in vars(Spell).items() if name != missing}
    quiet = type("Quiet", (), members)()
    with pytest.raises(ValueError, match=r"task 'spell' must have the answer_type of its batches.*; got 'bits'"):
        evaluate(Speller(torch.zeros_like), quiet, num_sequences=2)


REVERSE = {"task": "reverse_string", "task_options": {"max_length": 3}}


def test_training_counts_bits_per_symbol_and_per_sequence():
    run = train(tiny(**REVERSE, curriculum_start=3))
    lengths = run.history.length  # of the text, and as many symbols in the answer
    assert run.history.bits_per_sequence == pytest.approx(run.history.loss * lengths)
    assert run.history.loss[0] == pytest.approx(1, abs=0.3)  # an even guess between two
    row = run.evaluations.rows()[-1]
    assert row["bits_per_sequence"] == pytest.approx(3 * row["bits_per_bit"])
    assert row["bits_right"] == pytest.approx(1 - row["bit_errors"] / (3 * row["num_sequences"]))


@pytest.mark.parametrize(("changes", "unit"), [(REVERSE, "bits per symbol"), ({}, "bits per bit")])
def test_the_line_of_a_training_names_what_is_answered(changes, unit):
    seen = []
    train(tiny(**changes, curriculum_start=3, max_updates=2), watch=seen.append)
    assert f" {unit}, " in seen[-1].line()


def test_two_symbols_cost_what_a_bit_costs_whose_logit_is_their_difference():
    logits = torch.tensor([[[0.3, 1.5]], [[-2.0, 0.1]]])
    symbols = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]])
    difference = logits[..., 1:] - logits[..., :1]
    as_bits = answer_nats(difference, symbols[..., 1:], "bits", "sum")
    assert answer_nats(logits, symbols, "symbols", "sum").item() == pytest.approx(as_bits.item())


def test_a_curriculum_moves_on_below_its_bits_per_symbol():
    easy, hard = (
        train(tiny(**REVERSE, curriculum_threshold=threshold, curriculum_window=2, max_updates=4))
        for threshold in (1.5, 1e-6)
    )
    assert (easy.history.top_length[-1], hard.history.top_length[-1]) == (2, 1)


def test_the_lstm_is_trained_on_symbols_too():
    assert math.isfinite(train(TINY_LSTM.replace(**REVERSE)).result["bits_per_sequence"])


def test_machines_trained_together_are_charged_as_each_alone(gpu):
    changes = {"engine": "cuda", "batch_size": 2, "train_slots": None, "curriculum_start": 3}
    configs = [tiny(**REVERSE, **changes, seed=seed, mixed_lengths=True) for seed in (1, 2)]
    trainers, alone = [Trainer(config) for config in configs], [Trainer(config) for config in configs]
    assert advance_together(trainers) == [None] * 2
    for trainer in alone:
        trainer.advance()
    for together, single in zip(trainers, alone, strict=True):
        assert together.history.loss[0] == pytest.approx(single.history.loss[0], rel=1e-4)
        for a, b in zip(together.parameters, single.parameters, strict=True):
            torch.testing.assert_close(a, b)
