"""N-back: say of every symbol whether it is the same as the one ``n`` steps ago."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from ntmlib.tasks.base import Batch, check_range, check_whole, draw_lengths


@dataclass(frozen=True)
class NBack:
    """Compare each symbol with the one ``n`` steps before it.

    For ``n`` 2 and ``length`` 7, symbols shown as letters::

        step           0 1 2 3 4 5 6
        input symbol   A B A C C C D     one-hot, a channel for each symbol
        target match   . . # . . # .     #: one, the same as two steps ago; .: zero
        scored         . . # # # # #

    The first ``n`` symbols have nothing to be compared with and are not scored. Step 4 repeats
    its neighbour, one step ago: a lure, and no match. A sequence takes ``length`` steps, and
    there are ``symbols`` input channels and one output channel.

    The first ``n`` symbols are drawn evenly. Each later one matches with probability
    ``match_share`` and is otherwise any of the others, evenly; so lures come by chance.

    The task is Kirchner's ("Age differences in short-term retention of rapidly changing
    information", Journal of Experimental Psychology 55, 1958).

    Differs from the paper: the NTM paper has no such task; sizes and shares are chosen here.

    Args:
        max_length: longest sequence drawn, in symbols, itself included.
        min_length: shortest sequence drawn, in symbols; more than ``n``.
        n: steps to look back.
        symbols: how many different symbols there are, at least 2.
        match_share: probability, 0 to 1, that a scored step is a match.

    Raises:
        ValueError: a length, ``n`` or the number of symbols is not a whole number or too small,
            the lengths are in the wrong order, or the share is not between 0 and 1.
    """

    max_length: int = 30
    min_length: int = 5
    n: int = 2
    symbols: int = 8
    match_share: int | float = 0.3

    name = "n_back"

    def __post_init__(self) -> None:
        check_range(self)
        check_whole("n", self.n)
        check_whole("symbols", self.symbols, low=2)
        self._check_comparable("min_length", self.min_length)
        share = self.match_share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ValueError(f"match_share must be a number from 0 to 1; got {share!r}")

    @property
    def input_channels(self) -> tuple[str, ...]:
        return tuple(f"symbol {symbol}" for symbol in range(self.symbols))

    @property
    def output_channels(self) -> tuple[str, ...]:
        return ("match",)

    @property
    def chance_bits(self) -> float:
        """Cost to who knows ``match_share`` and sees the current symbol only: 13.7 bits for the defaults.

        All symbols are equally frequent at every step, so the current one tells nothing: each
        scored step costs the entropy of a coin that shows a match with that probability.
        """
        match = torch.tensor(self.match_share, dtype=torch.float64)
        coin_bits = float(torch.special.entr(torch.stack([match, 1 - match])).sum()) / math.log(2)
        return coin_bits * ((self.min_length + self.max_length) / 2 - self.n)

    def up_to(self, length: int) -> "NBack":
        return replace(self, max_length=length)

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        lengths = draw_lengths(batch_size, self.min_length, self.max_length, length, generator)
        longest = int(lengths.max())
        self._check_comparable("length", longest)

        # One row for every n steps. Down a column, each symbol is the one n steps ago plus a change; 0 is a match.
        shape = (batch_size, math.ceil(longest / self.n), self.n)
        changes = torch.randint(1, self.symbols, shape, generator=generator)
        changes[torch.rand(shape, generator=generator) < self.match_share] = 0
        changes[:, 0] = torch.randint(0, self.symbols, (batch_size, self.n), generator=generator)
        symbols = (changes.cumsum(1) % self.symbols).flatten(1)[:, :longest]

        step = torch.arange(longest)
        heard = step < lengths[:, None]
        scored = heard & (step >= self.n)
        match = symbols == symbols.roll(self.n, 1)  # the first n steps compare with the end, but are not scored
        inputs = F.one_hot(symbols, self.symbols).float() * heard[..., None]
        return Batch(inputs, (match & scored)[..., None].float(), scored, lengths)

    def _check_comparable(self, name: str, length: int) -> None:
        if length <= self.n:
            raise ValueError(f"{name} must be more than n ({self.n}), or nothing can be compared; got {length}")
