"""A machine reads a text that somebody typed: what it says at each symbol, and what is exactly right."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntmlib.ntm import NTM
from ntmlib.tasks.languages.brackets import CLOSING, OPENING
from ntmlib.tasks.languages.next_symbols import NextSymbols
from ntmlib.tasks.languages.recognition import VERDICTS, Recognition

ROOM = 32  # slots beyond the length of the text
MOST_SYMBOLS = 1000
UNJUDGED = None  # a symbol behind the first mistake

Marks = tuple[bool | None, ...]


@dataclass(frozen=True)
class Judgement:
    """What somebody says of a text.

    Attributes:
        marks: for each symbol yes or no, and None where there is nothing left to say.
        accepted: whether the text as a whole is in the language.
        reason: in words, and where.
    """

    marks: Marks
    accepted: bool
    reason: str


@dataclass(frozen=True)
class Reading:
    """A text with two judgements.

    Attributes:
        text: what was read.
        machine: what the machine says.
        exact: what is right.
    """

    text: str
    machine: Judgement
    exact: Judgement


@dataclass(frozen=True)
class Reader:
    """Reads texts.

    Attributes:
        symbols: the alphabet.
        meaning: what a mark says of a symbol.
        judge: does the work for a text over the alphabet.
    """

    symbols: str
    meaning: str
    judge: Callable[[str], Reading]

    def __call__(self, text: str) -> Reading:
        """Read a text.

        Raises:
            ValueError: it is too long, or has a symbol that is not of the alphabet; the message says where.
        """
        for place, symbol in enumerate(text, 1):
            if symbol not in self.symbols:
                raise ValueError(
                    f"text must consist of the symbols {' '.join(self.symbols)}; symbol {place} is {symbol!r}"
                )
        if len(text) > MOST_SYMBOLS:
            raise ValueError(f"text must have at most {MOST_SYMBOLS:,} symbols; got {len(text):,}")
        return self.judge(text)


def reader(machine: nn.Module, task: NextSymbols | Recognition) -> Reader:
    """Make a reader of a machine trained on one of the tasks with languages.

    Its memory gets 32 slots more than a text has symbols, unless its weights fit one number of slots.

    A machine for next symbols says after each symbol which may follow. The first symbol it does not meet is where the
    text goes wrong. Of a text without one, it is asked to close whatever it takes to be open. Nothing has told it yet
    what may come first; that is judged by the rule.

    A recogniser says after each symbol whether the text so far is in the language, and the last time at the end. One
    that answers with verdicts says after each symbol whether anything that follows can still make it a text of the
    language; the first symbol of which it does not is where the text goes wrong.

    Args:
        machine: an ``NTM`` or a baseline.
        task: what it was trained on; of a recogniser with ``scored="prefixes"``, or its marks mean nothing.
    """
    if isinstance(task, NextSymbols):
        return _bracket_reader(machine, task)
    return _member_reader(machine, task) if task.answer == "member" else _verdict_reader(machine, task)


def _verdict_reader(machine: nn.Module, task: Recognition) -> Reader:
    def judge(text: str) -> Reading:
        said = [VERDICTS[symbol] for symbol in _run(machine, len(text), task.encode(text))[0].argmax(-1).tolist()]
        return Reading(text, _by_verdicts(text, said), _by_verdicts(text, task.verdicts(text)))

    return Reader(task.definition.symbols, "it is in the language, or something that follows can bring it there", judge)


def _by_verdicts(text: str, verdicts: list[str]) -> Judgement:
    *so_far, last = verdicts
    marks = tuple(verdict != "never" for verdict in so_far)
    if last == "member":
        return Judgement(marks, True, "in the language")
    if False in marks:
        place = marks.index(False)
        return Judgement(marks, False, f"from symbol {place + 1}, {text[place]}, on nothing can mend it")
    return Judgement(marks, False, "not finished: it needs more symbols")


def _member_reader(machine: nn.Module, task: Recognition) -> Reader:
    def judge(text: str) -> Reading:
        said = (_run(machine, len(text), task.encode(text))[0][:, 0] > 0).tolist()
        return Reading(text, _membership(said), _membership(task.answers(text)))

    return Reader(task.definition.symbols, "the text so far is in the language", judge)


def _membership(answers: list[bool]) -> Judgement:
    *marks, last = answers
    return Judgement(tuple(marks), last, "in the language" if last else "not in the language")


def _bracket_reader(machine: nn.Module, task: NextSymbols) -> Reader:
    symbols = "".join(task.input_channels)

    def judge(text: str) -> Reading:
        allowed, left_open = _expectations(machine, text, task)
        return Reading(text, _legality(text, allowed, left_open), _exact_legality(text, symbols))

    return Reader(symbols, "this symbol may come here", judge)


def _expectations(machine: nn.Module, text: str, task: NextSymbols) -> tuple[list[str], str]:
    """Return what the machine allows before each symbol, and how it closes what is open at the end."""
    symbols, kinds = "".join(task.input_channels), task.kinds
    allowed = [symbols[:kinds]]
    if not text:
        return allowed, ""
    logits, state = _run(machine, len(text), task.encode(text))
    allowed += ["".join(s for s, logit in zip(symbols, row, strict=True) if logit > 0) for row in logits.tolist()]
    closers, fitted = "", _fitted(machine, len(text))
    last = logits[-1, kinds:]
    while last.max() > 0 and len(closers) < len(text):
        closers += symbols[kinds + int(last.argmax())]
        with torch.no_grad():
            outputs, state = fitted(task.encode(closers[-1]), state)
        last = outputs[0, -1, kinds:]
    return allowed, closers


def _legality(text: str, allowed: list[str], left_open: str) -> Judgement:
    for place, symbol in enumerate(text):
        if symbol not in allowed[place]:
            marks = (True,) * place + (False,) + (UNJUDGED,) * (len(text) - place - 1)
            expected = " ".join(allowed[place]) or "nothing"
            return Judgement(marks, False, f"symbol {place + 1}, {symbol}, may not come here; {expected} may")
    marks = (True,) * len(text)
    if left_open:
        number = f"{len(left_open)} bracket{'s' * (len(left_open) != 1)}"
        return Judgement(marks, False, f"{number} still open, to be closed by {left_open}")
    return Judgement(marks, True, "nothing is left open")


def _exact_legality(text: str, symbols: str) -> Judgement:
    opening, stack, allowed = symbols[: len(symbols) // 2], "", []
    for symbol in text:
        allowed.append(opening + stack[-1:])
        if symbol not in allowed[-1]:
            return _legality(text, allowed, "")
        stack = stack + CLOSING[OPENING.index(symbol)] if symbol in opening else stack[:-1]
    return _legality(text, allowed, stack[::-1])


def _fitted(machine: nn.Module, length: int) -> nn.Module:
    if isinstance(machine, NTM) and not machine.config.depends_on_slots:
        return machine.with_slots(length + ROOM, shared=True)
    return machine


@torch.no_grad()
def _run(
    machine: nn.Module, length: int, inputs: Float[Tensor, "1 time features"]
) -> tuple[Float[Tensor, "time outputs"], object]:
    logits, state = _fitted(machine, length)(inputs)
    return logits[0], state
