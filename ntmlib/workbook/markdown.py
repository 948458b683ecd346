"""Markdown to HTML that needs nothing else: mathematics as MathML, pictures inside, links to the other pages."""

import html
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath, MathBlockParser, MathInlineParser
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

# Kinds of token that page.css gives a colour; the others, which are most, need no element of their own.
COLOURED = {
    *("k", "kn", "kd", "kr", "kc", "kt", "ow", "s", "s1", "s2", "sd", "sa", "sb", "sh", "si", "se"),
    *("m", "mi", "mf", "mh", "mb", "mo", "c", "c1", "cm", "ch", "nf", "nc", "fm", "nd"),
}
WIDEST = 76  # characters of a line of code that a page shows without scrolling, in a window that is not very narrow
_TOKEN = re.compile(r'<span class="(\w+)">([^<]*)</span>')
_TAG = re.compile(r"\\tag\*?\{([^{}]*)\}")
_ENVIRONMENTS = {"aligned": "align*", "equation": "", "equation*": "", "align": "align*", "gathered": "align*"}


class FormulaError(ValueError):
    """A formula cannot be written as MathML."""


def mathml(formula: str, *, block: bool = False) -> str:
    r"""Write a TeX formula as MathML, which browsers draw without any script.

    Args:
        formula: without its dollar signs; ``\tag{5}`` puts an equation number at the right edge.
        block: on a line of its own.

    Raises:
        FormulaError: the formula uses a command that is unknown, or does not close what it opens.
    """
    from latex2mathml.converter import convert
    from latex2mathml.exceptions import NoAvailableTokensError

    tags = _TAG.findall(formula)
    tex = _TAG.sub("", formula).strip()
    for name, replacement in _ENVIRONMENTS.items():
        for edge in ("begin", "end"):
            tex = tex.replace(f"\\{edge}{{{name}}}", f"\\{edge}{{{replacement}}}" if replacement else "")
    if re.sub(r"\\[{}]", "", tex).count("{") != re.sub(r"\\[{}]", "", tex).count("}"):
        raise FormulaError(f"braces do not match in the formula {formula.strip()!r}")
    try:
        text = convert(tex, display="block" if block else "inline")
    except Exception as error:  # the converter has a dozen exceptions of its own; all mean the same here
        name = "it ends too early" if isinstance(error, NoAvailableTokensError) else type(error).__name__
        raise FormulaError(f"no MathML for the formula {formula.strip()!r} ({name})") from error
    if unknown := re.search(r"\\[A-Za-z]+", text):
        raise FormulaError(f"no MathML for the formula {formula.strip()!r}: {unknown[0]} is unknown")
    text = _with_plain_letters(text)
    if not block:
        return text
    number = f'<span class="equation-number">({html.escape(tags[0])})</span>' if tags else ""
    return f'<span class="equation">{text}{number}</span>'


def _with_plain_letters(text: str) -> str:
    """Bold letters as characters of their own: browsers no longer read MathML's ``mathvariant``."""
    tree = ElementTree.fromstring(text.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', ""))
    for element in tree.iter():
        variant = element.get("mathvariant")
        if variant in _ALPHABETS and element.text:
            element.text = "".join(_styled(letter, *_ALPHABETS[variant]) for letter in element.text)
            del element.attrib["mathvariant"]
    return ElementTree.tostring(tree, encoding="unicode")


_ALPHABETS = {  # first capital letter, first small letter, first digit, first capital and small Greek letter
    "bold": (0x1D400, 0x1D41A, 0x1D7CE, 0x1D6A8, 0x1D6C2),
    "bold-italic": (0x1D468, 0x1D482, 0x1D7CE, 0x1D71C, 0x1D736),
}


def _styled(letter: str, capital: int, small: int, digit: int, greek_capital: int, greek_small: int) -> str:
    for first, last, start in (
        ("A", "Z", capital),
        ("a", "z", small),
        ("0", "9", digit),
        ("Α", "Ω", greek_capital),
        ("α", "ω", greek_small),
    ):
        if first <= letter <= last:
            return chr(start + ord(letter) - ord(first))
    return letter


def code_html(code: str) -> str:
    """Python source coloured by class names; the page's style sheet holds the colours."""
    coloured = str(highlight(code, PythonLexer(), HtmlFormatter(nowrap=True))).rstrip()
    return _TOKEN.sub(lambda token: token[0] if token[1] in COLOURED else token[2], coloured)


def preformatted(content: str, kind: str, *, scrolls: bool = False) -> str:
    """A ``pre`` element; one that will have to be scrolled can be reached with the keyboard.

    Args:
        content: HTML.
        kind: class names.
        scrolls: it will have to be scrolled whatever the length of its lines.
    """
    longest = max((len(line) for line in _words(content).splitlines()), default=0)
    reach = ' tabindex="0"' if scrolls or longest > WIDEST else ""
    return f'<pre class="{kind}"{reach}>{content}</pre>'


def _words(content: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", content))


class _Blocks(MathBlockParser):
    """Display formulas start a line of their own, so that ``$$`` inside code is left alone."""

    SPECIFICATION = {  # noqa: RUF012 - mistune's way to declare its rules
        **MathBlockParser.SPECIFICATION,
        "multiline_math": r"^ {0,3}(?s:\$\$.*?(?<!\\)\$\$|"
        r"\\begin\{(?P<math_env_name>[a-z]*\*?)\}.*?\\end\{(?P=math_env_name)\})",
    }


class _Inlines(MathInlineParser):
    """A formula hugs its dollars and no digit follows it, so that "from $5 to $6" stays a sum of money."""

    SPECIFICATION = {  # noqa: RUF012
        **MathInlineParser.SPECIFICATION,
        "inline_math_tex": r"(?s:(?<![\\$])\$(?=[^\s$])(?P<math_inline_tex>(?:\\.|[^$\\`])+)(?<!\s)\$(?![0-9$]))",
    }


class _Renderer(IPythonRenderer):
    def __init__(self, strict: bool, heading: Callable[[str, int], str], link: Callable[[str], str], **options: Any):
        super().__init__(escape=False, embed_images=True, **options)
        self._strict, self._heading, self._link = strict, heading, link

    def _formula(self, tex: str, block: bool) -> str:
        try:
            return mathml(tex, block=block)
        except FormulaError:
            if self._strict:
                raise
            return f"<code>{html.escape(tex)}</code>"

    def inline_math(self, body: str) -> str:
        return self._formula(body, block=False)

    def block_math(self, body: str) -> str:
        return self._formula(body, block=True)

    def latex_environment(self, name: str, body: str) -> str:
        return self._formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        return self._heading(text, level)

    def block_html(self, html: str) -> str:
        # nbconvert parses each piece of HTML on its own to find pictures, and thereby closes a tag such as
        # <details> whose end is in a later piece. Pieces without a picture are passed on as they are.
        self.embed_images = "<img" in html
        try:
            return str(super().block_html(html))
        finally:
            self.embed_images = True

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return str(super().link(text, self._link(url), title))

    def block_code(self, code: str, info: str | None = None) -> str:
        language = (info or "").split()[:1]
        if language and language[0] in ("python", "py", "python3"):
            return preformatted(f"<code>{code_html(code)}</code>", "code") + "\n"
        return preformatted(f"<code>{html.escape(code)}</code>", "code") + "\n"

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        tag = "th" if head and text.strip() else "td"  # the corner above names of rows is no heading
        style = f' style="text-align: {align}"' if align else ""
        return f"<{tag}{style}>{text}</{tag}>\n"

    def table(self, text: str) -> str:
        return f'<div class="scroll"><table>{text}</table></div>\n'


def markdown_html(
    source: str,
    *,
    folder: str = "",
    attachments: dict[str, Any] | None = None,
    heading: Callable[[str, int], str] = lambda text, level: f"<h{level}>{text}</h{level}>\n",
    link: Callable[[str], str] = str,
    strict: bool = True,
) -> str:
    """Render Markdown as JupyterLab would, with mathematics as MathML.

    Args:
        folder: pictures are read from here and put inside the page.
        attachments: of the cell.
        heading: makes the HTML of a heading from its HTML content and level.
        link: maps each link's address to that on the page.
        strict: refuse a formula without MathML; otherwise it is shown as TeX.

    Raises:
        FormulaError: see `mathml`.
    """
    renderer = _Renderer(strict, heading, link, path=folder, attachments=attachments)
    return MarkdownWithMath(renderer, block=_Blocks(), inline=_Inlines(hard_wrap=False)).render(source)


def inline_html(text: str) -> str:
    """One paragraph of Markdown without its ``<p>``; a formula without MathML is shown as TeX."""
    return markdown_html(text, strict=False).strip().removeprefix("<p>").removesuffix("</p>")
