"""A text as numbers: the characters of a corpus, its alphabet, and which part is for what."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Integer, UInt, UInt8

from ntmlib.tasks.text.catalogue import CORPORA, locate, suggest

SPLITS = ("train", "validation", "test")
OWN_SHARES = (90, 10)  # percent for training and validation, in a file of the user's
MIN_CHARACTERS = 20  # so that the validation split has one to read and one to predict
BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text whose characters are numbered.

    Attributes:
        name: the name it was opened by, or that of its file.
        sha256: checksum of the file.
        alphabet: the characters that occur, in the order of their code points.
        codes: the text, each character as its place in the alphabet; read-only.
        splits: first character of each split, and the one after its last.
    """

    name: str
    sha256: str
    alphabet: tuple[str, ...]
    codes: UInt[np.ndarray, " characters"]
    splits: Mapping[str, tuple[int, int]]

    def part(self, split: str) -> UInt[np.ndarray, " characters"]:
        """Return the codes of one split, not copied.

        Raises:
            ValueError: the corpus has no such split.
        """
        if split not in self.splits:
            raise ValueError(f"split must be one of {', '.join(self.splits)}; got {split!r}")
        begin, end = self.splits[split]
        return self.codes[begin:end]

    def encode(self, text: str) -> UInt[np.ndarray, " characters"]:
        """Turn text into codes. In a corpus of bytes a character stands for the byte of that number (Latin-1).

        Raises:
            ValueError: a character does not occur in the corpus.
        """
        points = _code_points(text)
        places = np.searchsorted(self._points, points).clip(max=len(self.alphabet) - 1)
        strangers = np.flatnonzero(self._points[places] != points)
        if strangers.size:
            first = int(strangers[0])
            raise ValueError(
                f"text must be of the {len(self.alphabet)} characters of {self.name}; "
                f"got {text[first]!r} at position {first}"
            )
        return places.astype(self.codes.dtype)

    def decode(self, codes: Sequence[int] | Integer[np.ndarray, " characters"]) -> str:
        """Turn codes back into text.

        Raises:
            ValueError: a code is outside the alphabet.
        """
        places = np.asarray(codes, dtype=np.int64)
        strangers = np.flatnonzero((places < 0) | (places >= len(self.alphabet)))
        if strangers.size:
            first = int(strangers[0])
            raise ValueError(
                f"codes must be from 0 to {len(self.alphabet) - 1}; got {places[first]} at position {first}"
            )
        return self._points[places].tobytes().decode("utf-32-le")

    @cached_property
    def _points(self) -> UInt[np.ndarray, " symbols"]:
        """Code point of each character of the alphabet."""
        return _code_points("".join(self.alphabet))


def open_corpus(name_or_path: str | os.PathLike[str]) -> Corpus:
    """Open a corpus by its name, or any UTF-8 file.

    The named ones are ``shakespeare``, which comes with the library, and ``tinyshakespeare``, ``text8`` and ``enwik8``,
    which are fetched once (``ntm data fetch NAME``). ``enwik8`` is read as bytes. Of the plays, and of a file, the
    first 90 % of the characters are for training and the rest for validation; of the two others 90 %, 5 % and 5 % are
    for training, validation and test. A name comes before a file of that name, which ``./text8`` opens.

    A corpus that is open already costs nothing, as long as its file stays the same.

    Raises:
        ValueError: there is no such corpus or file, a named one is damaged, or a file is not UTF-8, shorter than
            20 characters, or the same character over and over.
    """
    given = os.fspath(name_or_path)
    if given in CORPORA:
        path = locate(given)
        if not path.is_file():
            fetch = f"`ntm data fetch {given}` brings it" if CORPORA[given].download else "the installation lacks it"
            raise ValueError(f"corpus {given} is not on this computer (no file {path}); {fetch}")
    else:
        path = Path(given).expanduser()
        if not path.is_file():
            why = "is a folder" if path.is_dir() else "is neither"
            raise ValueError(f"corpus must be a file, or one of {suggest(given)}; {given!r} {why}")
    path = path.resolve()
    about = path.stat()
    return _read(path, about.st_size, about.st_mtime_ns, given if given in CORPORA else None)


@lru_cache(maxsize=4)
def _read(path: Path, size: int, mtime_ns: int, name: str | None) -> Corpus:
    """Read and check a file. Its size and time of change are arguments so that a changed file is read anew."""
    known = CORPORA[name] if name else None
    data = np.fromfile(path, np.uint8)
    sha256 = hashlib.sha256(data.data).hexdigest()
    if known and sha256 != known.sha256:
        again = f"; remove it, and `ntm data fetch {name}` brings it anew" if known.download else ""
        raise ValueError(f"corpus {name} is damaged: {path} has SHA-256 {sha256}, not {known.sha256}{again}")
    if (known and known.as_bytes) or _is_ascii(data):
        points, codes = _number_bytes(data)
    else:
        points, codes = _number_characters(_decode(data, path), path)
    if len(codes) < MIN_CHARACTERS:
        raise ValueError(f"corpus must have at least {MIN_CHARACTERS} characters; {path} has {len(codes)}")
    if len(points) == 1:
        raise ValueError(f"corpus must have at least 2 different characters; {path} has only {chr(points[0])!r}")
    codes.setflags(write=False)
    return Corpus(
        name=name or path.name,
        sha256=sha256,
        alphabet=tuple(map(chr, points)),
        codes=codes,
        splits=_split(len(codes), known.shares if known else OWN_SHARES),
    )


def _split(characters: int, shares: Sequence[int]) -> dict[str, tuple[int, int]]:
    """Cut where the sum of the shares says, rounded down."""
    cuts = [characters * sum(shares[:count]) // 100 for count in range(len(shares) + 1)]
    return dict(zip(SPLITS, pairwise(cuts), strict=False))


def _is_ascii(data: UInt8[np.ndarray, " bytes"]) -> bool:
    return all(data[start : start + BLOCK].max() < 128 for start in range(0, len(data), BLOCK))


def _number_bytes(data: UInt8[np.ndarray, " bytes"]) -> tuple[list[int], UInt8[np.ndarray, " bytes"]]:
    """Number the bytes, in place: of a hundred million there is only one copy."""
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    present = np.zeros(256, dtype=bool)
    for block in blocks:
        present[block] = True
    table = _table(present, np.dtype(np.uint8))
    for block in blocks:
        block[:] = table[block]
    return np.flatnonzero(present).tolist(), data


def _decode(data: UInt8[np.ndarray, " bytes"], path: Path) -> str:
    try:
        return data.tobytes().decode("utf-8").removeprefix("\ufeff")  # the mark that some editors put in front
    except UnicodeDecodeError as error:
        wrong = int(data[error.start])
        raise ValueError(f"corpus must be text in UTF-8; byte {error.start} of {path} (0x{wrong:02x}) is not") from None


def _number_characters(text: str, path: Path) -> tuple[list[int], UInt[np.ndarray, " characters"]]:
    """Number the characters, block by block, because a code point takes four bytes."""
    present = np.zeros(0x110000, dtype=bool)
    for start in range(0, len(text), BLOCK):
        present[_code_points(text[start : start + BLOCK])] = True
    symbols = int(present.sum())
    if symbols > 1 << 16:
        raise ValueError(f"corpus must have at most {1 << 16:,} different characters; {path} has {symbols:,}")
    codes = np.empty(len(text), dtype=np.uint8 if symbols <= 256 else np.uint16)
    table = _table(present, codes.dtype)
    for start in range(0, len(text), BLOCK):
        codes[start : start + BLOCK] = table[_code_points(text[start : start + BLOCK])]
    return np.flatnonzero(present).tolist(), codes


def _table(present: Bool[np.ndarray, " points"], dtype: np.dtype) -> UInt[np.ndarray, " points"]:
    """For each code point that is present, how many are before it."""
    return (np.cumsum(present) - 1).clip(min=0).astype(dtype)


def _code_points(text: str) -> UInt[np.ndarray, " characters"]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
