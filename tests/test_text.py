"""Reading a text: windows, windows that go on, and a part from its beginning to its end."""

import math

import numpy as np
import pytest
import torch

from ntmlib import tasks
from ntmlib.tasks.text import Text, open_corpus

VERSE = "the cat sat on the mat; the dog sat on the log. "


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "verse.txt"
    path.write_text(VERSE * 10, "utf-8")
    return str(path)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def characters(task: Text, symbols: torch.Tensor) -> list[str]:
    return [task.corpus.decode(row) for row in symbols.argmax(-1).numpy()]


def test_every_step_asks_for_the_character_after_the_one_it_shows(file):
    task = Text(file, window=7)
    batch = task.sample(20, generator=seeded())
    assert batch.inputs.shape == batch.targets.shape == (20, 7, len(set(VERSE)))
    assert bool((batch.inputs.sum(-1) == 1).all())
    assert bool(batch.mask.all())
    training = task.corpus.decode(task.corpus.part("train"))
    ring = training + training
    for shown, asked in zip(characters(task, batch.inputs), characters(task, batch.targets), strict=True):
        assert shown[1:] == asked[:-1]
        assert shown + asked[-1] in ring


def test_windows_that_follow_one_another_are_the_text_and_begin_again_at_its_end(file):
    task = Text(file, window=50)
    places, read = torch.tensor([0, 300]), ["", ""]
    for _ in range(12):
        batch, places = task.read_on(places, 50)
        read = [so_far + more for so_far, more in zip(read, characters(task, batch.inputs), strict=True)]
    training = task.corpus.decode(task.corpus.part("train"))
    assert read[0] == (training * 2)[:600]
    assert read[1] == (training * 3)[300:900]


@pytest.mark.parametrize(("streams", "length"), [(1, 7), (1, 500), (4, 5), (5, 100), (60, 3)])
def test_pages_ask_for_every_character_of_a_part_once_but_for_the_first(file, streams, length):
    task = Text(file, window=3)
    part = task.corpus.part("validation")
    pieces = [[] for _ in range(streams)]
    for batch in task.pages("validation", streams, length):
        assert batch.inputs.shape[1] <= length
        for row, piece in enumerate(pieces):
            mask = batch.mask[row]
            piece += zip(
                batch.inputs[row][mask].argmax(-1).tolist(), batch.targets[row][mask].argmax(-1).tolist(), strict=True
            )
    pairs = [pair for piece in pieces for pair in piece]
    assert pairs == list(zip(part[:-1].tolist(), part[1:].tolist(), strict=True))


def test_pages_of_so_many_characters_leave_the_rest_of_each_piece(file):
    task = Text(file)
    masks = torch.cat([batch.mask for batch in task.pages("train", 4, 8, 20)], 1)
    assert masks.sum(1).tolist() == [20, 20, 20, 20]


def test_a_task_knows_what_guessing_costs(file):
    task = Text(file, window=10)
    symbols = len(set(VERSE))
    assert task.chance_bits == pytest.approx(10 * math.log2(symbols))
    assert task.chance_right == 1 / symbols
    assert tasks.answer_type(task) == "symbols"
    assert task.up_to(4).window == task.up_to(4).max_length == 4


def test_characters_that_cannot_be_seen_have_a_sign_in_pictures():
    channels = Text("shakespeare").input_channels
    assert channels[:3] == ("↵", "␣", "!")


def test_the_checksum_of_the_text_is_part_of_the_task(file):
    task = Text(file)
    assert task.sha256 == open_corpus(file).sha256
    assert tasks.make("text", text=file, sha256=task.sha256) == task
    with pytest.raises(ValueError, match=r"sha256 must be that of the text .*; got 'abc'"):
        Text(file, sha256="abc")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window must be a whole number of at least 1; got 0"),
        ({"text": "no such file"}, "corpus must be a file"),
    ],
)
def test_what_cannot_be_read_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Text(**options)


def test_windows_longer_than_the_text_go_round(file):
    task = Text(file)
    batch = task.sample(1, generator=seeded(), length=1000)
    assert batch.inputs.shape[1] == 1000
    assert np.isin(batch.targets.argmax(-1), task.corpus.part("train")).all()
