"""The fifteen tasks of "Neural networks and the Chomsky hierarchy" (Delétang et al., ICLR 2023), level by level."""

from ntmlib.tasks.chomsky.base import Transduction
from ntmlib.tasks.chomsky.context_free import (
    ModularArithmeticBrackets,
    ReverseString,
    SolveEquation,
    StackManipulation,
)
from ntmlib.tasks.chomsky.context_sensitive import BucketSort, DuplicateString, MissingDuplicateString, OddsFirst
from ntmlib.tasks.chomsky.numbers import BinaryAddition, BinaryMultiplication, ComputeSqrt
from ntmlib.tasks.chomsky.regular import CycleNavigation, EvenPairs, ModularArithmetic, ParityCheck

CHOMSKY: tuple[type[Transduction], ...] = (
    EvenPairs,
    ModularArithmetic,
    ParityCheck,
    CycleNavigation,
    StackManipulation,
    ReverseString,
    ModularArithmeticBrackets,
    SolveEquation,
    DuplicateString,
    MissingDuplicateString,
    OddsFirst,
    BinaryAddition,
    BinaryMultiplication,
    ComputeSqrt,
    BucketSort,
)  # in the order of the published table

__all__ = ["CHOMSKY", "Transduction", *(task.__name__ for task in CHOMSKY)]
