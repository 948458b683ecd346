"""Reading a text: windows, windows that go on, and a part from its beginning to its end."""

import math

import numpy as np
import pytest
import torch

from ntmlib import tasks
from ntmlib.tasks.text import Text, open_corpus, quotes
from ntmlib.tasks.text.quotes import with_quotes

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


def test_another_text_has_a_checksum_of_its_own(file):
    options = {"text": "shakespeare", "window": 9, "sha256": Text().sha256}
    assert tasks.changed("text", options, {"text": file}) == {"text": file, "window": 9}
    assert tasks.changed("text", options, {"window": 8}) == {**options, "window": 8}
    assert tasks.changed("copy", {"max_length": 3}, {"bits": 2}) == {"max_length": 3, "bits": 2}


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


# --- a text that quotes itself -----------------------------------------------------------------------------------


def quoting(text: np.ndarray, **sizes: int) -> str:
    sizes = {"min_passage": 5, "max_passage": 9, "max_distance": 20, **sizes}
    return bytes(with_quotes(text, **sizes, generator=seeded())).decode("ascii")


def test_quotations_left_out_give_the_text_back(monkeypatch):
    """Every passage is followed by its quotation: found greedily from the left, removing them leaves the text."""
    monkeypatch.setattr(quotes, "PASSES", 1)
    text = np.frombuffer(bytes(range(33, 127)) * 3, np.uint8)[:200]  # 94 different characters: no chance repeats nearby
    written = quoting(text, max_distance=0)
    plain, at = "", 0
    while at < len(written):
        size = next((n for n in range(9, 4, -1) if written[at : at + n] == written[at + n : at + 2 * n] != ""), 0)
        plain += written[at : at + max(size, 1)]
        at += 2 * size if size else 1
    assert plain == (bytes(text) * 2).decode()[: len(plain)]
    assert 200 <= len(plain) <= 209  # the last passage may go round
    assert 0.2 < (len(written) - len(plain)) / len(plain) < 0.8


def test_distances_of_every_size_are_drawn():
    text = np.frombuffer(bytes(range(33, 127)) * 30, np.uint8)
    written = quoting(text, min_passage=5, max_passage=5, max_distance=60)
    last, distances = {}, []
    for at in range(len(written) - 5):
        piece = written[at : at + 5]
        if piece in last and at - last[piece] - 5 <= 60:
            distances.append(at - last[piece] - 5)
        last[piece] = at
    assert min(distances) == 0
    assert max(distances) > 40
    assert 0.2 < np.mean(np.array(distances) < 7) < 0.7


def test_a_share_of_the_sequences_quotes_and_the_others_read_the_text(file):
    task = Text(file, window=60, quoted_share=0.25, min_passage=10, max_passage=10)
    batch = task.sample(8, generator=seeded())
    ring = task.corpus.decode(task.corpus.part("train")) * 2
    plain = [shown in ring for shown in characters(task, batch.inputs)]
    assert plain[2:] == [True] * 6
    assert not all(plain[:2])
    places = task.begin(8, generator=seeded())
    first, places = task.read_on(places, 30)
    second, _ = task.read_on(places, 30)
    assert torch.equal(torch.cat([first.inputs, second.inputs], 1), batch.inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quoted_share": 1.5}, "quoted_share must be a number from 0 to 1; got 1.5"),
        ({"min_passage": 50}, r"min_passage must be at most max_passage \(48\); got 50"),
        ({"max_distance": -1}, "max_distance must be a whole number of at least 0; got -1"),
        ({"quoted_share": 0.5, "max_distance": 10**6}, "max_passage and max_distance together must be fewer than"),
    ],
)
def test_quotations_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Text(**options)
