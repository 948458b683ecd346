"""1-2-AX: a digit sets the rule, the letter before sets the stage, and both must be held in mind."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ntmlib.tasks.base import Batch, check_range, draw_lengths

SYMBOLS = "12ABCXYZ"


@dataclass(frozen=True)
class OneTwoAX:
    """Press the right button for the pairs that the last digit asks for.

    One rule. The answer is R exactly when

    - the current symbol is X, the symbol just before it was A and the last digit was 1; or
    - the current symbol is Y, the symbol just before it was B and the last digit was 2.

    Everything else is L: digits, first letters, distractors (C, Z), and the pair that the other
    digit asks for. Two things must be remembered on two time scales: the digit for as long as
    no other comes, the letter for one step. For ``length`` 9::

        step          0 1 2 3 4 5 6 7 8
        input symbol  2 1 A A X B Y A X     one-hot, a channel each for 1 2 A B C X Y Z
        target R      . . . . # . . . #     #: one, press right; .: zero, press left
        scored        # # # # # # # # #

    A sequence takes ``length`` steps and is answered as it comes, so all of them are scored.
    Sequences drawn start with a digit, 1 or 2 evenly, which opens a block of ``min_pairs`` to
    ``max_pairs`` pairs of letters; then comes the next digit, which may be the same again. A pair
    is AX or BY, evenly, with probability ``target_share``, and otherwise any of the nine of
    {A, B, C} x {X, Y, Z} (so AX and BY again among them). The sequence is cut at its length,
    wherever that falls: in a block or within a pair.

    The task is Frank, Loughry and O'Reilly's (2001), made known by O'Reilly and Frank, "Making working
    memory work" (Neural Computation 18, 2006); pairs between digits as in Krueger and Dayan, "Flexible
    shaping" (Cognition 110, 2009).

    Differs from the paper: the NTM paper has no such task. Descriptions elsewhere differ in
    details, such as what the share of targets is a share of, or whether distractors want an
    answer at all; the rule and the draw above are the ones used here.

    Args:
        max_length: longest sequence drawn, in symbols, itself included.
        min_length: shortest sequence drawn, in symbols.
        min_pairs: fewest pairs between two digits.
        max_pairs: most pairs between two digits, itself included.
        target_share: probability, 0 to 1, that a pair is made AX or BY on purpose.

    Raises:
        ValueError: a length or a number of pairs is not a positive whole number, two of them are
            in the wrong order, or the share is not between 0 and 1.
    """

    max_length: int = 30
    min_length: int = 2
    min_pairs: int = 1
    max_pairs: int = 4
    target_share: int | float = 0.5

    name = "one_two_ax"

    def __post_init__(self) -> None:
        check_range(self)
        check_range(self, "min_pairs", "max_pairs")
        share = self.target_share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ValueError(f"target_share must be a number from 0 to 1; got {share!r}")

    @property
    def input_channels(self) -> tuple[str, ...]:
        return tuple(SYMBOLS)

    @property
    def output_channels(self) -> tuple[str, ...]:
        return ("R",)

    @property
    def chance_bits(self) -> float:
        """Cost to who sees the current symbol only and knows how often it wants R: 4.9 bits for the defaults.

        Only X and Y leave a doubt. Whether the pair began right and the digit is the right one
        depends neither on the step nor on the block, so the cost is exactly the entropy of that
        doubt times the expected number of X and Y.
        """
        asked_for = self.target_share / 2 + (1 - self.target_share) / 9  # the pair is AX; just as often BY
        seen = self.target_share / 2 + (1 - self.target_share) / 3  # its second letter is X; just as often Y
        right = torch.tensor(asked_for / seen / 2, dtype=torch.float64)  # half the time, the digit is the other one
        doubt_bits = float(torch.special.entr(torch.stack([right, 1 - right])).sum()) / math.log(2)
        return self._mean_second_letters() * 2 * seen * doubt_bits

    def up_to(self, length: int) -> "OneTwoAX":
        return replace(self, max_length=length)

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        lengths = draw_lengths(batch_size, self.min_length, self.max_length, length, generator)
        symbols = self._draw_symbols(batch_size, int(lengths.max()), generator)
        heard = torch.arange(symbols.shape[1]) < lengths[:, None]
        inputs = F.one_hot(symbols, len(SYMBOLS)).float() * heard[..., None]
        targets = (_wants_right(symbols) & heard)[..., None].float()
        return Batch(inputs, targets, heard, lengths)

    @staticmethod
    def encode(text: str) -> Float[Tensor, "1 time 8"]:
        """Turn symbols typed by hand into the inputs of one sequence.

        Args:
            text: such as ``"21AAXBYAX"``; any order is allowed, also no digit at all.

        Raises:
            ValueError: the text is empty or holds something other than 1 2 A B C X Y Z.
        """
        return F.one_hot(_numbers(text), len(SYMBOLS)).float()

    @staticmethod
    def answers(text: str) -> str:
        """Say what the rule wants at each symbol: ``"21AAXBYAX"`` gives ``"LLLLRLLLR"``.

        Before the first digit no rule is in force, and the answer is L.

        Raises:
            ValueError: the text is empty or holds something other than 1 2 A B C X Y Z.
        """
        return "".join("R" if right else "L" for right in _wants_right(_numbers(text))[0].tolist())

    @staticmethod
    def digits(inputs: Float[Tensor, "batch time 8"]) -> Int[Tensor, "batch time"]:
        """Say which digit is in force at each step: 1, 2, or 0 before the first one."""
        last = _last_digits(inputs.argmax(-1))
        return torch.where(last <= SYMBOLS.index("2"), last + 1, 0)

    @staticmethod
    def spell(logits: Float[Tensor, "1 time 1"]) -> str:
        """Write a machine's answers to one sequence as ``answers`` does: R where a logit is above 0, else L."""
        return "".join("R" if logit > 0 else "L" for logit in logits[0, :, 0].tolist())

    def _draw_symbols(self, batch_size: int, time: int, generator: torch.Generator) -> Int[Tensor, "batch time"]:
        most_blocks = math.ceil(time / (1 + 2 * self.min_pairs))
        pairs = torch.randint(self.min_pairs, self.max_pairs + 1, (batch_size, most_blocks), generator=generator)
        ends = (1 + 2 * pairs).cumsum(1)
        starts = F.pad(ends, (1, -1))
        step = torch.arange(time).repeat(batch_size, 1)
        block = torch.searchsorted(ends, step, right=True)
        since_digit = step - starts.gather(1, block)

        # Every step draws a digit and a pair; it uses one of them, or the pair of the step before.
        digit = torch.randint(0, 2, (batch_size, time), generator=generator)
        any_pair = torch.randint(0, 9, (batch_size, time), generator=generator)  # 3 * (A, B or C) + (X, Y or Z)
        target_pair = 4 * torch.randint(0, 2, (batch_size, time), generator=generator)  # 0 is AX, 4 is BY
        on_purpose = torch.rand((batch_size, time), generator=generator) < self.target_share
        pair = torch.where(on_purpose, target_pair, any_pair)
        first_letter = SYMBOLS.index("A") + pair // 3
        second_letter = SYMBOLS.index("X") + pair.roll(1, 1) % 3
        letter = torch.where(since_digit % 2 == 1, first_letter, second_letter)
        return torch.where(since_digit == 0, digit, letter)

    def _mean_second_letters(self) -> float:
        """Expected number of second letters in a sequence: its steps that show X, Y or Z.

        A digit stands where a block ends: ``1 + 2 * pairs`` steps after the digit before. A first
        letter is what is neither digit nor second letter, and a second letter follows every first.
        """
        digit = [0.0] * (2 * self.max_pairs + 1) + [1.0]  # probability at each step; zeros stand before step 0
        second, so_far, total = 0.0, 0.0, 0.0
        for length in range(1, self.max_length + 1):
            so_far += second
            total += so_far if length >= self.min_length else 0.0
            second = 1 - digit[-1] - second
            possible = digit[-2 * self.max_pairs - 1 : -2 * self.min_pairs : 2]
            digit.append(sum(possible) / len(possible))
        return total / (self.max_length - self.min_length + 1)


def _wants_right(symbols: Int[Tensor, "batch time"]) -> Bool[Tensor, "batch time"]:
    """Apply the rule to symbols given as places in ``SYMBOLS``: the only definition of the answer."""
    one, two, a, b, x, y = (SYMBOLS.index(symbol) for symbol in "12ABXY")
    before = F.pad(symbols, (1, -1), value=-1)
    digit = _last_digits(symbols)
    after_one = (symbols == x) & (before == a) & (digit == one)
    after_two = (symbols == y) & (before == b) & (digit == two)
    return after_one | after_two


def _last_digits(symbols: Int[Tensor, "batch time"]) -> Int[Tensor, "batch time"]:
    """Return the last digit at each step; before any, the first symbol, which is neither 1 nor 2."""
    step_of_digit = torch.where(symbols <= SYMBOLS.index("2"), torch.arange(symbols.shape[1]), 0).cummax(1).values
    return symbols.gather(1, step_of_digit)


def _numbers(text: str) -> Int[Tensor, "1 time"]:
    if not text or any(symbol not in SYMBOLS for symbol in text):
        raise ValueError(f"text must be one or more of the symbols {' '.join(SYMBOLS)}; got {text!r}")
    return torch.tensor([[SYMBOLS.index(symbol) for symbol in text]])
