"""Planted repeats: texts made by hand, and a stand-in that copies."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ntmlib.baselines import LSTM, NGram, Transformer
from ntmlib.ntm import NTM
from ntmlib.tasks.text import open_corpus
from ntmlib.training import repeats
from ntmlib.training.repeats import (
    CONDITIONS,
    Condition,
    Planted,
    RepeatCosts,
    RepeatSummary,
    measure_counting,
    measure_repeats,
    plant,
    repeat_costs,
    summarise,
)

VERSE = "O for a muse of fire, that would ascend\nthe brightest heaven of invention! "


class Copies(nn.Module):
    """Expects for sure what it read ``lag`` characters before the next one; before that, anything alike."""

    def __init__(self, lag):
        super().__init__()
        self.lag = lag

    def forward(self, inputs, state=None):
        before = inputs[:, :0] if state is None else state
        read = torch.cat([before, inputs], 1)
        logits = torch.zeros_like(inputs)
        for step in range(inputs.shape[1]):
            place = before.shape[1] + step + 1 - self.lag
            if place >= 0:
                logits[:, step] = 60 * read[:, place]
        return logits, read


@pytest.fixture
def verses(tmp_path):
    (tmp_path / "verse.txt").write_text(VERSE * 40, "utf-8")
    return open_corpus(tmp_path / "verse.txt")


@pytest.fixture
def counting(tmp_path):
    """A text whose characters are all different in each part, so that a place can be told from its character."""
    (tmp_path / "counting.txt").write_text("".join(map(chr, range(0x4E00, 0x4E00 + 4000))), "utf-8")
    return open_corpus(tmp_path / "counting.txt")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def planted_texts(corpus, **options):
    planted = plant(corpus, "validation", **{"count": 20, "generator": seeded(), **options})
    return planted, [corpus.decode(row) for row in planted.codes]


@pytest.mark.parametrize(("passage", "distance", "before", "after"), [(5, 0, 1, 0), (5, 3, 4, 2), (16, 100, 32, 8)])
def test_a_text_is_what_it_should_be_character_by_character(counting, passage, distance, before, after):
    planted = plant(
        counting,
        "validation",
        passage=passage,
        distance=distance,
        count=6,
        generator=seeded(),
        before=before,
        after=after,
    )
    for row in planted.codes.astype(int):
        passage_begins = row[0] + before
        passage_again = list(range(passage_begins, passage_begins + passage))
        resumed = passage_begins + passage + distance
        assert row.tolist() == [*range(row[0], resumed), *passage_again, *range(resumed, resumed + after)]
        assert row[planted.first].tolist() == row[planted.second].tolist() == passage_again
    assert planted.second.start - planted.first.stop == distance


def test_passages_are_from_everywhere_in_their_part_and_from_nowhere_else(counting):
    planted = plant(counting, "validation", passage=3, distance=2, count=4000, generator=seeded(), before=1, after=1)
    begin, end = counting.splits["validation"]
    assert set(planted.codes[:, 0]) == set(range(begin, end - 6))
    assert planted.codes.max() == end - 1


def test_passages_begin_and_end_anywhere(verses):
    planted, texts = planted_texts(verses, passage=10, distance=0, count=200)
    beginnings = {text[planted.first.start - 1] for text in texts}
    assert len(beginnings) > 10


def test_whole_words_are_not_cut_at_any_of_the_three_joins(verses):
    planted, texts = planted_texts(verses, passage=11, distance=20, count=50, whole_words=True)
    assert {text[planted.first] for text in texts} == {"for a muse ", "ascend\nthe "}
    for text in texts:
        for place in (planted.first.start, planted.first.stop, planted.second.start, planted.second.stop):
            assert text[place - 1].isspace()
            assert not text[place].isspace()


def test_whole_words_that_no_words_fit_are_refused(tmp_path):
    (tmp_path / "twos.txt").write_text("a " * 400, "utf-8")
    corpus = open_corpus(tmp_path / "twos.txt")
    with pytest.raises(ValueError, match="passage and distance must be such that words of validation begin 5 and 7 "):
        plant(corpus, "validation", passage=5, distance=2, count=1, generator=seeded(), whole_words=True)
    planted = plant(corpus, "validation", passage=6, distance=2, count=9, generator=seeded(), whole_words=True, after=0)
    assert set(map(corpus.decode, planted.codes[:, planted.first])) == {"a a a "}


@pytest.mark.parametrize(("passage", "distance"), [(16, 0), (48, 0), (24, 150)])
def test_a_model_that_copies_pays_nothing_for_the_second_reading_and_everything_for_the_first(
    counting, passage, distance
):
    planted = plant(counting, "validation", passage=passage, distance=distance, count=7, generator=seeded())
    costs = repeat_costs(Copies(passage + distance), counting, planted)
    # For sure is not quite for sure: 4,000 symbols at exp(0) against one at exp(60).
    assert costs.second == pytest.approx(0, abs=1e-6)
    assert costs.is_right.all()
    assert costs.first[:, : passage + distance - 32] == pytest.approx(math.log(4000))
    assert summarise(costs).right == 1


def test_a_model_that_copies_from_another_distance_pays_for_both(counting):
    planted = plant(counting, "validation", passage=16, distance=4, count=3, generator=seeded())
    costs = repeat_costs(Copies(19), counting, planted)
    assert costs.second.min() == pytest.approx(60, abs=1e-6)
    assert not costs.is_right.any()


@pytest.mark.parametrize("model", [NTM, LSTM, Transformer])
def test_pieces_cost_what_the_whole_costs(verses, monkeypatch, model):
    """The definition: a text at a time, from a fresh state, with the characters one by one."""
    symbols = len(verses.alphabet)
    machine = model(symbols, symbols, hidden=8)
    planted = plant(verses, "validation", passage=6, distance=9, count=5, generator=seeded(), before=3, after=2)
    monkeypatch.setattr(repeats, "ROWS", 2)
    monkeypatch.setattr(repeats, "WINDOW", 7)
    costs = repeat_costs(machine, verses, planted)
    for row, codes in enumerate(planted.codes.astype(int)):
        shown = nn.functional.one_hot(torch.from_numpy(codes[None]), symbols).float()
        with torch.no_grad():
            chances = machine(shown)[0][0].double().log_softmax(-1)
        for place, nats, right in [
            *zip(range(3, 9), costs.first[row], [None] * 6, strict=True),
            *zip(range(18, 24), costs.second[row], costs.is_right[row], strict=True),
        ]:
            assert nats == pytest.approx(-float(chances[place - 1, codes[place]]), abs=1e-4)
            assert right in (None, int(chances[place - 1].argmax()) == codes[place])


def test_the_beginning_of_a_passage_does_not_count():
    costs = RepeatCosts(
        first=np.array([[9.0, 2.0, 4.0], [9.0, 6.0, 8.0]]),
        second=np.array([[7.0, 1.0, 0.0], [7.0, 0.0, 1.0]]),
        is_right=np.array([[False, True, True], [False, False, True]]),
    )
    assert summarise(costs, 1) == RepeatSummary(first_nats=5.0, second_nats=0.5, right=0.75)
    assert summarise(costs, 0).first_nats == pytest.approx(38 / 6)
    assert summarise(costs, 2) == RepeatSummary(first_nats=6.0, second_nats=0.5, right=1.0)


def test_conditions_are_measured_on_the_same_texts_for_every_model(counting, monkeypatch):
    seen = []

    def notice(machine, corpus, planted):
        seen.append(planted.codes)
        return repeat_costs(machine, corpus, planted)

    monkeypatch.setattr(repeats, "repeat_costs", notice)
    conditions = [Condition(16, 0), Condition(16, 5)]
    at_once = measure_repeats(Copies(16), counting, conditions=conditions, count=3)
    measure_repeats(Copies(21), counting, conditions=conditions, count=3)
    assert [summary.right for summary in at_once.values()] == [1, 0]
    assert list(at_once) == conditions
    assert all(np.array_equal(one, other) for one, other in zip(seen[:2], seen[2:], strict=True))


def test_the_conditions_are_short_and_long_near_and_far():
    assert CONDITIONS == ((16, 0), (32, 0), (48, 0), (48, 100), (48, 300), (48, 1000))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passage": 0}, "passage must be a whole number of at least 1; got 0"),
        ({"distance": -1}, "distance must be a whole number of at least 0; got -1"),
        ({"count": 0}, "count must be a whole number of at least 1; got 0"),
        ({"before": 0}, "before must be a whole number of at least 1; got 0"),
        ({"after": -1}, "after must be a whole number of at least 0; got -1"),
        ({"distance": 400}, "together must be at most 400, the characters of validation; got 456"),
        ({"part": "tset"}, "split must be one of train, validation; got 'tset'"),
    ],
)
def test_what_cannot_be_planted_is_refused(counting, options, message):
    options = {"part": "validation", "passage": 16, "distance": 0, "count": 1, **options}
    with pytest.raises(ValueError, match=message):
        plant(counting, generator=seeded(), **options)


def test_skipping_all_is_refused():
    costs = RepeatCosts(np.ones((1, 3)), np.ones((1, 3)), np.ones((1, 3), bool))
    with pytest.raises(ValueError, match="skip must be fewer than the 3 characters of a passage; got 3"):
        summarise(costs, 3)
    with pytest.raises(ValueError, match="skip must be a whole number of at least 0; got -1"):
        summarise(costs, -1)


def test_the_longest_text_that_fits_is_the_whole_part(counting):
    planted = plant(counting, "validation", passage=360, distance=0, count=2, generator=seeded())
    assert isinstance(planted, Planted)
    assert planted.codes[:, 0].tolist() == [3600, 3600]


def test_ngrams_that_count_on_find_a_passage_again(verses):
    """They have seen only the alphabet: at the second reading nearly every character follows what it followed."""
    ngram = NGram(len(verses.alphabet), 4)
    ngram.count(np.arange(len(verses.alphabet)))
    near, far = Condition(16, 0), Condition(16, 10)
    found = measure_counting(ngram, verses, "train", (near, far), count=5)
    assert found[near][1] < found[near][0] / 2
    generator = torch.Generator().manual_seed(0)
    planted = plant(verses, "train", passage=16, distance=10, count=5, generator=generator)
    costs = np.stack([ngram.costs(text, adaptive=True) for text in planted.codes])
    assert found[far][0] == pytest.approx(costs[:, 32 + 8 : 32 + 16].mean())
    assert found[far][1] == pytest.approx(costs[:, 58 + 8 : 58 + 16].mean())
