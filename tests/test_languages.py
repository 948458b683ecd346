"""Formal languages: membership by brute force, members by construction, near misses that nothing betrays."""

import itertools
import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from ntmlib.tasks import LANGUAGES, Recognition, make
from ntmlib.tasks.languages import Dyck


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reduces_to_nothing(text: str) -> bool:
    while (shorter := re.sub(r"\(\)|\[\]|\{\}", "", text)) != text:
        text = shorter
    return text == ""


def is_block(text: str, alphabet: str) -> bool:
    each, rest = divmod(len(text), len(alphabet))
    return rest == 0 and text == "".join(symbol * each for symbol in alphabet)


DEFINITIONS: dict[str, Callable[[str], bool]] = {
    "parity": lambda text: text.count("1") % 2 == 0,
    "even_pairs": lambda text: sum(text[i : i + 2] in ("01", "10") for i in range(len(text))) % 2 == 0,
    "ab_star": lambda text: re.fullmatch("(ab)*", text) is not None,
    "anbn": lambda text: is_block(text, "ab"),
    "anbncn": lambda text: is_block(text, "abc"),
    "dyck_1": reduces_to_nothing,
    "dyck_2": reduces_to_nothing,
    "marked_palindromes": lambda text: text.count("#") == 1 and text.split("#")[0] == text.split("#")[1][::-1],
    "palindromes": lambda text: text == text[::-1],
    "ww": lambda text: text[: len(text) // 2] * 2 == text,
}
every_language = pytest.mark.parametrize("name", DEFINITIONS)


def every_text(symbols: str, length: int) -> list[str]:
    return ["".join(text) for text in itertools.product(symbols, repeat=length)]


def written(name: str, rows: np.ndarray, lengths: np.ndarray) -> list[str]:
    symbols = LANGUAGES[name].symbols
    return ["".join(symbols[s] for s in row[:n]) for row, n in zip(rows.tolist(), lengths.tolist(), strict=True)]


def test_every_language_has_a_definition_here():
    assert set(LANGUAGES) == set(DEFINITIONS)


@every_language
def test_membership_is_exact_for_every_short_text(name):
    language, definition = LANGUAGES[name], DEFINITIONS[name]
    longest = {2: 10, 3: 7, 4: 6}[len(language.symbols)]
    for length in range(longest + 1):
        for text in every_text(language.symbols, length):
            assert language.accepts(text) == definition(text), text


@every_language
def test_every_prefix_is_judged_as_a_text_of_its_own_whatever_comes_after(name):
    language = LANGUAGES[name]
    found = every_text(language.symbols, {2: 7, 3: 5, 4: 5}[len(language.symbols)])
    judged = language.prefixes(np.concatenate([language.numbers(text) for text in found]))
    expected = [[DEFINITIONS[name](text[:end]) for end in range(1, len(text) + 1)] for text in found]
    assert judged.tolist() == expected


@pytest.mark.parametrize("name", ["dyck_1", "dyck_2", "marked_palindromes", "palindromes", "ww", "anbncn"])
def test_long_texts_are_judged_as_by_definition(name):
    """Random texts are hardly ever members: members with and without an edit are."""
    language = LANGUAGES[name]
    lengths = language.fit(np.arange(30, 90))
    for rows, inside in ((language.members(lengths, seeded()), True), (language.non_members(lengths, seeded()), False)):
        for text, row in zip(written(name, rows, lengths), language.prefixes(rows), strict=True):
            assert DEFINITIONS[name](text) is inside
            assert [DEFINITIONS[name](text[:end]) for end in range(1, len(text) + 1)] == row[: len(text)].tolist()


SHORT = {
    "parity": 4,
    "even_pairs": 4,
    "ab_star": 6,
    "anbn": 6,
    "anbncn": 6,
    "dyck_1": 8,
    "dyck_2": 4,
    "marked_palindromes": 7,
    "palindromes": 5,
    "ww": 6,
}


@every_language
def test_members_are_drawn_evenly_from_all_of_their_length(name):
    language, length = LANGUAGES[name], SHORT[name]
    every = {text for text in every_text(language.symbols, length) if DEFINITIONS[name](text)}
    lengths = np.full(100 * len(every), length)
    counts = Counter(written(name, language.members(lengths, seeded()), lengths))
    assert set(counts) == every
    assert min(counts.values()) > 60  # 100 of each
    assert max(counts.values()) < 140


@every_language
def test_non_members_are_never_members_and_as_many_as_can_be(name):
    language, length = LANGUAGES[name], SHORT[name]
    lengths = np.full(4000, length)
    found = set(written(name, language.non_members(lengths, seeded()), lengths))
    assert not any(DEFINITIONS[name](text) for text in found)
    alike = sorted_like_members(name, length)
    possible = {text for text in every_text(language.symbols, length) if not DEFINITIONS[name](text)}
    if name != "parity":
        possible = {text for text in possible if "".join(sorted(text)) in alike or is_ordered(name, text)}
    assert len(found) > 0.6 * len(possible)
    assert found <= possible


def is_ordered(name: str, text: str) -> bool:
    """Whether a text of a language that counts blocks has them in order, and one of its ends elsewhere at most."""
    return name in ("anbn", "anbncn") and text == "".join(sorted(text))


def sorted_like_members(name: str, length: int) -> set[str]:
    texts = every_text(LANGUAGES[name].symbols, length)
    return {"".join(sorted(text)) for text in texts if DEFINITIONS[name](text)}


@every_language
def test_neither_length_nor_counts_betray_a_non_member(name):
    """Each has the symbols of some member of its length, unless counts are what the language is about.

    In parity both classes have any size, and half of the near misses of a^n b^n have their blocks in order.
    """
    language = LANGUAGES[name]
    for length in sorted(set(language.fit(np.arange(1, 8)).tolist())):
        lengths = np.full(300, length)
        found = written(name, language.non_members(lengths, seeded()), lengths)
        counts = {"".join(sorted(text)) for text in found if not is_ordered(name, text)}
        if name == "parity":
            assert {text.count("1") for text in counts} == set(range(1, length + 1, 2))
        else:
            assert counts <= sorted_like_members(name, length)


@pytest.mark.parametrize("name", ["anbn", "anbncn"])
def test_half_of_the_near_misses_of_blocks_can_be_told_by_counting_only(name):
    """At least: where symbols change places the order tells."""
    language, each = LANGUAGES[name], 20
    lengths = np.full(2000, each * len(language.symbols))
    found = written(name, language.non_members(lengths, seeded()), lengths)
    sizes = Counter(
        tuple(text.count(symbol) for symbol in language.symbols) for text in found if is_ordered(name, text)
    )
    assert 0.4 < sum(sizes.values()) / len(found) < 0.6
    blocks = np.array(list(sizes))
    assert blocks.min() == 0
    assert blocks.max() == 2 * each
    for block in range(len(language.symbols)):  # every block is wrong at times, but the first and the last ones alone
        assert set(blocks[:, block].tolist()) >= set(range(2 * each)) - {each}


@every_language
def test_members_and_non_members_share_all_lengths_and_half_are_members(name):
    task = make("recognition", language=name, max_length=12)
    batch = task.sample(3000, generator=seeded())
    member = batch.targets.sum((1, 2)) == 1
    assert float(member.float().mean()) == pytest.approx(0.5, abs=0.03)
    inside, outside = (Counter((batch.lengths[part] - 1).tolist()) for part in (member, ~member))
    assert set(inside) == set(outside) == set(task.definition.fit(np.arange(1, 13)).tolist())
    for length in inside:
        assert inside[length] / (inside[length] + outside[length]) == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(
    ("name", "asked", "given"),
    [
        ("parity", 1, 1),
        ("even_pairs", 2, 3),
        ("ab_star", 41, 40),
        ("anbncn", 500, 498),
        ("anbncn", 2, 3),
        ("dyck_2", 1, 2),
        ("marked_palindromes", 40, 39),
        ("palindromes", 1, 3),
        ("ww", 3, 4),
        ("ww", 41, 40),
    ],
)
def test_a_length_without_members_becomes_the_next_shorter_one(name, asked, given):
    batch = make("recognition", language=name).sample(4, generator=seeded(), length=asked)
    assert batch.lengths.tolist() == [given + 1] * 4


def read(task: Recognition, batch) -> list[tuple[str, list[bool], list[bool]]]:
    """Text, targets and mask of each sequence; the layout is checked on the way."""
    found = []
    for row, target, mask, steps in zip(batch.inputs, batch.targets, batch.mask, batch.lengths.tolist(), strict=True):
        assert torch.equal(row.sum(1), (torch.arange(len(row)) < steps).float())
        shown = "".join(task.input_channels[channel][0] for channel in row[:steps].argmax(1).tolist())
        assert shown[-1] == "e"
        assert "e" not in shown[:-1]
        found.append((shown[:-1], (target[:steps, 0] == 1).tolist(), mask[:steps].tolist()))
    return found


@every_language
@pytest.mark.parametrize("length", [None, 5, 9, 40])
def test_the_end_is_answered_and_nothing_else(name, length):
    task = make("recognition", language=name)
    for text, said, scored in read(task, task.sample(64, generator=seeded(), length=length)):
        assert scored == [False] * len(text) + [True]
        assert said == [False] * len(text) + [DEFINITIONS[name](text)]


@every_language
def test_with_prefixes_every_step_is_answered_about_the_same_texts(name):
    end, prefixes = (make("recognition", language=name, scored=scored) for scored in ("end", "prefixes"))
    drawn = [read(task, task.sample(64, generator=seeded())) for task in (end, prefixes)]
    for (text, said, _), (same_text, answers, scored) in zip(*drawn, strict=True):
        assert text == same_text
        assert scored == [True] * (len(text) + 1)
        assert answers[:-1] == [DEFINITIONS[name](text[:end]) for end in range(1, len(text) + 1)]
        assert answers[-1] == said[-1]


def hopeful(name: str, text: str, longest: int) -> bool:
    symbols = LANGUAGES[name].symbols
    return any(
        DEFINITIONS[name](text + end) for more in range(longest + 1) for end in every_text(symbols, more)
    )  # fmt: skip


@every_language
def test_a_verdict_says_of_every_short_text_whether_something_can_still_make_it_a_member(name):
    """What can be mended can be by one symbol more than it has, or twice as many as it has for a^n b^n c^n."""
    task = make("recognition", language=name, scored="prefixes", answer="verdict")
    for text in every_text(LANGUAGES[name].symbols, 4 if len(LANGUAGES[name].symbols) < 4 else 3):
        said = task.verdicts(text)
        for end, verdict in enumerate(said[:-1], 1):
            assert (verdict == "member") == DEFINITIONS[name](text[:end])
            assert (verdict == "never") != hopeful(name, text[:end], 2 * end if name == "anbncn" else end + 1)
        assert said[-1] == ("member" if DEFINITIONS[name](text) else "never")


@every_language
@pytest.mark.parametrize("scored", ["end", "prefixes"])
def test_verdicts_are_one_symbol_a_step_about_the_same_texts(name, scored):
    bits, verdicts = (make("recognition", language=name, scored=scored, answer=a) for a in ("member", "verdict"))
    expected, batch = (task.sample(64, generator=seeded()) for task in (bits, verdicts))
    assert torch.equal(expected.inputs, batch.inputs)
    assert torch.equal(expected.mask, batch.mask)
    assert torch.equal(batch.targets.sum(-1), batch.mask.float())
    assert torch.equal(batch.targets[..., :1], expected.targets)
    if scored == "prefixes":
        for text, target in zip((text for text, _, _ in read(bits, expected)), batch.targets, strict=True):
            said = [verdicts.output_channels[symbol] for symbol in target[: len(text) + 1].argmax(-1).tolist()]
            assert said == verdicts.verdicts(text)


@every_language
def test_length_500_is_right(name):
    task = make("recognition", language=name)
    for text, said, _ in read(task, task.sample(4, generator=seeded(), length=500)):
        assert len(text) in (498, 499, 500)
        assert said[-1] == DEFINITIONS[name](text)


@every_language
def test_a_typed_text_is_presented_as_a_drawn_one_and_answered_step_by_step(name):
    task = make("recognition", language=name, scored="prefixes")
    batch = task.sample(8, generator=seeded(), length=9)
    for index, (text, said, _) in enumerate(read(task, batch)):
        assert torch.equal(task.encode(text)[0], batch.inputs[index])
        assert task.answers(text) == said
    assert task.encode("").tolist() == [[[0.0] * len(task.definition.symbols) + [1.0]]]
    assert task.answers("") == [DEFINITIONS[name]("")]


@pytest.mark.parametrize("function", [Recognition.encode, Recognition.answers, Recognition.verdicts])
def test_a_text_with_other_symbols_is_refused(function):
    with pytest.raises(ValueError, match=r"text must consist of the symbols \( \[ \) \]; got '\(x'"):
        function(Recognition("dyck_2"), "(x")


@pytest.mark.parametrize("text", [None, 7, ["a", "b"], b"ab"])
def test_a_text_that_is_no_string_is_refused(text):
    task = Recognition("palindromes")
    for function in (task.encode, task.answers, task.verdicts, task.definition.accepts):
        with pytest.raises(ValueError, match=f"text must be a string; got {re.escape(repr(text))}"):
            function(text)


def ends(name: str, seed: int, length: int | None, read: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What a finite automaton ends with after each text, and whether that is a member."""
    batch = make("recognition", language=name).sample(4000, generator=seeded(seed), length=length)
    return read(batch.inputs.numpy(), batch.lengths.numpy()), batch.targets.sum((1, 2)).numpy() == 1


def share_right(name: str, read: Callable[..., np.ndarray], fitted: int | None, asked: int | None) -> float:
    """How often the class is right that most texts have with which the automaton ends in the same way."""
    state, member = ends(name, 0, fitted, read)
    guess = np.bincount(state, weights=member - 0.5, minlength=64) > 0
    state, member = ends(name, 1, asked, read)
    return float((guess[state] == member).mean())


def count_modulo_4(inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Count steps, b's at even places and b's at odd places."""
    counts = np.stack([lengths, inputs[:, ::2, 1].sum(1), inputs[:, 1::2, 1].sum(1)], 1)
    return counts.astype(int) % 4 @ [16, 4, 1]


def count_open_brackets(inputs: np.ndarray, most: int) -> np.ndarray:
    """Count what is open, but no further than to ``most``, and see what closes too early."""
    height, legal = np.zeros(len(inputs), dtype=int), np.full(len(inputs), True)
    for opens, closes in inputs[..., :2].transpose(1, 2, 0).astype(int):
        height = height + opens - closes
        legal, height = legal & (height >= 0), height.clip(0, most)
    return legal * (most + 1) + height


@pytest.mark.parametrize("length", [None, 40, 200])
@pytest.mark.parametrize("name", ["palindromes", "marked_palindromes", "ww"])
def test_a_small_counter_without_a_stack_is_right_in_three_quarters_of_the_texts(name, length):
    assert 0.72 < share_right(name, count_modulo_4, length, length) < 0.82


def test_an_automaton_counts_blocks_modulo_4_and_is_seldom_wrong():
    def read(inputs: np.ndarray, _: np.ndarray) -> np.ndarray:
        ordered = ~(inputs[:, :-1, 1] > inputs[:, 1:, 1] + inputs[:, 1:, 2]).any(1)  # no a behind a b
        return ordered * 16 + inputs[..., :2].sum(1).astype(int) % 4 @ [4, 1]

    assert share_right("anbn", read, 40, 40) == pytest.approx(0.93, abs=0.03)


@pytest.mark.parametrize(
    ("most", "length", "right"), [(2, None, 0.78), (8, None, 0.998), (8, 100, 0.83), (8, 500, 0.63)]
)
def test_brackets_are_judged_by_counting_to_a_few_unless_they_are_long(most, length, right):
    found = share_right("dyck_1", lambda inputs, _: count_open_brackets(inputs, most), None, length)
    assert found == pytest.approx(right, abs=0.03)


def test_brackets_of_one_kind_more_are_judged_too():
    language = Dyck(3)
    for text in every_text(language.symbols, 4):
        assert language.accepts(text) == reduces_to_nothing(text)
    with pytest.raises(ValueError, match="kinds must be a whole number from 1 to 6; got 7"):
        Dyck(7)


def test_chance_pays_a_bit_for_each_answer():
    assert make("recognition", language="dyck_1").chance_bits == 1
    assert make("recognition", max_length=3, scored="prefixes").chance_bits == pytest.approx(3)
    assert make("recognition", language="ww", max_length=5, scored="prefixes").chance_bits == pytest.approx(5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "dick_1"}, "language must be one of parity, .*; got 'dick_1'"),
        ({"scored": "start"}, "scored must be one of end, prefixes; got 'start'"),
        ({"answer": "maybe"}, "answer must be one of member, verdict; got 'maybe'"),
        ({"min_length": 9, "max_length": 8}, "min_length must be at most max_length"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make("recognition", **options)
