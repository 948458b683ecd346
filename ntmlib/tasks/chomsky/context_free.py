"""Context-free, deterministic: a stack is enough."""

import random
from dataclasses import dataclass

import numpy as np
import torch

from ntmlib.tasks.chomsky.base import Drawn, Terminated, Transduction, close, draw_below, draw_symbols, single

MODULUS = 5
POP, PUSH_0 = 2, 3
DIGITS = ("0", "1", "2", "3", "4")
HIGHEST_SEED = 2**62


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
class ModularArithmeticBrackets(Transduction):
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
    """

    name = "modular_arithmetic_brackets"
    level = "context-free"
    text_symbols = (*DIGITS, "+", "-", "*", "(", ")", "x")
    answer_symbols = DIGITS

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        dice = _dice(generator)
        return _as_drawn([_expression(int(length), "+-*", dice) for length in lengths], lengths, self.text_symbols)


@dataclass(frozen=True)
class SolveEquation(Transduction):
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
    """

    name = "solve_equation"
    level = "context-free"
    text_symbols = (*DIGITS, "+", "-", "(", ")", "x", "=")
    answer_symbols = DIGITS

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        dice = _dice(generator)
        return _as_drawn([_equation(int(length), dice) for length in lengths], lengths, self.text_symbols)


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


def _as_drawn(pairs: list[tuple[str, int]], lengths: np.ndarray, symbols: tuple[str, ...]) -> Drawn:
    number = {symbol: index for index, symbol in enumerate(symbols)}
    text = np.zeros((len(pairs), int(lengths.max())), dtype=np.int64)
    for row, (written, _) in zip(text, pairs, strict=True):
        row[: len(written)] = [number[symbol] for symbol in written]
    return Drawn(text, lengths, **single(np.array([value for _, value in pairs])))
