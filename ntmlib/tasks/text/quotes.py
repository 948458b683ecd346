"""A text that quotes itself: passages that were read come again, word for word, with nothing to mark them."""

import math

import numpy as np
import torch
from jaxtyping import UInt

PASSES = 8  # how often the text is gone through, each time with other quotations


def with_quotes(
    text: UInt[np.ndarray, " characters"],
    *,
    min_passage: int,
    max_passage: int,
    max_distance: int,
    generator: torch.Generator,
) -> UInt[np.ndarray, " more"]:
    """Go through a text several times and quote passages of it again behind themselves.

    One quotation follows another: a passage is read, then what comes after it up to a distance, then the passage once
    more; then the text goes on where it was left, for up to two passages, until the next one begins. The length of a
    passage is drawn evenly, the distance so that every order of magnitude is as frequent as any other, from none on.

    Args:
        text: codes of the text; longer than a passage and the largest distance together.
        min_passage: characters of the shortest passage.
        max_passage: of the longest.
        max_distance: most characters between the end of a passage and the beginning of its quotation.
        generator: draws all of it.

    Returns:
        Codes of ``PASSES`` passes through the text and their quotations.
    """
    pieces, ring = [], np.concatenate([text, text[: max_passage + max_distance]])
    for _ in range(PASSES):
        at = 0
        while at < len(text):
            shares = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
            passage = min_passage + int(shares[0] * (max_passage - min_passage + 1))
            distance = math.floor(math.exp(shares[1] * math.log(max_distance + 1.999))) - 1
            gap = int(shares[2] * (2 * passage + 1))
            behind = at + passage + distance
            pieces += [ring[at:behind], ring[at : at + passage], text[behind : behind + gap]]
            at = behind + gap
    return np.concatenate(pieces)
