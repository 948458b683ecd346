"""Dyck languages by their legal next symbols: an independent reader, and the grammar played by hand."""

import random
import re
from collections import Counter

import pytest
import torch
from tiny_run import tiny

from ntmlib.tasks import NextSymbols, make
from ntmlib.tasks.languages.next_symbols import _shares
from ntmlib.training import Trainer

PAIRS = ["()", "[]", "{}", "<>", "«»", "/\\"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def still_open(text: str) -> str:
    """Strike out closed brackets until only open ones are left."""
    for pair in PAIRS * len(text):
        text = text.replace(pair, "")
    return text


def legal(text: str, kinds: int) -> set[str]:
    after = still_open(text)
    return {pair[0] for pair in PAIRS[:kinds]} | {pair[1] for pair in PAIRS[:kinds] if after.endswith(pair[0])}


def read(task: NextSymbols, batch) -> list[str]:
    """The texts; layout and targets are checked on the way."""
    found = []
    for row, target, mask, steps in zip(batch.inputs, batch.targets, batch.mask, batch.lengths.tolist(), strict=True):
        inside = torch.arange(len(row)) < steps
        assert torch.equal(mask, inside)
        assert torch.equal(row.sum(1), inside.float())
        assert not bool(target[~inside].any())
        text = "".join(task.input_channels[channel] for channel in row[:steps].argmax(1).tolist())
        assert still_open(text) == ""
        for step in range(steps):
            named = {task.output_channels[channel] for channel in target[step].nonzero()[:, 0].tolist()}
            assert named == legal(text[: step + 1], task.kinds)
        found.append(text)
    return found


def test_the_reader_agrees_with_the_example_of_the_text():
    assert legal("([", 2) == {"(", "[", "]"}
    assert legal("([]", 2) == {"(", "[", ")"}
    assert legal("([])", 2) == {"(", "["}


@pytest.mark.parametrize("kinds", [1, 2, 6])
@pytest.mark.parametrize("length", [None, 2, 3, 51, 100])
def test_every_text_is_balanced_and_every_step_says_what_may_come(kinds, length):
    task = NextSymbols(kinds=kinds)
    for text in read(task, task.sample(16, generator=seeded(), length=length)):
        assert 2 <= len(text) <= 50 if length is None else len(text) == length - length % 2


def by_hand(dice: random.Random, kinds: int, budget: int) -> str:
    """Play the grammar; too long a text is given up."""
    text, pending = "", ["S"]
    while pending:
        part = pending.pop()
        if part != "S":
            text += part
            continue
        if len(text) + len(pending) > 3 * budget:
            return "?" * 99
        chance = dice.random()
        if chance < 0.5:
            opening, closing = dice.choice(PAIRS[:kinds])
            pending += [closing, "S", opening]
        elif chance < 0.75:
            pending += ["S", "S"]
    return text


def test_texts_are_as_frequent_as_the_grammar_makes_them():
    dice = random.Random(0)
    played = Counter(by_hand(dice, 1, 10) for _ in range(40_000))
    played = Counter({text: count for text, count in played.items() if 4 <= len(text) <= 6})
    task = NextSymbols(kinds=1, min_length=4, max_length=6)
    drawn = Counter(read(task, task.sample(3000, generator=seeded())))
    assert set(drawn) == set(played)
    assert len(drawn) == 2 + 5
    for text in drawn:
        assert drawn[text] / drawn.total() == pytest.approx(played[text] / played.total(), abs=0.03)


def test_the_shares_of_all_numbers_of_pairs_come_to_one():
    shares = _shares(2000)
    assert shares[0] == pytest.approx(2 - 3**0.5)
    assert 0.97 < sum(shares) < 1  # the rest is longer still


def test_kinds_are_even():
    task = NextSymbols(kinds=3)
    counts = Counter("".join(read(task, task.sample(300, generator=seeded()))))
    assert max(counts.values()) / min(counts.values()) < 1.2


def test_both_ends_of_the_lengths_are_drawn():
    task = NextSymbols(min_length=7, max_length=12)
    lengths = Counter(task.sample(500, generator=seeded()).lengths.tolist())
    assert set(lengths) == {8, 10, 12}
    assert set(task.up_to(8).sample(20, generator=seeded()).lengths.tolist()) == {8}


@pytest.mark.parametrize(("asked", "drawn"), [(3, {4}), (4, {4}), (5, {4}), (6, {4, 6})])
def test_a_stage_of_a_curriculum_without_an_even_length_has_the_shortest_texts(asked, drawn):
    stage = NextSymbols(min_length=3).up_to(asked)
    assert set(stage.sample(60, generator=seeded()).lengths.tolist()) == drawn


@pytest.mark.parametrize("mixed_lengths", [False, True])
def test_a_curriculum_may_start_with_any_length_the_task_has(mixed_lengths):
    options = {"min_length": 3, "max_length": 6}
    config = tiny(task="next_symbols", task_options=options, curriculum_start=3, mixed_lengths=mixed_lengths)
    Trainer(config).advance()


def test_lengths_may_be_drawn_evenly_and_a_length_asked_for_is_given():
    task = NextSymbols(min_length=5, max_length=13, lengths="uniform")
    counts = Counter(task.sample(2000, generator=seeded()).lengths.tolist())
    assert set(counts) == {6, 8, 10, 12}
    assert min(counts.values()) > 440  # 500 of each
    assert set(task.sample(20, generator=seeded(), length=40).lengths.tolist()) == {40}
    assert task.up_to(9).lengths == "uniform"
    assert task.chance_bits == pytest.approx(2 * 9)


def test_the_grammar_makes_short_texts_and_even_lengths_make_them_as_long_as_is_said():
    for lengths, mean, shortest, long in (("grammar", 10.6, 0.27, 0.03), ("uniform", 26, 0.04, 0.2)):
        drawn = NextSymbols(lengths=lengths).sample(20_000, generator=seeded()).lengths
        assert float(drawn.float().mean()) == pytest.approx(mean, rel=0.02)
        assert float((drawn == 2).float().mean()) == pytest.approx(shortest, abs=0.01)
        assert float((drawn > 40).float().mean()) == pytest.approx(long, abs=0.01)


def test_chance_pays_a_bit_for_each_closing_bracket_at_each_step():
    task = NextSymbols(min_length=6, max_length=7, kinds=3)
    assert task.chance_bits == pytest.approx(6 * 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_length": 1}, "min_length must be a whole number of at least 2; got 1"),
        ({"min_length": 5, "max_length": 5}, "must have an even number between them; got 5"),
        ({"kinds": 7}, "kinds must be a whole number from 1 to 6; got 7"),
        ({"lengths": "even"}, "lengths must be one of grammar, uniform; got 'even'"),
        ({"kinds": 0}, "kinds must be a whole number from 1 to 6; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make("next_symbols", **options)


def test_a_text_is_encoded_as_it_would_be_drawn():
    drawn = NextSymbols().sample(1, generator=seeded(3), length=12)
    text = "".join("([)]"[number] for number in drawn.inputs[0].argmax(-1).tolist())
    assert torch.equal(NextSymbols().encode(text), drawn.inputs)
    assert NextSymbols().encode("").shape == (1, 0, 4)
    with pytest.raises(ValueError, match=r"text must consist of the symbols \( \[ \) \]; got '\{'"):
        NextSymbols().encode("{")
