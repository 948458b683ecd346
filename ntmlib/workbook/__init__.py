"""Run the notebooks, turn each into one self-contained page, and keep an index of what was run.

Nothing in here computes: a notebook is data that this package checks, executes in another process and prints.
Importing it is cheap; papermill and nbconvert are imported only once a run is known to be worth starting.

- `parameters` reads a notebook's parameters cell, `request` refuses bad values before anything is touched,
- `worker` executes one notebook in a process of its own, `execute` looks after those processes,
- `described` says in words what a figure shows, `markdown` and `export` make the page,
- `index` makes the list of pages, `records` what is kept beside them, `against` a comparison with an earlier report,
- `freshness` tells why a notebook has to run again, or not, `screen` prints how it goes,
- `report` ties these together (``ntm report``), `doctor` asks whether this machine is ready (``ntm doctor``),
- `results` is what a notebook itself calls: to publish its figures and to show the library's source,
- `exercises` is what its exercises call, and `students` writes the copies without solutions (``ntm exercises build``).
"""

from ntmlib.workbook.exercises import check
from ntmlib.workbook.results import Result, publish, show_source

__all__ = ["Result", "check", "publish", "show_source"]
