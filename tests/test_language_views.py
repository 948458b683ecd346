"""Many languages and tasks at once: what is kept of them, and their pictures."""

import csv
import hashlib
from pathlib import Path

import pytest

from ntmlib.sweeps import (
    Kept,
    Score,
    answers_by_language,
    chances,
    hierarchy_rows,
    medians_by_level,
    not_kept,
    standings,
)
from ntmlib.tasks import CHOMSKY
from ntmlib.views import plot_hierarchy, plot_languages

LENGTHS = (40, 50, 80, 100, 200, 500)
SWEEP = """name = "by-language"
task = "recognition"
preset = "quick"
seeds = "1-2"
"""
GRID = """
[grid]
task_options.language = ["parity", "anbn"]
"""


def keep(folder, text, rows):
    """Write a kept sweep by hand: for each cell the share right at all lengths, None for one that diverged."""
    folder.mkdir(parents=True)
    questions = [*(f"length {length}" for length in LENGTHS), "as trained", "length 50, 700 slots"]
    tables = {
        "seeds.csv": [("cell", "seed"), *((cell, 1) for cell in rows)],
        "curves.csv": [("cell", "sequences")],
        "examination.csv": [
            ("cell", "question", "bits_right"),
            *((cell, q, share if "," not in q else 0) for cell, share in rows.items() if share for q in questions),
        ],
    }
    for name, lines in tables.items():
        with open(folder / name, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(lines)
    (folder / "sweep.toml").write_text(text, encoding="utf-8")
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in (*tables, "sweep.toml")]
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def test_answers_are_sorted_by_language_model_and_length(tmp_path):
    cells = {f"language={language},seed={seed}": 0.5 + seed / 10 for language in ("parity", "anbn") for seed in (1, 2)}
    keep(tmp_path / "by-language", SWEEP + GRID, {**cells, "language=anbn,seed=2": None})
    found = answers_by_language(tmp_path, {"NTM": "by-language", "RNN": "not-there-yet"})
    assert found == {
        "parity": {"NTM": {length: [0.6, 0.7] for length in LENGTHS}},
        "anbn": {"NTM": {length: [0.6, 0.0] for length in LENGTHS}},
    }


def test_a_sweep_without_a_grid_is_about_the_language_of_its_recipe(tmp_path):
    keep(tmp_path / "one", SWEEP, {"seed-1": 1.0, "seed-2": 0.9})
    assert answers_by_language(tmp_path, {"LSTM": "one"}) == {"parity": {"LSTM": {n: [1.0, 0.9] for n in LENGTHS}}}


def answers(*shares):
    return {length: list(shares) for length in LENGTHS}


def test_each_language_has_a_panel_and_each_model_a_line_and_a_marker_of_its_own():
    models = {"NTM": answers(1.0), "LSTM": answers(0.9), "RNN": answers(0.6)}
    figure = plot_languages({"anbn": models, "marked_palindromes": {"NTM": answers(0.8)}})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["anbn", "marked palindromes"]
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == len(LENGTHS)]
    assert len({(line.get_linestyle(), line.get_marker(), line.get_color()) for line in lines}) == 3
    assert len({line.get_linestyle() for line in lines}) == len({line.get_marker() for line in lines}) == 3


def test_a_line_is_the_median_seed_and_its_band_reaches_from_the_lowest_to_the_highest():
    axes = plot_languages({"anbn": {"NTM": answers(1.0, 0.5, 0.9, 0.8)}}).axes[0]
    [line] = [line for line in axes.lines if len(line.get_xdata()) == len(LENGTHS)]
    assert set(line.get_ydata()) == {0.8}
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.5, 1.0)


def test_the_lengths_of_the_training_are_shaded():
    axes = plot_languages({"anbn": {"NTM": answers(1.0)}}, trained=(1, 40)).axes[0]
    assert axes.patches[0].get_extents().transformed(axes.transData.inverted()).intervalx == pytest.approx([1, 40])


@pytest.mark.parametrize("nothing", [{}, {"anbn": {}}])
def test_without_kept_sweeps_the_picture_says_so(nothing):
    assert plot_languages(nothing).alt == "Right answers by language: nothing kept yet."


def test_a_length_without_seeds_is_refused():
    with pytest.raises(ValueError, match="answers must have a seed at every length; NTM has none for some of anbn"):
        plot_languages({"anbn": {"NTM": {40: []}}})


def standing_of(task, right, model="NTM LSTM"):
    lengths = (40, 50, 100, 200, 500)
    rows = [{"cell": "seed-1", "question": f"length {n}", "bits_right": right, "exact": 0} for n in lengths]
    return standings([Score("mine", task, model, 1, Kept(Path("mine"), [{"cell": "seed-1"}], [], rows))])


def test_medians_come_by_level_with_all_fifteen_tasks_kept_or_not():
    found = medians_by_level(standing_of("reverse_string", 0.9))
    assert list(found) == ["regular", "context-free", "context-sensitive"]
    assert sum(map(len, found.values())) == len(CHOMSKY) == 15
    assert found["context-free"]["reverse string"] == {50: 0.9, 100: 0.9, 200: 0.9, 500: 0.9}
    assert found["regular"]["even pairs"] == {}


def test_of_several_machines_the_better_one_is_shown_and_no_baseline():
    tried = [("NTM feed-forward", 0.7), ("NTM LSTM", 0.8), ("LSTM", 1.0)]
    found = medians_by_level([one for model, right in tried for one in standing_of("even_pairs", right, model)])
    assert found["regular"]["even pairs"][500] == 0.8


def test_tasks_that_were_not_kept_are_named():
    missing = not_kept(standing_of("even_pairs", 1.0))
    assert len(missing) == 14
    assert missing[0] == "modular arithmetic"


def test_a_table_may_have_some_of_the_columns_in_any_order():
    found = standing_of("even_pairs", 1.0)
    assert hierarchy_rows(found, [], ("level", "task", "right at 50")) == [("regular", "even pairs", "100 / 100 / 100")]
    with pytest.raises(ValueError, match=r"columns must be some of task, level, .*; got 'colour'"):
        hierarchy_rows(found, [], ("colour",))


def test_cells_say_the_share_and_rows_without_one_that_nothing_is_kept():
    figure = plot_hierarchy(medians_by_level(standing_of("reverse_string", 0.96789)), chances())
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("not kept yet") == 14
    assert texts.count("96.7") == 4
    assert [text for text in texts if text.isalpha() or "-" in text] == ["regular", "context-free", "context-sensitive"]
    assert figure.alt == "Symbols right for 1 of 15 tasks by level, at lengths 50, 100, 200, 500."


def test_guessing_is_the_darkest_and_all_right_the_lightest():
    shares = {"easy": {50: 1.0}, "hard": {50: 0.2}, "worse": {50: 0.1}}
    axes = plot_hierarchy({"regular": shares}, dict.fromkeys(shares, 0.2)).axes[0]
    light, dark, darker = (sum(patch.get_facecolor()[:3]) for patch in axes.patches)
    assert light > dark == darker


def test_a_picture_without_tasks_or_without_guessing_is_refused():
    with pytest.raises(ValueError, match="right must have a task in a level"):
        plot_hierarchy({}, {})
    with pytest.raises(ValueError, match="guessing must have every task; 'copy' is missing"):
        plot_hierarchy({"regular": {"copy": {}}}, {})
