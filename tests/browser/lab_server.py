"""JupyterLab on a folder of notebooks, for tests in a browser and for benchmarks/view_latency.py."""

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).resolve().parents[2]
expect.set_options(timeout=60_000)  # milliseconds; the machine may be busy training
SETTINGS = {
    "notebook-extension/tracker.jupyterlab-settings": '{"windowingMode": "none"}',  # draw cells out of sight as well
    "apputils-extension/notification.jupyterlab-settings": '{"fetchNews": "false", "checkForUpdates": false}',
}


@dataclass(frozen=True)
class Lab:
    """A running server."""

    folder: Path
    address: str
    token: str

    def open(self, browser: Browser, notebook: str) -> Page:
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.set_default_timeout(180_000)
        workspace = notebook.removesuffix(".ipynb")  # one of its own, or the notebook of the last test is open too
        page.goto(f"{self.address}/lab/workspaces/{workspace}/tree/notebooks/{notebook}?token={self.token}")
        page.get_by_text("| Idle").wait_for()  # sooner, JupyterLab would ask which kernel to take
        return page


@contextlib.contextmanager
def serve_lab(folder: Path, notebooks: Sequence[Path] = ()) -> Iterator[Lab]:
    """JupyterLab on a folder that holds copies of notebooks; stopped by its own process id."""
    (folder / "notebooks").mkdir(parents=True)
    for path in notebooks:
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
    raise RuntimeError(f"JupyterLab did not answer in {seconds:g} s:\n{log.read_text(errors='replace')[-2000:]}")


def run_all(page: Page, seconds: float) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Run All Cells$")).click()
    shown = page.locator(".ntm-player .ntm-now, .ntm-playground, .ntm-reading, .ntm-writing")
    error = page.locator('[data-mime-type="application/vnd.jupyter.error"], .jupyter-widgets-error-widget')
    shown.or_(error).first.wait_for(timeout=seconds * 1000)
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(0, timeout=seconds * 1000)
    assert error.count() == 0, error.first.inner_text()[-2000:]


def write_cell(lab: Lab, notebook: str, source: str) -> None:
    write_cells(lab, notebook, [source])


def write_cells(lab: Lab, notebook: str, sources: list[str]) -> None:
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # otherwise a dialog asks
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), lab.folder / "notebooks" / notebook)
