"""The checks of HTML and accessibility catch what they are for, and a saved player passes them."""

import pytest
import torch
from soundness import axe_violations, faults, html_errors

from ntmlib import NTM, views

pytestmark = pytest.mark.browser
PAGE = """<!DOCTYPE html><html lang="en"><head><title>t</title><style>
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: {dark} }} }}</style></head>
<body><main><h1>t</h1>{body}</main></body></html>"""


@pytest.mark.parametrize(
    "body", ["<p>a</div>", "<b><i>a</b></i>", "<table><p>a</p></table>", '<p id="a" id="b">a</p>', "<li>a</p><b>"]
)
def test_faulty_html_is_caught(body):
    assert html_errors(PAGE.format(body=body, dark="#eee")) != []


@pytest.mark.parametrize(
    ("body", "dark", "rule"),
    [
        ('<img src="data:,">', "#eee", "image-alt"),
        ('<p style="color: #999">grey</p>', "#eee", "light: color-contrast"),
        ("<p>fine by day</p>", "#333", "dark: color-contrast"),
        ("<h3>too deep</h3>", "#eee", "heading-order"),
        ('<input type="range">', "#eee", "label"),
        ('<pre style="width: 9em; overflow: auto">' + "a" * 99 + "</pre>", "#eee", "scrollable-region-focusable"),
    ],
)
def test_a_broken_rule_is_caught(browser, body, dark, rule):
    page = browser.new_page()
    page.set_content(PAGE.format(body=body, dark=dark))
    assert any(rule in said for said in axe_violations(page)), rule
    page.close()


def test_a_page_without_fault_passes(browser, tmp_path):
    (tmp_path / "good.html").write_text(PAGE.format(body="<h2>s</h2><p>a</p>", dark="#eee"))
    page = browser.new_page()
    page.goto((tmp_path / "good.html").as_uri())
    assert faults(page, tmp_path / "good.html") == []
    page.close()


def test_a_saved_player_is_sound(browser, tmp_path):
    generator = torch.Generator().manual_seed(3)
    machine = NTM(10, 9, hidden=20, num_heads=2, generator=generator)
    trace = machine.trace(torch.randint(0, 2, (1, 12, 10), generator=generator).float())
    views.step_through(trace, interactive=False).save_html(tmp_path / "player.html")
    page = browser.new_page()
    page.goto((tmp_path / "player.html").as_uri())
    page.locator(".ntm-player canvas").first.wait_for()
    assert faults(page, tmp_path / "player.html") == []
    page.close()
