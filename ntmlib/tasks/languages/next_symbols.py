"""Next symbols: read brackets, and say at each step which ones may come next."""

import math
import random
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ntmlib.tasks.base import Batch, check_range, check_whole
from ntmlib.tasks.languages.brackets import Dyck, bracket_symbols, follow

# S -> ( S ) with probability 1/2, S -> S S with 1/4, and S -> nothing with the rest.
NEST, JOIN = 0.5, 0.25
LENGTHS = ("grammar", "uniform")
HIGHEST_SEED = 2**62


@dataclass(frozen=True)
class NextSymbols:
    """Say which brackets may come next in a text of a Dyck language.

    For 2 ``kinds`` and ``length`` 6::

        step          0 1 2 3 4 5
        input symbol  ( [ ] ) [ ]     one-hot, a channel for each bracket
        target (      # # # # # #     #: one, this may come next; .: zero
               [      # # # # # #
               )      # . # . . .
               ]      . # . . # .
        scored        # # # # # #

    An opening bracket may always come; of the closing ones at most one may, that of the innermost
    bracket that is open, and it must be remembered. All symbols of a text must be right for the text
    to be right, which is what ``exact`` in a report counts.

    The form is that of Suzgun et al., "Memory-augmented recurrent neural networks can learn
    generalized Dyck languages" (2019), who train on 5,000 texts of lengths 2 to 50 and test on
    5,000 of 52 to 100. As there, a text is drawn from a grammar: it is ``(S)`` with probability
    1/2, ``SS`` with 1/4 and empty otherwise, S being such a text again and the kinds even;
    given its length, which is drawn among all that are allowed as the grammar has them, or
    evenly. ``length`` counts symbols; of an odd one the last falls away. Whoever asks for a
    ``length`` gets it, and training without ``mixed_lengths`` asks for one each time.

    Differs from there: they minimise the squared error, here every bracket is a bit. They keep
    only texts that are distinct, and cut short those that would grow too long, so theirs are much
    longer: their program gives 5,000 texts of two kinds and lengths 2 to 50 a mean length of 25,
    one in seven longer than 40 and hardly any of length 2. The grammar alone, ``lengths="grammar"``,
    has a mean of 10.6, 27 % of length 2 and 3 % longer than 40. With ``lengths="uniform"`` the mean
    is 26 and one in five is longer than 40: nearer to theirs, though not the same either.

    Args:
        max_length: longest text drawn, in symbols, itself included.
        min_length: shortest text drawn, in symbols, at least 2.
        kinds: kinds of brackets, 1 to 6.
        lengths: how often a text has each even length from min_length to max_length: as the ``"grammar"`` makes them,
            which is mostly short, or ``"uniform"``, each as often as any other.

    Raises:
        ValueError: a setting is not a whole number or too small, there is no such way to draw lengths, or no even
            length lies between the two.
    """

    max_length: int = 50
    min_length: int = 2
    kinds: int = 2
    lengths: str = "grammar"

    name = "next_symbols"

    def __post_init__(self) -> None:
        check_range(self)
        check_whole("min_length", self.min_length, 2)
        bracket_symbols(self.kinds)
        if self.lengths not in LENGTHS:
            raise ValueError(f"lengths must be one of {', '.join(LENGTHS)}; got {self.lengths!r}")
        if self.min_length == self.max_length and self.min_length % 2:
            raise ValueError(f"min_length and max_length must have an even number between them; got {self.min_length}")

    @property
    def input_channels(self) -> tuple[str, ...]:
        return tuple(bracket_symbols(self.kinds))

    @property
    def output_channels(self) -> tuple[str, ...]:
        return self.input_channels

    @property
    def chance_bits(self) -> float:
        """One bit for each closing bracket at each step; who knows that opening ones may always come pays no more."""
        shares = np.array(self._weights)
        pairs = np.arange(self._fewest_pairs, self.max_length // 2 + 1)
        return self.kinds * 2 * float((pairs * shares).sum() / shares.sum())

    @property
    def _fewest_pairs(self) -> int:
        return (self.min_length + 1) // 2

    @property
    def _weights(self) -> tuple[float, ...]:
        """Say how often texts have each number of pairs that is allowed, from the fewest on."""
        if self.lengths == "uniform":
            return (1.0,) * (self.max_length // 2 + 1 - self._fewest_pairs)
        return _shares(self.max_length // 2)[self._fewest_pairs :]

    def up_to(self, length: int) -> "NextSymbols":
        shortest = (
            2 * self._fewest_pairs
        )  # from 3 to 3 there is no text, so a curriculum that starts there starts with 4
        return replace(self, max_length=max(min(length, self.max_length), shortest))

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        check_whole("batch_size", batch_size)
        if length is not None:
            check_whole("length", length)
        # One number after the other is drawn, how many is not known before: from a source that hangs on the generator.
        dice = random.Random(int(torch.randint(HIGHEST_SEED, (), generator=generator)))
        pairs = self._draw_pairs(batch_size, dice) if length is None else [max(length // 2, 1)] * batch_size
        texts = np.zeros((batch_size, 2 * max(pairs)), dtype=np.int64)
        for row, count in zip(texts, pairs, strict=True):
            row[: 2 * count] = _derive(count, self.kinds, dice)

        lengths = torch.tensor(pairs) * 2
        scored = np.arange(texts.shape[1]) < lengths.numpy()[:, None]
        _, innermost = follow(texts, self.kinds)
        closing = innermost[..., None] == np.arange(self.kinds)
        legal = np.concatenate([np.ones_like(closing), closing], -1) & scored[..., None]
        shown = (texts[..., None] == np.arange(2 * self.kinds)) & scored[..., None]
        inputs, targets = (torch.from_numpy(part.astype(np.float32)) for part in (shown, legal))
        return Batch(inputs, targets, torch.from_numpy(scored), lengths)

    def encode(self, text: object) -> Float[Tensor, "1 time features"]:
        """Turn a string of brackets into inputs, balanced or not.

        Raises:
            ValueError: the text is no string, or has a symbol that is not of the alphabet.
        """
        numbers = Dyck(self.kinds).numbers(text)
        return torch.from_numpy((numbers[..., None] == np.arange(2 * self.kinds)).astype(np.float32))

    def _draw_pairs(self, batch_size: int, dice: random.Random) -> list[int]:
        allowed = range(self._fewest_pairs, self.max_length // 2 + 1)
        return dice.choices(allowed, self._weights, k=batch_size)


@lru_cache(maxsize=64)
def _shares(most: int) -> tuple[float, ...]:
    """Say how likely the grammar makes a text of 0, 1, 2 ... pairs of brackets.

    Of none: ``e = JOIN e^2 + (1 - NEST - JOIN)``. Of n: ``c_n = NEST c_(n-1) + JOIN sum_i c_i c_(n-i)``, where the
    sum has ``c_n`` itself twice, beside an empty text.
    """
    empty = (1 - math.sqrt(1 - 4 * JOIN * (1 - NEST - JOIN))) / (2 * JOIN)
    shares = [empty]
    for pairs in range(1, most + 1):
        joined = math.fsum(shares[left] * shares[pairs - left] for left in range(1, pairs))
        shares.append((NEST * shares[pairs - 1] + JOIN * joined) / (1 - 2 * JOIN * empty))
    return tuple(shares)


@lru_cache(maxsize=1024)
def _ways(pairs: int) -> tuple[float, ...]:
    """Weigh how a text of so many pairs comes about, summed up: nested, or joined from 1, 2 ... pairs and the rest."""
    shares = _shares(pairs)
    joined = (JOIN * shares[left] * shares[pairs - left] for left in range(1, pairs))
    return tuple(accumulate((NEST * shares[pairs - 1], *joined)))


def _derive(pairs: int, kinds: int, dice: random.Random) -> list[int]:
    """Derive a text of so many pairs from the grammar; an empty text beside another one is left out."""
    text: list[int] = []
    pending: list[tuple[int, bool]] = [(pairs, False)]  # pairs still to be derived, or a bracket to be written
    while pending:
        what, is_bracket = pending.pop()
        if is_bracket:
            text.append(what)
        elif what:
            left = dice.choices(range(what), cum_weights=_ways(what))[0]
            if left:
                pending += [(what - left, False), (left, False)]
            else:
                kind = dice.randrange(kinds)
                pending += [(kinds + kind, True), (what - 1, False), (kind, True)]
    return text
