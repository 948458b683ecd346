"""Tables of text: for the eye, for a screen reader, and for a terminal."""

import html
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table that a notebook shows when it is the last expression of a cell.

    The first ``num_headers`` cells of a row say what the row is about. Where the first of them is the same in
    neighbouring rows it is written once, beside all of them.

    Args:
        columns: a heading for each column; an empty one where there is nothing to say.
        rows: texts, one for each column; an empty one is shown as a dash.
        caption: a sentence above the table.
        num_headers: leading columns that name the row.

    Raises:
        ValueError: a row does not have one text for each column.
    """

    columns: Row
    rows: Sequence[Row]
    caption: str = ""
    num_headers: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.num_headers <= len(self.columns):
            raise ValueError(f"num_headers must be from 1 to {len(self.columns)}; got {self.num_headers}")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"rows must have {len(self.columns)} texts each; got {list(row)!r}")

    def to_html(self) -> str:
        """Write it as HTML with headings that assistive software can follow."""
        heads = [f'<th scope="col">{html.escape(name)}</th>' if name else "<td></td>" for name in self.columns]
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        groups = (list(rows) for _, rows in itertools.groupby(self.rows, key=lambda row: row[0]))
        bodies = "".join(f"<tbody>{self._group(rows)}</tbody>" for rows in groups)
        return f'<table class="ntm-table">{caption}<thead><tr>{"".join(heads)}</tr></thead>{bodies}</table>'

    def _group(self, rows: Sequence[Row]) -> str:
        """Write rows that begin alike."""
        lines = []
        for number, row in enumerate(rows):
            first = f'<th scope="rowgroup" rowspan="{len(rows)}">{html.escape(row[0])}</th>' if number == 0 else ""
            names = "".join(f'<th scope="row">{html.escape(text)}</th>' for text in row[1 : self.num_headers])
            values = "".join(f"<td>{html.escape(text) or '–'}</td>" for text in row[self.num_headers :])
            lines.append(f"<tr>{first}{names}{values}</tr>")
        return "".join(lines)

    def to_text(self) -> str:
        """Write it as lines of text with aligned columns."""
        lines = [list(self.columns), *([text or "–" for text in row] for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.columns))]
        table = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join(line.rstrip() for line in ([self.caption, *table] if self.caption else table))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": self.to_text()}
