"""The section "The first ten minutes" of README.md, done as it says, in its own words: commands, clicks and Python.

Each test takes what it does from the section, so that a sentence that changes there changes what is done here. Not done
again are `make`, which the set-up tests are about (`make report` is `ntm report` of the notebook named, `make lab` is
JupyterLab as the Makefile starts it), and `ntm data fetch`, which needs the network: its corpus must be a known one.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect
from test_lab import ROOT, drag_to_the_middle, lab, run_all  # noqa: F401 - lab is a fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow]

README = (ROOT / "README.md").read_text("utf-8")
SECTION = README.split("## The first ten minutes\n")[1].split("\n## ")[0]
STEPS = re.findall(r"^\d\. (.+?)(?=^\d\. |\Z)", SECTION, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
ENVIRONMENT = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def notebook_in(step: str) -> tuple[str, str]:
    """The title of the notebook that a step names, and its file."""
    title = re.search(r"\*(\d\d · [\w ]+)\*", step)[1]
    (file,) = (ROOT / "notebooks").glob(f"{title[:2]}-*.ipynb")
    return title, file.name


def python(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ntm(*arguments: str, cwd: Path) -> str:
    return python("-m", "ntmlib", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where somebody sits who has just fetched the workbook."""
    folder = tmp_path_factory.mktemp("workbook")
    for name in ("notebooks", "data"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def test_there_are_five_steps():
    assert [bool(step) for step in STEPS] == [True] * 5


def test_the_report_is_opened_and_its_first_slider_dragged(folder, browser):
    assert "`make report`" in STEPS[0]
    title, file = notebook_in(STEPS[0])
    ntm("report", file[:2], cwd=folder)
    index = folder / re.search(r"`(reports/\w+\.html)`", STEPS[0])[1]
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(index.as_uri())
    page.get_by_role("link", name=title).click()
    assert "drag its slider" in STEPS[0]
    slider, now = page.locator(".ntm-player input[type=range]").first, page.locator(".ntm-player .ntm-now").first
    slider.scroll_into_view_if_needed()
    area = slider.bounding_box()
    page.mouse.move(area["x"] + 6, area["y"] + area["height"] / 2)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2, steps=8)
    page.mouse.up()
    expect(now).not_to_have_text(re.compile("^step 0 "), timeout=60_000)
    context.close()


def test_the_panel_of_the_second_notebook_is_played_with(lab, browser):  # noqa: F811
    assert "`make lab`" in STEPS[1]
    page = lab.open(browser, notebook_in(STEPS[1])[1])
    run_all(page, seconds=300)
    knobs = re.search(r'"what if\?": (.+)\.', STEPS[1])[1].split(", ")
    assert len(knobs) == 5
    panel = page.locator(".ntm-playground").last
    labels = " ".join(panel.locator("label").all_inner_texts())
    assert [knob for knob in knobs if knob not in labels.replace("look for", "key")] == []
    bars = panel.locator(".ntmp-panels")
    before = bars.inner_html()
    drag_to_the_middle(page, panel.get_by_role("slider", name="gate"))
    drawn = "([bars, before]) => bars.innerHTML !== before"
    page.wait_for_function(drawn, arg=[bars.element_handle(), before])
    panel.get_by_role("button", name="step again").click()
    expect(panel).to_contain_text("steps taken: 1", timeout=60_000)
    page.context.close()


def test_the_third_notebook_runs_with_another_seed(lab, browser):  # noqa: F811
    """With the seed that it has, `test_lab` runs it."""
    assert "Change `seed` and run it again" in STEPS[2]
    _, file = notebook_in(STEPS[2])
    path = lab.folder / "notebooks" / file
    text = path.read_text("utf-8")
    changed = text.replace("seed: int = 0 ", "seed: int = 1 ")
    assert changed != text
    again = path.with_name("03-again.ipynb")
    again.write_text(changed, "utf-8")
    page = lab.open(browser, again.name)
    run_all(page, seconds=400)
    expect(page.get_by_text(re.compile(r"solved after \d+ sequences")).first).to_be_attached(timeout=60_000)
    page.context.close()


def test_the_commands_for_the_terminal_run(folder):
    assert len(COMMANDS) >= 5
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        assert program == ".venv/bin/ntm"
        if arguments[:2] == ["data", "fetch"]:
            assert arguments[2] in ntm("data", "list", cwd=folder)
        else:
            assert ntm(*arguments, cwd=folder) != ""


def test_the_lines_of_python_run(folder):
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    code = re.sub(r"^   ", "", code, flags=re.MULTILINE) + "print(trace.read.weighting.shape)\n"
    assert python("-c", code, cwd=folder).splitlines()[-1] == "torch.Size([1, 41, 1, 128])"
