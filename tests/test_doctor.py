import json
import os
import sys
import webbrowser

import psutil
import pytest

from ntmlib.workbook import doctor, memory
from ntmlib.workbook.doctor import Finding, run_doctor


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let no test fail because the computer that runs it is busy."""
    monkeypatch.setattr(doctor, "_TOO_LONG", 600)


@pytest.fixture
def checks(monkeypatch):
    """The table of checks, empty, to be filled by a test."""
    table = {}
    monkeypatch.setattr(doctor, "CHECKS", table)
    return table


@pytest.mark.parametrize("name", ["python", "kernel", "machine", "picture", "space", "memory"])
def test_a_check_passes_where_the_tests_run(name):
    finding = doctor.CHECKS[name]()
    assert finding.fine, finding.text


def plant_module(monkeypatch, folder, name, source):
    """Let programs that a check starts find this in place of a package."""
    (folder / f"{name}.py").write_text(source)
    monkeypatch.setattr(doctor, "_first_on_path", lambda: [str(folder)])


@pytest.mark.parametrize(
    ("name", "package", "remedy"),
    [
        ("kernel", "jupyter_client", "pip install ipykernel"),
        ("machine", "torch", "set-up again"),
        ("engine", "numba", "set-up again"),
        ("picture", "matplotlib", "reinstall matplotlib"),
    ],
)
def test_a_package_that_does_not_load_fails_the_check_that_needs_it(monkeypatch, tmp_path, name, package, remedy):
    plant_module(monkeypatch, tmp_path, package, f"raise ImportError('a broken {package}')")
    finding = doctor.CHECKS[name]()
    assert (finding.fine, finding.text) == (False, f"ImportError: a broken {package}")
    assert remedy in finding.remedy


def test_another_python_under_the_name_of_ours_is_found(monkeypatch, tmp_path):
    start = "import sys; sys.prefix = '/another'; from ipykernel.kernelapp import launch_new_instance as go; go()"
    kernel = {
        "argv": [sys.executable, "-c", start, "-f", "{connection_file}"],
        "display_name": "x",
        "language": "python",
    }
    (tmp_path / "kernels" / "python3").mkdir(parents=True)
    (tmp_path / "kernels" / "python3" / "kernel.json").write_text(json.dumps(kernel))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    finding = doctor.check_kernel()
    assert (finding.fine, finding.text) == (
        False,
        "AssertionError: the kernel called python3 is another Python, that in /another",
    )
    assert "jupyter kernelspec remove python3" in finding.remedy


def test_an_engine_that_was_never_compiled_is_a_note_and_is_not_compiled_by_asking(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    finding = doctor.check_engine()
    assert finding.fine is None
    assert finding.text.startswith("the fast engine is not compiled yet")
    assert finding.remedy == "ntm doctor --compile does it now"
    assert list(tmp_path.rglob("*.nbc")) == []


def test_compiling_first_is_done_before_the_checks(checks, monkeypatch):
    done = []
    monkeypatch.setattr(doctor, "_in_python", lambda program, *rest, **_: done.append((program, rest)))
    checks["engine"] = lambda: Finding(bool(done), "compiled")
    assert run_doctor(compile_first=True) == 0
    assert done == [(doctor._ENGINE, ("", "--compile"))]


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


def test_a_missing_browser_is_a_note_and_no_failure(checks, capsys, monkeypatch):
    def none():
        raise webbrowser.Error

    monkeypatch.setattr(doctor.webbrowser, "get", none)
    checks["browser"] = doctor.check_browser
    assert run_doctor() == 0
    assert "note  browser   no browser opens by itself here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("browser", "fine", "text"),
    [
        (webbrowser.GenericBrowser("firefox"), True, "pages open with firefox"),
        (
            webbrowser.GenericBrowser("/usr/bin/lynx"),
            None,
            "pages would open in /usr/bin/lynx, which shows no pictures",
        ),
    ],
)
def test_the_browser_that_opens_pages_is_named(monkeypatch, browser, fine, text):
    monkeypatch.setattr(doctor.webbrowser, "get", lambda: browser)
    finding = doctor.check_browser()
    assert (finding.fine, finding.text) == (fine, text)


def test_a_check_that_breaks_is_a_finding_and_the_others_still_answer(checks, capsys):
    checks["broken"] = lambda: 1 / 0
    checks["python"] = lambda: Finding(True, "Python 3.11.7")
    assert run_doctor() == 1
    printed = capsys.readouterr().out
    assert "ZeroDivisionError: division by zero" in printed
    assert "ok    python" in printed


def test_a_computer_that_is_too_busy_to_answer_is_told_apart_from_a_broken_one(monkeypatch):
    monkeypatch.setattr(doctor, "_TOO_LONG", 0.05)
    finding = doctor._in_python("import time; time.sleep(60)", "mend it")
    assert (finding.fine, finding.text) == (False, "no answer within 0.05 s")
    assert finding.remedy.startswith("close other programs")


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


@pytest.fixture
def workbook(tmp_path):
    """A folder with one notebook for students, and the data that it reads."""
    for name in ("workshop", "data/runs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "workshop" / "01-small.ipynb").touch()
    return tmp_path


def test_notebooks_that_can_be_saved_and_have_their_data_are_fine(workbook):
    assert doctor.check_notebooks(workbook) == Finding(True, "answers can be saved in workshop, and the data are there")


def test_notebooks_that_cannot_be_saved_are_found(workbook, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    finding = doctor.check_notebooks(workbook)
    assert (finding.fine, finding.text) == (False, "answers cannot be saved in workshop (Permission denied)")
    assert finding.remedy.startswith("copy the whole workbook into a folder of your own")
    assert doctor.check_space(workbook).fine is False


def test_notebooks_without_their_data_are_found(workbook):
    (workbook / "data" / "runs").rmdir()
    finding = doctor.check_notebooks(workbook)
    assert (finding.fine, finding.remedy) == (False, "copy the folder data of the workbook, too")


def test_a_folder_without_notebooks_is_a_note(tmp_path):
    assert doctor.check_notebooks(tmp_path).fine is None


@pytest.mark.parametrize(
    ("total", "free", "fine", "text"),
    [
        (8e9, 4e9, True, "8.0 GB of memory, 4.0 GB free"),
        (8e9, 1e9, False, "8.0 GB of memory, 1.0 GB free"),
        (1e9, None, False, "1.0 GB of memory"),
        (8e9, None, True, "8.0 GB of memory"),
        (None, None, None, "this system does not say what memory it has"),
    ],
)
def test_too_little_memory_is_found(monkeypatch, total, free, fine, text):
    monkeypatch.setattr(doctor.memory, "total_bytes", lambda: total)
    monkeypatch.setattr(doctor.memory, "available_bytes", lambda: free)
    finding = doctor.check_memory()
    assert (finding.fine, finding.text) == (fine, text)
    assert "2 GB" in finding.remedy


def test_memory_is_counted_as_another_package_counts_it():
    counted = psutil.virtual_memory()
    assert memory.total_bytes() == counted.total
    assert memory.available_bytes() == pytest.approx(counted.available, rel=0.2)
