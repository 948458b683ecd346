"""Fetching over a real connection to this computer: whole, in parts, and when something is wrong."""

import errno
import hashlib
import io
import os
import zipfile

import pytest
from loopback import Site

from ntmlib.tasks.text import CORPORA, FetchFailed, cache_folder, catalogue, fetch, fetching, open_corpus

TEXT = b"".join(b"%06d to be or not to be\n" % number for number in range(10_000))


def zipped(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("text8", data)
    return archive.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The cache of this test, and no proxy on the way to this computer."""
    monkeypatch.setenv("NTMLIB_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def site(here, monkeypatch):
    """A server of the two kinds of corpora, a plain file and an archive, small ones."""
    server = Site(TEXT)
    for name, data in (("tinyshakespeare", TEXT), ("text8", zipped(TEXT))):
        known = CORPORA[name]
        download = catalogue.Download(server.url, len(data), sha256(data), known.download.member)
        monkeypatch.setitem(
            CORPORA, name, catalogue.Known(**vars(known) | {"sha256": sha256(TEXT), "download": download})
        )
    yield server
    server.stop()


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def part(folder):
    return folder / f"tinyshakespeare.txt.{sha256(TEXT)[:12]}.part"


def test_a_file_arrives_whole_and_opens_by_its_name(site, here):
    assert fetch("tinyshakespeare") == here / "tinyshakespeare.txt"
    assert left(here) == ["tinyshakespeare.txt"]
    assert open_corpus("tinyshakespeare").sha256 == sha256(TEXT)


def test_a_second_fetch_asks_nobody(site):
    assert fetch("tinyshakespeare") == fetch("tinyshakespeare")
    assert site.asked == [None]


def test_an_archive_is_unpacked_and_not_kept(site, here):
    site.data = zipped(TEXT)
    assert fetch("text8").read_bytes() == TEXT
    assert left(here) == ["text8"]
    fetch("text8")
    assert site.asked == [None]


def test_another_folder_is_taken_at_its_word(site, here, tmp_path):
    assert fetch("tinyshakespeare", tmp_path / "there").parent == tmp_path / "there"
    assert not here.exists()


def test_without_the_variable_the_cache_is_the_users(monkeypatch):
    monkeypatch.delenv("NTMLIB_DATA", raising=False)
    assert cache_folder().name == "ntmlib"


@pytest.mark.parametrize(("says_size", "kept"), [(True, fetching.BLOCK), (False, 100_000)])
def test_a_cut_download_goes_on_where_it_was(site, here, says_size, kept):
    site.cut, site.says_size = 100_000, says_size
    with pytest.raises(
        FetchFailed, match=rf"(failed|broke off); {kept:,} of 260,000 bytes are kept in .*\.part, and the same"
    ):
        fetch("tinyshakespeare")
    assert part(here).read_bytes() == TEXT[:kept]
    site.cut = None
    assert fetch("tinyshakespeare").read_bytes() == TEXT
    assert site.asked == [None, f"bytes={kept}-"]
    assert left(here) == ["tinyshakespeare.txt"]


def test_a_server_that_cannot_go_on_begins_again(site, here):
    here.mkdir()
    part(here).write_bytes(b"x" * 100)
    site.ranges = False
    assert fetch("tinyshakespeare").read_bytes() == TEXT
    assert site.asked == ["bytes=100-"]


@pytest.mark.parametrize("have", [len(TEXT) + 1, len(TEXT) + 1000])
def test_a_part_that_is_too_long_is_thrown_away(site, here, have):
    here.mkdir()
    part(here).write_bytes(b"x" * have)
    assert fetch("tinyshakespeare").read_bytes() == TEXT
    assert site.asked == [f"bytes={have}-", None]


def test_a_part_is_not_continued_with_another_file(site, here):
    here.mkdir()
    part(here).write_bytes(TEXT[:100])
    site.data = TEXT + b"more"
    with pytest.raises(FetchFailed, match="is not the file it was: more or less than 260,000 bytes"):
        fetch("tinyshakespeare")
    assert left(here) == []


def test_a_part_of_another_version_is_not_touched(site, here):
    here.mkdir()
    other = here / "tinyshakespeare.txt.0123456789ab.part"
    other.write_bytes(b"x" * 100)
    fetch("tinyshakespeare")
    assert site.asked == [None]
    assert other.read_bytes() == b"x" * 100


def test_a_part_that_is_whole_needs_no_server(site, here):
    here.mkdir()
    part(here).write_bytes(TEXT)
    assert fetch("tinyshakespeare").read_bytes() == TEXT
    assert site.asked == []


def test_a_wrong_checksum_removes_what_came(site, here):
    site.data = TEXT[:-1] + b"!"
    with pytest.raises(FetchFailed, match="wrong checksum; it is removed"):
        fetch("tinyshakespeare")
    assert left(here) == []
    site.data = TEXT
    assert fetch("tinyshakespeare").read_bytes() == TEXT


def test_a_damaged_file_is_there_until_a_good_one_is(site, here):
    here.mkdir()
    (here / "tinyshakespeare.txt").write_bytes(b"damaged")
    site.status = 503
    with pytest.raises(FetchFailed, match="503"):
        fetch("tinyshakespeare")
    assert (here / "tinyshakespeare.txt").read_bytes() == b"damaged"
    site.status = 200
    assert fetch("tinyshakespeare").read_bytes() == TEXT


def test_a_missing_page_is_named(site, here):
    site.status = 404
    with pytest.raises(FetchFailed, match=r"http://127.0.0.1:\d+/corpus cannot be had: .* answers 404 Not Found"):
        fetch("tinyshakespeare")
    assert left(here) == []


def test_without_a_connection_it_says_how_to_do_without(site, here):
    site.stop()
    with pytest.raises(FetchFailed, match=r"no connection to 127.0.0.1; .* copy tinyshakespeare.txt from another"):
        fetch("tinyshakespeare")
    assert left(here) == []


class SmallDisk(io.FileIO):
    """A file for which there is room for 100,010 bytes; like the system, it takes what fits of the last write."""

    def write(self, block):
        room = 100_010 - self.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(block[:room])


def test_a_full_disk_keeps_the_part(site, here, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fetching, "FileIO", SmallDisk)
        with pytest.raises(FetchFailed, match=r"full; 100,010 of 260,000 bytes are kept in .* with 0.2 MB free"):
            fetch("tinyshakespeare")
    assert part(here).read_bytes() == TEXT[:100_010]
    assert fetch("tinyshakespeare").read_bytes() == TEXT
    assert site.asked == [None, "bytes=100010-"]


def test_a_disk_that_is_full_when_unpacking_keeps_the_archive(site, here, monkeypatch):
    def full(archive, member):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    site.data = zipped(TEXT)
    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "open", full)
        with pytest.raises(FetchFailed, match=r"the disk is full; .*text8.zip is kept, and the same command goes on"):
            fetch("text8")
    assert left(here) == ["text8.zip"]
    assert fetch("text8").read_bytes() == TEXT
    assert site.asked == [None]


def test_an_interruption_keeps_the_part(site, here, monkeypatch):
    with monkeypatch.context() as patch:
        write = fetching.Resuming._write

        def interrupted(self, block, file):
            write(self, block, file)
            raise KeyboardInterrupt

        patch.setattr(fetching.Resuming, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch("tinyshakespeare")
    assert left(here) == [part(here).name]
    assert fetch("tinyshakespeare").read_bytes() == TEXT
    assert site.asked == [None, f"bytes={fetching.BLOCK}-"]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not rename an open file")
def test_two_at_once_do_not_mix(site, here):
    here.mkdir()
    with fetching._opened(part(here)), pytest.raises(FetchFailed, match="another process is fetching this corpus into"):
        fetch("tinyshakespeare")
    assert fetch("tinyshakespeare").read_bytes() == TEXT


def test_a_folder_that_cannot_be_is_one_sentence(site, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchFailed, match=r"File exists|Not a directory"):
        fetch("tinyshakespeare", tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("text9", r"name must be one of .*\(did you mean 'text8'\?\); got 'text9'"),
        ("shakespeare", "name must be one of tinyshakespeare, text8, enwik8; 'shakespeare' is shipped"),
    ],
)
def test_what_cannot_be_fetched_is_refused(here, name, said):
    with pytest.raises(ValueError, match=said):
        fetch(name)
    assert not here.exists()


def test_every_download_is_pinned():
    downloads = {name: known.download for name, known in CORPORA.items() if known.download}
    assert set(downloads) == {"tinyshakespeare", "text8", "enwik8"}
    assert all(len(download.sha256) == 64 and download.size > 1_000_000 for download in downloads.values())
    assert all(download.member or download.sha256 == CORPORA[name].sha256 for name, download in downloads.items())


def test_a_part_outlives_a_server_that_is_gone(site, here):
    here.mkdir()
    part(here).write_bytes(TEXT[:100])
    site.stop()
    with pytest.raises(FetchFailed, match=r"the connection to 127.0.0.1 failed; 100 of 260,000 bytes are kept in"):
        fetch("tinyshakespeare")
    assert part(here).read_bytes() == TEXT[:100]
