"""The live views where they are used: JupyterLab in a browser, a notebook run, a slider dragged, a text typed."""

import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]

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
SETTINGS = {
    "notebook-extension/tracker.jupyterlab-settings": '{"windowingMode": "none"}',  # draw cells out of sight as well
    "apputils-extension/notification.jupyterlab-settings": '{"fetchNews": "false", "checkForUpdates": false}',
}
# Moves the step by a key on the slider; resolves when the player has drawn it, in milliseconds.
PRESS_AND_TIME = """([handle, now]) => new Promise((resolve) => {
  const before = now.textContent, start = performance.now();
  const look = () => (now.textContent === before ? requestAnimationFrame(look) : resolve(performance.now() - start));
  handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
  look();
})"""


@dataclass(frozen=True)
class Lab:
    """A running server."""

    folder: Path
    address: str
    token: str

    def open(self, browser: Browser, notebook: str) -> Page:
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.set_default_timeout(120_000)  # a busy computer takes its time
        workspace = notebook.removesuffix(".ipynb")  # one of its own, or the notebook of the last test is open too
        page.goto(f"{self.address}/lab/workspaces/{workspace}/tree/notebooks/{notebook}?token={self.token}")
        page.get_by_text("| Idle").wait_for()  # sooner, JupyterLab would ask which kernel to take
        return page


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a folder that holds copies of the notebooks; stopped by its own process id."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(path, folder / "notebooks")
    if (ROOT / "data").is_dir():
        (folder / "data").symlink_to(ROOT / "data")
    for name, text in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.extension_manager=readonly",
    ]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/api?token={token}", server, folder / "server.log")
            yield Lab(folder, address, token)
        finally:
            server.terminate()  # the server ends its kernels first
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(timeout=10)


def wait_for(address: str, server: subprocess.Popen, log: Path, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not answer:\n{log.read_text(errors='replace')[-2000:]}")


def run_all(page: Page, seconds: float) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Run All Cells$")).click()
    shown = page.locator(".ntm-player .ntm-now, .ntm-reading, .ntm-writing")
    error = page.locator('[data-mime-type="application/vnd.jupyter.error"], .jupyter-widgets-error-widget')
    shown.or_(error).first.wait_for(timeout=seconds * 1000)
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(0, timeout=seconds * 1000)
    assert error.count() == 0, error.first.inner_text()[-2000:]


def write_cell(lab: Lab, notebook: str, source: str) -> None:
    cells = [nbformat.v4.new_code_cell(source.strip())]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # otherwise a dialog asks
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), lab.folder / "notebooks" / notebook)


def drag_to_the_middle(page: Page, handle) -> None:
    handle.scroll_into_view_if_needed()
    area = handle.bounding_box()
    track = handle.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]").bounding_box()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] / 2, area["y"] + area["height"] / 2, steps=10)
    page.mouse.up()


NOTEBOOKS = ["small.ipynb", *(path.name for path in (ROOT / "notebooks").glob("03-copy.ipynb"))]


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_dragging_the_slider_in_jupyterlab_moves_the_picture(lab, browser, notebook, capsys):
    if notebook == "small.ipynb":
        write_cell(lab, notebook, SMALL_NOTEBOOK)
    page = lab.open(browser, notebook)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    run_all(page, seconds=400)

    panel = page.locator(".widget-vbox", has=page.locator(".ntm-player")).first
    player, handle = panel.locator(".ntm-player"), panel.locator(".noUi-handle")
    panel.scroll_into_view_if_needed()
    before = player.locator(".ntm-memory").screenshot()
    drag_to_the_middle(page, handle)
    expect(player.locator(".ntm-now")).not_to_have_text(re.compile("^step 0 "))
    assert player.locator(".ntm-memory").screenshot() != before

    step = player.locator(".ntm-now").inner_text()
    player.press("ArrowLeft")  # the picture moves the slider too
    expect(player.locator(".ntm-now")).not_to_have_text(step)
    elements = [handle.element_handle(), player.locator(".ntm-now").element_handle()]
    times = sorted(page.evaluate(PRESS_AND_TIME, elements) for _ in range(15))
    with capsys.disabled():
        figures = f"median {statistics.median(times):.1f} ms, p90 {times[13]:.1f} ms"
        print(f"\n{notebook} in JupyterLab, slider to picture: {figures}")
    assert complaints == []
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
    expect(status).to_contain_text("seed 0, temperature 0.8, 200 characters", timeout=30_000)
    first = written.inner_text()
    assert first.startswith("HAMLET:\n")

    seed, button = page.get_by_label("next seed"), page.get_by_role("button", name="Write", exact=True)
    seed.fill("0")
    seed.press("Tab")
    button.click()
    expect(seed).to_have_value("1")
    expect(status).to_contain_text("seed 0, temperature 0.8, 200 characters", timeout=30_000)
    assert written.inner_text() == first  # had again

    page.get_by_label("prompt").fill("ROMEO:\n")
    page.locator(".widget-readout").last.fill("1500")  # characters, beside their slider
    page.locator(".widget-readout").last.press("Enter")
    button.click()
    expect(written).to_contain_text(re.compile("^ROMEO:"))
    early = len(written.inner_text())
    page.wait_for_function(  # it grows before one's eyes
        "early => document.querySelector('.ntm-written').innerText.length > early", arg=early, timeout=5_000
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
