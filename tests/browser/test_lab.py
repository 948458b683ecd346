"""The live views where they are used: JupyterLab in a browser, a notebook run, a slider dragged, a text typed."""

import re
import statistics
import time
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from lab_server import ROOT, Lab, run_all, serve_lab, write_cell, write_cells
from playwright.sync_api import Page, expect
from screenshots import keep

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SMALL_NOTEBOOK = """
import torch
from ntmlib.ntm import NTM
from ntmlib.views import step_through
machine = NTM(10, 9, generator=torch.Generator().manual_seed(3))
step_through(machine.trace(torch.rand(1, 43, 10, generator=torch.Generator().manual_seed(4))))
"""
FIELD_NOTEBOOK = """
from ntmlib import load_run
from ntmlib.tasks import NextSymbols
from ntmlib.training.reading import reader
from ntmlib.views import try_text
try_text(reader(load_run("../data/runs/next-symbols-feedforward/representative").machine, NextSymbols()), ["([])"])
"""
# Each character takes a while: a text must not be ended before the test has pressed the button to stop it.
WRITING_NOTEBOOK = """
import time
import torch
from ntmlib.baselines import LSTM
from ntmlib.tasks import make
from ntmlib.training import write_on
from ntmlib.views import write_text
machine, corpus = LSTM(62, 62, hidden=64, num_layers=1), make("text").corpus
def write(prompt, characters, temperature, seed):
    dice = torch.Generator().manual_seed(seed)
    for symbol in write_on(machine, corpus, prompt, characters, temperature=temperature, generator=dice):
        time.sleep(0.01)
        yield symbol
write_text(write, "HAMLET:\\n", characters=200)
"""
PANEL_NOTEBOOK = """
from ntmlib.views import playground
panel = playground()
panel
"""
# Moves the step by a key on the slider; resolves when the player has drawn it, in milliseconds.
PRESS_AND_TIME = """([handle, now]) => new Promise((resolve) => {
  const before = now.textContent, start = performance.now();
  const look = () => (now.textContent === before ? requestAnimationFrame(look) : resolve(performance.now() - start));
  handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
  look();
})"""


def drag_to_the_middle(page: Page, slider) -> None:
    slider.scroll_into_view_if_needed()
    area = slider.bounding_box()
    page.mouse.move(area["x"] + 8, area["y"] + area["height"] / 2)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2, steps=10)
    page.mouse.up()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serve_lab(tmp_path_factory.mktemp("lab"), sorted((ROOT / "notebooks").glob("*.ipynb"))) as served:
        yield served


NOTEBOOKS = ["small.ipynb", *(path.name for path in (ROOT / "notebooks").glob("03-copy.ipynb"))]


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_dragging_the_slider_in_jupyterlab_moves_the_picture(lab, browser, notebook, capsys):
    if notebook == "small.ipynb":
        write_cell(lab, notebook, SMALL_NOTEBOOK)
    page = lab.open(browser, notebook)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    run_all(page, seconds=400)

    player = page.locator(".ntm-player:has(.ntm-slider)").first
    slider, now = player.get_by_role("slider"), player.locator(".ntm-now")
    player.scroll_into_view_if_needed()
    before = player.locator(".ntm-memory").screenshot()
    drag_to_the_middle(page, slider)
    expect(now).not_to_have_text(re.compile("^step 0 "))
    assert player.locator(".ntm-memory").screenshot() != before

    step = now.inner_text()
    slider.press("ArrowLeft")
    expect(now).not_to_have_text(step)
    elements = [slider.element_handle(), player.locator(".ntm-memory > .ntm-title").element_handle()]
    times = sorted(page.evaluate(PRESS_AND_TIME, elements) for _ in range(15))
    with capsys.disabled():
        figures = f"median {statistics.median(times):.1f} ms, p90 {times[13]:.1f} ms"
        print(f"\n{notebook} in JupyterLab, slider to picture: {figures}")
    assert complaints == []
    page.context.close()


def test_every_live_view_obeys_the_rules_of_accessibility_and_the_kernel_hears_of_it(lab, browser):
    cells = [SMALL_NOTEBOOK, PANEL_NOTEBOOK, FIELD_NOTEBOOK, WRITING_NOTEBOOK]
    write_cells(lab, "views.ipynb", [*cells, "print('gate', panel.knobs.interpolation_gate)"])
    page = lab.open(browser, "views.ipynb")
    run_all(page, seconds=120)
    gate = page.locator(".ntm-playground").get_by_role("slider", name="gate")
    expect(gate).to_have_value("0.7")
    for scheme, dark in (("light", False), ("dark", True)):
        if dark:  # the theme of JupyterLab, not that of the system
            page.evaluate("document.body.dataset.jpThemeLight = 'false'")
        keep(page, f"lab-{scheme}")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    found = Axe().run(page, context={"include": [[".jp-OutputArea-output"]]}).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found] == []

    gate.press("Home")
    expect(page.locator(".ntmp-bars").nth(2)).to_have_attribute(
        "aria-label", re.compile("^2 gated: most at slot 3, 1.00")
    )
    page.locator(".jp-Cell").last.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".jp-OutputArea-output").last).to_have_text(re.compile("gate 0.0"))
    page.context.close()


def test_what_is_typed_in_jupyterlab_is_read_at_every_keystroke(lab, browser, capsys):
    write_cell(lab, "field.ipynb", FIELD_NOTEBOOK)
    page = lab.open(browser, "field.ipynb")
    run_all(page, seconds=120)
    field = page.get_by_label("your text")  # by the name that a screen reader says
    verdict = page.locator(".ntm-reading").get_by_role("status")
    expect(verdict).to_contain_text("nothing is left open")
    times = []
    field.press("End")
    for key, answer in (("[", "1 bracket still open"), ("(", "2 brackets"), ("x", ""), ("Backspace", "2 brackets")):
        start = time.perf_counter()
        field.press(key)
        problem = page.locator(".ntm-problem")
        expect(verdict if answer else problem).to_contain_text(answer or "symbol 7 is 'x'")
        times.append(1000 * (time.perf_counter() - start))
    field.fill("([]())[]" * 60)
    expect(verdict).to_contain_text("The machine is wrong about symbol")
    assert page.locator(".ntm-cells > span").count() == 481  # and the names of the rows
    with capsys.disabled():
        print(f"\nfield in JupyterLab, key to verdict: median {statistics.median(times):.0f} ms")
    page.context.close()


def test_a_text_grows_in_jupyterlab_while_the_button_can_be_pressed(lab, browser, capsys):
    write_cell(lab, "writing.ipynb", WRITING_NOTEBOOK)
    page = lab.open(browser, "writing.ipynb")
    run_all(page, seconds=120)
    status, written = page.locator(".ntm-writing").get_by_role("status"), page.locator(".ntm-written")
    expect(status).to_contain_text("seed 0, temperature 0.8, 200 characters", timeout=120_000)
    first = written.inner_text()
    assert first.startswith("HAMLET:\n")

    seed, button = page.get_by_label("next seed"), page.get_by_role("button", name="Write", exact=True)
    seed.fill("0")
    seed.press("Tab")
    button.click()
    expect(seed).to_have_value("1")
    expect(status).to_contain_text("seed 0, temperature 0.8, 200 characters", timeout=120_000)
    assert written.inner_text() == first  # had again

    page.get_by_label("prompt").fill("ROMEO:\n")
    page.get_by_label("characters").fill("1500")
    button.click()
    expect(written).to_contain_text(re.compile("^ROMEO:"))
    early = len(written.inner_text())
    page.wait_for_function(  # it grows before one's eyes
        "early => document.querySelector('.ntm-written').innerText.length > early", arg=early, timeout=60_000
    )
    start = time.perf_counter()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(status).to_contain_text("then stopped")
    stopped = 1000 * (time.perf_counter() - start)
    assert len(written.inner_text()) < 1500

    page.get_by_label("prompt").fill("Zoë")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("got 'ë' at position 2")
    with capsys.disabled():
        print(f"\nwriting in JupyterLab, stopped after {stopped:.0f} ms")
    page.context.close()
