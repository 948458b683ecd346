"""The outputs of a code cell as HTML: pictures, tables, players, text and errors, and nothing that asks the network."""

import base64
import html
import io
import re
from typing import Any

from ntmlib.workbook.markdown import markdown_html, mathml, preformatted

# What a page prefers when an output comes in several forms. Widgets are not among them: without a kernel and their
# scripts they would be a blank area, and what stands beside them (a player, a picture) is shown instead.
FORMS = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/latex", "text/plain")
_WIDGET_TEXT = re.compile(r"^(\w+\(.*children=|(VBox|HBox|IntSlider|Play|Output|interactive|HTML)\()", re.DOTALL)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SCRIPT = re.compile(r"<script\b[^>]*>.*?</script>", re.DOTALL | re.IGNORECASE)
_SCRIPT_SOURCE = re.compile(r"<script\b[^>]*\ssrc\s*=", re.IGNORECASE)
_REQUESTS = re.compile(
    r"""<\w+\b[^>]*\s(?:src|srcset|poster)\s*=\s*["']?\s*(?!data:|["'>\s])[^"'>\s]*
    | <link\b(?![^>]*href="data:)[^>]* | @import[^;]*
    | url\(\s*["']?(?!data:|\#)[^)"']* | <(?:iframe|object|embed)\b[^>]*""",
    re.VERBOSE | re.IGNORECASE,
)


def find_request(fragment: str) -> str:
    """The first thing in a piece of HTML that would make a browser ask for another file, or an empty text."""
    if source := _SCRIPT_SOURCE.search(fragment):
        return source[0]
    found = _REQUESTS.search(_SCRIPT.sub("", fragment))
    return found[0].strip()[:100] if found else ""


def plain(text: str) -> str:
    """Terminal text as it looked at the end: colours dropped, lines that were overwritten left out."""
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))


def output_html(output: Any, *, alt: str, strict: bool = True) -> str:
    """Render one output.

    Args:
        alt: what a picture shows, for readers who do not see it.
        strict: see `ntmlib.workbook.markdown.markdown_html`.
    """
    if output.output_type == "stream":
        text = plain(output.text).rstrip("\n")
        return preformatted(html.escape(text), f"output {output.name}") if text.strip() else ""
    if output.output_type == "error":
        return error_html(output)
    form = next((form for form in FORMS if form in output.data), None)
    if form is None:
        return ""
    data = output.data[form]
    if form == "text/plain":
        if _WIDGET_TEXT.match(data):
            return ""  # the text form of a widget says nothing to a reader
        return preformatted(html.escape(plain(data)), "output")
    if form in ("image/png", "image/jpeg"):
        return f'<div class="output figure">{picture(form, data, alt, output.metadata.get(form, {}))}</div>'
    if form == "image/svg+xml":
        inner = re.sub(r"^.*?(?=<svg\b)", "", data, count=1, flags=re.DOTALL)
        return f'<div class="output figure" role="img" aria-label="{html.escape(alt)}">{inner}</div>'
    if form == "text/markdown":
        return f'<div class="output">{markdown_html(data, strict=strict)}</div>'
    if form == "text/latex":
        return f'<div class="output">{mathml(data.strip().strip("$"), block=True)}</div>'
    return f'<div class="output">{data}</div>'


def picture(form: str, data: str, alt: str, size: dict[str, Any] | None = None) -> str:
    """An ``img`` element that holds its own bytes."""
    measures = "".join(f' {side}="{int(size[side])}"' for side in ("width", "height") if size and side in size)
    return f'<img src="data:{form};base64,{"".join(data.split())}" alt="{html.escape(alt)}"{measures}>'


def error_html(output: Any) -> str:
    """An error with the lines that led to it."""
    lines = plain("\n".join(output.traceback)).strip() or f"{output.ename}: {output.evalue}"
    return preformatted(html.escape(lines), "output error", scrolls=True)


def description(output: Any) -> str:
    """What a picture shows: in its author's words, else what `ntmlib.workbook.described` says; empty without either."""
    written = output.get("metadata", {}).get("image/png", {}).get("alt")
    if isinstance(written, str) and written.strip():
        return written
    text = str(output.get("data", {}).get("text/plain", "")) if "image/png" in output.get("data", {}) else ""
    return "" if text.startswith("<") else " ".join(text.split())


def find_picture(outputs: list[Any]) -> tuple[str, str]:
    """The first picture among some outputs, a figure or the still of a player: its data address and what it shows."""
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            return "data:image/png;base64," + "".join(data["image/png"].split()), description(output)
        still = re.search(r'<img\b[^>]*\ssrc="(data:image/png;base64,[^"]+)"[^>]*>', data.get("text/html", ""))
        if still:
            alt = re.search(r'\salt="([^"]*)"', still[0])
            return still[1], html.unescape(alt[1]) if alt else ""
    return "", ""


def thumbnail(address: str, width: int = 720) -> str:
    """A picture's data address, made small enough for a card."""
    from PIL import Image

    if not address:
        return ""
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        if image.width <= width:
            return address
        small = image.convert("RGBA").resize(
            (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
