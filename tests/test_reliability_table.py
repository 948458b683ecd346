"""docs/reliability.md: every test it names exists, and no row is without evidence."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TABLE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
ROWS = {
    *(f"A{number}" for number in range(1, 12)),
    *(
        f"{letter}{number}"
        for letter, last in (("B", 4), ("C", 7), ("D", 8), ("E", 5), ("F", 3))
        for number in range(1, last + 1)
    ),
}


def missing(text: str) -> list[str]:
    """Name what a table refers to and what is not there."""
    found = []
    for file, name in re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", text):
        path = next((path for path in (ROOT / "tests" / file, ROOT / file) if path.exists()), None)
        names = (
            {node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}
            if path
            else set()
        )
        if path is None or (name and name not in names):
            found.append(f"{file}::{name}")
    return found


def test_every_test_that_the_table_names_exists():
    assert TABLE.count("::test_") > 50
    assert missing(TABLE) == []


def test_every_row_is_there_once_with_its_evidence():
    rows = re.findall(r"^\| ([A-F]\d+) \|(.*)\|$", TABLE, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(ROWS)
    assert all(".py" in row for _, row in rows)


@pytest.mark.parametrize("planted", ["`test_loop.py::test_that_nobody_wrote`", "`faults/test_of_nothing.py`"])
def test_a_test_that_does_not_exist_is_caught(planted):
    assert len(missing(TABLE + planted)) == 1


def test_variables_are_those_the_tests_read():
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "faults").glob("test_*.py"))
    assert set(re.findall(r"`(NTM_FAULT_\w+)`", TABLE)) == set(re.findall(r'amount\("(\w+)"', sources))
