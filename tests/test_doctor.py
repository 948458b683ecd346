import os

import pytest

from ntmlib.workbook import doctor
from ntmlib.workbook.doctor import Finding, run_doctor


@pytest.fixture
def checks(monkeypatch):
    """The table of checks, empty, to be filled by a test."""
    table = {}
    monkeypatch.setattr(doctor, "CHECKS", table)
    return table


@pytest.mark.parametrize("name", ["python", "kernel", "machine", "picture", "space"])
def test_a_check_passes_where_the_tests_run(name):
    finding = doctor.CHECKS[name]()
    assert finding.fine, finding.text


def test_a_machine_with_everything_is_ready(checks, capsys):
    checks["python"] = lambda: Finding(True, "Python 3.11.7")
    assert run_doctor() == 0
    assert "this machine is ready" in capsys.readouterr().out


def test_a_failed_check_names_its_remedy(checks, capsys):
    checks["kernel"] = lambda: Finding(False, "No module named ipykernel", "pip install ipykernel")
    assert run_doctor() == 1
    printed = capsys.readouterr().out
    assert "FAIL  kernel    No module named ipykernel" in printed
    assert "→ pip install ipykernel" in printed


def test_a_missing_browser_is_a_note_and_no_failure(checks, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    checks["browser"] = doctor.check_browser
    assert run_doctor() == 0
    assert "note  browser   no chromium" in capsys.readouterr().out


def test_a_check_that_breaks_is_a_finding_and_the_others_still_answer(checks, capsys):
    checks["broken"] = lambda: 1 / 0
    checks["python"] = lambda: Finding(True, "Python 3.11.7")
    assert run_doctor() == 1
    printed = capsys.readouterr().out
    assert "ZeroDivisionError: division by zero" in printed
    assert "ok    python" in printed


def test_a_program_that_fails_is_reported_by_its_last_line():
    finding = doctor._in_python("raise ImportError('no such package')", "mend it")
    assert finding == Finding(False, "ImportError: no such package", "mend it")


@pytest.mark.parametrize(
    ("installed", "fine", "text"),
    [
        ("2.13.0+cpu", True, "2 packages are there and new enough"),
        ("2.6", True, "2 packages are there and new enough"),
        ("2.5.9", False, "torch 2.5.9 is older than 2.6"),
    ],
)
def test_packages_are_held_against_their_lower_bounds(monkeypatch, installed, fine, text):
    required = ["torch>=2.6", 'numpy>=2.0 ; python_version >= "3.11"', 'pytest>=99; extra == "dev"']
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: required)
    monkeypatch.setattr(doctor.metadata, "version", {"torch": installed, "numpy": "2.10.1"}.__getitem__)
    finding = doctor.check_packages()
    assert (finding.fine, finding.text) == (fine, text)


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["surely-not-installed>=1"])
    assert doctor.check_packages().text == "surely-not-installed is missing"


@pytest.mark.skipif(not hasattr(os, "statvfs"), reason="needs a POSIX file system")
def test_a_full_disk_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "ENOUGH_SPACE", 10**20)
    assert doctor.check_space(tmp_path).fine is False
    assert doctor.check_space(tmp_path / "missing").fine is False
