"""1-2-AX: a reader that knows the rule but not the generator, and mistakes it must see."""

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise, product

import pytest
import torch

from ntmlib.tasks import Batch, OneTwoAX


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def oracle(text: str) -> str:
    """The rule as a person would follow it, one symbol after the other."""
    answers, digit, before = "", "", ""
    for symbol in text:
        if symbol in "12":
            digit = symbol
        answers += "R" if digit + before + symbol in ("1AX", "2BY") else "L"
        before = symbol
    return answers


def well_formed(text: str, min_pairs: int = 1, max_pairs: int = 4) -> bool:
    """Whole blocks, then one that may be cut anywhere after its digit."""
    pair = "(?:[ABC][XYZ])"
    whole = f"(?:[12]{pair}{{{min_pairs},{max_pairs}}})*"
    cut = f"(?:[12](?:{pair}{{0,{max_pairs}}}|{pair}{{0,{max_pairs - 1}}}[ABC]))"
    return re.fullmatch(f"{whole}{cut}", text) is not None


def read(inputs: list[list[float]]) -> str:
    """The symbols of one sequence; ``?`` where a step does not show exactly one."""
    rows = [[int(value) if value in (0, 1) else 9 for value in row] for row in inputs]
    return "".join("12ABCXYZ"[row.index(1)] if sorted(row) == [0] * 7 + [1] else "?" for row in rows)


def mistakes_in(batch: Batch, min_pairs: int = 1, max_pairs: int = 4) -> list[str]:
    found = []
    parts = (batch.inputs, batch.targets, batch.mask)
    for index, steps in enumerate(batch.lengths.tolist()):
        inputs, targets, mask = (part[index, :steps].tolist() for part in parts)
        text = read(inputs)
        if "?" in text:
            found.append("not one symbol")
        elif not well_formed(text, min_pairs, max_pairs):
            found.append("order of symbols")
        if targets != [[float(answer == "R")] for answer in oracle(text)]:
            found.append("answer")
        if mask != [True] * steps:
            found.append("mask")
        if any(bool(part[index, steps:].any()) for part in parts):
            found.append("padding")
    return found


def texts(batch: Batch) -> list[str]:
    pairs = zip(batch.inputs.tolist(), batch.lengths.tolist(), strict=True)
    return [read(inputs[:steps]) for inputs, steps in pairs]


def hand_written() -> Batch:
    """``1AXBY2`` and one step of padding."""
    inputs = torch.zeros(1, 7, 8)
    inputs[0, range(6), [0, 2, 5, 3, 6, 1]] = 1
    targets = torch.tensor([0, 0, 1, 0, 0, 0, 0]).float()[None, :, None]
    return Batch(inputs, targets, torch.tensor([[True] * 6 + [False]]), torch.tensor([6]))


def test_the_checker_accepts_the_example_written_by_hand():
    assert texts(hand_written()) == ["1AXBY2"]
    assert mistakes_in(hand_written()) == []


PLANTED: dict[str, Callable[[Batch], None]] = {
    "not one symbol": lambda batch: batch.inputs[0, 1, 4].fill_(1),
    "order of symbols": lambda batch: batch.inputs[0, 1:3].copy_(batch.inputs[0, 1:3].flip(0)),
    "answer": lambda batch: batch.targets[0, 4].fill_(1),
    "mask": lambda batch: batch.mask[0, 0].fill_(False),
    "padding": lambda batch: batch.targets[0, 6].fill_(1),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_the_checker_sees_a_planted_mistake(mistake):
    batch = hand_written()
    PLANTED[mistake](batch)
    assert mistake in mistakes_in(batch)


@pytest.mark.parametrize("text", ["A", "1A1", "1AXBYCZAXB", "1AXX", "1AX2BY12", "12AX", "1AYY"])
def test_the_checker_knows_what_no_generator_may_draw(text):
    assert not well_formed(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("21AAXBYAX", "LLLLRLLLR"),  # the example of the literature
        ("1AXBY", "LLRLL"),
        ("2AXBY", "LLLLR"),
        ("1AX2AXBYBY", "LLRLLLLRLR"),
        ("1A2X", "LLLL"),  # the symbol just before X is a digit
        ("1CX1AZ2CY2BZ", "LLLLLLLLLLLL"),
        ("AXBY", "LLLL"),  # no rule is in force
        ("AX1AX", "LLLLR"),
        ("XA1", "LLL"),
        ("Y", "L"),
    ],
)
def test_the_rule_by_hand(text, expected):
    assert OneTwoAX.answers(text) == expected
    assert oracle(text) == expected


def test_any_text_is_answered_as_the_oracle_does():
    for symbols in product("12ABCXYZ", repeat=4):
        text = "".join(symbols)
        assert OneTwoAX.answers(text) == oracle(text)
    draws = torch.randint(0, 8, (50, 100), generator=seeded()).tolist()
    for row in draws:
        text = "".join("12ABCXYZ"[number] for number in row)
        assert OneTwoAX.answers(text) == oracle(text)


def test_a_typed_text_becomes_inputs_in_the_channels_order():
    inputs = OneTwoAX.encode("12ABCXYZ1")
    assert "".join(OneTwoAX().input_channels) == "12ABCXYZ"
    assert inputs.dtype == torch.float32
    assert torch.equal(inputs, torch.eye(8)[[*range(8), 0]][None])


@pytest.mark.parametrize("text", ["", "1AXD", "1 AX", "1ax", "3"])
@pytest.mark.parametrize("function", [OneTwoAX.encode, OneTwoAX.answers])
def test_a_text_with_other_symbols_is_refused(function, text):
    with pytest.raises(ValueError, match=f"text must be one or more of the symbols 1 2 A B C X Y Z; got '{text}'"):
        function(text)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 30), (17, 17)])
@pytest.mark.parametrize(("fewest", "most"), [(1, 4), (1, 1), (3, 3), (2, 20)])
def test_every_sequence_drawn_is_right(low, high, fewest, most):
    task = OneTwoAX(max_length=high, min_length=low, min_pairs=fewest, max_pairs=most)
    for seed in range(5):
        batch = task.sample(16, generator=seeded(seed))
        assert mistakes_in(batch, fewest, most) == []
        assert batch.inputs.shape == (16, int(batch.lengths.max()), 8)


def test_lengths_are_drawn_for_each_sequence_and_reach_both_ends_evenly():
    counts = torch.bincount(OneTwoAX(max_length=11).sample(20_000, generator=seeded()).lengths)
    assert len(counts) == 12
    assert not counts[:2].any()
    assert counts[2:].min() > 1800  # 2000 expected of each; five standard deviations are 212
    assert counts[2:].max() < 2200


@pytest.mark.parametrize("length", [1, 30, 1000])
def test_a_length_asked_for_is_the_length_of_all_also_beyond_the_longest(length):
    batch = OneTwoAX().sample(3, generator=seeded(), length=length)
    assert batch.lengths.tolist() == [length] * 3
    assert batch.ragged_lengths is None
    assert mistakes_in(batch) == []


def test_a_very_long_sequence_with_digits_far_apart_is_quick_and_right():
    task = OneTwoAX(max_length=10_000, max_pairs=200)
    started = time.process_time()
    batch = task.sample(16, generator=seeded(), length=10_000)
    task.chance_bits  # noqa: B018 - timed too
    assert time.process_time() - started < 1
    assert mistakes_in(batch, max_pairs=200) == []


def test_blocks_have_every_number_of_pairs_evenly_and_digits_are_fair():
    drawn = texts(OneTwoAX(min_pairs=2, max_pairs=5).sample(100, generator=seeded(), length=1000))
    blocks = [block for text in drawn for block in re.findall("[12][^12]*", text)[:-1]]
    pairs, digits = Counter(len(block) // 2 for block in blocks), Counter(block[0] for block in blocks)
    next_digits = Counter(one[0] == other[0] for one, other in pairwise(blocks))
    assert sorted(pairs) == [2, 3, 4, 5]
    assert min(pairs.values()) / len(blocks) == pytest.approx(0.25, abs=0.02)
    assert digits["1"] / len(blocks) == pytest.approx(0.5, abs=0.02)
    assert next_digits[True] / len(blocks) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("share", [0, 0.5, 1.0])
def test_pairs_have_the_share_of_targets_asked_for_and_are_independent(share):
    drawn = texts(OneTwoAX(target_share=share).sample(100, generator=seeded(), length=1000))
    pairs = [pair for text in drawn for pair in re.findall("[ABC][XYZ]", text)]
    following = Counter(zip(pairs[::2], pairs[1::2], strict=False))
    expected = {a + x: (1 - share) / 9 + share / 2 * (a + x in ("AX", "BY")) for a, x in product("ABC", "XYZ")}
    for one, other in product(expected, repeat=2):
        frequency = following[one, other] / following.total()
        assert frequency == pytest.approx(expected[one] * expected[other], abs=0.02)
        assert (frequency > 0) == (expected[one] * expected[other] > 0)


def every_stream(task: OneTwoAX, length: int, text: str = "") -> Iterator[tuple[str, float]]:
    """All streams of a length with their probabilities, spelled out block by block."""
    if len(text) >= length:
        yield text[:length], 1.0
        return
    pair_counts = range(task.min_pairs, task.max_pairs + 1)
    for digit, count in product("12", pair_counts):
        for letters in product(product("ABC", "XYZ"), repeat=count):
            chance = 0.5 / len(pair_counts)
            for pair in letters:
                chance *= (1 - task.target_share) / 9 + task.target_share / 2 * ("".join(pair) in ("AX", "BY"))
            for stream, rest in every_stream(task, length, text + digit + "".join(map("".join, letters))):
                yield stream, chance * rest


def cost_of_knowing(seen: Counter, right: Counter) -> float:
    """Bits for answering by what is seen only, given how often it is seen and how often R is right."""
    shares = [(total, right[what] / total) for what, total in seen.items()]
    return sum(-total * (p * math.log2(p) + (1 - p) * math.log2(1 - p)) for total, p in shares if 0 < p < 1)


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("with_step", [False, True])
def test_chance_is_exact_for_who_sees_the_symbol_even_with_a_clock(share, with_step):
    task = OneTwoAX(max_length=6, min_length=3, max_pairs=2, target_share=share)
    seen, right = Counter(), Counter()
    for length in range(3, 7):
        for text, chance in every_stream(task, length):
            for step, (symbol, answer) in enumerate(zip(text, oracle(text), strict=True)):
                seen[symbol, step * with_step] += chance / 4
                right[symbol, step * with_step] += chance / 4 * (answer == "R")
    assert task.chance_bits == pytest.approx(cost_of_knowing(seen, right))


@pytest.mark.parametrize(
    "options", [{}, {"min_pairs": 3, "max_pairs": 3}, {"min_length": 25, "min_pairs": 2, "max_pairs": 30}]
)
def test_chance_is_what_draws_cost(options):
    task = OneTwoAX(**options)
    batch = task.sample(20_000, generator=seeded())
    seen, right = Counter(), Counter()
    for channel, symbol in enumerate(task.input_channels):
        shown = batch.inputs[..., channel] == 1
        seen[symbol], right[symbol] = int(shown.sum()), int(batch.targets[..., 0][shown].sum())
    assert cost_of_knowing(seen, right) / 20_000 == pytest.approx(task.chance_bits, rel=0.02)


def test_nothing_to_hear_but_the_digit_costs_nothing():
    assert OneTwoAX(max_length=2).chance_bits == 0
    assert OneTwoAX(max_length=3, min_length=3, target_share=1).chance_bits == pytest.approx(1)


def test_a_stage_of_a_curriculum_changes_the_longest_only():
    task = OneTwoAX(max_pairs=6, target_share=0.7)
    assert task.up_to(12) == replace(task, max_length=12)
    assert task.up_to(12).max_length == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length must be a whole number of at least 1; got 0"),
        ({"min_length": 31}, r"min_length must be at most max_length \(30\); got 31"),
        ({"min_pairs": 0}, "min_pairs must be a whole number of at least 1; got 0"),
        ({"min_pairs": 5}, r"min_pairs must be at most max_pairs \(4\); got 5"),
        ({"target_share": 1.1}, "target_share must be a number from 0 to 1; got 1.1"),
        ({"target_share": -0.1}, "target_share must be a number from 0 to 1; got -0.1"),
        ({"target_share": float("nan")}, "target_share must be a number from 0 to 1; got nan"),
        ({"target_share": True}, "target_share must be a number from 0 to 1; got True"),
    ],
)
def test_a_setting_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        OneTwoAX(**options)


def test_the_digit_in_force_is_the_last_one_and_none_before_the_first():
    assert OneTwoAX.digits(OneTwoAX.encode("AX1AX2B1")).tolist() == [[0, 0, 1, 1, 1, 2, 2, 1]]


def test_answers_are_spelt_as_right_above_zero_and_left_otherwise():
    assert OneTwoAX.spell(torch.tensor([[[-2.0], [3.0], [0.0]]])) == "LRL"
