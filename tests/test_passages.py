"""A passage printed on grounds that tell what its characters cost."""

import re

import numpy as np
import pytest

from ntmlib.views import plot_text_costs
from ntmlib.views.passages import COST_STYLE, DIFFERENCE_STYLE, LEVELS, _ink

NAN = float("nan")


def body(passage):
    return passage.to_html().split('<div class="ntm-lines">')[1]


def test_neighbours_of_the_same_level_share_an_element_whose_title_has_their_numbers():
    shown = body(plot_text_costs("abcd", {"LSTM": [1.2, 1.3, 2.6, 0.1]}))
    assert '<i class="c2" title="1.2 1.3">ab</i>' in shown
    assert '<i class="c5" title="2.6">c</i><i title="0.1">d</i>' in shown


@pytest.mark.parametrize(("cost", "level"), [(0.5, 1), (5.99, LEVELS - 1), (40.0, LEVELS - 1)])
def test_levels_are_equal_parts_and_what_is_dearer_gets_the_last_one(cost, level):
    assert f'<i class="c{level}" title="{cost:.1f}">a</i>' in body(plot_text_costs("a", {"LSTM": [cost]}))


def test_a_character_without_a_cost_has_no_ground_and_does_not_count_in_the_mean():
    passage = plot_text_costs("ab", {"LSTM": [NAN, 3.0]})
    assert '<i title="?">a</i>' in body(passage)
    assert passage.to_text() == "Cost in nats per character: LSTM 3.00\nab"


def test_lines_stand_below_one_another_once_for_each_model():
    shown = body(plot_text_costs("ab\n\ncd", {"NTM": [1.0] * 6, "<LSTM>": [2.0] * 6}))
    assert re.findall(r"<b[^>]*>(.*?)</b>", shown) == ["NTM", "&lt;LSTM&gt;"] * 3
    assert shown.count("↵") == 4
    assert shown.count('aria-hidden="true"') == 3  # the text is read aloud once


def test_every_character_comes_back_in_order_and_escaped():
    text = "a<b>\x85\r\u2028 &\n\n  'end'\n"
    shown = body(plot_text_costs(text, {"LSTM": np.linspace(0, 7, len(text))}))
    letters = re.sub(r"<s>↵</s>", "\n", re.sub(r"<b></b>|</?(div|i)[^>]*>", "", shown))
    assert letters == text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;")


def test_a_difference_is_the_second_model_less_the_first():
    passage = plot_text_costs("abc", {"NTM": [3.0, 1.0, 1.0], "LSTM": [1.0, 2.0, 1.1]}, difference=True)
    assert '<i class="d4" title="−2.0">a</i><i class="u2" title="1.0">b</i><i title="0.1">c</i>' in body(passage)
    assert "LSTM less NTM −0.30" in passage.to_text()


@pytest.mark.parametrize("style", [COST_STYLE, DIFFERENCE_STYLE])
def test_text_can_be_read_on_every_ground_in_both_themes(style):
    grounds = re.findall(r"--[cud]\d+:(#\w+);--[cud]\d+t:(#\w+);", style)
    assert len(grounds) == 4 * style.count("{background:")
    assert all(ink == _ink(ground) for ground, ink in grounds)


def test_a_long_passage_stays_small():
    generator = np.random.default_rng(0)
    costs = {name: generator.exponential(1.5, 3000) for name in ("NTM", "LSTM")}
    assert len(plot_text_costs("abcdefgh \n" * 300, costs).to_html()) < 250_000


@pytest.mark.parametrize(
    ("text", "costs", "settings", "message"),
    [
        ("", {"LSTM": []}, {}, "text must have 1 to 20,000 characters; got 0"),
        ("a", {}, {}, "costs must have a model; got none"),
        ("ab", {"LSTM": [1.0]}, {}, r"costs must have 2 numbers, one for each character; got \(1,\) for 'LSTM'"),
        ("a", {"LSTM": [-0.5]}, {}, "costs must be finite nats of at least 0, or not a number; got -0.5 for 'LSTM'"),
        ("a", {"LSTM": [float("inf")]}, {}, "costs must be finite .*; got inf"),
        ("a", {"LSTM": [1.0]}, {"difference": True}, "difference must be one of 2 models; got costs of 1"),
        ("a", {"LSTM": [1.0]}, {"most": 0}, "most must be a finite number of nats above 0; got 0"),
    ],
)
def test_what_cannot_be_printed_is_refused(text, costs, settings, message):
    with pytest.raises(ValueError, match=message):
        plot_text_costs(text, costs, **settings)


def test_costs_and_differences_on_one_page_do_not_take_each_others_colours():
    names = [set(re.findall(r"--\w+(?=:)", style)) for style in (COST_STYLE, DIFFERENCE_STYLE)]
    assert not names[0] & names[1]
