"""Witten-Bell n-grams: the recursion over plain dictionaries, worked cases, normalisation, counting while reading."""

import inspect
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntmlib.baselines import NGram

texts = st.lists(st.integers(0, 3), max_size=30)


def array(codes: Any) -> np.ndarray:
    return np.array(codes, np.int64)


def counted(order: int, *codes: Any, num_symbols: int = 4) -> NGram:
    model = NGram(num_symbols, order)
    for text in codes:
        model.count(array(text))
    return model


class Dictionary:
    """The definition: every string in a dictionary, and the recursion written as one."""

    def __init__(self, num_symbols: int, order: int) -> None:
        self.num_symbols, self.order, self.seen = num_symbols, order, Counter()

    def count(self, text: list[int], start: int = 0) -> None:
        """Count the strings that end at ``start`` or later."""
        for end in range(start + 1, len(text) + 1):
            for length in range(1, min(self.order, end) + 1):
                self.seen[tuple(text[end - length : end])] += 1

    def probability(self, symbol: int, context: list[int]) -> float:
        probability = 1 / self.num_symbols
        for length in range(min(self.order - 1, len(context)) + 1):
            h = tuple(context[len(context) - length :])
            after = [self.seen[(*h, s)] for s in range(self.num_symbols)]
            kinds = sum(count > 0 for count in after)
            if kinds:
                probability = (after[symbol] + kinds * probability) / (sum(after) + kinds)
        return probability

    def costs(self, text: list[int], before: list[int], adaptive: bool) -> list[float]:
        whole, costs = before + text, []
        for place in range(len(before), len(whole)):
            costs.append(-math.log(self.probability(whole[place], whole[:place])))
            if adaptive:
                self.count(whole[: place + 1], start=place)
        return costs


def test_a_case_worked_by_hand():
    model = counted(2, [0, 1, 0, 1, 0, 2])
    # once each after nothing: 0 three times, 1 twice, 2 once; after 0: 1 twice, 2 once
    unigram = [(3 + 3 / 4) / 9, (2 + 3 / 4) / 9, (1 + 3 / 4) / 9, (0 + 3 / 4) / 9]
    bigram = [(0 + 2 * unigram[0]) / 5, (2 + 2 * unigram[1]) / 5, (1 + 2 * unigram[2]) / 5, (0 + 2 * unigram[3]) / 5]
    np.testing.assert_allclose(model.probabilities(array([])), unigram, rtol=1e-15)
    np.testing.assert_allclose(model.probabilities(array([3, 0])), bigram, rtol=1e-15)
    np.testing.assert_allclose(model.probabilities(array([0, 3])), unigram, rtol=1e-15)  # nothing seen after 3
    np.testing.assert_allclose(model.costs(array([2, 0])), -np.log([unigram[2], unigram[0]]), rtol=1e-15)


@given(st.integers(1, 5), texts, texts, texts, texts, st.booleans())
def test_it_is_its_definition_over_dictionaries(order, first, second, before, text, adaptive):
    model, definition = counted(order, first, second), Dictionary(4, order)
    definition.count(first)
    definition.count(second)
    costs = model.costs(array(text), adaptive=adaptive, before=array(before))
    np.testing.assert_allclose(costs, definition.costs(text, before, adaptive), rtol=1e-12)


@given(st.integers(1, 4), texts, texts, texts)
def test_counting_while_reading_is_counting_anew_before_each_symbol(order, first, before, text):
    adaptive = counted(order, first).costs(array(text), adaptive=True, before=array(before))
    for place in range(len(text)):
        anew = counted(order, first)
        anew.count(array(text[:place]), before=array(before))
        alone = anew.costs(array(text[place : place + 1]), before=array(before + text[:place]))
        assert alone[0] == adaptive[place]


@given(st.integers(1, 6), texts, texts)
def test_probabilities_sum_to_one_and_are_what_costs_charge(order, text, context):
    model = counted(order, text)
    probabilities = model.probabilities(array(context))
    assert probabilities.sum() == pytest.approx(1, abs=1e-14)
    assert probabilities.min() > 0
    charged = [model.costs(array([symbol]), before=array(context))[0] for symbol in range(4)]
    np.testing.assert_allclose(charged, -np.log(probabilities), rtol=1e-14)


def test_reading_leaves_the_counts_alone():
    model, text = counted(3, [0, 1, 2, 0, 1, 3]), array([0, 1, 2, 3, 3, 3])
    before, parameters = model.costs(text), model.num_parameters
    while_counting = model.costs(text, adaptive=True)
    assert np.array_equal(model.costs(text), before)
    assert model.num_parameters == parameters
    assert np.array_equal(model.costs(text, adaptive=True), while_counting)
    assert not np.array_equal(while_counting, before)


def test_a_text_may_be_counted_and_read_in_parts():
    generator = np.random.default_rng(1)
    text = generator.integers(0, 5, 50_000)  # long enough for several doublings, and cut within them
    whole, parts = NGram(5, 4), NGram(5, 4)
    whole.count(text)
    parts.count(text[:20_000])
    parts.count(text[20_000:], before=text[:20_000])
    new = generator.integers(0, 5, 40_000)
    read = [whole.costs(new[:7]), whole.costs(new[7:], before=new[:7])]
    assert np.array_equal(np.concatenate(read), parts.costs(new))
    assert whole.num_parameters == parts.num_parameters == 5 + 5**2 + 5**3 + 5**4


def test_the_parameters_are_the_different_strings():
    text = [0, 1, 0, 1, 2]
    strings = {tuple(text[start : start + length]) for length in (1, 2, 3) for start in range(6 - length)}
    assert counted(3, text).num_parameters == len(strings) == 3 + 3 + 3
    model = counted(3, text)
    model.count(array([]), before=array([3, 3]))  # what is only a context is not counted
    assert model.num_parameters == 9


def test_before_anything_is_counted_every_symbol_is_as_likely():
    model = NGram(4, 3)
    np.testing.assert_array_equal(model.probabilities(array([1, 2, 3])), np.full(4, 0.25))
    np.testing.assert_allclose(model.costs(array([1, 2])), math.log(4))
    assert model.costs(array([])).shape == (0,)
    assert model.num_parameters == 0


def test_small_numbers_of_any_whole_kind_are_symbols():
    text = [3, 1, 2, 3, 1]
    for kind in (np.uint8, np.int32):
        model = NGram(4, 2)
        model.count(np.array(text, kind))
        assert np.array_equal(model.costs(np.array(text, kind)), counted(2, text).costs(array(text)))


@pytest.mark.parametrize("name", ["num_symbols", "order"])
@pytest.mark.parametrize("value", [0, -3, True])
def test_a_size_must_be_a_positive_whole_number(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1; got {value}"):
        NGram(**{"num_symbols": 4, "order": 2, name: value})


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        (NGram.count, [array([0, 4])], r"codes must be numbers from 0 to 3 \(symbols\); got 0 to 4"),
        (NGram.costs, [array([-1, 2])], r"codes must be numbers from 0 to 3 \(symbols\); got -1 to 2"),
        (NGram.costs, [array([1]), False, array([5])], r"before must be numbers from 0 to 3 \(symbols\); got 5 to 5"),
        (NGram.probabilities, [array([7])], r"context must be numbers from 0 to 3 \(symbols\); got 7 to 7"),
        (NGram.count, [np.ones(2)], r"codes must be one row of whole numbers; got float64 \[2\]"),
        (NGram.count, [array([[1]])], r"codes must be one row of whole numbers; got int64 \[1, 1\]"),
    ],
)
def test_what_is_no_text_over_the_alphabet_is_refused(method, arguments, message):
    unchecked = inspect.unwrap(method)  # as users run it: without the shape checks of the tests
    with pytest.raises(ValueError, match=message):
        unchecked(NGram(4, 2), *arguments)


def test_more_than_can_be_numbered_is_refused():
    model = counted(2, [0, 1])
    model._num_counted = 2**30 - 3
    with pytest.raises(ValueError, match="codes must be at most 2 symbols, after those already counted; got 3"):
        model.count(array([1, 2, 3]))
