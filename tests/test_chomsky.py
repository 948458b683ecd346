"""The fifteen tasks of Delétang et al.: a reader that knows the definitions, but none of the code that draws."""

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from ntmlib.tasks import CHOMSKY, Batch, make
from ntmlib.tasks.chomsky.numbers import to_digits, to_number

LETTERS = {"pop": "v", "push 0": "o", "push 1": "i"}
NAMES = [task.name for task in CHOMSKY]
every_task = pytest.mark.parametrize("name", NAMES)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def value(expression: str) -> int:
    """What an expression comes to: products before sums, from left to right, a sign before anything."""
    rest = list(expression)

    def factor() -> int:
        symbol = rest.pop(0)
        if symbol == "-":
            return -factor()
        if symbol == "(":
            inner = total()
            assert rest.pop(0) == ")"
            return inner
        return int(symbol)

    def product() -> int:
        found = factor()
        while rest and rest[0] == "*":
            rest.pop(0)
            found *= factor()
        return found

    def total() -> int:
        found = product()
        while rest and rest[0] in "+-":
            found += product() if rest.pop(0) == "+" else -product()
        return found

    found = total()
    assert not rest
    return found


def after_the_actions(text: str) -> str:
    stack = ""
    for symbol in text:
        stack = stack[:-1] if symbol == "v" else stack + {"o": "0", "i": "1"}.get(symbol, symbol)
    return stack[::-1] + "$"


def solution(text: str) -> str:
    if len(text) < 3:
        return "0"
    left, right = text.split("=")
    fitting = [digit for digit in "01234" if value(left.replace("x", digit)) % 5 == int(right)]
    assert len(fitting) == 1
    return fitting[0]


def fillings(text: str) -> str:
    """What must stand in the holes for both halves to be the same."""
    if len(text) == 1:
        return "1"
    text = text.rstrip("_")
    half, holes = len(text) // 2, text.count("?")
    found = []
    for symbols in itertools.product("01", repeat=holes):
        filled = text.replace("?", "%s") % symbols
        if filled[:half] == filled[half:]:
            found.append("".join(symbols))
    assert len(found) == 1
    return found[0]


def low_first(number: int) -> str:
    return bin(number)[:1:-1]


def of_two_numbers(text: str, operator: str) -> str:
    if len(text) <= 2:
        return (low_first(int(text[::-1], 2)) if operator == "+" else "0" * (len(text) - 1)) + "$"
    first, second = (int(digits[::-1], 2) for digits in text.split(operator))
    return low_first(first + second if operator == "+" else first * second) + "$"


def root(text: str) -> str:
    number, found = int(text, 2), 0
    for digit in reversed(range(len(text))):
        found += 2**digit if (found + 2**digit) ** 2 <= number else 0
    return bin(found)[2:].zfill(-(-len(text) // 2))


DEFINITIONS: dict[str, Callable[[str], str]] = {
    "even_pairs": lambda text: str(sum(text[i : i + 2] in ("01", "10") for i in range(len(text))) % 2),
    "modular_arithmetic": lambda text: str(value(text) % 5),
    "parity_check": lambda text: str(text.count("1") % 2),
    "cycle_navigation": lambda text: str((text.count(">") - text.count("<")) % 5),
    "stack_manipulation": after_the_actions,
    "reverse_string": lambda text: text[::-1],
    "modular_arithmetic_brackets": lambda text: str(value(text) % 5),
    "solve_equation": solution,
    "duplicate_string": lambda text: text + text,
    "missing_duplicate_string": fillings,
    "odds_first": lambda text: text[::2] + text[1::2],
    "binary_addition": lambda text: of_two_numbers(text, "+"),
    "binary_multiplication": lambda text: of_two_numbers(text, "*"),
    "compute_sqrt": root,
    "bucket_sort": lambda text: "".join(sorted(text)),
}


def signed_total(left: str) -> int:
    """What the digits of an unfinished left side come to: x is 0, whatever is open is closed, nothing waits."""
    closed = left.replace("x", "0") + ")" * (left.count("(") - left.count(")"))
    return value(closed) % 5


def value_since_the_innermost_bracket(text: str) -> int:
    depth, start = 0, 0
    for place in reversed(range(len(text))):
        depth += {")": 1, "(": -1}.get(text[place], 0)
        if depth < 0:
            start = place + 1
            break
    return value(text[start:]) % 5


def read(task, batch: Batch) -> list[tuple[str, str, str]]:
    """Text, scored answer and what follows it, of each sequence; the layout in time is checked on the way."""
    inputs = ["." if name == "empty" else LETTERS.get(name, name) for name in task.input_channels]
    inputs = ["#" if name == "end" else name for name in inputs]
    found = []
    for row, target, mask, steps in zip(batch.inputs, batch.targets, batch.mask, batch.lengths.tolist(), strict=True):
        assert torch.equal(row.sum(1), (torch.arange(len(row)) < steps).float())
        assert set(row.unique().tolist()) <= {0, 1}
        shown = "".join(inputs[channel] for channel in row[:steps].argmax(1).tolist())
        text = shown.rstrip(".")
        assert "." not in text
        said = "".join(task.output_channels[symbol] for symbol in target[len(text) : steps].argmax(1).tolist())
        assert torch.equal(
            target.sum(1), ((torch.arange(len(row)) < steps) & (torch.arange(len(row)) >= len(text))).float()
        )
        scored = int(mask.sum())
        assert bool(mask[len(text) : len(text) + scored].all())
        assert text.endswith("#") == task.end_symbol
        found.append((text.rstrip("#"), said[:scored], said[scored:]))
    return found


def texts(name: str, length: int, batch_size: int = 2000, **options) -> list[str]:
    task = make(name, **options)
    return [text for text, *_ in read(task, task.sample(batch_size, generator=seeded(), length=length))]


EXAMPLES = [
    ("even_pairs", "0101001", "1"),
    ("even_pairs", "001110", "0"),
    ("modular_arithmetic", "1-1-1", "4"),
    ("modular_arithmetic", "0*1+4*3-2", "0"),
    ("parity_check", "1010100", "1"),
    ("cycle_navigation", "><=<<", "3"),
    ("stack_manipulation", "0110ivv", "110$"),
    ("stack_manipulation", "110vvv", "$"),
    ("stack_manipulation", "1vvo", "0$"),
    ("modular_arithmetic_brackets", "((-2)*(4))", "2"),
    ("solve_equation", "((-x)+(4))=2", "2"),
    ("missing_duplicate_string", "01100?10", "1"),
    ("missing_duplicate_string", "1011?1_", "0"),
    ("odds_first", "00110101", "01000111"),
    ("binary_addition", "001+01101", "01011$"),
    ("binary_multiplication", "1001*000001", "000001001$"),
    ("compute_sqrt", "100101", "110"),
    ("compute_sqrt", "111", "10"),
    ("bucket_sort", "10204112", "00111224"),
]


@pytest.mark.parametrize(("name", "text", "answer"), EXAMPLES)
def test_the_definitions_agree_with_examples_by_hand(name, text, answer):
    assert DEFINITIONS[name](text) == answer


@every_task
@pytest.mark.parametrize("end_symbol", [False, True])
@pytest.mark.parametrize("length", [None, 1, 2, 3, 4, 5, 6, 9, 40])
def test_every_answer_is_that_of_the_definition(name, end_symbol, length):
    task = make(name, end_symbol=end_symbol)
    for seed in range(3):
        batch = task.sample(32, generator=seeded(seed), length=length)
        for text, answer, rest in read(task, batch):
            assert answer == DEFINITIONS[name](text)
            assert len(answer + rest) == task.answer_length(len(text))
            assert set(rest) <= {"0"}
            assert len(text) == length or length is None or (name, length % 2) == ("modular_arithmetic", 0)


@every_task
def test_length_500_is_right_and_quick(name):
    task = make(name)
    started = time.process_time()
    batch = task.sample(8, generator=seeded(), length=500)
    assert time.process_time() - started < 1
    for text, answer, _ in read(task, batch):
        assert answer == DEFINITIONS[name](text)


@every_task
def test_lengths_are_drawn_for_each_sequence_and_reach_both_ends(name):
    task = make(name, min_length=3, max_length=5)
    lengths = Counter(len(text) for text, *_ in read(task, task.sample(300, generator=seeded())))
    assert set(lengths) == ({3, 5} if name == "modular_arithmetic" else {3, 4, 5})
    assert min(lengths.values()) > 60


@every_task
def test_a_stage_of_a_curriculum_is_no_longer_and_keeps_everything_else(name):
    task = make(name, end_symbol=True).up_to(4)
    assert (task.max_length, task.min_length, task.end_symbol) == (4, 1, True)
    assert make(name).up_to(99).max_length == 40


CHOICES = {
    ("even_pairs", 2): 4,
    ("parity_check", 3): 8,
    ("cycle_navigation", 2): 9,
    ("modular_arithmetic", 3): 75,
    ("stack_manipulation", 2): 6,
    ("reverse_string", 3): 8,
    ("modular_arithmetic_brackets", 5): 75,
    ("solve_equation", 3): 5,
    ("duplicate_string", 3): 8,
    ("missing_duplicate_string", 1): 1,
    ("missing_duplicate_string", 4): 16,
    ("odds_first", 3): 8,
    ("binary_addition", 1): 1,
    ("binary_addition", 2): 3,
    ("binary_addition", 4): 6,
    ("binary_multiplication", 4): 6,
    ("compute_sqrt", 3): 7,
    ("bucket_sort", 2): 25,
}


@pytest.mark.parametrize(("name", "length"), CHOICES)
def test_every_text_of_a_short_length_is_drawn_about_evenly(name, length):
    choices = CHOICES[name, length]
    counts = Counter(texts(name, length, batch_size=60 * choices))
    assert len(counts) == choices
    assert 20 < min(counts.values()) <= max(counts.values()) < 120  # 60 of each


def test_the_initial_stack_has_every_height_below_the_length_evenly():
    heights = Counter(len(text.rstrip("vio")) for text in texts("stack_manipulation", 7))
    assert set(heights) == set(range(1, 7))
    assert min(heights.values()) > 250
    actions = Counter("".join(texts("stack_manipulation", 7)).translate({ord("0"): None, ord("1"): None}))
    assert max(actions.values()) / min(actions.values()) < 1.1


@pytest.mark.parametrize(("name", "operator"), [("binary_addition", "+"), ("binary_multiplication", "*")])
def test_numbers_have_every_number_of_digits_and_are_never_zero(name, operator):
    pairs = [text.split(operator) for text in texts(name, 7)]
    assert set(Counter(len(first) for first, _ in pairs)) == set(range(1, 6))
    assert min(Counter(len(first) for first, _ in pairs).values()) > 330
    of_three = Counter(first for first, _ in pairs if len(first) == 3)
    assert set(of_three) == {"".join(digits) for digits in itertools.product("01", repeat=3)} - {"000"}
    assert not any("1" not in number for pair in pairs for number in pair)


def test_the_left_part_of_an_expression_has_every_size():
    def split(text: str) -> int:
        depth = 0
        for place, symbol in enumerate(text[1:], 1):
            depth += (symbol == "(") - (symbol == ")")
            if place > 1 and depth == 0 and symbol in "+-*":
                return place - 1
        raise AssertionError(text)

    found = texts("modular_arithmetic_brackets", 12)
    assert set(Counter(map(split, found))) == set(range(1, 9))
    operators = Counter(text[split(text) + 1] for text in found)
    assert set(operators) == set("+-*")
    assert min(operators.values()) > 600
    assert "*" not in "".join(texts("solve_equation", 30, 200))


def test_the_unknown_stands_anywhere_and_nothing_betrays_it():
    found = texts("solve_equation", 9)
    assert {text.index("x") for text in found} == {1, 2, 4, 5}  # of (d+(d))=d, (-d+-d)=d and ((d)+d)=d
    assert min(Counter(map(solution, found)).values()) > 300


def test_the_unknown_is_the_first_digit_at_or_after_any_place():
    """In ``((d)+d)`` that is the first digit from places 0, 1, 2 and 6, and the second one from 3, 4 and 5."""
    found = [text for text in texts("solve_equation", 9, 6000) if text[:2] == "((" and text[3:5] == ")+"]
    assert len(found) > 700
    assert sum(text[2] == "x" for text in found) / len(found) == pytest.approx(4 / 7, abs=0.05)


def test_one_hole_is_filled_by_parity_but_two_are_not():
    one, two = (
        [(text, fillings(text)) for text in texts("missing_duplicate_string", 20, 300, holes=holes)] for holes in (1, 2)
    )
    assert all(answer == str(text.count("1") % 2) for text, answer in one)
    assert {len(answer) for _, answer in two} == {2}
    for parity in (0, 1):  # knowing it leaves two answers, evenly
        answers = Counter(answer for text, answer in two if text.count("1") % 2 == parity)
        assert len(answers) == 2
        assert min(answers.values()) > 40


def test_holes_are_anywhere_but_never_in_both_copies_of_a_symbol():
    found = texts("missing_duplicate_string", 9, holes=3)
    places = Counter(place for text in found for place, symbol in enumerate(text) if symbol == "?")
    assert set(places) == set(range(8))
    assert min(places.values()) > 650  # 750 expected
    assert {text.count("?") for text in found} == {3}
    assert not any(text[place] == text[place + 4] == "?" for text in found for place in range(4))
    task = make("missing_duplicate_string", holes=3)
    for text, answer, _ in read(task, task.sample(200, generator=seeded())):
        assert answer == fillings(text)
        assert len(answer) == min(3, max(len(text) // 2, 1))


def test_numbers_of_any_size_go_to_digits_and_back():
    dice = random.Random(0)
    for number in [0, 1, 2, 255, 256, *(dice.getrandbits(300) for _ in range(5))]:
        digits = to_digits(number)
        assert digits == [int(digit) for digit in low_first(number)]
        assert to_number(np.array(digits)) == number


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("reverse_string", {"min_length": 9, "max_length": 8}, "min_length must be at most max_length"),
        ("reverse_string", {"end_symbol": 1}, "end_symbol must be true or false; got 1"),
        ("missing_duplicate_string", {"holes": 0}, "holes must be a whole number of at least 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        make(name, **options)


@every_task
def test_the_order_is_that_of_the_published_levels(name):
    levels = [task.level for task in CHOMSKY]
    assert levels == ["regular"] * 4 + ["context-free"] * 4 + ["context-sensitive"] * 7
    published = 0.2 if name in ("modular_arithmetic", "cycle_navigation", "modular_arithmetic_brackets") else 0.5
    published = 0.2 if name in ("solve_equation", "bucket_sort") else published
    assert make(name).chance_right == published


@pytest.mark.parametrize(
    ("name", "asked_at", "expected"),
    [
        ("modular_arithmetic_brackets", "01234)", value_since_the_innermost_bracket),
        ("solve_equation", "01234", signed_total),
    ],
)
@pytest.mark.parametrize("length", [1, 3, 5, 12, 39, 40, 120])
def test_with_parts_the_machine_is_asked_on_the_way_about_the_same_texts(name, asked_at, expected, length):
    plain, task = make(name), make(name, scored="parts")
    published, batch = (one.sample(20, generator=seeded(), length=length) for one in (plain, task))
    assert torch.equal(published.inputs, batch.inputs)
    assert torch.equal(published.lengths, batch.lengths)
    last = torch.arange(20), batch.lengths - 1
    assert torch.equal(published.targets[last], batch.targets[last])
    assert bool(batch.mask[last].all())
    for row, mask, targets, steps in zip(batch.inputs, batch.mask, batch.targets, batch.lengths, strict=True):
        text = "".join(task.input_channels[channel] for channel in row[: steps - 1].argmax(1).tolist())
        end = text.find("=") if "=" in text else len(text)
        is_equation = name == "modular_arithmetic_brackets" or "=" in text
        places = [place for place in range(end) if text[place] in asked_at and is_equation]
        assert mask[: steps - 1].nonzero().flatten().tolist() == places
        assert targets[places].argmax(1).tolist() == [expected(text[: place + 1]) for place in places]


def test_a_guess_pays_for_every_part_that_is_asked():
    task = make("solve_equation", scored="parts", min_length=12, max_length=12)
    asked = task.sample(2048, generator=seeded(1)).mask.sum() / 2048
    assert task.chance_bits == pytest.approx(np.log2(5) * float(asked), rel=0.02)


@pytest.mark.parametrize("name", ["modular_arithmetic_brackets", "solve_equation"])
def test_another_way_to_score_is_refused(name):
    with pytest.raises(ValueError, match="scored must be one of end, parts; got 'prefixes'"):
        make(name, scored="prefixes")
