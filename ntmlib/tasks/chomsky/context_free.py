"""Context-free, deterministic: a stack is enough."""

import random
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from ntmlib.tasks.chomsky.base import (
    NOTHING,
    Drawn,
    Terminated,
    Transduction,
    close,
    count_scored,
    draw_below,
    draw_symbols,
    single,
)

MODULUS = 5
POP, PUSH_0 = 2, 3
DIGITS = ("0", "1", "2", "3", "4")
HIGHEST_SEED = 2**62
SCORED = ("end", "parts")


@dataclass(frozen=True)
class ReverseString(Transduction):
    """Write the text backwards.

    For ``length`` 4::

        step    0 1 2 3 4 5 6 7
        input   0 0 1 0 . . . .     .: empty
        target          0 1 0 0
        scored          # # # #
    """

    name = "reverse_string"
    level = "context-free"
    text_symbols = ("0", "1")
    answer_symbols = ("0", "1")

    def answer_length(self, length: int) -> int:
        return length

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        text = draw_symbols((len(lengths), lengths.max()), 2, generator)
        backwards = (lengths[:, None] - 1 - np.arange(text.shape[1])).clip(0)
        return Drawn(text, lengths, np.take_along_axis(text, backwards, 1), lengths)


@dataclass(frozen=True)
class StackManipulation(Terminated):
    """Push on and pop from a stack, then write it out from the top; ``$`` says that this was all.

    For ``length`` 5, where the stack is 0 1 at first and 0 1 0 in the end (``v``: pop, ``o``: push
    a 0, ``i``: push a 1)::

        step    0 1 2 3 4 5 6 7 8 9 10
        input   0 1 i v o . . . . . .     .: empty
        target            0 1 0 $ 0 0
        scored            # # # # . .

    The stack comes first, bottom to top, then what to do with it; nothing is popped from an empty
    one. The stack has 1 to ``length - 1`` symbols, evenly, the rest of the text are actions,
    evenly of the three kinds. A text of one symbol has no actions. The answer has
    ``length + 1`` steps.

    The published chance level is one half, as for binary answers: an even guess between 0 and 1
    that never says ``$`` is right a little less often.
    """

    name = "stack_manipulation"
    level = "context-free"
    text_symbols = ("0", "1", "pop", "push 0", "push 1")
    answer_symbols = ("0", "1", "$")

    def answer_length(self, length: int) -> int:
        return length + 1

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        heights = 1 + draw_below(lengths - 1, generator)
        text = draw_symbols((len(lengths), lengths.max()), 2, generator)
        actions = POP + draw_symbols(text.shape, 3, generator)
        text = np.where(np.arange(text.shape[1]) < heights[:, None], text, actions)
        answers = []
        for symbols, length, height in zip(text.tolist(), lengths.tolist(), heights.tolist(), strict=True):
            stack = symbols[:height]
            for action in symbols[height:length]:
                if action != POP:
                    stack.append(action - PUSH_0)
                elif stack:
                    stack.pop()
            answers.append(stack[::-1])
        return Drawn(text, lengths, **close(answers, 2, lengths + 1))


@dataclass(frozen=True)
class _Expressions(Transduction):
    """A task about expressions with brackets, of whose parts the values may be asked too.

    Only at the end of a text is an answer asked in the published task. With ``scored="parts"`` the machine says on the
    way what it should have found out so far: the same inputs, more to learn from. The examination asks for the end.
    """

    scored: str = "end"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scored not in SCORED:
            raise ValueError(f"scored must be one of {', '.join(SCORED)}; got {self.scored!r}")

    def mean_scored(self) -> float:
        """Mean number of scored steps: with ``"parts"`` estimated from 2,048 sequences, always the same."""
        return super().mean_scored() if self.scored == "end" else count_scored(self)

    def _as_drawn(self, pairs: list[tuple[str, int]], lengths: np.ndarray) -> Drawn:
        number = {symbol: index for index, symbol in enumerate(self.text_symbols)}
        text = np.zeros((len(pairs), int(lengths.max())), dtype=np.int64)
        values = np.full(text.shape, NOTHING)
        for row, parts, (written, _) in zip(text, values, pairs, strict=True):
            row[: len(written)] = [number[symbol] for symbol in written]
            if self.scored == "parts":
                parts[: len(written)] = self._values_on_the_way(written)
        answer = np.array([value for _, value in pairs])
        return Drawn(text, lengths, **single(answer), on_the_way=values if self.scored == "parts" else None)

    @abstractmethod
    def _values_on_the_way(self, text: str) -> list[int]:
        """Say what should be answered at each symbol, NOTHING where nothing should."""


@dataclass(frozen=True)
class ModularArithmeticBrackets(_Expressions):
    """Say what an expression with brackets comes to, modulo 5.

    For ``length`` 10::

        step    0 1 2 3 4 5 6 7 8 9 10
        input   ( ( - 2 ) * ( 4 ) ) .     .: empty
        target                      2     -8 modulo 5
        scored                      #

    An expression of 1 to 4 symbols is a digit d as ``d``, ``-d``, ``(d)`` or ``(-d)``. A longer
    one is two expressions in brackets with ``+``, ``-`` or ``*`` between them: the left one has 1
    to ``length - 4`` symbols, evenly, the right one the rest. So all brackets are written, and
    no operator takes precedence. The published alphabet has an ``x`` that is never shown; its
    input channel is kept.

    With ``scored="parts"`` each digit and each closing bracket asks for the value of what was
    read since the innermost bracket that is open, modulo 5::

        step    0 1 2 3 4 5 6 7 8 9 10
        input   ( ( - 2 ) * ( 4 ) ) .
        target        3 3     4 2 2 2
        scored        # #     # # # #

    Args:
        scored: the ``"end"``, as published, or the ``"parts"`` too.
    """

    name = "modular_arithmetic_brackets"
    level = "context-free"
    text_symbols = (*DIGITS, "+", "-", "*", "(", ")", "x")
    answer_symbols = DIGITS

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        dice = _dice(generator)
        return self._as_drawn([_expression(int(length), "+-*", dice) for length in lengths], lengths)

    def _values_on_the_way(self, text: str) -> list[int]:
        return values_of_parts(text)


@dataclass(frozen=True)
class SolveEquation(_Expressions):
    """Say which digit ``x`` stands for in an equation modulo 5.

    For ``length`` 12::

        step    0 1 2 3 4 5 6 7 8 9 10 11 12
        input   ( ( - x ) + ( 4 ) ) =  2  .     .: empty
        target                            2     -2 + 4 is 2
        scored                            #

    The left side is an expression as in ``modular_arithmetic_brackets``, but without products,
    so that there is one solution; the right side is what it comes to, one digit. In place of one
    of its digits stands ``x``: the first one at or after a place drawn evenly, from the start
    again if there is none. Texts of fewer than 3 symbols are no equations: they are zeros, and
    the answer is 0.

    With ``scored="parts"`` each digit of the left side asks for the sum of all digits so far,
    each with the sign that its brackets give it, modulo 5; ``x`` counts as 0 and is not asked::

        step    0 1 2 3 4 5 6 7 8 9 10 11 12
        input   ( ( - x ) + ( 4 ) ) =  2  .
        target                4           2
        scored                #           #

    Args:
        scored: the ``"end"``, as published, or the ``"parts"`` too.
    """

    name = "solve_equation"
    level = "context-free"
    text_symbols = (*DIGITS, "+", "-", "(", ")", "x", "=")
    answer_symbols = DIGITS

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        dice = _dice(generator)
        return self._as_drawn([_equation(int(length), dice) for length in lengths], lengths)

    def _values_on_the_way(self, text: str) -> list[int]:
        return totals_so_far(text)


def _dice(generator: torch.Generator) -> random.Random:
    """Return a source of randomness of our own for drawing one number after the other; it hangs on the generator."""
    return random.Random(int(torch.randint(HIGHEST_SEED, (), generator=generator)))


def _expression(length: int, operators: str, dice: random.Random) -> tuple[str, int]:
    """Draw an expression with all its brackets; return it and what it comes to modulo 5."""
    if length < 5:
        digit = dice.randrange(MODULUS)
        written = (f"{digit}", f"-{digit}", f"({digit})", f"(-{digit})")[length - 1]
        return written, (-digit if "-" in written else digit) % MODULUS
    left_length = dice.randint(1, length - 4)
    left, left_value = _expression(left_length, operators, dice)
    right, right_value = _expression(length - 3 - left_length, operators, dice)
    operator = dice.choice(operators)
    value = {"+": left_value + right_value, "-": left_value - right_value, "*": left_value * right_value}[operator]
    return f"({left}{operator}{right})", value % MODULUS


def _equation(length: int, dice: random.Random) -> tuple[str, int]:
    """Draw an equation; return it and its solution."""
    if length < 3:
        return "0" * length, 0
    left, value = _expression(length - 2, "+-", dice)
    place = dice.randrange(len(left))
    while left[place] not in DIGITS:
        place = (place + 1) % len(left)
    return f"{left[:place]}x{left[place + 1 :]}={value}", int(left[place])


def values_of_parts(text: str) -> list[int]:
    """Say at each digit and closing bracket what was read since the innermost bracket that is open, modulo 5.

    Elsewhere it says NOTHING.
    """
    values: list[int] = []
    waiting: list[tuple[int, str]] = []  # what stood before each open bracket: a value, and the operator behind it
    value, operator, sign = 0, "+", 1
    for place, symbol in enumerate(text):
        if symbol == "(":
            waiting.append((value, operator))
            value, operator = 0, "+"
        elif _is_sign(text, place):
            sign = -1
        elif symbol in "+-*":
            operator = symbol
        else:
            right = value if symbol == ")" else sign * int(symbol)
            if symbol == ")":
                value, operator = waiting.pop()
            value = {"+": value + right, "-": value - right, "*": value * right}[operator] % MODULUS
            sign = 1
        values.append(value if symbol in (*DIGITS, ")") else NOTHING)
    return values


def totals_so_far(text: str) -> list[int]:
    """Say at each digit what all digits so far come to, modulo 5, each with the sign that its brackets give it.

    The unknown ``x`` counts as 0; from the equals sign on it says NOTHING, as everywhere else.
    """
    totals: list[int] = []
    waiting: list[int] = []  # the sign in force outside of each open bracket
    outside = sign = 1
    total = 0
    left, is_equation, _ = text.partition("=")
    if not is_equation:  # too short to be one
        return [NOTHING] * len(text)
    for place, symbol in enumerate(left):
        if symbol == "(":
            waiting.append(outside)
            outside = sign
        elif symbol == ")":
            sign = outside = waiting.pop()
        elif _is_sign(left, place):
            sign = -sign
        elif symbol in "+-":
            sign = outside if symbol == "+" else -outside
        elif symbol in DIGITS:
            total = (total + sign * int(symbol)) % MODULUS
        totals.append(total if symbol in DIGITS else NOTHING)
    return totals + [NOTHING] * (len(text) - len(totals))


def _is_sign(text: str, place: int) -> bool:
    """Say whether a minus belongs to the digit behind it, rather than standing between two expressions."""
    return text[place] == "-" and (place == 0 or text[place - 1] in "(+-*")
