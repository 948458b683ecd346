"""Context-sensitive, on numbers in binary: sums, products and roots."""

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from ntmlib.tasks.chomsky.base import Drawn, Terminated, Transduction, close, draw_below, draw_symbols

OPERATOR, TERMINATOR = 2, 2


@dataclass(frozen=True)
class _OfTwoNumbers(Terminated):
    """A sum or product of two numbers of 1 digit or more, the lowest digits first."""

    level = "context-sensitive"
    answer_symbols = ("0", "1", "$")

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        first = 1 + draw_below((lengths - 2).clip(1), generator)  # digits of the first number
        place = np.arange(lengths.max())
        text = _digits_without_zero(
            lengths,
            [place < first[:, None], (place > first[:, None]) & (place < lengths[:, None])],
            generator,
        )
        short = lengths <= 2
        text[~short, first[~short]] = OPERATOR
        text[short] = 0
        number = draw_below(2 ** lengths[short] - 1, generator)
        text[short, :2] = (number[:, None] >> np.arange(text.shape[1])[:2]) & 1

        answers = []
        for row, length, digits in zip(text, lengths.tolist(), first.tolist(), strict=True):
            if length > 2:
                answers.append(to_digits(self._combine(to_number(row[:digits]), to_number(row[digits + 1 : length]))))
            else:
                answers.append(self._answer_to_short(row[:length]))
        answer_lengths = np.array([self.answer_length(length) for length in lengths.tolist()])
        return Drawn(text, lengths, **close(answers, TERMINATOR, answer_lengths))

    @abstractmethod
    def _combine(self, first: int, second: int) -> int:
        """Do what the operator says."""

    @abstractmethod
    def _answer_to_short(self, text: np.ndarray) -> list[int]:
        """Answer a text too short for two numbers and an operator."""


@dataclass(frozen=True)
class BinaryAddition(_OfTwoNumbers):
    """Add two numbers in binary, the lowest digits first; ``$`` says that this was all.

    For ``length`` 6, where 2 + 3 is 5::

        step    0 1 2 3 4 5 6 7 8 9 10 11 12
        input   0 1 + 1 1 0 . . . . .  .  .      .: empty
        target              1 0 1 $ 0  0  0
        scored              # # # # .  .  .

    The first number has 1 to ``length - 2`` digits, evenly, the second the rest but for the
    ``+``; a number of n digits is any from 1 to ``2 ** n - 1``, evenly, so it may end with zeros
    that mean nothing. The sum is written without any. The answer has ``length + 1`` steps. A text
    of 1 or 2 digits is one number, from 0 to one less than the highest, and the sum is that number.

    The published chance level is one half, as for binary answers.
    """

    name = "binary_addition"
    text_symbols = ("0", "1", "+")

    def answer_length(self, length: int) -> int:
        return length + 1

    def _combine(self, first: int, second: int) -> int:
        return first + second

    def _answer_to_short(self, text: np.ndarray) -> list[int]:
        return to_digits(to_number(text))


@dataclass(frozen=True)
class BinaryMultiplication(_OfTwoNumbers):
    """Multiply two numbers in binary, the lowest digits first; ``$`` says that this was all.

    For ``length`` 6, where 2 * 3 is 6::

        step    0 1 2 3 4 5 6 7 8 9 10 11
        input   0 1 * 1 1 0 . . . . .  .      .: empty
        target              0 1 1 $ 0  0
        scored              # # # # .  .

    Numbers are drawn and written as in ``binary_addition``. The answer has ``length`` steps. A
    text of 1 or 2 digits is no product: the answer is ``$`` to one digit and ``0$`` to two.

    The published chance level is one half, as for binary answers.
    """

    name = "binary_multiplication"
    text_symbols = ("0", "1", "*")

    def answer_length(self, length: int) -> int:
        return length

    def _combine(self, first: int, second: int) -> int:
        return first * second

    def _answer_to_short(self, text: np.ndarray) -> list[int]:
        return [0] * (len(text) - 1)


@dataclass(frozen=True)
class ComputeSqrt(Transduction):
    """Write the square root of a number in binary, rounded down; here the highest digits come first.

    For ``length`` 6, where the root of 37 is 6.08::

        step    0 1 2 3 4 5 6 7 8
        input   1 0 0 1 0 1 . . .     .: empty
        target              1 1 0
        scored              # # #

    The number is any from 1 to ``2 ** length - 1``, evenly, so it may begin with zeros. The
    answer has ``length / 2`` digits, rounded up, zeros at its beginning included.

    Differs from the authors' paper, which writes the lowest digits first; their code does as here.
    """

    name = "compute_sqrt"
    level = "context-sensitive"
    text_symbols = ("0", "1")
    answer_symbols = ("0", "1")

    def answer_length(self, length: int) -> int:
        return (length + 1) // 2

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        place = np.arange(lengths.max())
        text = _digits_without_zero(lengths, [place < lengths[:, None]], generator)
        answer_lengths = (lengths + 1) // 2
        answer = np.zeros((len(lengths), int(answer_lengths.max())), dtype=np.int64)
        for row, digits, length, wanted in zip(text, answer, lengths.tolist(), answer_lengths.tolist(), strict=True):
            root = to_digits(math.isqrt(to_number(row[:length][::-1])))
            digits[wanted - len(root) : wanted] = root[::-1]
        return Drawn(text, lengths, answer, answer_lengths)


def to_number(digits: np.ndarray) -> int:
    """Read binary digits, the lowest first."""
    return int.from_bytes(np.packbits(digits.astype(np.uint8), bitorder="little").tobytes(), "little")


def to_digits(number: int) -> list[int]:
    """Write a number in binary, the lowest digit first and the highest a 1; 0 is one digit."""
    return [int(digit) for digit in f"{number:b}"[::-1]]


def _digits_without_zero(lengths: np.ndarray, parts: list[np.ndarray], generator: torch.Generator) -> np.ndarray:
    """Draw digits so that each part of a row is any number but 0, evenly; rows with a part of nothing but 0 come anew.

    Args:
        lengths: digits of each row.
        parts: for each number of a row, where its digits are.
        generator: the source of randomness.
    """
    text = draw_symbols((len(lengths), lengths.max()), 2, generator)
    while True:
        zero = np.zeros(len(lengths), dtype=bool)
        for part in parts:
            zero |= part.any(1) & ~(text * part).any(1)
        if not zero.any():
            return text
        text[zero] = draw_symbols((int(zero.sum()), text.shape[1]), 2, generator)
