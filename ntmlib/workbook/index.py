"""The list of what was run: one card per notebook, made from the records that lie beside the pages."""

import html
from collections.abc import Iterable
from pathlib import Path

from ntmlib.workbook.export import document, duration, facts
from ntmlib.workbook.markdown import markdown_html
from ntmlib.workbook.records import RunRecord, read_records


def index_page(folder: Path) -> str:
    """The page ``index.html`` of a folder of reports.

    A notebook whose last run failed keeps the card of its last good run, and says so.
    """
    good, failed = read_records(folder, ".json"), read_records(folder, ".failed.json")
    names = sorted(good.keys() | failed.keys())
    cards = "".join(_card(good.get(name), failed.get(name)) for name in names)
    summary = _summary(good.values(), failed.values())
    return document(
        "NTM workbook",
        '<div class="index"><header><h1>NTM workbook</h1></header>'
        f'<p>{summary}</p><main id="content"><ul class="cards">{cards}</ul></main></div>',
    )


def _summary(good: Iterable[RunRecord], failed: Iterable[RunRecord]) -> str:
    good, failed = list(good), list(failed)
    parts = [f"{len(good)} {'notebook' if len(good) == 1 else 'notebooks'} executed from start to end"]
    if good:
        parts[0] += f" in {duration(sum(record.seconds for record in good))} together"
    if failed:
        parts.append(f"the last run of {len(failed)} failed")
    return (
        "The Neural Turing Machine explained, trained and looked into. "
        + "; ".join(parts)
        + ". Each page stands alone: keep it, mail it, open it without a network."
    )


def _card(good: RunRecord | None, failed: RunRecord | None) -> str:
    record = good or failed
    assert record is not None
    page = html.escape(record.page)
    parts = ['<li class="card">']
    if record.cover:
        alt = html.escape(record.cover_text)
        parts.append(f'<a class="cover" href="{page}" tabindex="-1"><img src="{record.cover}" alt="{alt}"></a>')
    parts.append('<div class="body">')
    badge = "failed" if failed else "done"
    title = _inline(record.title or record.name)
    parts.append(f'<h2><a href="{page}">{title}</a> <span class="badge {badge}">{badge}</span></h2>')
    if record.question:
        parts.append(f"<p>{_inline(record.question)}</p>")
    if good and good.results:
        parts.append(_metric(good.results[0]))
    if failed:
        parts.append(_problem(good, failed))
    parts.append(f"<dl>{facts(record)}{_reason(record)}</dl></div></li>\n")
    return "".join(parts)


def _reason(record: RunRecord) -> str:
    if record.kept:
        name, said = "kept", f"nothing had changed on {record.kept[:16].replace('T', ' ')}"
    elif record.why:
        name, said = "run because", record.why
    else:
        return ""
    return f"<div><dt>{name}</dt><dd>{html.escape(said)}</dd></div>"


def _metric(result: dict[str, str]) -> str:
    paper = f"{result['paper']} ({result['source']})" if result["paper"] and result["source"] else result["paper"]
    beside = f" <span>paper: {html.escape(paper)}</span>" if paper else ""
    return (
        f'<p class="metric"><span>{html.escape(result["name"])}</span> '
        f"<strong>{html.escape(result['shown'])}</strong>{beside}</p>"
    )


def _problem(good: RunRecord | None, failed: RunRecord) -> str:
    where = f"in cell [{failed.failed_cell}]" if failed.failed_cell else ""
    kept = f' This card and <a href="{html.escape(good.page)}">the page</a> show the last good run.' if good else ""
    return (
        f'<p class="problem">The last run failed {where}: <code>{html.escape(failed.error)}</code> '
        f'<a href="{html.escape(failed.page)}">See the failed run.</a>{kept}</p>'
    )


def _inline(text: str) -> str:
    """One paragraph of Markdown without its ``<p>``."""
    return markdown_html(text, strict=False).strip().removeprefix("<p>").removesuffix("</p>")
