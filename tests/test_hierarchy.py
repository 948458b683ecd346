"""The table of the Chomsky hierarchy: spreads over seeds, means over unseen lengths, published scores beside them."""

from pathlib import Path

import pytest

from ntmlib.sweeps import (
    Kept,
    Score,
    Spread,
    hierarchy_rows,
    our_budget,
    published_budget,
    published_scores,
    read_published,
    read_scores,
    standing,
    standings,
)
from ntmlib.sweeps.hierarchy import HIERARCHY_COLUMNS

FACTS = read_published(Path(__file__).parents[1] / "data" / "published" / "deletang2023.csv")


def score(*curves, task="reverse_string", lengths=(40, 50, 100, 200, 500), suffix="", model="NTM feed-forward"):
    """Keep seeds by hand: each a list of shares right, at these lengths; None for one that diverged."""
    seeds = [{"cell": f"seed-{n}", "sequences": 1000 * (n + 1)} for n in range(len(curves))]
    answers = [
        {"cell": f"seed-{n}", "question": f"length {length}{suffix}", "bits_right": share, "exact": share**2}
        for n, curve in enumerate(curves)
        for length, share in zip(lengths, curve or [], strict=bool(curve))
    ]
    return Score("mine", task, model, 7, Kept(Path("mine"), seeds, [], answers))


def test_a_spread_has_the_highest_the_median_and_the_lowest_seed_failures_included():
    found = standing(score([1, 1, 1, 1, 0.96], None, [1, 1, 0.9, 0.7, 0.5]))
    assert str(found.right[500]) == "96 / 50 / 0"
    assert found.exact[100].median == pytest.approx(0.81)
    assert found.num_seeds == 3
    assert list(found.right) == [50, 100, 200, 500]


def test_a_hundred_percent_means_without_a_mistake():
    assert str(Spread(1.0, 0.99996, 0.29)) == "100 / 99.9 / 29"


def test_the_mean_over_unseen_lengths_is_that_of_the_lines_between_those_asked():
    falling = [1 - length / 1000 for length in (40, 50, 100, 200, 500)]
    assert standing(score(falling)).mean_right.highest == pytest.approx(1 - 270.5 / 1000)


def test_a_task_is_solved_from_ninety_percent_on_by_the_best_seed_and_by_the_median_one():
    found = standing(score([0.9] * 5, [0.89] * 5, [0.5] * 5))
    assert (found.solved, found.mostly_solved) == (True, False)
    assert standing(score([0.9] * 5, [0.9] * 5, [0.5] * 5)).mostly_solved


def test_a_memory_of_one_size_is_asked_at_fewer_lengths():
    found = standing(score([1, 0.9, 0.8], lengths=(50, 100, 500), suffix=", 700 slots"), ", 700 slots")
    assert list(found.right) == [50, 100, 500]
    [row] = hierarchy_rows([found], FACTS)
    assert row[HIERARCHY_COLUMNS.index("right at 200")] == ""


def test_rows_come_in_the_published_order_with_the_published_scores():
    rows = hierarchy_rows(standings([score([1] * 5, task="duplicate_string"), score([0.5] * 5)]), FACTS)
    assert [row[:2] for row in rows] == [("reverse string", "context-free"), ("duplicate string", "context-sensitive")]
    assert rows[1][-2:] == ("yes, yes", "Tape-RNN 100 (reported); Transformer 52.8 (reported)")
    assert {len(row) for row in rows} == {len(HIERARCHY_COLUMNS)}


def test_what_is_published_in_words_only_is_shown_in_words():
    assert published_scores(FACTS, "bucket_sort") == "Transformer solved: yes; LSTM solved: yes"
    assert published_scores(FACTS, "parity_check").startswith("RNN solved: by every seed; ")


def test_both_budgets_are_said_in_sequences():
    assert published_budget(FACTS).endswith("1,000,000 updates of 128 sequences")
    assert (
        our_budget([score([1] * 5, [1] * 5, [1] * 5)]) == "ours: 1,000 to 3,000 sequences a seed, 2,000 in the median"
    )


def test_a_task_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="score must be of a task of the Chomsky hierarchy; got 'copy'"):
        standing(score([1] * 5, task="copy"))


def test_the_kept_sweeps_make_a_table_with_the_median_below_the_best():
    found = standings(read_scores(Path(__file__).parents[1] / "data" / "runs"))
    assert {"parity_check", "reverse_string", "cycle_navigation"} <= {one.task for one in found}
    for one in found:
        assert one.num_seeds >= 3
        assert one.mean_right.lowest <= one.mean_right.median <= one.mean_right.highest <= 1
    [reverse] = [one for one in found if (one.task, one.model) == ("reverse_string", "NTM feed-forward")]
    assert (reverse.solved, reverse.mostly_solved) == (True, True)
