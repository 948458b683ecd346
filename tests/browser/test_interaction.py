"""Every view with controls on one page: rules of accessibility, the keyboard alone, both themes, long traces."""

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from screenshots import keep

from ntmlib.baselines import LSTM
from ntmlib.ntm import NTM, Trace
from ntmlib.views import Knobs, compare, playground, plot_text_costs, step_through, try_text, write_text
from ntmlib.views.player import PlayerData, player_data
from ntmlib.views.stepper import PAGE, TELLING_SCRIPT

pytestmark = pytest.mark.browser
PATIENCE = 180_000  # milliseconds; on a machine that is busy training, a page takes long to be drawn
expect.set_options(timeout=PATIENCE)
NOTHING_MOVES = "window.matchMedia('(prefers-reduced-motion: reduce)').matches"
WITHIN = """(player) => {
  const edge = player.getBoundingClientRect().right + 1;
  const inside = (one) => !one.closest(".ntm-ribbon, .ntm-tip, .ntm-unseen") && one.getClientRects().length;
  const out = (one) => inside(one) && one.getBoundingClientRect().right > edge;
  return [...player.querySelectorAll("*")].filter(out).map((one) => one.outerHTML.slice(0, 80));
}"""
LISTEN = """(status) => {
  window.spoken = [];
  const listener = new MutationObserver(() => window.spoken.push(status.textContent));
  listener.observe(status, { childList: true });
}"""


def trace(steps: int = 20, heads: int = 1, slots: int = 128, seed: int = 3) -> Trace:
    generator = torch.Generator().manual_seed(seed)
    machine = NTM(10, 9, hidden=20, num_heads=heads, slots=slots, generator=generator)
    return machine.trace(torch.randint(0, 2, (1, steps, 10), generator=generator).float())


def text_trace(text: str) -> tuple[Trace, list[str]]:
    names = sorted(set(text))
    shown = torch.nn.functional.one_hot(torch.tensor([names.index(symbol) for symbol in text]), len(names)).float()
    machine = NTM(len(names), len(names), hidden=8, slots=20, generator=torch.Generator().manual_seed(3))
    return machine.trace(shown[None]), names


@dataclass(frozen=True)
class Verdict:
    marks: tuple[bool | None, ...]
    accepted: bool
    reason: str


@dataclass(frozen=True)
class BothSay:
    text: str
    machine: Verdict
    exact: Verdict


class Brackets:
    symbols = "()"
    meaning = "what stands so far can still become right"

    def __call__(self, text: str) -> BothSay:
        right = Verdict((True,) * len(text), True, "nothing is left open")
        return BothSay(text, Verdict((False, *right.marks[1:]), False, "symbol 1 is wrong"), right)


def write(prompt: str, characters: int, temperature: float, seed: int) -> Iterator[str]:
    yield from "la " * (characters // 3)


@pytest.fixture(scope="module")
def everything(tmp_path_factory) -> str:
    """A page with every view: three players of one trace, two comparisons, the panel, and the views of text."""
    read, names = text_trace("HAMLET_" * 6)
    lstm = LSTM(10, 9, hidden=30, num_layers=2).trace(torch.rand(1, 30, 10, generator=torch.Generator().manual_seed(1)))
    targets = torch.zeros(1, 20, 9)
    shown = [
        step_through(trace(), interactive=False, targets=targets, mask=torch.arange(20)[None] > 9),
        step_through(trace(heads=2), interactive=False),
        step_through(read, interactive=False, symbols=names),
        compare(trace(), lstm, ("NTM", "LSTM"), interactive=False, targets=(targets, None)),
        compare(trace(seed=4), trace(30, heads=2), ("short", "long"), interactive=False),
        playground(interactive=False),
        try_text(Brackets(), ["(())"], interactive=False),
        write_text(write, interactive=False),
    ]
    costs = np.linspace(0, 8, 26)
    pieces = [view.to_html() for view in shown]
    pieces += [plot_text_costs("all that the models wrote\n"[:26], {"NTM": costs, "LSTM": costs[::-1]}).to_html()]
    pieces += [
        plot_text_costs(
            "all that the models wrote\n"[:26], {"NTM": costs, "LSTM": costs[::-1]}, difference=True
        ).to_html()
    ]
    page = PAGE.format(title="Every view", width=1200, player="\n".join(pieces))
    path: Path = tmp_path_factory.mktemp("everything") / "everything.html"
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


def open_everything(browser: Browser, address: str, scheme: str = "light", **options) -> Page:
    context = browser.new_context(
        viewport={"width": 1280, "height": 720}, color_scheme=scheme, offline=True, reduced_motion="reduce", **options
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    page.wait_for_function("document.querySelectorAll('.ntm-stage .ntm-left span').length > 50")  # all are drawn
    expect(page.locator(".ntm-peak").last).not_to_be_empty()
    return page


@pytest.fixture(scope="module")
def page(browser, everything) -> Iterator[Page]:
    """The page with everything, for tests that do not mind where its sliders stand."""
    page = open_everything(browser, everything)
    yield page
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_breaks_a_rule_of_accessibility(browser, everything, scheme):
    page = open_everything(browser, everything, scheme)
    found = [
        (rule["id"], [(node["html"][:120], [check["message"] for check in node["any"]]) for node in rule["nodes"]])
        for rule in Axe().run(page).response["violations"]
    ]
    keep(page, f"every-view-{scheme}", full_page=True)
    for width, height in ((1280, 720), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        for index in range(page.locator("main > .ntm-player").count()):
            assert page.locator("main > .ntm-player").nth(index).evaluate(WITHIN) == []
        keep(page, f"player-{scheme}-{width}")
    page.context.close()
    assert found == []


def test_every_control_can_be_reached_by_tab_and_has_a_name(page):
    page.locator("h1").evaluate("heading => { heading.tabIndex = -1; heading.focus(); }")
    told = "({ tagName, innerText, labels, ariaLabel }) => [tagName, ariaLabel || labels?.[0]?.innerText || innerText]"
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        reached.append(page.evaluate(f"({told})(document.activeElement)"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", reached[-1]
    assert all(name.strip() for _, name in reached)
    controls = page.locator("main :is(button, input, select, summary)")
    assert len(reached) >= controls.count()  # scrolling parts can be reached as well
    assert sum(name == "time step" for _, name in reached) == 5
    assert sum("\n" not in name and tag == "INPUT" for tag, name in reached) >= 5


def player(page: Page, index: int):
    return page.locator("main > .ntm-player").nth(index)


def test_the_slider_says_the_step_and_what_is_attended(page):
    slider = player(page, 1).get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    said = re.compile(r"^step 1 of 19: write head 1 at slot \d+, weight \d\.\d\d; read head 1 at slot \d+, weight")
    expect(slider).to_have_attribute("aria-valuetext", said)
    player(page, 1).get_by_role("button", name="pair 2").press("Enter")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("write head 2 "))
    text = player(page, 2).get_by_role("slider")
    text.press("ArrowRight")
    expect(text).to_have_attribute("aria-valuetext", re.compile("^step 1 of 41: reads A, expects ."))


def test_players_on_a_page_do_not_disturb_each_other(page):
    before = [player(page, index).locator(".ntm-now").first.inner_text() for index in (1, 2, 3, 4)]
    player(page, 0).get_by_role("slider").press("End")
    expect(player(page, 0).locator(".ntm-now")).to_have_text("step 19 of 19")
    assert [player(page, index).locator(".ntm-now").first.inner_text() for index in (1, 2, 3, 4)] == before


def test_space_on_the_slider_plays_and_the_status_speaks_only_at_its_ends(page):
    shown = player(page, 0)
    slider, status = shown.get_by_role("slider"), shown.locator(".ntm-controls").get_by_role("status")
    assert page.evaluate(NOTHING_MOVES)  # nothing plays by itself, and with less motion half a second passes per step
    slider.press("Home")
    status.evaluate(LISTEN)
    page.keyboard.press("Space")
    expect(shown.locator(".ntm-now")).to_have_text("step 2 of 19")
    page.keyboard.press("Space")
    said = page.evaluate("window.spoken")
    assert said[0] == "playing"
    assert len(said) == 2
    assert re.fullmatch(r"stopped at step \d of 19", said[1])
    assert page.locator("[aria-live=assertive]").count() == 0


def test_one_slider_drives_both_sides_and_the_shorter_stays_at_its_end(page):
    both = player(page, 4)
    slider = both.get_by_role("slider")
    assert slider.get_attribute("max") == "29"
    slider.press("End")
    names = both.locator(".ntm-name")
    expect(names.first).to_have_text("short (ended after step 19)")
    expect(names.last).to_have_text("long")
    titles = both.locator(".ntm-memory > .ntm-title")
    expect(titles.first).to_have_text("memory after step 19")
    expect(titles.last).to_have_text("memory after step 29")
    said = re.compile(r"^step 29 of 29: short: write head .*; read head .*\. long: write head 1 ")
    expect(slider).to_have_attribute("aria-valuetext", said)
    slider.press("Home")
    expect(names.first).to_have_text("short")


def test_the_stage_of_a_comparison_is_chosen_for_both_sides(page):
    both = player(page, 4)
    both.get_by_label("stage").select_option("1 content")
    titles = both.locator(".ntm-stage:visible > .ntm-title").all_inner_texts()
    assert titles == [
        "write head: 1 content",
        "read head: 1 content",
        "write head 1: 1 content",
        "read head 1: 1 content",
    ]
    both.get_by_label("stage").select_option("4 sharpened")


def test_a_network_without_heads_shows_its_cells_beside_a_machine(page):
    both = player(page, 3)
    assert both.get_by_role("img", name="cells of layer 2: 30 units by time").is_visible()
    cells = both.get_by_role("img", name="cells of layer 1: 30 units by time")
    width = cells.bounding_box()["width"]
    assert width > 400
    cells.click(position={"x": width * 12.5 / 30, "y": 20})  # of the LSTM's 30 steps
    expect(both.locator(".ntm-now")).to_have_text("step 12 of 29")
    keep(page, "compare-with-lstm")


def test_the_panel_computes_what_the_library_computes(page):
    """Nine knobs at random places, and some steps that feed the weighting back."""
    dice = np.random.default_rng(5)
    play = playground(interactive=False)
    panel = page.locator(".ntm-playground")
    sliders = panel.get_by_role("slider")
    assert sliders.count() == 9
    for _ in range(6):
        chosen = {}
        for index, name in enumerate(asdict(Knobs())):
            low, high, notch = (float(sliders.nth(index).get_attribute(part)) for part in ("min", "max", "step"))
            value = low + notch * int(dice.integers(0, round((high - low) / notch) + 1))
            sliders.nth(index).fill(f"{value:.6g}")
            chosen[name] = round(value) if name in ("look_for", "mix_with") else min(value, high)
        play.knobs = Knobs(**chosen)
        titles = panel.locator(".ntmp-bar").evaluate_all("(bars) => bars.map((bar) => bar.title)")
        drawn = [float(title.split(": ")[1]) for title in titles]
        expected = [weight for _, _, weights in play.weightings() for weight in weights]
        np.testing.assert_allclose(drawn, expected, atol=2e-4)
        panel.get_by_role("button", name="step again").press("Enter")
        play.step()
    expect(panel.get_by_role("status")).to_have_text(re.compile(r"^weighting: most at slot \d+, \d\.\d\d$"))


def test_a_long_trace_is_unpacked_piece_by_piece_and_its_page_says_what_is_left_out(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("ntmlib.views.player.CHUNK_BYTES", 20_000)
    monkeypatch.setattr("ntmlib.views.player.COLUMNS", 80)
    monkeypatch.setattr("ntmlib.views.stepper.PAGE_BYTES", 20_000)
    long = trace(240, slots=40)
    path = torch.nn.functional.one_hot(7 * torch.arange(240) % 40, 40).float()[None, :, None]
    long = dataclasses.replace(long, write=dataclasses.replace(long.write, weighting=path))
    shown = step_through(long, interactive=False)
    every = {2: "2nd", 3: "3rd", 4: "4th"}[shown.data.every]
    assert len(shown.data.chunks) > 3
    shown.save_html(tmp_path / "long.html")
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto((tmp_path / "long.html").as_uri())
    slider = page.get_by_role("slider")
    for key, step in (("End", 239), ("Home", 0), ("PageUp", 10), ("End", 239)):
        slider.press(key)
        kept = step // shown.data.every * shown.data.every
        note = "" if kept == step else f" (kept: every {every})"
        expect(page.locator(".ntm-memory > .ntm-title")).to_have_text(f"memory after step {kept}{note}")
    said = re.compile(f"write head at slot {7 * kept % 40}, weight 1.00; read head spread out, at most 0.02$")
    expect(slider).to_have_attribute("aria-valuetext", said)
    expect(page.locator(".ntm-legend")).to_contain_text(f"every {every} step is kept in this page")
    expect(page.locator(".ntm-legend")).to_contain_text("shows the strongest of 3 steps and 1 slot.")
    keep(page, "long-trace")
    context.close()


# A model like JupyterLab's, in which "other" stands for the kernel or a linked widget.
MODEL = """() => {
  const told = [], state = { step: 0 }, heard = new Set();
  const set = (name, value) => {
    if (state[name] === value) return;
    state[name] = value;
    heard.forEach((listener) => listener());
  };
  return { told, state, other: (step) => set("step", step), model: {
    set, get: (name) => state[name], save_changes() { told.push(state.step); },
    on(_, listener) { heard.add(listener); }, off(_, listener) { heard.delete(listener); },
  } };
}"""
TURNS = f"""async () => {{
  const {{ told, state, model }} = ({MODEL})();
  const kernel = makeTeller(model, "step", () => {{}}), begun = performance.now();
  let ahead = 0;
  for (let step = 1; step <= 50; step++) {{
    kernel.tell({{ step }});
    ahead += state.step !== told.at(-1);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }}
  await new Promise((resolve) => setTimeout(resolve, 300));
  return [told, ahead, performance.now() - begun];
}}"""
SET_BY_ANOTHER = f"""async () => {{
  const {{ told, state, other, model }} = ({MODEL})(), followed = [];
  const kernel = makeTeller(model, "step", () => followed.push(state.step));
  kernel.tell({{ step: 7 }});
  kernel.tell({{ step: 8 }}); // waits
  other(3);
  await new Promise((resolve) => setTimeout(resolve, 300));
  kernel.tell({{ step: 4 }});
  kernel.tell({{ step: 5 }}); // waits, and is told as the view goes
  kernel.end();
  other(6);
  await new Promise((resolve) => setTimeout(resolve, 300));
  return [told, followed, state.step];
}}"""


def test_the_kernel_is_told_at_once_then_ten_times_a_second_and_of_the_last_turn(browser):
    page = browser.new_page()
    page.add_script_tag(content=TELLING_SCRIPT)
    told, ahead, milliseconds = page.evaluate(TURNS)
    assert (told[0], told[-1]) == (1, 50)
    assert 2 <= len(told) <= 2 + milliseconds / 100
    assert ahead == 0  # a model ahead of the kernel is set back by the kernel's echo
    page.close()


def test_a_turn_that_waits_to_be_told_does_not_undo_what_another_has_set(browser):
    page = browser.new_page()
    page.add_script_tag(content=TELLING_SCRIPT)
    told, followed, last = page.evaluate(SET_BY_ANOTHER)
    assert told == [7, 4, 5]
    assert followed == [3]  # not our own, and nothing after the end
    assert last == 6
    page.close()


def test_a_damaged_page_says_so(browser, tmp_path):
    data: PlayerData = player_data(trace())
    text = step_through(trace(), interactive=False).to_html()
    chunk = json.loads(data.to_json())["chunks"][0]
    assert chunk in text
    (tmp_path / "damaged.html").write_text(
        PAGE.format(title="Damaged", width=1080, player=text.replace(chunk[:40], chunk[40:80]))
    )
    context = browser.new_context(offline=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto((tmp_path / "damaged.html").as_uri())
    expect(page.get_by_role("alert")).to_have_text(
        "The trace in this page cannot be unpacked: the file may be damaged."
    )
    context.close()
