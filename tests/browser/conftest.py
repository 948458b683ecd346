"""The real notebooks, executed once for all tests that look at their pages."""

from pathlib import Path

import pytest

from ntmlib.workbook.report import run_report

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `ntm report` makes of all notebooks at the quick preset; takes minutes."""
    out = tmp_path_factory.mktemp("reports")
    assert run_report(out=out, notebooks=NOTEBOOKS, jobs=2) == 0, "a notebook failed; its line is printed above"
    return out
