"""Sweeps: a file names many runs, a pool trains them side by side, a table says how each one ended."""

from ntmlib.sweeps.cells import Outcome, read_outcome
from ntmlib.sweeps.keep import Kept, keep_sweep, read_kept
from ntmlib.sweeps.local import run_sweep, survey, usable_cores
from ntmlib.sweeps.plan import Cell, Sweep, read_sweep
from ntmlib.sweeps.progress import SweepProgress, narrate
from ntmlib.sweeps.summary import SUMMARY, summarize, write_summary

__all__ = [
    "SUMMARY",
    "Cell",
    "Kept",
    "Outcome",
    "Sweep",
    "SweepProgress",
    "keep_sweep",
    "narrate",
    "read_kept",
    "read_outcome",
    "read_sweep",
    "run_sweep",
    "summarize",
    "survey",
    "usable_cores",
    "write_summary",
]
