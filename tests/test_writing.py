"""Letting a model write."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from ntmlib.baselines import LSTM
from ntmlib.tasks.text import Corpus, open_corpus
from ntmlib.training import write_on
from ntmlib.training.writing import writer


class Alphabetical(nn.Module):
    """Expects the next character of the alphabet, and after the last the first; counts what it was shown."""

    def forward(self, inputs, state=None):
        shown = inputs.argmax(-1)
        logits = 3.0 * nn.functional.one_hot((shown + 1) % inputs.shape[-1], inputs.shape[-1]).float()
        return logits, (state or 0) + inputs.shape[1]


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    (tmp_path / "abc.txt").write_text("abcd" * 10, "utf-8")
    return open_corpus(tmp_path / "abc.txt")


def test_a_cold_model_writes_what_it_thinks_likeliest(corpus):
    assert "".join(write_on(Alphabetical(), corpus, "ab", 6, temperature=0.01)) == "cdabcd"


def test_a_hot_model_writes_anything(corpus):
    written = "".join(write_on(Alphabetical(), corpus, "a", 400, temperature=1e6))
    assert all(70 < written.count(character) < 130 for character in "abcd")


def test_the_shares_are_those_of_the_model(corpus):
    """exp(3) to 1 for the next character against each of the three others."""
    written = "a" + "".join(write_on(Alphabetical(), corpus, "a", 2000, generator=torch.Generator().manual_seed(4)))
    as_expected = sum("abcd".index(b) == ("abcd".index(a) + 1) % 4 for a, b in pairwise(written))
    assert as_expected / 2000 == pytest.approx(20.09 / 23.09, abs=0.03)


def test_writing_goes_on_from_the_state_and_not_from_the_beginning(corpus):
    """One character at a time with the state passed on is the same as reading all that was written at once."""
    model = LSTM(4, 4, hidden=6, num_layers=1)
    written = "".join(write_on(model, corpus, "ab", 30, temperature=1e-6))
    shown = nn.functional.one_hot(torch.from_numpy(corpus.encode("ab" + written).astype(int)), 4).float()
    logits, _ = model(shown[None])
    assert corpus.decode(logits[0].argmax(-1)[1:-1].numpy()) == written


def test_the_same_generator_writes_the_same(corpus):
    texts = ["".join(write_on(Alphabetical(), corpus, "a", 50)) for _ in range(2)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "prompt must have at least one character; got ''"),
        ({"prompt": "x"}, "got 'x' at position 0"),
        ({"prompt": "a", "temperature": 0.0}, "temperature must be a finite number above 0; got 0.0"),
        ({"prompt": "a", "characters": -1}, "characters must be a whole number of at least 0; got -1"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(corpus, options, message):
    with pytest.raises(ValueError, match=message):
        write_on(Alphabetical(), corpus, **options)


def test_a_writer_writes_the_same_from_the_same_seed_and_something_else_from_another(corpus):
    write = writer(Alphabetical(), corpus)
    first, again, other = ("".join(write("a", 40, 1.0, seed)) for seed in (3, 3, 4))
    assert first == again != other
    generator = torch.Generator().manual_seed(3)
    assert first == "".join(write_on(Alphabetical(), corpus, "a", 40, generator=generator))
