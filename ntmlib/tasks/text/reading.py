"""Reading a text: every step shows a character and asks for the one that follows it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int, Integer, UInt
from torch import Tensor

from ntmlib.tasks.base import SYMBOLS, Batch, check_range, check_whole
from ntmlib.tasks.text.corpus import Corpus, open_corpus
from ntmlib.tasks.text.quotes import with_quotes

QUOTES_SEED = 2014
SHOWN = {"\n": "↵", " ": "␣", "\t": "⇥"}  # characters that a picture would not show


@dataclass(frozen=True)
class Text:
    """Predict the next character of a text.

    A sequence is a window of ``window`` steps: step ``t`` shows character ``t`` and is asked for character ``t + 1``.
    All steps are scored. Windows are drawn anywhere in the training part; or they follow one another, so that a machine
    whose state is passed on reads the text as one (``begin`` and ``read_on``). Behind the last character of the
    training part comes its first.

    Args:
        text: name of a corpus, or path of a UTF-8 file.
        window: characters asked for in a sequence.
        quoted_share: share of the sequences of a batch that read a text which quotes itself (``with_quotes``); the
            others, and what is held out, read the text as it is.
        min_passage: characters of the shortest passage quoted.
        max_passage: of the longest.
        max_distance: most characters between a passage and its quotation.
        sha256: checksum of the file, so that a run cannot go on with another text; filled in when left out.

    Raises:
        ValueError: the text cannot be opened, or its checksum is another; the message says why.
    """

    name: ClassVar[str] = "text"
    answer_type: ClassVar[str] = SYMBOLS
    filled_in: ClassVar[dict[str, str]] = {"sha256": "text"}  # what is filled in, and from what

    text: str = "shakespeare"
    window: int = 96
    quoted_share: float = 0.0
    min_passage: int = 8
    max_passage: int = 48
    max_distance: int = 0
    sha256: str = ""

    def __post_init__(self) -> None:
        check_whole("window", self.window)
        check_range(self, "min_passage", "max_passage")
        check_whole("max_distance", self.max_distance, 0)
        share = self.quoted_share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ValueError(f"quoted_share must be a number from 0 to 1; got {share!r}")
        needed, there = self.max_passage + self.max_distance, len(self.corpus.part("train"))
        if share and needed >= there:
            raise ValueError(
                f"max_passage and max_distance together must be fewer than the {there:,} characters of the training "
                f"part; got {needed:,}"
            )
        found = self.corpus.sha256
        if self.sha256 not in ("", found):
            raise ValueError(
                f"sha256 must be that of the text {self.text!r}, {found}, or left out; got {self.sha256!r}"
            )
        object.__setattr__(self, "sha256", found)

    @cached_property
    def corpus(self) -> Corpus:
        """The text itself."""
        return open_corpus(self.text)

    @cached_property
    def _quoting(self) -> UInt[np.ndarray, " characters"]:
        """The training part with quotations, the same for every run."""
        return with_quotes(
            self.corpus.part("train"),
            min_passage=self.min_passage,
            max_passage=self.max_passage,
            max_distance=self.max_distance,
            generator=torch.Generator().manual_seed(QUOTES_SEED),
        )

    def _texts(self, batch_size: int) -> list[tuple[slice, UInt[np.ndarray, " characters"]]]:
        """Say which sequences of a batch read which text."""
        quoted = round(self.quoted_share * batch_size)
        plain = [(slice(quoted, batch_size), self.corpus.part("train"))]
        return [(slice(0, quoted), self._quoting), *plain] if quoted else plain

    @property
    def input_channels(self) -> tuple[str, ...]:
        """One channel for each character."""
        return tuple(SHOWN.get(character, character) for character in self.corpus.alphabet)

    @property
    def output_channels(self) -> tuple[str, ...]:
        """As the input's."""
        return self.input_channels

    @property
    def min_length(self) -> int:
        """All windows are of one length."""
        return self.window

    @property
    def max_length(self) -> int:
        """All windows are of one length."""
        return self.window

    @property
    def chance_right(self) -> float:
        """Share of the characters right by guessing evenly."""
        return 1 / len(self.corpus.alphabet)

    @property
    def chance_bits(self) -> float:
        """Cost in bits of a window to an even guess."""
        return self.window * math.log2(len(self.corpus.alphabet))

    def up_to(self, length: int) -> "Text":
        """Return the same task with windows of this length."""
        return self if length == self.window else replace(self, window=length)  # quotations are made once

    def sample(self, batch_size: int, *, generator: torch.Generator, length: int | None = None) -> Batch:
        """Draw windows anywhere in the training part; their length is ``window`` unless another is asked for."""
        check_whole("batch_size", batch_size)
        length = self.window if length is None else length
        check_whole("length", length)
        return self.read_on(self.begin(batch_size, generator=generator), length)[0]

    def begin(self, batch_size: int, *, generator: torch.Generator) -> Int[Tensor, " batch"]:
        """Draw places in the training part to read on from; those of the text that quotes itself come first."""
        places = [
            torch.randint(len(text), (rows.stop - rows.start,), generator=generator)
            for rows, text in self._texts(batch_size)
        ]
        return torch.cat(places)

    def read_on(self, places: Int[Tensor, " batch"], length: int) -> tuple[Batch, Int[Tensor, " batch"]]:
        """Return the windows of ``length`` steps that begin at these places, and the places where the next begin."""
        steps, following, codes = places[:, None] + torch.arange(length + 1), places + length, []
        for rows, text in self._texts(len(places)):
            codes.append(text[steps[rows].numpy() % len(text)])
            following[rows] %= len(text)
        return self._batch(np.concatenate(codes)), following

    def pages(self, part: str, streams: int, length: int, characters: int | None = None) -> Iterator[Batch]:
        """Go through a part of the text from its beginning to its end, in streams read side by side.

        The part is cut into pieces, as many as there are streams and equally long but for the last; each stream reads
        a piece, window by window. Every character of the part but the very first is asked for once.

        Args:
            part: "train", "validation" or, where the corpus has one, "test".
            streams: pieces.
            length: steps of a window.
            characters: asked for in each stream; all of its piece by default.
        """
        check_whole("streams", streams)
        check_whole("length", length)
        text = self.corpus.part(part)
        piece = -(-(len(text) - 1) // streams)
        begins = np.arange(streams) * piece
        ends = np.minimum(begins + min(piece, characters or piece), len(text) - 1)
        for start in range(0, piece, length):
            steps = begins[:, None] + start + np.arange(min(length, piece - start) + 1)
            asked = steps[:, :-1] < ends[:, None]
            if not asked.any():
                return
            yield replace(self._batch(text[steps.clip(0, len(text) - 1)]), mask=torch.from_numpy(asked))

    def _batch(self, codes: Integer[np.ndarray, "batch steps"]) -> Batch:
        """Turn rows of characters into a batch: all but the last are shown, all but the first are asked for."""
        symbols = F.one_hot(torch.from_numpy(codes.astype(np.int64)), len(self.corpus.alphabet)).float()
        batch, steps = codes.shape
        return Batch(
            symbols[:, :-1],
            symbols[:, 1:],
            torch.ones(batch, steps - 1, dtype=torch.bool),
            torch.full((batch,), steps - 1),
            SYMBOLS,
        )
