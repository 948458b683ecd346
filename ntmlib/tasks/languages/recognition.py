"""Recognition: read a text, then say whether it is in a formal language."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ntmlib.tasks.base import BITS, SYMBOLS, Batch, check_range, draw_lengths
from ntmlib.tasks.languages.base import Language
from ntmlib.tasks.languages.brackets import Dyck
from ntmlib.tasks.languages.counting import EqualBlocks
from ntmlib.tasks.languages.mirrors import MarkedPalindromes, Palindromes, Squares
from ntmlib.tasks.languages.regular import Alternation, EvenPairs, Parity

LANGUAGES: dict[str, Language] = {
    language.name: language
    for language in (
        Parity(),
        EvenPairs(),
        Alternation(),
        EqualBlocks("anbn", "ab"),
        EqualBlocks("anbncn", "abc"),
        Dyck(1),
        Dyck(2),
        MarkedPalindromes(),
        Palindromes(),
        Squares(),
    )
}
SCORED = ("end", "prefixes")
VERDICTS = ("member", "open", "never")
ANSWERS = ("member", "verdict")


@dataclass(frozen=True)
class Recognition:
    """Say whether a text is in a language.

    For the language ``dyck_1`` and ``length`` 6, with ``scored="end"``, as it is published::

        step           0 1 2 3 4 5 6
        input  symbol  ( ) ( ( ) ) .     one-hot, a channel for each symbol
               end     . . . . . . #     the text is over
        target member  . . . . . . #     #: one, the text is in the language; .: zero
        scored         . . . . . . #

    The same with ``scored="prefixes"``, where each step asks whether what was read so far is in
    the language: the same inputs, but more answers to learn from. A machine trained so can be
    tried with ``scored="end"``, and answers while somebody types::

        target member  . # . . . # #
        scored         # # # # # # #

    With ``answer="verdict"`` there are three answers, of which a step has one, a symbol: the text so
    far is a ``member``; or it is ``open``, no member, but may become one; or ``never``, which no
    symbol can mend. The first ``never`` is where a text went wrong. When the text is over, what is
    no member will never be one::

        step           0 1 2 3 4 5 6
        input  symbol  ( ) ( ( ) ) .
               end     . . . . . . #
        target member  . # . . . # #
               open    # . # # # . .
               never   . . . . . . .
        scored         # # # # # # #

    In parity, even pairs, palindromes and ``ww`` every text is a member or open: there the verdict
    says no more than a bit does.

    Each text is a member or not by the toss of a coin. Those that are not are members in which one
    to three pairs of symbols changed places, so often that they fell out of the language: near
    misses, of the same lengths and with the same symbols. So neither length nor counts give
    them away, but for three things. In ``parity`` the count is what the language is about, and one
    symbol is changed instead. In ``anbn`` and ``anbncn`` too: half of the near misses have their
    symbols in order, but one block ends where it should not. And a text that repeats one symbol
    is always a member but there, as short members of ``even_pairs``, ``palindromes`` and ``ww`` at times are.

    ``length`` counts symbols. Where a language has no members of a length, texts are as long as
    the next shorter ones that are, and none is shorter than the shortest that can be spoiled so.
    A sequence takes one step more than its text has symbols. As short lengths are raised to the
    shortest and others lowered, ``spare_slots`` of a config, counted from the length that was
    drawn and not from the text, leave a few slots less than they say, or more.

    Half of the answers are right by a coin, but more than half without a stack. A finite automaton
    that counts the b's at even and at odd places and the length, all modulo 4, is right in 75 to
    79 % of ``palindromes``, ``marked_palindromes`` and ``ww``, at every length. In ``anbn`` one that
    sees the order and counts each symbol modulo 4 is right in 93 %. In
    ``dyck_1`` one that counts open brackets to 2 is right in 78 % at lengths up to 40, one that
    counts to 8 in 99.8 %, which at length 100 is 83 % and at length 500 63 %. So a stack shows
    above 80 %, not above 50 %, and with brackets at lengths of hundreds only.

    The languages are ``parity`` (an even number of ones), ``even_pairs`` (the first symbol is the
    last) and ``ab_star``, which are regular; ``anbn``, ``dyck_1`` (brackets), ``dyck_2`` (of two
    kinds), ``marked_palindromes`` and ``palindromes``, context-free, the last one beyond any
    deterministic stack; ``anbncn`` and ``ww``, neither.

    Args:
        language: which one.
        max_length: longest text drawn, in symbols, itself included.
        min_length: shortest text drawn, in symbols.
        scored: which steps are scored: the ``"end"`` only, or all ``"prefixes"`` too.
        answer: whether a text is a ``"member"``, a bit, or one of three symbols, a ``"verdict"``.

    Raises:
        ValueError: there is no such language, way to score or to answer, a length is not a positive whole number,
            or the lengths are in the wrong order.
    """

    language: str = "parity"
    max_length: int = 40
    min_length: int = 1
    scored: str = "end"
    answer: str = "member"

    name = "recognition"

    def __post_init__(self) -> None:
        for name, choices in (("language", tuple(LANGUAGES)), ("scored", SCORED), ("answer", ANSWERS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}")
        check_range(self)

    @property
    def definition(self) -> Language:
        """The language itself: ``definition.accepts(text)`` is the exact answer."""
        return LANGUAGES[self.language]

    @property
    def input_channels(self) -> tuple[str, ...]:
        return (*self.definition.symbols, "end")

    @property
    def output_channels(self) -> tuple[str, ...]:
        return ("member",) if self.answer == "member" else VERDICTS

    @property
    def answer_type(self) -> str:
        """A bit, or a symbol where the answer is a verdict."""
        return BITS if self.answer == "member" else SYMBOLS

    @property
    def chance_right(self) -> float:
        """One half: when a text is over it is a member or not; while it is read, a coin is right less often."""
        return 0.5

    @property
    def chance_bits(self) -> float:
        """One bit for a coin: half of the texts are members. With prefixes, a bit for each step, which is too much.

        Most prefixes are not in most languages, so who knows how often they are pays less.
        """
        if self.scored == "end":
            return 1.0
        return 1 + float(self.definition.fit(np.arange(self.min_length, self.max_length + 1)).mean())

    def up_to(self, length: int) -> "Recognition":
        return replace(self, max_length=min(length, self.max_length))

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        drawn = draw_lengths(batch_size, self.min_length, self.max_length, length, generator)
        lengths = self.definition.fit(drawn.numpy())
        texts = self.definition.members(lengths, generator)
        member = torch.randint(2, (batch_size,), generator=generator).numpy() == 1
        if not member.all():
            others = self.definition.non_members(lengths[~member], generator)
            texts[~member, : others.shape[1]] = others
        answers = np.zeros((batch_size, texts.shape[1] + 1), dtype=bool)
        hopeful = np.zeros(answers.shape, dtype=bool)
        if self.scored == "prefixes":
            answers[:, :-1] = self.definition.prefixes(texts)
            if self.answer == "verdict":
                hopeful[:, :-1] = self.definition.hopeful(texts)
        end = np.arange(batch_size), lengths
        answers[end], hopeful[end] = member, False
        return self._present(texts, lengths, answers, hopeful)

    def encode(self, text: object) -> Float[Tensor, "1 time features"]:
        """Turn a text into inputs, as if it had been drawn; any string over the alphabet, also the empty one.

        Raises:
            ValueError: the text is no string, or has a symbol that is not of the alphabet.
        """
        numbers = self.definition.numbers(text)
        nothing = np.zeros((1, numbers.size + 1), dtype=bool)
        return self._present(numbers, np.array([numbers.size]), nothing, nothing).inputs

    def answers(self, text: object) -> list[bool]:
        """Say at each symbol of a string whether the text so far is in the language, and at the end once more.

        Raises:
            ValueError: the text is no string, or has a symbol that is not of the alphabet.
        """
        numbers = self.definition.numbers(text)
        if not numbers.size:
            return [self.definition.accepts_empty]
        so_far: list[bool] = self.definition.prefixes(numbers)[0].tolist()
        return [*so_far, so_far[-1]]

    def verdicts(self, text: object) -> list[str]:
        """Say at each symbol of a string what the text so far is, one of ``VERDICTS``, and at the end once more.

        Raises:
            ValueError: the text is no string, or has a symbol that is not of the alphabet.
        """
        numbers, members = self.definition.numbers(text), self.answers(text)
        hopeful = [*self.definition.hopeful(numbers)[0].tolist(), False] if numbers.size else [False]
        pairs = zip(members, hopeful, strict=True)
        return ["member" if member else "open" if hope else "never" for member, hope in pairs]

    def _present(self, texts: np.ndarray, lengths: np.ndarray, answers: np.ndarray, hopeful: np.ndarray) -> Batch:
        step, ends = np.arange(texts.shape[1] + 1), lengths[:, None]
        shown = np.where(step == ends, len(self.definition.symbols), np.pad(texts, ((0, 0), (0, 1))))
        shown = np.where(step <= ends, shown, -1)
        inputs = (shown[..., None] == np.arange(len(self.input_channels))).astype(np.float32)
        scored = step == ends if self.scored == "end" else step <= ends
        targets = (answers & scored)[..., None]
        if self.answer == "verdict":
            kinds = np.stack([answers, hopeful & ~answers, ~hopeful & ~answers], -1)
            targets = kinds & scored[..., None]
        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(targets.astype(np.float32)),
            torch.from_numpy(scored),
            torch.from_numpy(lengths + 1),
            self.answer_type,
        )
