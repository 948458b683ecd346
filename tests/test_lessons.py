"""What a task is at first: lessons, one after the other, and then the task itself."""

import pytest
import torch

from ntmlib.training import TrainConfig, Trainer
from ntmlib.training.checkpoints import fingerprint

LESSONS = (
    {"updates": 3, "task_options": {"max_length": 2, "min_length": 1}},
    {"updates": 2, "task_options": {"max_length": 4, "min_length": 4}},
)
COPY = TrainConfig(
    task_options={"max_length": 9, "min_length": 9, "bits": 2},
    model_options={"hidden": 8, "slots": 12, "width": 4},
    batch_size=4,
    max_updates=9,
    solved_threshold=None,
    lessons=LESSONS,
)


@pytest.fixture
def reader(tmp_path):
    path = tmp_path / "verse.txt"
    path.write_text("the cat sat on the mat; the dog sat on the log. " * 20, "utf-8")
    return TrainConfig(
        task="text",
        task_options={"text": str(path), "window": 20},
        model_options={"controller": "lstm", "hidden": 9, "slots": 6, "width": 4},
        batch_size=4,
        max_updates=9,
        fresh_share=1e-12,
        solved_threshold=None,
        evaluation_sequences=2,
        lessons=(
            {"updates": 3, "task_options": {"window": 5, "quoted_share": 1.0, "min_passage": 2, "max_passage": 4}},
            {"updates": 2, "task_options": {"window": 8}},
        ),
    )


def test_each_lesson_lasts_its_updates_and_the_task_itself_comes_last():
    trainer = Trainer(
        COPY.replace(lessons=[{**LESSONS[0], "task_options": {"max_length": 2, "min_length": 2}}, LESSONS[1]])
    )
    for _ in range(COPY.max_updates):
        trainer.advance()
    assert trainer.history.length.tolist() == [2, 2, 2, 4, 4, 9, 9, 9, 9]


def test_lengths_are_those_of_the_lesson():
    trainer = Trainer(COPY.replace(batch_size=1))
    assert {trainer.drawing.draw(9, 0).length for _ in range(40)} == {1, 2}
    mixed = Trainer(COPY.replace(mixed_lengths=True, batch_size=64))
    assert int(mixed.drawing.draw(9, 2).batch.lengths.max()) < int(mixed.drawing.draw(9, 3).batch.lengths.max())


def test_a_text_is_begun_anew_with_each_lesson_and_read_on_within(reader):
    trainer = Trainer(reader)
    windows, went_on = [], []
    for _ in range(reader.max_updates):
        before = trainer.drawing.stream
        drawn = trainer.draw()
        went_on.append(before is not None and torch.equal(drawn.state.memory, before.state.memory))
        windows.append(drawn.length)
        trainer.drawing.ended(trainer.model(drawn.batch.inputs, drawn.state)[1])
        trainer.update += 1
    assert windows == [5, 5, 5, 8, 8, 20, 20, 20, 20]
    assert went_on == [False, True, True, False, True, False, True, True, True]


@pytest.mark.parametrize("stop", [2, 3, 4, 5])
def test_a_run_goes_on_exactly_from_within_and_between_lessons(reader, stop):
    whole, first, again = Trainer(reader), Trainer(reader), Trainer(reader)
    for _ in range(stop):
        first.advance()
    again.restore(first.checkpoint())
    for _ in range(8):
        whole.advance()
    for _ in range(8 - stop):
        again.advance()
    assert fingerprint(dict(whole.model.state_dict())) == fingerprint(dict(again.model.state_dict()))
    assert torch.equal(whole.drawing.stream.places, again.drawing.stream.places)


def test_what_is_held_out_is_read_as_the_task_itself_says(reader):
    trainer, plain = Trainer(reader), Trainer(reader.replace(lessons=()))
    trainer.evaluate()
    plain.evaluate()
    assert trainer.evaluations.rows()[-1]["bits_per_bit"] == plain.evaluations.rows()[-1]["bits_per_bit"]


def test_lessons_are_part_of_a_config_and_cannot_be_changed():
    again = TrainConfig.from_json(COPY.to_json())
    assert again == COPY
    assert hash(again) == hash(COPY) != hash(COPY.replace(lessons=()))
    with pytest.raises(TypeError):
        COPY.lessons[0]["updates"] = 5


@pytest.mark.parametrize(
    ("lessons", "message"),
    [
        (3, "lessons must be a list of lessons; got 3"),
        ([3], r"lessons \(number 1\) must map names to values; got 3"),
        ([{"updates": 3}], r"lessons \(number 1\) must say task_options; got \['updates'\]"),
        ([*LESSONS, {"update": 3}], r"lessons \(number 3\) has no 'update'; did you mean 'updates'"),
        (
            [{"updates": 0, "task_options": {}}],
            r"lessons \(number 1\): updates must be a whole number of at least 1; got 0",
        ),
        ([{"updates": 3, "task_options": 4}], r"lessons \(number 1\): task_options must map names to values; got 4"),
        ([{"updates": 3, "task_options": {"max_lenght": 4}}], "did you mean 'max_length'"),
        (
            [{"updates": 3, "task_options": {"bits": 5}}],
            r"lessons \(number 1\) must have the inputs and outputs of the task",
        ),
        ([*LESSONS, LESSONS[0], LESSONS[0]], r"lessons must last fewer updates than max_updates \(9\); got 11"),
    ],
)
def test_lessons_that_cannot_be_are_refused(lessons, message):
    with pytest.raises(ValueError, match=message):
        COPY.replace(lessons=lessons)


@pytest.mark.parametrize("other", [{"curriculum_start": 9}, {"solved_threshold": 0.1}, {"stall_updates": 5}])
def test_lessons_do_not_go_together_with_another_way_to_grow(other):
    with pytest.raises(ValueError, match=f"{next(iter(other))} must be None where there are lessons"):
        COPY.replace(**other)
