import math

import pytest
import torch
from torch import nn

from ntmlib import tasks
from ntmlib.baselines import LSTM
from ntmlib.ntm import NTM
from ntmlib.tasks import Batch
from ntmlib.training.evaluation import cost_nats, evaluate, evaluate_lengths

COPY = tasks.make("copy", max_length=5, bits=2)  # 4 input, 3 output channels


class Oracle(nn.Module):
    """Answers with the targets of the batches it will be shown, but for some planted errors."""

    def __init__(self, seed: int, length: int, sequences: int, wrong: int = 0, logit: float = 10.0) -> None:
        super().__init__()
        batch = COPY.sample(sequences, generator=torch.Generator().manual_seed(seed), length=length)
        self.answers = (2 * batch.targets - 1) * logit
        self.answers[0, -1, :wrong] *= -1

    def forward(self, inputs, state=None, *, lengths=None):
        return self.answers, state


def report_of(oracle, sequences=6, length=4):
    generator = torch.Generator().manual_seed(7)
    return evaluate(oracle, COPY, length=length, num_sequences=sequences, generator=generator)


def test_a_perfect_answer_has_no_errors():
    report = report_of(Oracle(7, 4, 6))
    assert (report.bit_errors, report.bits_right, report.exact) == (0, 1, 1)
    assert report.num_bits == 6 * 4 * 3
    assert report.bits_per_bit == pytest.approx(math.log2(1 + math.exp(-10)), rel=1e-5)


def test_wrong_bits_and_the_sequence_they_are_in_are_counted():
    report = report_of(Oracle(7, 4, 6, wrong=2))
    assert report.bit_errors == 2
    assert report.bit_errors_per_sequence == pytest.approx(1 / 3)
    assert report.bits_right == pytest.approx(1 - 2 / 72)
    assert report.exact == pytest.approx(5 / 6)


def test_no_opinion_costs_one_bit_per_bit():
    report = report_of(Oracle(7, 4, 6, logit=0.0))
    assert report.bits_per_bit == pytest.approx(1)
    assert report.bits_per_sequence == pytest.approx(4 * 3)


def test_only_scored_steps_cost():
    logits = torch.zeros(1, 3, 2)
    mask = torch.tensor([[False, True, False]])
    batch = Batch(torch.zeros(1, 3, 1), torch.ones(1, 3, 2), mask, torch.tensor([3]))
    assert cost_nats(logits, batch).item() == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("build", [lambda: NTM(4, 3, hidden=5, slots=8, width=3), lambda: LSTM(4, 3, hidden=5)])
def test_models_are_tried_on_the_same_sequences_again_and_again(build):
    model = build()
    assert evaluate(model, COPY, num_sequences=60) == evaluate(model, COPY, num_sequences=60)
    assert evaluate(model, COPY, num_sequences=60).num_sequences == 60


def test_slots_are_those_asked_for_and_the_machine_stays_as_it_is():
    machine = NTM(4, 3, hidden=5, slots=8, width=3)
    assert evaluate(machine, COPY, num_sequences=2).slots == 8
    assert evaluate(machine, COPY, num_sequences=2, slots=20).slots == 20
    assert machine.config.slots == 8


def test_where_nobody_can_know_the_answer_the_best_predictor_is_charged_for_the_same_sequences():
    task = tasks.make("dynamic_ngrams", min_length=30, max_length=30)
    report = evaluate(NTM(1, 1, hidden=5, slots=8, width=3), task, num_sequences=60)  # two batches
    generator = torch.Generator().manual_seed(0)
    bits = torch.cat([task.optimal_bits(task.sample(size, generator=generator)) for size in (50, 10)])
    assert report.optimal_bits_per_sequence == pytest.approx(float(bits.mean()))
    assert report.excess_bits == pytest.approx(report.bits_per_sequence - float(bits.mean()))


def test_where_the_answer_can_be_known_all_bits_are_in_excess():
    report = report_of(Oracle(7, 4, 6, logit=0.0))
    assert (report.optimal_bits_per_sequence, report.excess_bits) == (0, report.bits_per_sequence)


def test_several_lengths_give_a_report_each():
    machine = NTM(4, 3, hidden=5, slots=8, width=3)
    assert [report.length for report in evaluate_lengths(machine, COPY, (2, 9), num_sequences=2)] == [2, 9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_sequences": 0}, "num_sequences must be a whole number of at least 1; got 0"),
        ({"length": 0}, "length must be a whole number of at least 1; got 0"),
        ({"slots": 0}, "slots must be a whole number of at least 1; got 0"),
        ({"slots": 8}, "slots must be None for a model without memory; got 8"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(LSTM(4, 3, hidden=5), COPY, **options)
