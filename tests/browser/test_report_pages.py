"""Pages of the report in a real browser without a network: a small notebook with every kind of output, then ours."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from soundness import faults
from synthetic_notebooks import write_notebook

from ntmlib.workbook.exercises import read_checks
from ntmlib.workbook.report import run_report
from ntmlib.workbook.request import find_notebooks

pytestmark = pytest.mark.browser

OURS = list(find_notebooks(Path(__file__).resolve().parents[2] / "notebooks"))
PAGES = [*OURS, "index"]
LARGEST = 2_000_000

CELLS = (
    r"md:## Formulas"
    + "\n\n"
    + r"Inline $w_t$ and $$K = \frac{\mathbf u \cdot \mathbf v}{\lVert \mathbf u \rVert} \tag{6}$$",
    "import matplotlib.pyplot as plt\nfigure, axis = plt.subplots()\naxis.plot([1, 3, 2]);",
    "md:## A player",
    "import torch\nfrom ntmlib import NTM, views\ngenerator = torch.Generator().manual_seed(seed)\n"
    "machine = NTM(10, 9, hidden=20, slots=24, width=6, generator=generator)\n"
    "trace = machine.trace(torch.randint(0, 2, (1, 30, 10), generator=generator).float())\n"
    "views.step_through(trace, interactive=interactive)",
    "md:## Results",
    "from ntmlib.workbook import Result, publish\npublish([Result('answer', 42, paper='41', source='Fig. 1')])",
    "print('wide ' * 200)",
    "md:## Code\n\n```python\ndef show(text):  # a comment\n    return f'{text} {1}'\n```\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
)
# A text that changes when anything visible in any canvas of the player does.
FINGERPRINT = """(player) => [...player.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join()"""


@dataclass
class Seen:
    """A page and what it asked for and complained about while it was looked at."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def look(context: BrowserContext, file: Path) -> Seen:
    seen = Seen(context.new_page())
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("requestfailed", lambda request: seen.complaints.append(request.url[:80]))
    address = file.as_uri()
    seen.page.on(
        "request",
        lambda request: (
            None if request.url == address or request.url.startswith("data:") else seen.requests.append(request.url)
        ),
    )
    seen.page.goto(address)
    return seen


@pytest.fixture
def offline(browser: Browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    yield context
    context.close()


@pytest.fixture
def without_scripts(browser: Browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True, java_script_enabled=False)
    yield context
    context.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """The report of one small notebook that shows every kind of output."""
    home = tmp_path_factory.mktemp("small")
    write_notebook(home / "notebooks", "01-small", *CELLS, title="A small page")
    write_notebook(home / "notebooks", "02-fails", "raise ValueError('as it should')")
    options = {"out": home / "reports", "notebooks": home / "notebooks"}
    assert run_report(**options) == 1
    earlier = json.loads((home / "reports" / "01-small.json").read_text("utf-8"))
    earlier["results"][0] |= {"value": 41, "shown": "41", "better": "higher"}
    earlier["parameters"]["seed"] = 5
    (home / "earlier").mkdir()
    (home / "earlier" / "01-small.json").write_text(json.dumps(earlier))
    assert run_report(["01"], **options, against=home / "earlier") == 0  # 01 is kept
    return home / "reports"


def check_quiet(seen: Seen) -> None:
    assert (seen.requests, seen.complaints) == ([], [])


def check_formulas(page: Page) -> int:
    """Every formula is drawn: it has a box, and nothing of its TeX is left."""
    formulas = page.locator("math")
    boxes = formulas.evaluate_all("(all) => all.map((one) => [one.getBoundingClientRect().width, one.clientHeight])")
    assert all(width > 2 and height > 2 for width, height in boxes)
    assert page.locator("main").inner_text().count("\\frac") == 0
    return len(boxes)


def check_players(page: Page) -> int:
    """Every player's slider moves its picture."""
    players = page.locator(".ntm-player:has(input[type=range])")
    for index in range(players.count()):
        player = players.nth(index)
        slider = player.locator("input[type=range]").first
        slider.scroll_into_view_if_needed()
        before = player.evaluate(FINGERPRINT)
        slider.focus()
        for _ in range(5):
            slider.press("ArrowRight")
        page.wait_for_timeout(100)
        assert player.evaluate(FINGERPRINT) != before, f"player {index} stands still"
        assert slider.input_value() == "5"
    return players.count()


def check_stills(page: Page) -> int:
    """Without scripts every player is its still picture."""
    stills = page.locator(".ntm-player img")
    sizes = stills.evaluate_all("(all) => all.map((one) => [one.naturalWidth, one.clientWidth, one.alt.length])")
    assert all(natural > 100 and width > 100 and alt > 0 for natural, width, alt in sizes)
    return len(sizes)


def check_layout(page: Page) -> None:
    """Nothing sticks out of the window, every picture has words, and there is one main heading."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1


SMALL = ["01-small.html", "02-fails.failed.html", "index.html", "against.html"]


@pytest.mark.parametrize("name", SMALL)
def test_a_page_is_sound_html_and_keeps_to_the_rules_of_axe(small, offline, name):
    assert faults(look(offline, small / name).page, small / name) == []


@pytest.mark.parametrize("name", SMALL)
def test_a_page_asks_for_nothing_and_complains_about_nothing(small, offline, name):
    seen = look(offline, small / name)
    seen.page.wait_for_timeout(200)
    check_quiet(seen)
    check_layout(seen.page)


def test_formulas_are_drawn_without_scripts(small, without_scripts):
    assert check_formulas(look(without_scripts, small / "01-small.html").page) == 2


def test_the_slider_of_a_player_moves_its_picture(small, offline):
    seen = look(offline, small / "01-small.html")
    assert check_players(seen.page) == 1
    check_quiet(seen)


def test_without_scripts_a_player_is_its_still_picture(small, without_scripts):
    assert check_stills(look(without_scripts, small / "01-small.html").page) == 1


def test_links_lead_from_the_index_to_a_page_and_back(small, offline):
    page = look(offline, small / "index.html").page
    page.get_by_role("link", name="A small page").click()
    assert page.url.endswith("/01-small.html")
    page.get_by_role("link", name="NTM workbook").click()
    assert page.url.endswith("/index.html")


def test_a_narrow_window_and_paper_show_the_whole_page(small, offline):
    page = look(offline, small / "01-small.html").page
    page.set_viewport_size({"width": 390, "height": 800})
    check_layout(page)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("nav.contents").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".ntm-player button:visible, .ntm-player input:visible").count() == 0
    ink = page.locator(".ntm-player .ntm-title").first.evaluate("(title) => getComputedStyle(title).color")
    assert sum(int(part) for part in re.findall(r"\d+", ink)[:3]) < 200, "a player's words are dark, too"
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 less its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    wide = "(all) => all.filter((one) => one.getBoundingClientRect().right > 719).length"
    assert page.locator("main :is(pre, img, table, canvas, math)").evaluate_all(wide) == 0


def test_a_page_without_sections_has_the_whole_width_for_its_text(small, offline):
    page = look(offline, small / "02-fails.failed.html").page
    assert page.locator("nav.contents").count() == 0
    assert page.locator("main").evaluate("(main) => main.clientWidth") > 800


def test_a_dark_scheme_keeps_text_readable(small, browser):
    context = browser.new_context(color_scheme="dark", offline=True)
    page = look(context, small / "01-small.html").page
    colours = page.evaluate("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))")
    context.close()
    light, dark = (sum(int(part) for part in colour.strip("rgb()").split(",")) for colour in colours)
    assert light - dark > 500


# ---- the real notebooks


def test_the_first_three_notebooks_are_there():
    assert {"01-architecture", "02-addressing", "03-copy"} <= set(OURS)


@pytest.mark.notebooks
@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_ours_opens_without_a_network(reports, offline, name):
    file = reports / f"{name}.html"
    seen = look(offline, file)
    seen.page.wait_for_timeout(500)
    check_layout(seen.page)
    check_formulas(seen.page)
    if name != "index":
        check_players(seen.page)
    check_quiet(seen)
    assert file.stat().st_size < LARGEST


@pytest.mark.notebooks
@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_ours_is_sound_html_and_keeps_to_the_rules_of_axe(reports, offline, name):
    assert faults(look(offline, reports / f"{name}.html").page, reports / f"{name}.html") == []


@pytest.mark.notebooks
@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_ours_is_complete_without_scripts(reports, without_scripts, name):
    page = look(without_scripts, reports / f"{name}.html").page
    check_formulas(page)
    assert check_stills(page) == page.locator(".ntm-player").count()


@pytest.mark.notebooks
@pytest.mark.slow
def test_the_copy_notebook_has_a_player_and_formulas(reports, offline):
    page = look(offline, reports / "03-copy.html").page
    assert check_players(page) >= 1
    assert check_formulas(page) >= 1


@pytest.mark.notebooks
@pytest.mark.slow
def test_the_index_shows_a_picture_a_question_and_a_result_of_every_notebook(reports, offline):
    page = look(offline, reports / "index.html").page
    cards = page.locator(".card")
    assert cards.count() == len(OURS)
    for part in (".cover img", ".asked", ".ntm-results tbody td", ".badge.done"):
        assert page.locator(f".card:has({part})").count() == len(OURS), part


@pytest.mark.notebooks
@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_every_check_of_an_exercise_passes_with_the_solutions(reports, name):
    checks = read_checks(nbformat.read(reports / f"{name}.ipynb", as_version=4))
    assert len(checks) >= 2
    assert [check.name for check in checks if not check.passed] == []


@pytest.mark.notebooks
@pytest.mark.slow
def test_every_link_between_our_pages_leads_somewhere(reports, offline):
    missing = []
    for name in PAGES:
        page = look(offline, reports / f"{name}.html").page
        for address in page.locator("a[href]").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))"):
            file, _, anchor = address.partition("#")
            if file.endswith(".html") and not (reports / file).exists():
                missing.append((name, address))
            if not file and not page.evaluate("(id) => !!document.getElementById(decodeURIComponent(id))", anchor):
                missing.append((name, address))
    assert missing == []
