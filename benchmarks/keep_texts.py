"""What models cost that were trained on a text that the workbook does not ship, as a table that is kept without it.

    ntm data fetch tinyshakespeare
    for name in text-tiny-large text-tiny-lstm-large text-tiny-huge text-tiny-lstm-huge; do
      ntm sweep "data/sweeps/fetched/$name.toml" --keep "runs/kept/$name"
    done
    .venv/bin/python benchmarks/keep_texts.py runs/kept tinyshakespeare data/texts/tinyshakespeare.json

The sweeps take two and a half hours of one core; the same command again trains what is missing.
"""

import sys
import time

from ntmlib import sweeps
from ntmlib.baselines import NGram
from ntmlib.tasks.text import Corpus, open_corpus

ORDERS = (5, 7)


def counted(corpus: Corpus) -> list[sweeps.TextStanding]:
    """Say how n-grams do that count the training part once, and such as count on in what they read."""
    training, held_out = corpus.part("train"), corpus.part("validation")
    found = []
    for order in ORDERS:
        for name, adaptive in ((f"{order}-gram", False), (f"{order}-gram, counts on", True)):
            begin = time.process_time()
            ngram = NGram(len(corpus.alphabet), order)
            ngram.count(training)
            nats = float(ngram.costs(held_out, adaptive=adaptive, before=training)[1:].mean())
            sizes = (ngram.num_parameters, len(training))
            spent = time.process_time() - begin
            found.append(sweeps.TextStanding(name, corpus.name, corpus.sha256, *sizes, (spent,), (nats,), ()))
    return found


def main() -> None:
    """Write the table, and print it."""
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} FOLDER_OF_KEPT_SWEEPS TEXT FILE")
    kept, text, file = sys.argv[1:]
    standings = sweeps.text_standings(sweeps.read_scores(kept), text)
    if not standings:
        sys.exit(f"{kept} holds no sweep of the text {text!r}")
    standings += counted(open_corpus(text))
    sweeps.save_standings(standings, file)
    for row in (sweeps.TEXT_COLUMNS, *(one.row for one in standings)):
        print("  ".join(row))


if __name__ == "__main__":
    main()
