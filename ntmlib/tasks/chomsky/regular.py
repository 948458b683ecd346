"""Regular: a finite number of states is enough, and the answer is one symbol."""

from dataclasses import dataclass

import numpy as np
import torch

from ntmlib.tasks.chomsky.base import Drawn, Transduction, draw_symbols, single

MODULUS = 5
PLUS, MINUS, TIMES = 5, 6, 7


@dataclass(frozen=True)
class EvenPairs(Transduction):
    """Say whether the pairs 01 and 10 are together even in number: 0 if so, 1 if not.

    For ``length`` 6, with one pair 01 and one pair 10::

        step    0 1 2 3 4 5 6
        input   0 0 1 1 1 0 .     .: empty
        target              0
        scored              #

    Every such pair changes the symbol, so the answer is whether the first symbol is the last.
    """

    name = "even_pairs"
    level = "regular"
    text_symbols = ("0", "1")
    answer_symbols = ("0", "1")

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        text = draw_symbols((len(lengths), lengths.max()), 2, generator)
        last = text[np.arange(len(lengths)), lengths - 1]
        return Drawn(text, lengths, **single(text[:, 0] ^ last))


@dataclass(frozen=True)
class ParityCheck(Transduction):
    """Say whether the ones are even in number: 0 if so, 1 if not.

    For ``length`` 7::

        step    0 1 2 3 4 5 6 7
        input   1 0 1 0 1 0 0 .     .: empty
        target                1
        scored                #
    """

    name = "parity_check"
    level = "regular"
    text_symbols = ("0", "1")
    answer_symbols = ("0", "1")

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        text = draw_symbols((len(lengths), lengths.max()), 2, generator)
        ones = (text * _inside(text, lengths)).sum(1)
        return Drawn(text, lengths, **single(ones % 2))


@dataclass(frozen=True)
class CycleNavigation(Transduction):
    """Walk on a ring of five places, 0 to 4, from place 0: say where the walk ends.

    For ``length`` 5 (``<``: one back, ``=``: stay, ``>``: one on)::

        step    0 1 2 3 4 5
        input   > < = < < .     .: empty
        target            3
        scored            #
    """

    name = "cycle_navigation"
    level = "regular"
    text_symbols = ("<", "=", ">")
    answer_symbols = ("0", "1", "2", "3", "4")

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        text = draw_symbols((len(lengths), lengths.max()), 3, generator)
        moves = ((text - 1) * _inside(text, lengths)).sum(1)
        return Drawn(text, lengths, **single(moves % MODULUS))


@dataclass(frozen=True)
class ModularArithmetic(Transduction):
    """Say what an expression without brackets comes to, modulo 5; products come first.

    For ``length`` 5::

        step    0 1 2 3 4 5
        input   1 + 2 * 3 .     .: empty
        target            2     7 modulo 5
        scored            #

    Expressions are odd in length: of an even one drawn or asked for, the last symbol falls away.
    Digits and the three operators are drawn evenly. The published alphabet has a fourth operator,
    ``_``, which is never shown; its input channel is kept.
    """

    name = "modular_arithmetic"
    level = "regular"
    text_symbols = ("0", "1", "2", "3", "4", "+", "-", "*", "_")
    answer_symbols = ("0", "1", "2", "3", "4")

    def _draw(self, lengths: np.ndarray, generator: torch.Generator) -> Drawn:
        lengths = lengths - (lengths % 2 == 0)
        text = draw_symbols((len(lengths), lengths.max()), MODULUS, generator)
        text[:, 1::2] = PLUS + draw_symbols(text[:, 1::2].shape, 3, generator)
        return Drawn(text, lengths, **single(_evaluate(text, lengths)))


def _evaluate(text: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Evaluate rows of digit, operator, digit ... modulo 5: a sum so far, and the product it waits for."""
    total, product = np.zeros_like(lengths), text[:, 0].copy()
    for step in range(1, text.shape[1], 2):
        operator, digit, inside = text[:, step], text[:, step + 1], step < lengths
        times = operator == TIMES
        total = np.where(inside & ~times, total + product, total)
        factor = np.where(times, product, np.where(operator == MINUS, -1, 1))
        product = np.where(inside, factor * digit % MODULUS, product)
    return (total + product) % MODULUS


def _inside(text: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.arange(text.shape[1]) < lengths[:, None]
