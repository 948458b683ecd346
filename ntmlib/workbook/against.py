"""``ntm report --against``: what differs between two reports; `against_page` makes a page of it."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntmlib.workbook.parameters import RefusedError
from ntmlib.workbook.records import RunRecord, read_records

PAGE = "against.html"
_NUMBER = re.compile(r"([+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Report:
    """The records of one folder: of good runs, and of runs that failed last."""

    good: Mapping[str, RunRecord]
    failed: Mapping[str, RunRecord]

    @classmethod
    def read(cls, folder: Path) -> "Report":
        """Read what lies in a folder; a file that cannot be read counts as not there."""
        return cls(read_records(folder, ".json"), read_records(folder, ".failed.json"))

    def latest(self, name: str) -> RunRecord | None:
        """The last run of a notebook, good or not."""
        return self.failed.get(name) or self.good.get(name)


@dataclass(frozen=True)
class Row:
    """One thing that differs: what it was, what it is, and what to say of it; empty texts where there is nothing."""

    name: str
    old: str
    new: str
    difference: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Change:
    """What differs between two runs of a notebook.

    Attributes:
        name: of the notebook.
        title: its heading.
        fate: what became of it as a whole, as a sentence; empty when it was run well both times.
        rows: what differs, in groups: ``results``, ``parameters``, ``made with``.
        same: how many results are the same.
    """

    name: str
    title: str
    fate: str
    rows: Mapping[str, list[Row]]
    same: int

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.fate and not any(self.rows.values())


def read_earlier(folder: Path) -> Report:
    """Read an earlier report, before anything is run.

    Raises:
        RefusedError: there is no such folder, or nothing of a report is in it.
    """
    if not folder.is_dir():
        raise RefusedError([f"against must be the folder of an earlier report; there is no folder {folder}"])
    report = Report.read(folder)
    if not report.good and not report.failed:
        problem = f"against must be the folder of an earlier report; {folder} holds no record of a run (NN-name.json)"
        raise RefusedError([problem])
    return report


def compare(old: Report, new: Report) -> list[Change]:
    """Every notebook of either report, in order."""
    names = sorted({*old.good, *old.failed, *new.good, *new.failed})
    return [_compared(name, old.latest(name), new.latest(name)) for name in names]


def _compared(name: str, old: RunRecord | None, new: RunRecord | None) -> Change:
    record = new or old
    assert record is not None
    title = record.title or name
    if old is None or new is None:
        fate = "Only the earlier report has it." if new is None else "The earlier report does not have it."
        return Change(name, title, fate, {}, 0)
    fate = ""
    if not new.done:
        fate = f"It {'failed before, too' if not old.done else 'fails now'}: {new.error}"
    elif not old.done:
        fate = f"It failed before and does not fail any more. It said: {old.error}"
    both = fate == ""
    results = list(_results(old, new)) if both else []
    rows = {
        "results": [row for row in results if row.verdict != "same"],
        "parameters": list(_pairs(old.parameters, new.parameters)),
        "made with": [*_pairs({"commit": old.commit}, {"commit": new.commit}), *_pairs(old.versions, new.versions)],
    }
    return Change(name, title, fate, rows, len(results) - len(rows["results"]))


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Row]:
    for name in dict.fromkeys([*new, *old]):
        before, after = (str(values[name]) if name in values else "" for values in (old, new))
        if before != after:
            yield Row(name, before, after)


def _results(old: RunRecord, new: RunRecord) -> Iterator[Row]:
    before, after = ({str(row["name"]): row for row in record.results} for record in (old, new))
    for name in dict.fromkeys([*after, *before]):
        if name not in after:
            yield Row(name, str(before[name]["shown"]), "", verdict="not measured any more")
        elif name not in before:
            yield Row(name, "", str(after[name]["shown"]), verdict="not measured before")
        else:
            yield _result(name, before[name], after[name])


def _result(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Row:
    before, after = str(old["shown"]), str(new["shown"])
    if old["value"] == new["value"] and before == after:
        return Row(name, before, after, verdict="same")
    (was, unit), (is_, unit_now) = _number(old), _number(new)
    if was is None or is_ is None or unit != unit_now:
        return Row(name, before, after, verdict="changed")
    difference = is_ - was
    if difference == 0:
        return Row(name, before, after, verdict="same")
    better = {"higher": difference > 0, "lower": difference < 0}.get(str(new.get("better")))
    verdict = "changed" if better is None else "better" if better else "worse"
    shown = f"{difference:+,}" if isinstance(difference, int) else f"{difference:+,.4g}"
    return Row(name, before, after, shown + (" points" if unit.strip() == "%" else unit), verdict)


def _number(result: Mapping[str, Any]) -> tuple[int | float | None, str]:
    """A result's number and what follows it: "92.7%" is (92.7, "%"), "19 of 20 seeds" is (19, " of 20 seeds")."""
    value = result["value"]
    if isinstance(value, int | float):
        return (value, f" {result['unit']}".rstrip()) if math.isfinite(value) else (None, "")
    found = _NUMBER.fullmatch(str(value).strip())
    if not found:
        return None, ""
    digits = found[1].replace(",", "")
    return (float(digits) if set(digits) & set(".eE") else int(digits)), found[2]


def lines(changes: list[Change], name: str) -> Iterator[str]:
    """The comparison as a terminal shows it."""
    yield f"against {name}:"
    for change in changes:
        if change.nothing:
            continue
        yield f"  {change.name}" + (f"  {change.fate}" if change.fate else "")
        for row in (row for rows in change.rows.values() for row in rows):
            told = f" ({', '.join(filter(None, (row.difference, row.verdict)))})" if row.verdict else ""
            yield f"    {row.name}: {row.old or '–'} → {row.new or '–'}{told}"
    yield f"  {summary(changes)}"


def summary(changes: list[Change]) -> str:
    """How many results are better, worse, changed and the same."""
    verdicts = [row.verdict for change in changes for row in change.rows.get("results", [])]
    counted = {
        "better": verdicts.count("better"),
        "worse": verdicts.count("worse"),
        "changed, neither better nor worse": sum(verdict not in ("better", "worse") for verdict in verdicts),
        "the same": sum(change.same for change in changes),
    }
    parts = ", ".join(f"{count} {what}" for what, count in counted.items() if count)
    alike = sum(change.nothing for change in changes)
    of = f"{alike} of {len(changes)} notebooks are alike in everything"
    return f"results: {parts or 'none in both'}; {of}"
