"""Whether a page is sound: HTML that parses without an error, and the rules of axe in light and in dark."""

from pathlib import Path

import html5lib
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

AXE = Axe()
# Code on a page has thousands of coloured words, and each costs axe a while. A kind of word has one colour everywhere
# in a list of code: three of each are looked at, the others become plain text of the list.
FEWER_WORDS = """() => { const seen = {};
  for (const word of document.querySelectorAll("pre.code span")) {
    const kind = [word.className, !!word.closest(".source"), !!word.closest("blockquote"), !!word.closest("details")];
    seen[kind] = (seen[kind] || 0) + 1;
    if (seen[kind] > 3) word.replaceWith(word.textContent);
  } }"""


def html_errors(text: str) -> list[str]:
    """Every parse error that the HTML standard names, with its line."""
    parser = html5lib.HTMLParser()
    parser.parse(text)
    return [f"line {line}: {code} {about}" for (line, _), code, about in parser.errors]


def axe_violations(page: Page) -> list[str]:
    """Every rule of axe that an open page breaks: all rules in light, and contrast again in dark."""
    page.evaluate(FEWER_WORDS)
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        options = {"resultTypes": ["violations"], "preload": False}
        if scheme == "dark":
            options["runOnly"] = ["color-contrast"]
        for broken in AXE.run(page, options=options).response["violations"]:
            where = "; ".join(f"{node['target']} {node['html'][:100]}" for node in broken["nodes"][:3])
            found.append(f"{scheme}: {broken['id']}, {len(broken['nodes'])} times: {broken['help']}: {where}")
    return found


def faults(page: Page, file: Path) -> list[str]:
    """All that is wrong with a file and the page that shows it."""
    return html_errors(file.read_text("utf-8")) + axe_violations(page)
