"""Sweeps: a file names many runs, a pool trains them side by side, a table says how each one ended."""

from ntmlib.sweeps.cells import Outcome, read_outcome
from ntmlib.sweeps.comparison import (
    ANSWER_COLUMNS,
    COST_COLUMNS,
    FACT_COLUMNS,
    answer_rows,
    cost_rows,
    fact_rows,
    shown,
)
from ntmlib.sweeps.hierarchy import (
    HIERARCHY_COLUMNS,
    Spread,
    Standing,
    chances,
    hierarchy_rows,
    medians_by_level,
    not_kept,
    our_budget,
    published_budget,
    published_scores,
    standing,
    standings,
)
from ntmlib.sweeps.keep import Kept, keep_sweep, read_kept
from ntmlib.sweeps.languages import answers_by_language
from ntmlib.sweeps.local import run_sweep, survey, usable_cores
from ntmlib.sweeps.pace import Running
from ntmlib.sweeps.plan import Cell, Sweep, read_sweep
from ntmlib.sweeps.progress import SweepProgress, narrate
from ntmlib.sweeps.published import (
    Published,
    costs_by_condition,
    find_published,
    read_published,
    training_points,
)
from ntmlib.sweeps.scoreboard import (
    Ablation,
    Score,
    answers_by_model,
    find_scores,
    quartiles,
    read_ablations,
    read_scores,
)
from ntmlib.sweeps.summary import SUMMARY, read_summary, summarize, summary_table, write_summary
from ntmlib.sweeps.texts import TEXT_COLUMNS, TextStanding, load_standings, save_standings, text_standings

__all__ = [
    "ANSWER_COLUMNS",
    "COST_COLUMNS",
    "FACT_COLUMNS",
    "HIERARCHY_COLUMNS",
    "SUMMARY",
    "TEXT_COLUMNS",
    "Ablation",
    "Cell",
    "Kept",
    "Outcome",
    "Published",
    "Running",
    "Score",
    "Spread",
    "Standing",
    "Sweep",
    "SweepProgress",
    "TextStanding",
    "answer_rows",
    "answers_by_language",
    "answers_by_model",
    "chances",
    "cost_rows",
    "costs_by_condition",
    "fact_rows",
    "find_published",
    "find_scores",
    "hierarchy_rows",
    "keep_sweep",
    "load_standings",
    "medians_by_level",
    "narrate",
    "not_kept",
    "our_budget",
    "published_budget",
    "published_scores",
    "quartiles",
    "read_ablations",
    "read_kept",
    "read_outcome",
    "read_published",
    "read_scores",
    "read_summary",
    "read_sweep",
    "run_sweep",
    "save_standings",
    "shown",
    "standing",
    "standings",
    "summarize",
    "summary_table",
    "survey",
    "text_standings",
    "training_points",
    "usable_cores",
    "write_summary",
]
