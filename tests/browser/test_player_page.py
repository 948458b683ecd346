"""The player in a page of its own, opened in a real browser without a network."""

import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, BrowserContext, Page, expect

from ntmlib.ntm import NTM
from ntmlib.views import step_through
from ntmlib.views.stepper import PAGE, PLAYER_SCRIPT, Stepper

pytestmark = pytest.mark.browser
STEPS = 43

# Sets the slider and resolves after the next frame has been drawn, in milliseconds.
MOVE_AND_TIME = """(slider, step) => new Promise((resolve) => {
  const start = performance.now();
  slider.value = step;
  slider.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => { const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now() - start); channel.port2.postMessage(0); });
})"""


def stepper(heads: int = 1) -> Stepper:
    generator = torch.Generator().manual_seed(3)
    machine = NTM(10, 9, hidden=20, num_heads=heads, generator=generator)
    inputs = torch.randint(0, 2, (1, STEPS, 10), generator=generator).float()
    return step_through(machine.trace(inputs), interactive=False, targets=torch.zeros(1, STEPS, 9))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("pages")
    stepper().save_html(folder / "one.html")
    stepper(heads=4).save_html(folder / "four.html")
    (folder / "two.html").write_text(
        PAGE.format(title="Two", width=1080, player=stepper().to_html() * 2), encoding="utf-8"
    )
    return {path.stem: path.as_uri() for path in folder.iterdir()}


@pytest.fixture
def offline(browser: Browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    yield context
    context.close()


def open_page(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".ntm-now").first).to_have_text(f"step 0 of {STEPS - 1}")
    return page


def test_the_page_asks_for_nothing_and_complains_about_nothing(offline, pages):
    requests, complaints = [], []
    offline.on("request", lambda request: requests.append(request.url))
    offline.on("console", lambda message: complaints.append(message.text))
    offline.on("weberror", lambda error: complaints.append(str(error.error)))
    page = open_page(offline, pages["one"])
    page.get_by_role("slider").press("End")
    assert [url for url in requests if not url.startswith("data:")] == [pages["one"]]
    assert complaints == []


def test_moving_the_slider_changes_the_memory_and_the_bars(offline, pages):
    page = open_page(offline, pages["one"])
    parts = [page.locator(".ntm-memory"), page.locator(".ntm-stage .ntm-bars").last]
    before = [part.screenshot() for part in parts]
    slider = page.get_by_role("slider")
    area = slider.bounding_box()
    page.mouse.move(area["x"] + 8, area["y"] + area["height"] / 2)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2, steps=5)
    page.mouse.up()
    expect(slider).to_have_attribute(
        "aria-valuetext",
        re.compile(rf"^step {STEPS // 2} of {STEPS - 1}: write head .* 0\.\d\d; read head .* 0\.\d\d$"),
    )
    assert all(part.screenshot() != old for part, old in zip(parts, before, strict=True))


@pytest.mark.parametrize(
    ("keys", "step"),
    [(["ArrowRight"] * 3, 3), (["End"], STEPS - 1), (["End", "ArrowLeft", "Home"], 0), (["PageUp"], 10)],
)
def test_keys_move_the_time_cursor(offline, pages, keys, step):
    page = open_page(offline, pages["one"])
    for key in keys:
        page.get_by_role("slider").press(key)
    expect(page.locator(".ntm-now")).to_have_text(f"step {step} of {STEPS - 1}")


def test_a_click_on_a_map_goes_to_its_step_and_the_keyboard_goes_on_from_there(offline, pages):
    page = open_page(offline, pages["one"])
    picture = page.get_by_role("img", name="write head: 3 shifted weighting, slots by time")
    width = picture.bounding_box()["width"]
    picture.click(position={"x": width * 20.5 / STEPS, "y": 30})
    expect(page.locator(".ntm-now")).to_have_text(f"step 20 of {STEPS - 1}")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".ntm-now")).to_have_text(f"step 21 of {STEPS - 1}")


def test_the_pointer_is_told_slot_step_and_value(offline, pages):
    page = open_page(offline, pages["one"])
    page.get_by_role("img", name="read head: 4 sharpened weighting, slots by time").hover(position={"x": 2, "y": 2})
    written = page.locator(".ntm-tip").inner_text()
    assert written.startswith("slot ")
    assert ", step 0: 0." in written or ", step 0: 1." in written


def test_play_moves_on_and_pause_stops(offline, pages):
    page = open_page(offline, pages["one"])
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".ntm-now")).not_to_have_text(f"step 0 of {STEPS - 1}")
    page.get_by_role("button", name="Pause").click()
    stopped = page.locator(".ntm-now").inner_text()
    page.wait_for_timeout(400)
    assert page.locator(".ntm-now").inner_text() == stopped


def test_two_players_on_a_page_do_not_interfere(offline, pages):
    page = open_page(offline, pages["two"])
    page.get_by_role("slider").nth(1).press("End")
    expect(page.locator(".ntm-now").nth(1)).to_have_text(f"step {STEPS - 1} of {STEPS - 1}")
    expect(page.locator(".ntm-now").nth(0)).to_have_text(f"step 0 of {STEPS - 1}")


def test_every_pair_of_heads_can_be_chosen(offline, pages):
    page = open_page(offline, pages["four"])
    page.get_by_role("button", name="pair 3").click()
    expect(page.locator(".ntm-stage .ntm-title").first).to_have_text("write head 3: 1 content")
    expect(page.locator(".ntm-pairs button")).to_have_count(4)


def test_the_player_fits_a_laptop(offline, pages):
    page = open_page(offline, pages["one"])
    area = page.locator(".ntm-player").bounding_box()
    assert area["y"] + area["height"] <= 720
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_the_browser_unpacks_what_python_packed(offline, monkeypatch):
    monkeypatch.setattr("ntmlib.views.player.CHUNK_BYTES", 1)  # chunks of eight steps
    shown = stepper()
    assert len(shown.data.chunks) == 6
    page = offline.new_page()
    page.add_script_tag(content=PLAYER_SCRIPT)
    unpacked = page.evaluate(
        """async ([data, name, size]) => {
          const store = openTrace(data), found = [];
          for (let step = 0; step < data.steps; step++) {
            await store.open(step);
            const { arrays, frame } = store.at(step);
            for (let i = 0; i < size; i++) found.push(arrays[name].value(frame * size + i));
          }
          return found;
        }""",
        [json.loads(shown.page_json()), "memory", 128 * 20],
    )
    memory, limit = shown._trace.memory[0].flatten(), shown.data.detail["memory"]["limit"]
    np.testing.assert_allclose(unpacked, memory, atol=limit * 0.5 / 127 + 1e-6)


def test_without_scripts_the_still_picture_stays(browser, pages):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(pages["one"])
    picture = page.get_by_role("img", name="A Neural Turing Machine with 128 slots")
    assert picture.is_visible()
    assert picture.bounding_box()["height"] > 200
    assert page.get_by_role("slider").count() == 0
    context.close()


def test_time_from_slider_to_picture(offline, pages, capsys):
    page = open_page(offline, pages["one"])
    slider = page.get_by_role("slider")
    times = sorted(slider.evaluate(MOVE_AND_TIME, step) for step in range(1, 41))
    with capsys.disabled():
        print(
            f"\nplayer in a page, slider to picture: median {statistics.median(times):.1f} ms, p90 {times[35]:.1f} ms"
        )
    assert len(times) == 40


def test_symbols_are_text_that_follows_the_step_and_can_be_pointed_at(offline, tmp_path):
    text = "HAMLET_" * 6
    names = sorted(set(text))
    shown = torch.nn.functional.one_hot(torch.tensor([names.index(symbol) for symbol in text]), len(names)).float()
    machine = NTM(len(names), len(names), hidden=20, generator=torch.Generator().manual_seed(3))
    step_through(machine.trace(shown[None]), interactive=False, symbols=names).save_html(tmp_path / "text.html")
    page = offline.new_page()
    page.goto((tmp_path / "text.html").as_uri())
    reads, words = page.locator(".ntm-ribbon b"), page.locator(".ntm-words p")
    assert "".join(reads.all_inner_texts()) == text
    page.get_by_role("slider").press("End")
    expect(words.first).to_have_text(f"reads {text[-25:]} and expects")
    expect(words.last).to_have_text("what came next is not asked for")
    expect(reads.last).to_be_in_viewport()
    frame = page.locator(".ntm-cursor")
    assert frame.bounding_box()["x"] == pytest.approx(reads.last.bounding_box()["x"], abs=1)
    reads.nth(35).click()
    expect(page.locator(".ntm-now")).to_have_text("step 35 of 41")
    assert frame.bounding_box()["x"] == pytest.approx(reads.nth(35).bounding_box()["x"], abs=1)
    page.get_by_role("slider").press("Home")
    expect(reads.first).to_be_in_viewport()
    expect(words.first).to_have_text("reads H and expects")
    page.locator(".ntm-ribbon").evaluate("strip => strip.scrollLeft = 0")
    page.get_by_role("slider").press("End")
    expect(reads.last).to_be_in_viewport()
    reads.nth(35).click()
    expect(words.last).to_contain_text("came: A, which cost")
    shares = page.locator(".ntm-words li span:last-child").all_inner_texts()
    assert len(shares) == 3
    assert all(share.endswith(" %") for share in shares)


COVERED = """() => [...document.querySelectorAll(".ntm-below, .ntm-left")].flatMap((axis) => {
  const boxes = [...axis.children].map((one) => [one.textContent, one.getBoundingClientRect()]);
  const pairs = boxes.slice(1).map((box, i) => [boxes[i], box]);
  const over = (a, b) => a.right > b.left && a.bottom > b.top + 2;
  const touch = ([[, a], [, b]]) => over(a, b) && over(b, a);
  return pairs.filter(touch).map(([[a], [b]]) => `${a} | ${b}`);
})"""


@pytest.mark.parametrize("steps", [12, 101, 130, 200])
def test_no_label_of_an_axis_stands_on_another(offline, tmp_path, steps):
    generator = torch.Generator().manual_seed(3)
    machine = NTM(10, 9, hidden=20, num_heads=4, generator=generator)
    trace = machine.trace(torch.randint(0, 2, (1, steps, 10), generator=generator).float())
    step_through(trace, interactive=False).save_html(tmp_path / "labels.html")
    page = offline.new_page()
    page.goto((tmp_path / "labels.html").as_uri())
    for width in (1280, 1000, 760):
        page.set_viewport_size({"width": width, "height": 720})
        page.wait_for_timeout(300)  # the picture follows its size in the next frames
        assert page.locator(".ntm-below span").count() > 10
        assert page.evaluate(COVERED) == []
        assert "step 0" in page.locator(".ntm-below span").all_inner_texts()
