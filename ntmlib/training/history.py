"""Columns of numbers that grow row by row, and their CSV file."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

Number = int | float

HISTORY = {
    "update": int,  # updates made, from 1
    "sequences": int,  # sequences seen
    "seconds": float,  # spent training, without pauses
    "top_length": int,  # longest length of the curriculum
    "length": int,  # length drawn for the update; with mixed lengths the longest allowed
    "loss": float,  # mean cost in bits per answer: per target bit, or per target symbol
    "bits_per_sequence": float,  # mean cost in bits per sequence
    "gradient_norm": float,  # before clipping
}
EVALUATIONS = {
    "update": int,
    "length": int,
    "slots": int,  # 0 for a model without memory
    "num_sequences": int,
    "bits_per_sequence": float,
    "bits_per_bit": float,  # mean cost in bits per answer
    "bit_errors": int,  # wrong answers, bits or symbols, in all sequences together
    "bits_right": float,  # share of the answers
    "exact": float,  # share of the sequences without a wrong answer
}


class History:
    """A table of numbers: ``history.loss`` is a column as an array, ``history.append(...)`` adds a row.

    Args:
        columns: names and types of the columns; by default those of a training run, one row per update:
            ``update``, ``sequences``, ``seconds``, ``top_length``, ``length``, ``loss`` (bits per target
            bit, or per symbol), ``bits_per_sequence`` and ``gradient_norm`` (before clipping).
    """

    def __init__(self, columns: Mapping[str, type] = HISTORY) -> None:
        self._types = dict(columns)
        self._columns: dict[str, list[Number]] = {name: [] for name in columns}
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._durable = False  # whether all rows are, in the file

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._types)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(self._columns)}")
        return np.array(self._columns[name], dtype=np.int64 if self._types[name] is int else np.float64)

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_") or name not in self._columns:
            raise AttributeError(name)
        return self[name]

    def rows(self) -> list[dict[str, Number]]:
        """Return the rows as dictionaries."""
        return [dict(zip(self._columns, row, strict=True)) for row in zip(*self._columns.values(), strict=True)]

    def append(self, *row: Number) -> None:
        """Add a row, and a line to the file if there is one."""
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)
        if self._file is not None:
            self._durable = False
            with self._named():
                self._file.write(_line(row))

    def thinned(self, max_rows: int) -> "History":
        """Return at most ``max_rows`` rows: costs and norms averaged over equal blocks, the rest from their ends."""
        block = -(-len(self) // max_rows)
        thin = History(self._types)
        averaged = {"loss", "bits_per_sequence", "gradient_norm"}
        for start in range(0, len(self), max(block, 1)):
            parts = {name: column[start : start + block] for name, column in self._columns.items()}
            thin.append(*(sum(p) / len(p) if name in averaged else p[-1] for name, p in parts.items()))
        return thin

    def to_csv(self) -> bytes:
        """Return the whole table as it stands in its file."""
        return _line(self.columns) + b"".join(map(_line, zip(*self._columns.values(), strict=True)))

    @classmethod
    def read(cls, path: Path, columns: Mapping[str, type] = HISTORY, size: int | None = None) -> "History":
        """Read a CSV file, all of it or its first ``size`` bytes.

        Raises:
            ValueError: the file has other columns or a line that is no row.
        """
        table = cls(columns)
        table._parse(path.read_bytes()[:size], path)
        return table

    def _parse(self, data: bytes, path: Path) -> None:
        header, *lines = data.decode("ascii", "replace").splitlines() or [""]
        if header != ",".join(self.columns):
            raise ValueError(f"{path} must have the columns {','.join(self.columns)}; got {header[:200]!r}")
        types: Sequence[type] = list(self._types.values())
        for number, line in enumerate(lines, 2):
            try:
                self.append(*(kind(text) for kind, text in zip(types, line.split(","), strict=True)))
            except ValueError:
                raise ValueError(f"{path}, line {number} is no row of numbers: {line[:200]!r}") from None

    def attach(self, path: Path, keep: int) -> None:
        """Go on in a file: read back its first ``keep`` bytes, drop the rest, write new rows at its end.

        Raises:
            ValueError: the file is shorter than that, or not a table.
        """
        kept = path.read_bytes()[:keep] if keep else _line(self.columns)
        if len(kept) < keep:
            raise ValueError(f"{path} must have at least {keep} bytes to go on from here; it has {len(kept)}")
        self._parse(kept, path)
        self._path, self._durable = path, False
        self._file = open(path, "r+b" if keep else "w+b")  # noqa: SIM115  # stays open for the length of the run
        with self._named():
            if not keep:
                self._file.write(kept)
            self._file.truncate(len(kept))
            self._file.seek(0, os.SEEK_END)

    def size(self) -> int:
        """Let other processes see all rows so far; return the size of the file in bytes."""
        if self._file is None:
            return 0
        with self._named():
            self._file.flush()
            return self._file.tell()

    def sync(self) -> None:
        """Make all rows so far durable."""
        if self._file is None or self._durable:
            return
        with self._named():
            self._file.flush()
            os.fsync(self._file.fileno())
        self._durable = True

    def flush(self) -> None:
        """Let other processes see all rows so far."""
        if self._file is not None:
            with self._named():
                self._file.flush()

    def close(self) -> None:
        """Close the file; the numbers stay."""
        if self._file is not None:
            with self._named():
                file, self._file = self._file, None
                file.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let an error of the disk say which file it was about."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror or error} while writing rows to {self._path}") from error


def _line(row: Sequence[object]) -> bytes:
    return (",".join(value if isinstance(value, str) else repr(value) for value in row) + "\n").encode("ascii")
