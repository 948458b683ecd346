"""One executed notebook as one self-contained page: no script but the notebook's own players, no request, no font.

The page keeps what a reader needs (text, mathematics, code, outputs, how the run went) and leaves out what only a
notebook server needs (widgets and their state, MathJax, require.js).
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ntmlib.workbook import outputs, results
from ntmlib.workbook.markdown import FormulaError, code_html, markdown_html, preformatted
from ntmlib.workbook.records import RunRecord

STYLE = Path(__file__).with_name("page.css")
INJECTED = "injected-parameters"
_TAGS = re.compile(r"<[^>]+>")
_MATH = re.compile(r"<math\b.*?</math>", re.DOTALL)
_QUESTION = re.compile(r"\*\*Question[.:]?\*\*[.:]?\s*(.+?)\s*(?:\n\s*\n|\Z)", re.DOTALL)


class ExportError(ValueError):
    """A cell cannot be printed.

    Attributes:
        cell: number of the last code cell before or at it, as Jupyter counts.
    """

    def __init__(self, cell: int, where: str, problem: str):
        super().__init__(f"{where}: {problem}")
        self.cell = cell


def read_story(notebook: Any) -> dict[str, Any]:
    """What a notebook says about itself: title, question, results, and a picture for its card."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    title = re.search(r"^# +(.+?)\s*#*$", text, re.MULTILINE)
    question = _QUESTION.search(text)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    published = [o.data[results.MIME] for cell in code for o in cell.outputs if results.MIME in o.get("data", {})]
    chosen = [cell for cell in code if "cover" in cell.metadata.get("tags", [])]
    cover = cover_text = ""
    for cell in chosen + code:
        cover, said = outputs.find_picture(cell.outputs)
        if cover:
            cover_text = _caption(cell) or said or "first figure of this notebook"
            break
    return {
        "title": title[1] if title else "",
        "question": " ".join(question[1].split()) if question else "",
        "results": [dict(result) for rows in published for result in rows],
        "cover": outputs.thumbnail(cover),
        "cover_text": cover_text,
    }


def _caption(cell: Any) -> str:
    return str(cell.metadata.get("caption", ""))


class _Page:
    """Collects headings while the cells are printed one after another."""

    def __init__(self, notebook: Any, folder: str, strict: bool):
        self.notebook, self.folder, self.strict = notebook, folder, strict
        self.headings: list[tuple[int, str, str]] = []  # level, address, HTML
        self.number = 0  # of the last code cell, as Jupyter counts
        self.where = ""

    def heading(self, content: str, level: int) -> str:
        if level == 1 and any(known == 1 for known, _, _ in self.headings):
            level = 2  # a page has one main heading
        address = base = re.sub(r"[\s\"'<>&]+", "-", _words(content)) or "section"
        count = 1
        while any(address == known for _, known, _ in self.headings):
            count += 1
            address = f"{base}-{count}"
        self.headings.append((level, address, content))
        anchor = f'<a class="anchor" href="#{address}" aria-label="link to this section">#</a>' if level > 1 else ""
        return f'<h{level} id="{address}">{content}{anchor}</h{level}>\n'

    def cells(self) -> Iterator[str]:
        for index, cell in enumerate(self.notebook.cells, start=1):
            if cell.cell_type == "code" and cell.source.strip():
                injected = INJECTED in cell.metadata.get("tags", [])
                self.number += not injected
            try:
                fragment = self.markdown(cell) if cell.cell_type == "markdown" else self.code(cell)
            except FormulaError as error:
                raise ExportError(self.number, _place(cell, index), str(error)) from error
            request = outputs.find_request(fragment)
            if request and self.strict:
                problem = f"a page must hold everything itself, but this asks for another file: {request}"
                raise ExportError(self.number, _place(cell, index), problem)
            yield fragment

    def markdown(self, cell: Any) -> str:
        text = markdown_html(
            cell.source,
            folder=self.folder,
            attachments=cell.get("attachments"),
            heading=self.heading,
            link=link_to_page,
            strict=self.strict,
        )
        return f'<section class="text">{text}</section>\n'

    def code(self, cell: Any) -> str:
        if cell.cell_type != "code" or not cell.source.strip():
            return ""
        tags = cell.metadata.get("tags", [])
        if INJECTED in tags:
            label, place = "values of this run, set by ntm report", ""
        else:
            label = f"[{self.number}]" + (" parameters" if "parameters" in tags else "")
            place = f' id="cell-{self.number}"'
        source = cell.source if INJECTED not in tags else cell.source.removeprefix("# Parameters\n")
        solved = any(line.strip() == "# BEGIN SOLUTION" for line in source.splitlines())
        if solved:
            label += " a solution"
        shown = "" if "hide-input" in tags or solved else " open"
        parts = [
            f'<section class="cell"{place}><details class="source"{shown}><summary>{label}</summary>'
            f"{preformatted(f'<code>{code_html(source)}</code>', 'code')}</details>\n"
        ]
        heading = f"Figure: {_words(self.headings[-1][2])}" if self.headings else "Figure"
        for output in cell.outputs:
            alt = _caption(cell) or outputs.description(output) or heading
            parts.append(outputs.output_html(output, alt=alt, strict=self.strict) + "\n")
        return "".join(parts) + "</section>\n"


def _place(cell: Any, index: int) -> str:
    first = next((line for line in cell.source.splitlines() if line.strip()), "")
    return f"{cell.cell_type} cell at place {index} ({first[:40]!r})"


def _words(content: str) -> str:
    """The text of some HTML; a formula counts by its letters."""
    return html.unescape(_TAGS.sub("", content)).strip()


def link_to_page(address: str) -> str:
    """Links between notebooks become links between their pages."""
    if re.match(r"[a-z]+:", address):
        return address
    return re.sub(r"^(?:\./)?([0-9]{2}-[\w-]+)\.ipynb(?=$|#)", r"\1.html", address)


def page(notebook: Any, record: RunRecord, *, folder: Path = Path(), strict: bool = True) -> str:
    """Print a notebook.

    Args:
        notebook: executed, as nbformat reads it.
        record: of this run; a failed one puts the error first.
        folder: where the notebook lives; pictures it names are read from there.
        strict: refuse what cannot be shown as it is meant. Otherwise the page does its best.

    Raises:
        ExportError: a formula has no MathML, or an output asks for another file.
    """
    book = _Page(notebook, str(folder), strict)
    body = "".join(book.cells())
    title = record.title or record.name
    if not any(level == 1 for level, _, _ in book.headings):
        body = f"<h1>{html.escape(title)}</h1>\n{body}"
    entries = "".join(
        f'<li><a href="#{address}">{content}</a></li>' for level, address, content in book.headings if level == 2
    )
    contents = f'<nav class="contents" aria-label="Contents"><p>On this page</p><ol>{entries}</ol></nav>'
    main = f'<main id="content">{_failure(notebook, record)}{body}</main>'
    return document(
        _words(markdown_html(title, strict=False)) + " · NTM workbook",
        f'{_run_header(record)}<div class="layout">{contents if entries else ""}{main}</div>',
    )


def document(title: str, body: str) -> str:
    """The frame that every page shares."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        f'<a class="skip" href="#content">Skip to the content</a>\n{body}\n</body>\n</html>\n'
    )


def _run_header(record: RunRecord) -> str:
    status = "done" if record.done else "failed"
    return (
        '<header class="run"><p class="where"><a href="index.html">NTM workbook</a> '
        f'<span aria-hidden="true">›</span> <strong>{html.escape(record.name)}</strong> '
        f'<span class="badge {status}">{status}</span></p><!-- run --><dl>{facts(record)}</dl><!-- /run --></header>\n'
    )


def facts(record: RunRecord) -> str:
    """How a run went, as entries of a description list."""
    changed = ", ".join(
        f"{name} = {_shown(now)} (default {_shown(before)})" for name, (before, now) in record.changed.items()
    )
    entries = {
        "took": duration(record.seconds),
        "started": record.started[:16].replace("T", " "),
        "parameters": changed or "all at their defaults",
        "commit": record.commit,
        "with": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }
    return "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in entries.items() if value
    )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _failure(notebook: Any, record: RunRecord) -> str:
    if record.done:
        return ""
    errors = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if o.output_type == "error"]
    where = f'in <a href="#cell-{record.failed_cell}">cell [{record.failed_cell}]</a>' if record.failed_cell else ""
    return (
        f'<section class="failure" aria-label="Error"><p><strong>This run failed</strong> {where}</p>'
        f"<p><code>{html.escape(record.error)}</code></p>{outputs.error_html(errors[0]) if errors else ''}</section>\n"
    )
