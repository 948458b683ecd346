"""The page ``against.html``: what differs between two reports."""

import html

from ntmlib.workbook.against import Change, Row, summary
from ntmlib.workbook.export import document
from ntmlib.workbook.markdown import inline_html
from ntmlib.workbook.records import now


def against_page(changes: list[Change], name: str) -> str:
    """The comparison as a page.

    Args:
        changes: what `compare` found.
        name: what to call the earlier report.
    """
    alike = [change for change in changes if change.nothing]
    told = "".join(_section(change) for change in changes if not change.nothing)
    rest = ", ".join(inline_html(change.title) for change in alike)
    same = f"<h2>Alike in everything</h2>\n<p>{rest}</p>\n" if alike else ""
    when = now()[:16].replace("T", " ")
    return document(
        f"Against {name} · NTM workbook",
        '<header class="run"><p class="where"><a href="index.html">NTM workbook</a> '
        '<span aria-hidden="true">›</span> <strong>comparison</strong></p></header>\n'
        f'<div class="index"><main id="content"><h1>Against the report {html.escape(name)}</h1>\n'
        f"<p>Compared on {when}. In short: {html.escape(summary(changes))}. A result is called better or worse only "
        f"where the notebook says which way is better.</p>\n{told}{same}</main></div>",
    )


def _section(change: Change) -> str:
    fate = f"<p>{html.escape(change.fate)}</p>\n" if change.fate else ""
    tables = "".join(_table(group, rows) for group, rows in change.rows.items() if rows)
    count = f"<p>{change.same} {'result is' if change.same == 1 else 'results are'} the same.</p>\n"
    return f"<section><h2>{inline_html(change.title)}</h2>\n{fate}{tables}{count if change.same else ''}</section>\n"


def _table(group: str, rows: list[Row]) -> str:
    columns = [group, "before", "now"] + (["difference", "in words"] if group == "results" else [])
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(_line(row, len(columns)) for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n'


def _line(row: Row, columns: int) -> str:
    cells = [html.escape(text) or "–" for text in (row.old, row.new, row.difference)]
    kind = {"better": "done", "worse": "failed"}.get(row.verdict, "")
    cells.append(f'<span class="badge {kind}">{row.verdict}</span>' if kind else row.verdict)
    tail = "".join(f"<td>{cell}</td>" for cell in cells[: columns - 1])
    return f'<tr><th scope="row">{html.escape(row.name)}</th>{tail}</tr>'
