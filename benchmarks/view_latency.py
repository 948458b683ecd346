"""How long a view takes from a slider or a key to the new picture: in a page, and in JupyterLab in a real browser.

    .venv/bin/python benchmarks/view_latency.py            # pages and JupyterLab
    .venv/bin/python benchmarks/view_latency.py --pages    # pages only, half a minute

A headless chromium without a graphics card turns each control 60 times, each after a pause of 30 to 100 ms drawn at
random: who presses a key does not wait for the screen to begin a frame. A turn ends when the frame with the new picture
has been drawn. Printed are median and 90th percentile in milliseconds; "drawing", the median of what passes from the
beginning of that frame until it is drawn (scripts, layout, painting: the part that is the view's own); "dragged", the
median of turns each of which begins as soon as the last has been drawn, and so waits for the screen's next frame, of
which there are 60 a second; the size of each page, the time it takes to build, and how much memory its scripts hold.
Run it on a machine with nothing else to do, or say so: the first line says how many processes want the processor.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from ntmlib import NTM, views
from ntmlib.ntm import Trace

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from lab_server import run_all, serve_lab, write_cell  # noqa: E402

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
GOALS = {"page": (10, None), "JupyterLab": (20, 50)}
TURNS = 60
SLIDER = "input[aria-label='time step']"  # after each drawing it says what is attended

# Sets a control and resolves after the frame in which what it changes has been drawn: to milliseconds since then,
# and since the beginning of that frame.
TURN = """async ([control, value, watched, pause]) => {
  if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
  return new Promise((resolve) => {
    const before = watched.outerHTML;
    const end = (frame) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => {
        const drawn = performance.now();
        resolve([drawn - start, drawn - Math.max(frame, start)]);
      };
      channel.port2.postMessage(0);
    };
    const look = (frame) => (watched.outerHTML === before ? requestAnimationFrame(look) : end(frame));
    const start = performance.now();
    control.value = value;
    control.dispatchEvent(new Event("input", { bubbles: true }));
    requestAnimationFrame(look);
  });
}"""


class Turns(NamedTuple):
    """Milliseconds of a turn: of half of them and of nine tenths.

    Then the median from the beginning of the frame that showed it, and of turns without a pause between them.
    """

    median: float
    p90: float
    drawing: float
    dragged: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pages", action="store_true", help="leave JupyterLab out")
    parser.add_argument("--long", action="store_true", help="a trace of 2,000 steps, 8 heads, 1,024 slots as well")
    options = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} processes on {os.cpu_count()} cores")
    times = "".join(f" {name:>8}" for name in Turns._fields)
    print(f"{'view':34} {'where':11}{times} {'page':>10} {'built in':>9} {'memory':>8}")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        _measure_pages(browser, Path(folder), options.long)
        if not options.pages:
            _measure_lab(browser, Path(folder))
        browser.close()


def _chromium() -> str:
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise SystemExit(f"no browser: none of {', '.join(CHROMIUM)} is on PATH")
    return path


def _trace(steps: int = 100, heads: int = 1, slots: int = 128) -> Trace:
    generator = torch.Generator().manual_seed(3)
    machine = NTM(10, 9, num_heads=heads, slots=slots, generator=generator)
    return machine.trace(torch.randint(0, 2, (1, steps, 10), generator=generator).float())


def _text() -> views.Stepper:
    text = "HAMLET_" * 15
    names = sorted(set(text))
    shown = torch.nn.functional.one_hot(torch.tensor([names.index(symbol) for symbol in text]), len(names)).float()
    machine = NTM(len(names), len(names), generator=torch.Generator().manual_seed(3))
    return views.step_through(machine.trace(shown[None]), interactive=False, symbols=names)


def _measure_pages(browser: Browser, folder: Path, long: bool) -> None:
    step = (SLIDER, SLIDER)
    made: dict[str, Callable[[], views.Stepper | views.Comparison]] = {
        "player, 100 steps, 1 pair": lambda: views.step_through(_trace(), interactive=False),
        "player, 100 steps, 4 pairs": lambda: views.step_through(_trace(heads=4), interactive=False),
        "player, text of 105 symbols": _text,
        "comparison, 2 x 100 steps": lambda: views.compare(_trace(), _trace(slots=96), interactive=False),
    }
    if long:
        big = _trace(2000, 8, 1024)
        made["player, 2,000 steps, 8 pairs, 1,024"] = lambda: views.step_through(big, interactive=False)
    for name, make in made.items():
        path = folder / "page.html"
        start = time.perf_counter()
        make().save_html(path)
        built = time.perf_counter() - start
        page = _open(browser, path)
        times = _turns(page, *step, forwards=True)
        _row(name, "page", times, f"{path.stat().st_size / 1e3:,.0f} kB", f"{built:.1f} s", _memory(page))
        if long and name.endswith("1,024"):
            times = _turns(page, *step, forwards=False)
            _row("  the same, jumping about", "page", times)
        page.context.close()
    path = folder / "panel.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{views.playground(interactive=False).to_html()}", "utf-8")
    page = _open(browser, path, ".ntmp-bar")
    _row("what-if panel", "page", _turns(page, *PANEL), f"{path.stat().st_size / 1e3:,.0f} kB", "", _memory(page))
    page.context.close()


PANEL = (".ntmp-knob:nth-child(5) input", ".ntmp-stage:last-child .ntmp-bars")


def _open(browser: Browser, path: Path, drawn: str = ".ntm-memory .ntm-left span") -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True).new_page()
    page.set_default_timeout(180_000)
    page.goto(path.as_uri())
    page.locator(drawn).first.wait_for()
    return page


def _turns(page: Page, control: str, watched: str, forwards: bool = True) -> Turns:
    """Turn a slider step by step, or jump about in its range."""
    slider = page.locator(control).first
    low, high, notch = (float(slider.get_attribute(name) or 1) for name in ("min", "max", "step"))
    places = round((high - low) / notch)
    dice = torch.Generator().manual_seed(1)
    order = [1 + turn % places for turn in range(TURNS)]
    if not forwards:
        order = torch.randperm(places, generator=dice)[:TURNS].add(1).tolist()
    elements = [slider.element_handle(), page.locator(watched).first.element_handle()]

    def turn(place: int, pause: float) -> tuple[float, float]:
        whole, part = page.evaluate(TURN, [elements[0], low + notch * place, elements[1], pause])
        return whole, part

    pauses = (30 + 70 * torch.rand(TURNS, generator=dice)).tolist()
    turns = [turn(place, pause) for place, pause in zip(order, pauses, strict=True)]
    times = sorted(whole for whole, _ in turns)
    drawing = statistics.median(part for _, part in turns)
    dragged = statistics.median(turn(place, 0)[0] for place in order)
    return Turns(statistics.median(times), times[round(0.9 * (len(times) - 1))], drawing, dragged)


def _metrics(session: CDPSession) -> dict[str, float]:
    return {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}


def _memory(page: Page) -> str:
    """Return what the scripts of a page hold in memory after the garbage is collected."""
    session: CDPSession = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    return f"{_metrics(session)['JSHeapUsedSize'] / 1e6:.0f} MB"


def _row(name: str, where: str, turns: Turns, size: str = "", built: str = "", memory: str = "") -> None:
    goal, goal_p90 = GOALS[where]
    missed = "" if turns.median < goal and (goal_p90 is None or turns.p90 < goal_p90) else "  over the goal"
    times = "".join(f" {time:5.1f} ms" for time in turns)
    print(f"{name:34} {where:11}{times} {size:>10} {built:>9} {memory:>8}{missed}", flush=True)


LIVE = {
    "player, 100 steps, 1 pair": (
        "views.step_through(trace())",
        SLIDER,
        SLIDER,
    ),
    "comparison, 2 x 100 steps": (
        "views.compare(trace(), trace(96))",
        SLIDER,
        SLIDER,
    ),
    "what-if panel": ("views.playground()", *PANEL),
}
CELL = """
import torch
from ntmlib import NTM, views
def trace(slots=128):
    generator = torch.Generator().manual_seed(3)
    machine = NTM(10, 9, slots=slots, generator=generator)
    return machine.trace(torch.randint(0, 2, (1, 100, 10), generator=generator).float())
"""


def _measure_lab(browser: Browser, folder: Path) -> None:
    with serve_lab(folder / "lab") as lab:
        for number, (name, (call, control, watched)) in enumerate(LIVE.items()):
            write_cell(lab, f"view{number}.ipynb", CELL + call)
            page = lab.open(browser, f"view{number}.ipynb")
            run_all(page, seconds=300)
            page.locator(watched).first.wait_for()
            _row(name, "JupyterLab", _turns(page, control, watched))
            page.context.close()


if __name__ == "__main__":
    main()
