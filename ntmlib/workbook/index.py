"""The story of a report on one page: what was asked, what was found, and how each run went.

It is made from the records that lie beside the pages, and from nothing else.
"""

import html
from collections.abc import Iterable
from pathlib import Path

from ntmlib.workbook.against import PAGE as AGAINST
from ntmlib.workbook.export import document, duration, facts
from ntmlib.workbook.markdown import inline_html
from ntmlib.workbook.records import RunRecord, read_records


def index_page(folder: Path) -> str:
    """The page ``index.html`` of a folder of reports.

    A notebook whose last run failed keeps the card of its last good run, and says so.
    """
    good, failed = read_records(folder, ".json"), read_records(folder, ".failed.json")
    names = sorted(good.keys() | failed.keys())
    cards = "".join(_card(good.get(name), failed.get(name)) for name in names)
    summary = _summary(good.values(), failed.values())
    link = f' <a href="{AGAINST}">What differs from an earlier report.</a>' if (folder / AGAINST).is_file() else ""
    return document(
        "NTM workbook",
        '<div class="index"><header><h1>NTM workbook</h1>'
        f'<p>{summary}{link}</p></header><main id="content"><ul class="cards">{cards}</ul></main></div>',
    )


def _summary(good: Iterable[RunRecord], failed: Iterable[RunRecord]) -> str:
    good, failed = list(good), list(failed)
    parts = [f"{len(good)} {'notebook' if len(good) == 1 else 'notebooks'} executed from start to end"]
    if good:
        parts[0] += f" in {duration(sum(record.seconds for record in good))} together"
    if failed:
        parts.append(f"the last run of {len(failed)} failed")
    return (
        "The Neural Turing Machine explained, trained and looked into: what each notebook asks, and what it found. "
        + "; ".join(parts)
        + ". Each page stands alone: keep it, mail it, open it without a network."
    )


def _card(good: RunRecord | None, failed: RunRecord | None) -> str:
    record = good or failed
    assert record is not None
    page = html.escape(record.page)
    badge = "failed" if failed else "done"
    title = inline_html(record.title or record.name)
    parts = [
        '<li class="card"><div class="body">'
        f'<h2><a href="{page}">{title}</a> <span class="badge {badge}">{badge}</span></h2>'
    ]
    if record.question:
        parts.append(f'<p class="asked">{inline_html(record.question)}</p>')
    if failed:
        parts.append(_problem(good, failed))
    if good and good.results:
        parts.append(_found(good))
    parts.append("</div>")
    if record.cover:
        alt = html.escape(record.cover_text)
        parts.append(f'<div class="cover"><img src="{record.cover}" alt="{alt}"></div>')
    parts.append(f"<dl>{facts(record)}{_reason(record)}</dl></li>\n")
    return "".join(parts)


def _found(record: RunRecord) -> str:
    """What the notebook measured, its main result first, with the paper's figure beside it where there is one."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(str(row["name"]))}</th><td>{html.escape(str(row["shown"]))}</td>'
        f"<td>{html.escape(_paper(row)) or '–'}</td></tr>"
        for row in record.results
    )
    head = '<tr><th scope="col">found</th><th scope="col">ours</th><th scope="col">paper</th></tr>'
    return f'<table class="ntm-results"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _paper(row: dict[str, str]) -> str:
    return f"{row['paper']} ({row['source']})" if row["paper"] and row["source"] else str(row["paper"])


def _reason(record: RunRecord) -> str:
    if record.kept:
        name, said = "kept", f"nothing had changed on {record.kept[:16].replace('T', ' ')}"
    elif record.why:
        name, said = "run because", record.why
    else:
        return ""
    return f"<div><dt>{name}</dt><dd>{html.escape(said)}</dd></div>"


def _problem(good: RunRecord | None, failed: RunRecord) -> str:
    where = f"in cell [{failed.failed_cell}]" if failed.failed_cell else ""
    kept = f' This card and <a href="{html.escape(good.page)}">the page</a> show the last good run.' if good else ""
    return (
        f'<p class="problem">The last run failed {where}: <code>{html.escape(failed.error)}</code> '
        f'<a href="{html.escape(failed.page)}">See the failed run.</a>{kept}</p>'
    )
