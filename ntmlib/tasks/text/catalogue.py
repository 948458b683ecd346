"""The corpora that have a name: what they are, where they lie on this computer, and where they come from."""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

FOLDER = "NTMLIB_DATA"  # environment variable with the folder of fetched corpora


@dataclass(frozen=True)
class Download:
    """A file to be fetched.

    Attributes:
        url: where it is.
        size: its bytes.
        sha256: its checksum.
        member: name of the corpus in it, if it is a zip archive.
    """

    url: str
    size: int
    sha256: str
    member: str | None = None


@dataclass(frozen=True)
class Known:
    """A corpus that has a name.

    Attributes:
        file: name of its file.
        characters: how many there are; bytes, if it is read as bytes.
        symbols: how many of them differ.
        sha256: checksum of the file.
        shares: percent of the characters that are for training, validation and, if there is a third, the test.
        origin: what it is, in a few words.
        licence: whose it is.
        as_bytes: whether each byte is a symbol, instead of each character.
        download: where to fetch it; the shipped corpus has none.
    """

    file: str
    characters: int
    symbols: int
    sha256: str
    shares: tuple[int, ...]
    origin: str
    licence: str
    as_bytes: bool = False
    download: Download | None = None


CORPORA: dict[str, Known] = {
    "shakespeare": Known(
        file="shakespeare.txt",
        characters=1_105_194,
        symbols=62,
        sha256="60aaf4e20bd7d34867e143751c02678a8b7a810caa1446624cc6226241990b29",
        shares=(90, 10),
        origin="nine plays, shipped",
        licence="public domain",
    ),
    "tinyshakespeare": Known(
        file="tinyshakespeare.txt",
        characters=1_115_394,
        symbols=65,
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        shares=(90, 10),
        origin="other plays, as others use them",
        licence="public domain",
        download=Download(
            url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            size=1_115_394,
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
    "text8": Known(
        file="text8",
        characters=100_000_000,
        symbols=27,
        sha256="6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
        shares=(90, 5, 5),
        origin="Wikipedia of 2006, only letters",
        licence="GFDL",
        download=Download(
            url="http://mattmahoney.net/dc/text8.zip",
            size=31_344_016,
            sha256="a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
            member="text8",
        ),
    ),
    "enwik8": Known(
        file="enwik8",
        characters=100_000_000,
        symbols=205,
        sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
        shares=(90, 5, 5),
        origin="Wikipedia of 2006, in bytes",
        licence="GFDL",
        as_bytes=True,
        download=Download(
            url="http://mattmahoney.net/dc/enwik8.zip",
            size=36_445_475,
            sha256="547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
            member="enwik8",
        ),
    ),
}


def suggest(name: str) -> str:
    """Name all corpora, and the one that may have been meant."""
    close = difflib.get_close_matches(name, list(CORPORA), 1)
    return ", ".join(CORPORA) + (f" (did you mean {close[0]!r}?)" if close else "")


def cache_folder() -> Path:
    """Folder of the fetched corpora: that of the environment variable NTMLIB_DATA, or the user's cache."""
    if chosen := os.environ.get(FOLDER):
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("ntmlib"))


def locate(name: str, folder: Path | None = None) -> Path:
    """Return where the file of a named corpus is, or would be once fetched."""
    known = CORPORA[name]
    if known.download is not None:
        return (folder or cache_folder()) / known.file
    here = Path(__file__).resolve()
    installed = here.with_name(known.file)  # setup.py puts it there
    return installed if installed.is_file() else here.parents[3] / "data" / "text" / known.file
