"""The command ``ntm data``: what it prints, and its exit statuses."""

import hashlib

import pytest
from loopback import Site

from ntmlib.cli import main
from ntmlib.tasks.text import CORPORA, catalogue, command

pytestmark = pytest.mark.draws_globally  # tyro does, when it tidies up its cache

TEXT = b"".join(b"%06d to be or not to be\n" % number for number in range(1_000))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The cache of this test, and no proxy on the way to this computer."""
    monkeypatch.setenv("NTMLIB_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def site(monkeypatch):
    server, sha256 = Site(TEXT), hashlib.sha256(TEXT).hexdigest()
    download = catalogue.Download(server.url, len(TEXT), sha256)
    known = vars(CORPORA["tinyshakespeare"]) | {"sha256": sha256, "download": download}
    monkeypatch.setitem(CORPORA, "tinyshakespeare", catalogue.Known(**known))
    yield server
    server.stop()


def test_the_list_says_what_is_here(site, here, capsys):
    main(["data", "fetch", "tinyshakespeare"])
    capsys.readouterr()
    assert main(["data", "list"]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()[1:]}
    assert [rows[name][3] for name in CORPORA] == ["yes", "yes", "no", "no"]
    assert rows["text8"][1:3] == ["100,000,000", "27"]


def test_a_fetched_corpus_can_be_shown(site, here, capsys):
    assert main(["data", "fetch", "tinyshakespeare"]) == 0
    assert capsys.readouterr().out == f"tinyshakespeare is in {here / 'tinyshakespeare.txt'}\n"
    assert main(["data", "show", "tinyshakespeare"]) == 0
    shown = capsys.readouterr().out
    assert "characters  26,000\n" in shown
    assert r"alphabet    18: \n 0123456789benort" in shown
    assert "train       23,400 from 0\nvalidation  2,600 from 23,400\n" in shown
    assert f"SHA-256     {hashlib.sha256(TEXT).hexdigest()}\n\n000000 to be or not to be\n000001 to be" in shown


def test_a_file_can_be_shown_and_cannot_order_the_terminal_about(tmp_path, capsys):
    (tmp_path / "own.txt").write_text("a\x1b[2J line\r\n" + "words " * 100 + "\n", newline="")
    assert main(["data", "show", str(tmp_path / "own.txt")]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\na\\x1b[2J line\\r\nwords words" in shown
    assert max(map(len, shown.splitlines())) <= command.COLUMNS


def test_another_folder_says_how_to_find_it_again(site, tmp_path, capsys):
    assert main(["data", "fetch", "tinyshakespeare", "--folder", str(tmp_path / "there")]) == 0
    assert f"to open it by its name, set NTMLIB_DATA={tmp_path / 'there'}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fetch", "text9"], "name must be one of"),
        (["fetch", "shakespeare"], "there is nothing to fetch"),
        (["show", "nowhere.txt"], "corpus must be a file, or one of"),
        (["show", "text8"], "`ntm data fetch text8` brings it"),
        (["remove", "text8"], "command of ntm data must be one of list, fetch, show; got 'remove'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, said, here, capsys):
    assert main(["data", *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith("ntm: refused: ")
    assert said in message
    assert message.count("\n") == 1
    assert not here.exists()


def test_a_failure_is_one_line_and_status_1(site, capsys):
    site.status = 404
    assert main(["data", "fetch", "tinyshakespeare"]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"ntm: failed: {site.url} cannot be had: the server answers 404")
    assert message.count("\n") == 1


def test_an_interruption_is_status_130_and_goes_on(site, here, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(command, "fetch", interrupted)
        assert main(["data", "fetch", "tinyshakespeare"]) == 130
    assert "ntm: interrupted; what has arrived is kept" in capsys.readouterr().err
    assert main(["data", "fetch", "tinyshakespeare"]) == 0


@pytest.mark.parametrize("arguments", [[], ["-h"], ["list", "--help"], ["fetch", "--help"], ["show", "--help"]])
def test_every_part_has_help(arguments, capsys):
    assert main(["data", *arguments]) == (0 if arguments else 2)
    assert "usage: ntm data" in capsys.readouterr().out
