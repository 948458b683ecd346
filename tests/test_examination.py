"""What trained machines are asked."""

import pytest
import torch
from tiny_run import tiny

from ntmlib import tasks
from ntmlib.baselines import LSTM
from ntmlib.ntm import NTM
from ntmlib.tasks import Copy
from ntmlib.training.examination import EXAMINATIONS, SEED, Question, ask, examine

COPY = tiny()
LONGER = Question("length 4", 4, num_sequences=3)


def machine(**options) -> NTM:
    torch_state = torch.Generator().manual_seed(0)
    sizes = {"hidden": 5, "slots": 8, "width": 3, **options}
    return NTM(4, 3, generator=torch_state, **sizes)


def test_every_task_has_questions_with_names_of_their_own():
    assert set(EXAMINATIONS) == set(tasks.names())
    for questions in EXAMINATIONS.values():
        assert len({question.name for question in questions}) == len(questions) > 0


def test_the_first_question_is_what_was_trained():
    for name, (first, *_) in EXAMINATIONS.items():
        trained = tasks.make(name)
        assert first.length is None or trained.min_length == first.length == trained.max_length
        assert (first.slots, dict(first.task_options)) == (None, {})


def test_an_examination_answers_each_question_by_name(monkeypatch):
    monkeypatch.setitem(EXAMINATIONS, "copy", (Question("as trained", num_sequences=2), LONGER))
    answers = examine(machine(), COPY)
    assert list(answers) == ["as trained", "length 4"]
    assert (answers["length 4"].length, answers["length 4"].num_sequences) == (4, 3)


def test_every_model_gets_the_same_sequences(monkeypatch):
    drawn = []
    sample = Copy.sample

    def spy(self, *args, generator, **options):
        drawn.append(generator.initial_seed())
        batch = sample(self, *args, generator=generator, **options)
        drawn.append(batch.inputs)
        return batch

    monkeypatch.setattr(Copy, "sample", spy)
    for model in (machine(), LSTM(4, 3, hidden=5)):
        ask(model, COPY, LONGER)
    assert drawn[0] == drawn[2] == SEED
    assert torch.equal(drawn[1], drawn[3])


@pytest.mark.parametrize(
    ("model", "asked", "slots"),
    [
        (machine, None, 8),
        (machine, 20, 20),
        (lambda: machine(memory_init="learned"), 20, 8),
        (lambda: LSTM(4, 3, hidden=5), 20, None),
    ],
)
def test_the_memory_is_that_of_the_question_where_the_weights_allow_it(model, asked, slots):
    assert ask(model(), COPY, Question("any", 2, asked, 1)).slots == slots


def test_a_question_may_change_the_task():
    report = ask(machine(), COPY, Question("one vector", num_sequences=5, task_options={"max_length": 1}))
    assert report.num_bits == 5 * 3


def test_a_text_is_judged_at_its_end_whatever_was_scored_in_training():
    questions = EXAMINATIONS["recognition"]
    assert {question.task_options.get("scored") for question in questions[1:]} == {"end"}
    assert [(q.length, q.num_sequences) for q in questions if q.name == "length 80"] == [(80, 500)]
