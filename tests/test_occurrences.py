"""What words cost when they come for the first time and when they come again, in a text written by hand."""

import math

import numpy as np
import pytest

from ntmlib.baselines import NGram
from ntmlib.ntm import NTM
from ntmlib.tasks.text import Text, open_corpus
from ntmlib.training import character_nats
from ntmlib.training.occurrences import DISTANCES, Row, compare, find_occurrences, find_words, tabulate

#       place  0   4     10     17      25     32    38     45      53    59
HELD_OUT = " to horse, Horse! Hamlet's horse; a Hamlet Hamlet horse-ok. end"


@pytest.fixture
def corpus(tmp_path):
    """A text whose training part has "hamlet" never, "horse" three times in different spellings, "ghost" twice."""
    return with_training(tmp_path, "Horse HORSE horse, the ghost said ghost ")


def with_training(tmp_path, beginning, held_out=HELD_OUT):
    length = len(held_out) * 9
    assert len(beginning) <= length
    (tmp_path / "play.txt").write_text(beginning.ljust(length, ".") + held_out, "utf-8")
    corpus = open_corpus(tmp_path / "play.txt")
    assert corpus.decode(corpus.part("validation")) == held_out
    return corpus


def numbered(held_out=HELD_OUT, factor=1.0):
    """Costs of one stream that are the place of each character, so that a sum says what was summed."""
    return factor * np.arange(1.0, len(held_out))[None]


def found(occurrences):
    return list(zip(occurrences.words.tolist(), occurrences.places.tolist(), occurrences.since.tolist(), strict=True))


def test_words_are_runs_of_letters_and_an_apostrophe_ends_them():
    assert list(find_words("'Tis Hamlet's swaddling-clouts, woo'd 2x élan_é")) == [
        *[("Tis", 1), ("Hamlet", 5), ("s", 12), ("swaddling", 14), ("clouts", 24), ("woo", 32), ("d", 36)],
        *[("x", 39), ("élan", 41), ("é", 46)],
    ]


def test_first_and_later_occurrences_are_found_with_their_distances(corpus):
    occurrences = find_occurrences(corpus, "validation", {"a": numbered()})
    assert found(occurrences) == [
        ("horse", 4, math.inf),
        ("Horse", 11, math.inf),
        ("Hamlet", 18, math.inf),
        ("horse", 27, 18),
        ("Hamlet", 36, 12),
        ("Hamlet", 43, 1),
        ("horse", 50, 18),
    ]
    assert occurrences.comes_again.tolist() == [True, False, True, False, False, False, False]
    assert occurrences.letters.tolist() == [3, 3, 4, 3, 4, 4, 3]


def test_what_a_word_costs_is_the_sum_from_its_third_letter_on(corpus):
    costs = {"a": numbered(), "b": numbered(factor=2)}
    nats = find_occurrences(corpus, "validation", costs).nats
    assert nats["a"].tolist() == [6 + 7 + 8, 13 + 14 + 15, 20 + 21 + 22 + 23, 29 + 30 + 31, 158, 186, 52 + 53 + 54]
    assert nats["b"].tolist() == (2 * nats["a"]).tolist()
    late = find_occurrences(corpus, "validation", costs, from_letter=5)
    assert late.nats["a"].tolist() == [8, 15, 22 + 23, 31, 40 + 41, 47 + 48, 54]
    assert late.letters.tolist() == [1, 1, 2, 1, 2, 2, 1]


def test_a_word_may_be_forgotten(corpus):
    assert found(find_occurrences(corpus, "validation", {"a": numbered()}, within=12))[3:] == [
        ("horse", 27, math.inf),
        ("Hamlet", 36, 12),
        ("Hamlet", 43, 1),
        ("horse", 50, math.inf),
    ]


def test_the_word_that_comes_again_is_the_one_that_was_not_forgotten(tmp_path):
    held_out = " ghost ghost" + " " * 20 + "ghost" + " " * 20 + "ghost ghost "
    corpus = with_training(tmp_path, "abcd", held_out)
    occurrences = find_occurrences(corpus, "validation", {"a": numbered(held_out)}, within=15)
    assert occurrences.since.tolist() == [math.inf, 1, math.inf, math.inf, 1]
    assert occurrences.comes_again.tolist() == [True, False, False, True, False]


def test_rarity_counts_all_spellings(corpus):
    for most, expected in {2: {"Hamlet"}, 3: {"Hamlet", "Horse", "horse"}, None: {"Hamlet", "Horse", "horse"}}.items():
        occurrences = find_occurrences(corpus, "validation", {"a": numbered()}, max_in_training=most)
        assert set(occurrences.words) == expected


def test_names_are_what_is_never_written_small(tmp_path, corpus):
    names = find_occurrences(corpus, "validation", {"a": numbered()}, only_names=True)
    assert set(names.words) == {"Hamlet"}
    small_in_training = with_training(tmp_path, "a hamlet, Horse")
    assert len(find_occurrences(small_in_training, "validation", {"a": numbered()}, only_names=True).words) == 0


def test_short_words_are_left_out(corpus):
    words = find_occurrences(corpus, "validation", {"a": numbered()}, min_letters=6).words
    assert set(words) == {"Hamlet"}
    words = find_occurrences(corpus, "validation", {"a": numbered()}, min_letters=1, from_letter=1).words
    assert " ".join(words) == "to horse Horse Hamlet s horse a Hamlet Hamlet horse ok"  # "end" may be cut off


def test_a_word_cut_off_by_the_beginning_of_the_part_is_left_out(tmp_path):
    held_out = "orses horses orses or "
    occurrences = find_occurrences(with_training(tmp_path, "h", held_out), "validation", {"a": numbered(held_out)})
    assert found(occurrences) == [("horses", 6, math.inf), ("orses", 13, math.inf)]


def test_the_table_has_the_means_by_distance(tmp_path):
    held_out = " ghost ghost " + "-" * 10 + "witch" + "-" * 200 + "ghost" + "-" * 5 + "witch."
    corpus = with_training(tmp_path, "abc", held_out)
    costs = np.ones((1, len(held_out) - 1))
    costs[0, 2:5], costs[0, 8:11], costs[0, 24:27] = 5, 2, 4  # the last three letters of the first three words
    occurrences = find_occurrences(corpus, "validation", {"a": costs, "b": 10 * costs})
    assert tabulate(occurrences)[:4] == [
        Row("first", 2, {"a": 4.5, "b": 45.0}),
        Row("first of several", 2, {"a": 4.5, "b": 45.0}),
        Row("up to 100", 1, {"a": 2.0, "b": 20.0}),
        Row("up to 300", 2, {"a": 1.0, "b": 10.0}),
    ]
    assert [(row.group, row.num_words) for row in tabulate(occurrences)[4:]] == [
        ("up to 1,000", 0),
        ("up to 10,000", 0),
        ("beyond 10,000", 0),
    ]
    assert math.isnan(tabulate(occurrences)[-1].nats_per_letter["a"])
    assert [row.num_words for row in tabulate(occurrences, [1, 100])] == [2, 2, 1, 0, 2]


@pytest.mark.parametrize(("distance", "group"), [(100, "up to 100"), (101, "up to 300"), (10_001, "beyond 10,000")])
def test_distances_belong_to_the_smallest_group_that_holds_them(tmp_path, distance, group):
    held_out = " ghost" + "-" * distance + "ghost "
    corpus = with_training(tmp_path, "abc", held_out)
    rows = tabulate(find_occurrences(corpus, "validation", {"a": numbered(held_out)}))
    assert [row.group for row in rows if row.num_words] == ["first", "first of several", group]


def test_a_mean_is_of_letters_and_not_of_words(corpus):
    [first, *_] = tabulate(find_occurrences(corpus, "validation", {"a": numbered()}))
    assert first.nats_per_letter["a"] == pytest.approx((21 + 42 + 86) / 10)


def test_differences_are_those_of_the_table_and_the_same_words_are_drawn_together(corpus):
    costs = {"a": numbered() + 0.5, "b": numbered()}
    occurrences = find_occurrences(corpus, "validation", costs)
    differences = compare(occurrences, "a", "b")
    assert list(differences) == ["first", "first of several", "up to 100"]  # the others are empty
    assert all(interval == pytest.approx((0.5, 0.5, 0.5)) for interval in differences.values())
    rows = {row.group: row.nats_per_letter for row in tabulate(occurrences)}
    costs["b"] = costs["b"] ** 2 / 50
    occurrences = find_occurrences(corpus, "validation", costs)
    rows = {row.group: row.nats_per_letter for row in tabulate(occurrences)}
    for group, (mean, low, high) in compare(occurrences, "a", "b").items():
        assert mean == pytest.approx(rows[group]["a"] - rows[group]["b"])
        assert low < mean < high


def test_in_streams_a_word_is_first_in_its_stream(corpus):
    """Two streams: places 1 to 31 are asked for in the first, 32 to 62 in the second."""
    costs = numbered().reshape(2, 31)
    occurrences = find_occurrences(corpus, "validation", {"a": costs})
    assert found(occurrences)[:3] == found(find_occurrences(corpus, "validation", {"a": numbered()}))[:3]
    assert found(occurrences)[3:] == [
        ("horse", 27, 18),  # ends with place 31
        ("Hamlet", 36, math.inf),
        ("Hamlet", 43, 1),
        ("horse", 50, math.inf),
    ]
    assert occurrences.nats["a"].tolist() == [21, 42, 86, 90, 158, 186, 159]


def in_streams(streams):
    """The numbered costs in so many streams, each of the places behind its first character."""
    piece = math.ceil(numbered().size / streams)
    padding = np.full(streams * piece - numbered().size, np.nan)
    return {"a": np.append(numbered()[0], padding).reshape(streams, piece)}


def test_a_word_that_two_streams_share_is_left_out(corpus):
    """The first of three streams is asked for places 1 to 21, and "Hamlet" is at 18 to 23."""
    assert find_occurrences(corpus, "validation", in_streams(3)).places.tolist() == [4, 11, 27, 36, 43, 50]


def test_a_letter_that_a_stream_is_shown_first_is_not_asked_for_in_it(corpus):
    """The second of six streams is shown place 11, where "Horse" begins, and asked for 12 to 22."""
    assert 11 in find_occurrences(corpus, "validation", in_streams(6)).places
    assert 11 not in find_occurrences(corpus, "validation", in_streams(6), from_letter=1).places


def test_only_the_beginning_of_a_part_may_have_been_read(corpus):
    occurrences = find_occurrences(corpus, "validation", {"a": numbered()[:, :31]})
    assert occurrences.places.tolist() == [4, 11, 18, 27]
    assert find_occurrences(corpus, "validation", {"a": numbered()[:, :30]}).places.tolist() == [4, 11, 18]


@pytest.mark.parametrize(("streams", "characters"), [(1, None), (1, 40), (4, None), (3, 9)])
def test_costs_of_a_machine_are_laid_where_they_belong(corpus, tmp_path, streams, characters):
    task = Text(str(tmp_path / "play.txt"))
    symbols = len(corpus.alphabet)
    machine = NTM(symbols, symbols, hidden=5, slots=4, width=3)
    costs = character_nats(machine, task, streams=streams, characters=characters)
    occurrences = find_occurrences(corpus, "validation", {"ntm": costs}, min_letters=2, from_letter=2)
    part = corpus.part("validation")
    piece = math.ceil((len(part) - 1) / streams)
    assert len(occurrences.words)
    for word, place, nats in zip(occurrences.words, occurrences.places, occurrences.nats["ntm"], strict=True):
        column = place + 1 - (place // piece) * piece - 1
        assert nats == pytest.approx(costs[place // piece, column : column + len(word) - 1].sum())
        assert corpus.decode(part[place : place + len(word)]) == word


def test_counting_learns_a_word_and_the_table_shows_it(corpus):
    part = corpus.part("validation")
    counts = NGram(len(corpus.alphabet), 5)
    costs = {
        "adaptive": counts.costs(part[1:], adaptive=True, before=part[:1])[None],
        "static": counts.costs(part[1:], before=part[:1])[None],
    }
    occurrences = find_occurrences(corpus, "validation", costs)
    first, _, later, *_ = tabulate(occurrences)
    assert later.nats_per_letter["adaptive"] < first.nats_per_letter["adaptive"] - 1
    assert later.nats_per_letter["static"] == pytest.approx(first.nats_per_letter["static"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_letters": 0}, "min_letters must be a whole number of at least 1; got 0"),
        ({"from_letter": 6}, r"from_letter must be at most min_letters \(5\); got 6"),
        ({"max_in_training": -1}, "max_in_training must be a whole number of at least 0; got -1"),
        ({"within": 0}, "within must be a whole number of at least 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(corpus, options, message):
    with pytest.raises(ValueError, match=message):
        find_occurrences(corpus, "validation", {"a": numbered()}, **options)


def test_costs_of_something_else_are_refused(corpus):
    with pytest.raises(ValueError, match=r"costs must be those of the 62 characters .* got 1 x 63, of them 63"):
        find_occurrences(corpus, "validation", {"a": np.ones((1, 63))})
    with pytest.raises(ValueError, match=r"got 1 x 62, of them 61 numbers"):
        find_occurrences(corpus, "validation", {"a": np.where(numbered() == 9, np.nan, 1)})
    with pytest.raises(ValueError, match="costs must be of one or more models, of one shape; got none"):
        find_occurrences(corpus, "validation", {})


def test_costs_of_models_that_read_differently_are_refused(corpus):
    half = np.where(numbered() > 31, np.nan, 1)
    with pytest.raises(ValueError, match="costs must be of the same characters for all models"):
        find_occurrences(corpus, "validation", {"a": numbered(), "b": half})
    with pytest.raises(ValueError, match=r"of one shape; got a \[1, 62\], b \[2, 31\]"):
        find_occurrences(corpus, "validation", {"a": numbered(), "b": numbered().reshape(2, 31)})


def test_groups_and_models_that_do_not_exist_are_refused(corpus):
    occurrences = find_occurrences(corpus, "validation", {"a": numbered()})
    with pytest.raises(ValueError, match="b must be one of the models a; got 'c'"):
        compare(occurrences, "a", "c")
    with pytest.raises(ValueError, match=r"distances must be at least one number, increasing; got \[300, 100\]"):
        tabulate(occurrences, [300, 100])
    assert DISTANCES == (100, 300, 1_000, 10_000)
