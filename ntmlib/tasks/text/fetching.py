"""Fetching a public corpus: into the user's cache, resumable, and never without its checksum."""

import errno
import hashlib
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ntmlib.tasks.text.catalogue import CORPORA, Download, Known, cache_folder, locate, suggest

if TYPE_CHECKING:
    import requests

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be renamed: there the second of two processes fails by itself
    fcntl = None  # type: ignore[assignment]

TIMEOUT = (10, 30)  # seconds to connect, and without a byte
BLOCK = 1 << 16


class FetchFailed(OSError):  # noqa: N818 - says what happened, as RunRefused and Diverged do
    """A corpus could not be fetched; the message is one sentence that says why, and what is left to go on with."""


def fetch(name: str, folder: Path | None = None, progress: bool = True) -> Path:
    """Bring a public corpus to this computer, unless it is there.

    What has arrived before an interruption is kept in a file ``*.part``, and the next call goes on with it. A file gets
    its name when it is whole and has the right checksum, so that a good one is never replaced by a bad one.

    Args:
        name: ``tinyshakespeare``, ``text8`` or ``enwik8``.
        folder: where to put it; by default that of the environment variable NTMLIB_DATA, or the user's cache.
        progress: whether to draw a bar, if this is a terminal.

    Returns:
        Where the corpus is.

    Raises:
        ValueError: there is no such corpus to be fetched.
        FetchFailed: no connection, an error of the server, a wrong checksum, or no space on the disk.
    """
    known = CORPORA.get(name)
    if known is None:
        raise ValueError(f"name must be one of {suggest(name)}; got {name!r}")
    if known.download is None:
        fetched = ", ".join(other for other in CORPORA if CORPORA[other].download)
        raise ValueError(f"name must be one of {fetched}; {name!r} is shipped, there is nothing to fetch")
    folder = (folder or cache_folder()).absolute()
    path = locate(name, folder)
    if _has(path, known.sha256):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        arrived = _retrieve(known.download, folder, path.name, progress)
        if known.download.member:
            _unpack(arrived, known.download.member, known, path)
    except FetchFailed:
        raise
    except OSError as error:
        raise FetchFailed(f"{error.strerror or error} in {folder}; nothing there has changed") from error
    return path


def _retrieve(download: Download, folder: Path, name: str, progress: bool) -> Path:
    """Download a file that has the right checksum, unless it is there, and return its place."""
    import pooch
    import requests

    name += ".zip" if download.member else ""
    part = folder / f"{name}.{download.sha256[:12]}.part"  # named after the file it is a part of
    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(
            pooch.retrieve(
                download.url,
                known_hash=f"sha256:{download.sha256}",
                fname=name,
                path=folder,
                downloader=Resuming(download.size, part, progress),
            )
        )
    except requests.HTTPError as error:
        answer = error.response
        reason = f"{answer.status_code} {answer.reason}" if answer is not None else str(error)
        raise FetchFailed(f"{download.url} cannot be had: the server answers {reason}") from error
    except requests.RequestException as error:
        host = urlsplit(download.url).hostname
        if part.is_file() and part.stat().st_size:
            raise FetchFailed(f"the connection to {host} failed; {_kept(part, download.size)}") from error
        raise FetchFailed(
            f"no connection to {host}; try again later, or copy {name} from another computer into {folder}"
        ) from error
    except ValueError as error:  # pooch has removed what it downloaded
        raise FetchFailed(f"what {download.url} sent has a wrong checksum; it is removed, so try again") from error


@dataclass(frozen=True)
class Resuming:
    """Downloader for pooch that goes on with what an earlier try has left.

    Attributes:
        size: bytes of the whole file.
        part: where the bytes are kept until all are there.
        progress: whether to draw a bar, if this is a terminal.
    """

    size: int
    part: Path
    progress: bool = True

    def __call__(self, url: str, output_file: str | os.PathLike[str], pooch: object = None) -> None:
        """Download into the file that pooch names and checks.

        Raises:
            FetchFailed: the file of the server has another size, the disk is full, or another process is at it.
            requests.RequestException: the server cannot be reached, answers an error, or breaks off.
        """
        with _opened(self.part) as part:
            if part.tell() != self.size:
                self._receive(url, part)
            os.fsync(part.fileno())
        os.replace(self.part, output_file)

    def _receive(self, url: str, part: FileIO) -> None:
        """Append what is missing, from the beginning if the server cannot go on just there."""
        from tqdm import tqdm

        answer = _ask(url, part.tell())
        if answer.status_code in (206, 416) and not self._goes_on(answer, part.tell()):
            answer.close()  # a part of a file of another size
            part.truncate(0)
            answer = _ask(url, 0)
        with answer:
            answer.raise_for_status()
            if answer.status_code != 206:
                part.truncate(0)
                self._expect(int(answer.headers.get("Content-Length", self.size)), url, part)
            part.seek(0, os.SEEK_END)
            quiet = None if self.progress else True  # None: a bar where there is a terminal
            bar: Any = tqdm(
                total=self.size, initial=part.tell(), unit="B", unit_scale=True, disable=quiet, desc=Path(url).name
            )
            with bar:
                for block in answer.iter_content(BLOCK):
                    self._write(block, part)
                    bar.update(len(block))
                    if part.tell() > self.size:
                        break
        if part.tell() < self.size:
            raise FetchFailed(f"the server broke off; {_kept(self.part, self.size)}")
        self._expect(part.tell(), url, part)

    def _goes_on(self, answer: "requests.Response", have: int) -> bool:
        return answer.headers.get("Content-Range") == f"bytes {have}-{self.size - 1}/{self.size}"

    def _expect(self, size: int, url: str, part: FileIO) -> None:
        if size != self.size:
            part.truncate(0)
            raise FetchFailed(f"what {url} sends is not the file it was: more or less than {self.size:,} bytes")

    def _write(self, block: bytes, part: FileIO) -> None:
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[part.write(rest) :]
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            missing = (self.size - part.tell()) / 1e6
            raise FetchFailed(f"the disk is full; {_kept(self.part, self.size)} with {missing:.1f} MB free") from error


def _ask(url: str, have: int) -> "requests.Response":
    import requests

    headers = {"Accept-Encoding": "identity"}  # bytes as they are in the file, or a range of them means nothing
    if have:
        headers["Range"] = f"bytes={have}-"
    return requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)


@contextmanager
def _opened(path: Path) -> Iterator[FileIO]:
    """Open a file to append to it, for this process alone; remove it if it stays empty."""
    with FileIO(path, "ab") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system gives it back, however the process ends
            except BlockingIOError:
                raise FetchFailed(f"another process is fetching this corpus into {path.parent}") from None
        try:
            file.seek(0, os.SEEK_END)
            yield file
        finally:
            if not os.fstat(file.fileno()).st_size:
                with suppress(OSError):
                    path.unlink()


def _unpack(archive: Path, member: str, known: Known, path: Path) -> None:
    """Take the corpus out of the archive, check it, give it its name, and remove the archive."""
    temporary = path.with_name(f".{path.name}.tmp")
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as source, temporary.open("wb") as file:
            while block := source.read(1 << 20):
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != known.sha256:
            raise FetchFailed(f"the corpus in {archive} has a wrong checksum, though the archive has the right one")
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        if error.errno == errno.ENOSPC:
            need = known.characters / 1e6
            raise FetchFailed(
                f"the disk is full; {archive} is kept, and the same command goes on with {need:.1f} MB free"
            ) from error
        raise
    archive.unlink()


def _has(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _kept(part: Path, size: int) -> str:
    return f"{part.stat().st_size:,} of {size:,} bytes are kept in {part}, and the same command goes on"
