"""``ntm data``: which corpora there are, bring one here, look into one."""

import sys
from pathlib import Path
from typing import Any

from ntmlib.tasks.text.catalogue import CORPORA, FOLDER, cache_folder, locate
from ntmlib.tasks.text.corpus import Corpus, open_corpus
from ntmlib.tasks.text.fetching import fetch

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
LINES, COLUMNS = 8, 100  # of the text that `ntm data show` prints

USAGE = """usage: ntm data list                     which corpora there are, and which of them are on this computer
       ntm data fetch NAME [--folder]    bring a public one here; again: go on, or nothing to do
       ntm data show NAME|FILE           what a corpus, or any text file in UTF-8, looks like to a task

`ntm data COMMAND --help` tells the options.
"""


def run_command(arguments: list[str]) -> int:
    """Run ``ntm data`` with the arguments that follow it.

    Returns:
        0 when done; 1 when fetching or reading failed; 2 when an argument was refused before anything was touched; 130
        when Ctrl-C stopped it.
    """
    commands = {"list": _list, "fetch": _fetch, "show": _show}
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return DONE if arguments else REFUSED
    command = commands.get(arguments[0])
    try:
        if command is None:
            raise ValueError(f"command of ntm data must be one of {', '.join(commands)}; got {arguments[0]!r}")
        command(arguments[1:])
    except ValueError as error:
        print(f"ntm: refused: {error}", file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"ntm: failed: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\nntm: interrupted; what has arrived is kept, and the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return DONE


def _list(arguments: list[str]) -> None:
    import tyro

    def options() -> None:
        """Say which corpora there are: characters (of enwik8 bytes), how many differ, and whether they are here."""

    tyro.cli(options, args=arguments, prog="ntm data list")
    print(f"{'name':<16} {'characters':>11} {'alphabet':>8}  {'here':<4}  {'what it is':<31}  licence")
    for name, known in CORPORA.items():
        here = "yes" if locate(name).is_file() else "no"
        row = f"{name:<16} {known.characters:>11,} {known.symbols:>8}  {here:<4}  {known.origin:<31}  {known.licence}"
        print(row)
    print(f"shipped in {locate('shakespeare').parent}, fetched into {cache_folder()} (or ${FOLDER})")


def _fetch(arguments: list[str]) -> None:
    import tyro

    def options(name: tyro.conf.Positional[str], folder: Path | None = None) -> dict[str, Any]:
        """Bring a public corpus to this computer; after an interruption the same command goes on.

        Args:
            name: tinyshakespeare (1 MB), text8 (31 MB, 100 MB here) or enwik8 (36 MB, 100 MB here).
            folder: where to put it (default: the folder in NTMLIB_DATA, or else this user's cache).
        """
        return locals()

    given = tyro.cli(options, args=arguments, prog="ntm data fetch")
    path = fetch(given["name"], given["folder"])
    print(f"{given['name']} is in {path}")
    if path != locate(given["name"]).absolute():
        print(f"to open it by its name, set {FOLDER}={path.parent}")


def _show(arguments: list[str]) -> None:
    import tyro

    def options(corpus: tyro.conf.Positional[str]) -> str:
        """Say what a corpus looks like to a task: characters, alphabet, splits, checksum, first lines.

        Args:
            corpus: a name (`ntm data list`), or any text file in UTF-8.
        """
        return corpus

    _describe(open_corpus(tyro.cli(options, args=arguments, prog="ntm data show")))


def _describe(corpus: Corpus) -> None:
    # What a terminal could take as an order, or not show, appears as Python writes it.
    alphabet = "".join(symbol if symbol.isprintable() else repr(symbol)[1:-1] for symbol in corpus.alphabet[:300])
    more = f" and {len(corpus.alphabet) - 300:,} more" if len(corpus.alphabet) > 300 else ""
    print(f"name        {corpus.name}")
    print(f"characters  {len(corpus.codes):,}")
    print(f"alphabet    {len(corpus.alphabet):,}: {alphabet}{more}")
    for split, (begin, end) in corpus.splits.items():
        print(f"{split:<10}  {end - begin:,} from {begin:,}")
    print(f"SHA-256     {corpus.sha256}")
    print()
    beginning = corpus.decode(corpus.codes[: LINES * COLUMNS]).split("\n")[:LINES]
    for line in beginning:
        shown = "".join(symbol if symbol.isprintable() else repr(symbol)[1:-1] for symbol in line)
        print(shown[:COLUMNS])
