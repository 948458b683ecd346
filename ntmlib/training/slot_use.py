"""Which slots the heads of a machine use while it reads a play, by what kind of place in the text it is at."""

import re
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ntmlib.machine import HeadRecord
from ntmlib.ntm import Trace
from ntmlib.tasks.base import check_whole

KINDS = ("other", "word start", "line start", "speaker name")
OTHER, WORD_START, LINE_START, SPEAKER_NAME = range(len(KINDS))

_LETTER = r"[^\W\d_]"
# The first letter of a word is behind what is no letter, and not behind an apostrophe that is inside a word.
_WORD_START = re.compile(rf"(?<!{_LETTER})(?<!{_LETTER}'){_LETTER}")
_LINE_START = re.compile(r"(?<=\n)[^\n]")
_SPEAKER_NAME = re.compile(r"(?:\A|(?<=\n\n))[^\n]+:(?=\n)")


@dataclass(frozen=True)
class HeadUse:
    """What the heads of one sort did at each kind of place: means over its steps, not numbers where there are none.

    Attributes:
        weighting: on each slot.
        interpolation_gate: 1 where heads go by content, 0 where they go on from where they were.
        slots_in_use: over how many slots a head is spread: the exponential of its weighting's entropy, 1 if it is all
            on one slot.
        movement: share of the weighting that is on other slots than at the step before, from 0 to 1.
    """

    weighting: Float[np.ndarray, "kinds heads slots"]
    interpolation_gate: Float[np.ndarray, "kinds heads"]
    slots_in_use: Float[np.ndarray, "kinds heads"]
    movement: Float[np.ndarray, "kinds heads"]


@dataclass(frozen=True)
class SlotUse:
    """What the heads of a machine did at each kind of place.

    Attributes:
        kinds: their names, ``KINDS``; the first axis of all else.
        num_steps: how many steps were of each kind.
        read: what the read heads did.
        write: what the write heads did.
    """

    kinds: tuple[str, ...]
    num_steps: Int[np.ndarray, " kinds"]
    read: HeadUse
    write: HeadUse


def kinds_of_places(text: str) -> UInt8[np.ndarray, " characters"]:
    """Say of each character of a play what kind of place it is at, as a number: its place in ``KINDS``.

    A speaker's name is a line behind an empty one that ends in a colon, with its colon and all that is in it; the text
    is taken to begin behind an empty line. Of what is left, the first character behind a new line is a line start
    unless it is a new line itself, and the first letter of a word elsewhere is a word start. What comes before the text
    is not known: its first character is no line start, and is a word start if it is a letter.
    """
    kinds = np.full(len(text), OTHER, np.uint8)
    # What is found later overrules.
    for kind, pattern in ((WORD_START, _WORD_START), (LINE_START, _LINE_START), (SPEAKER_NAME, _SPEAKER_NAME)):
        for found in pattern.finditer(text):
            kinds[found.start() : found.end()] = kind
    return kinds


def slot_use(trace: Trace, kinds: UInt8[np.ndarray, "batch time"]) -> SlotUse:
    """Say what the heads did at each kind of place.

    A step is at the place of the character that it is shown; its reading helps to predict the one behind.

    Args:
        trace: of a machine that read pieces of a text.
        kinds: of the characters it was shown, ``kinds_of_places`` of each piece.

    Raises:
        ValueError: there is not one kind for each step of the trace, or there is no such kind.
    """
    shape = tuple(trace.inputs.shape[:2])
    if kinds.shape != shape:
        raise ValueError(f"kinds must be one for each step of the trace, {list(shape)}; got {list(kinds.shape)}")
    if kinds.size and kinds.max() >= len(KINDS):
        raise ValueError(f"kinds must be numbers from 0 to {len(KINDS) - 1}; got {kinds.max()}")
    return SlotUse(
        kinds=KINDS,
        num_steps=np.bincount(kinds.ravel(), minlength=len(KINDS)),
        read=_head_use(trace.read, trace.initial.read_weighting, kinds),
        write=_head_use(trace.write, trace.initial.write_weighting, kinds),
    )


def read_ages(trace: Trace, most: int = 64) -> Float[np.ndarray, " ages"]:
    """Say how old what the first read head looks at is: the share of its weighting on slots of each age.

    A slot is as old as it is long ago, in steps, that the first write head was at it more than at any other slot. The
    first ``most`` steps are left out.

    Args:
        trace: of a machine that read pieces of a text.
        most: the last age that is told apart.

    Returns:
        Shares for the ages from 0, the slot written in the same step, to ``most``, and last that of slots that are
        older or were never written.

    Raises:
        ValueError: ``most`` is no whole number of at least 1, or the trace has no more steps than that.
    """
    check_whole("most", most)
    read, write = (record.weighting[:, :, 0].double().cpu().numpy() for record in (trace.read, trace.write))
    batch, steps, slots = read.shape
    if steps <= most:
        raise ValueError(f"most must be fewer than the {steps} steps of the trace; got {most}")
    written, shares = np.full((batch, slots), -steps - 2 * most), np.zeros(most + 2)
    for step, at in enumerate(write.argmax(-1).T):
        written[np.arange(batch), at] = step
        if step >= most:
            shares += np.bincount((step - written).clip(max=most + 1).ravel(), read[:, step].ravel(), most + 2)
    return shares / shares.sum()


def _head_use(
    record: HeadRecord, initial: Float[Tensor, "batch heads slots"], kinds: UInt8[np.ndarray, "batch time"]
) -> HeadUse:
    weighting = record.weighting.double().cpu()
    before = torch.cat([initial[:, None].double().cpu(), weighting[:, :-1]], 1)
    entropy = torch.special.entr(weighting).sum(-1)
    return HeadUse(
        weighting=_means(weighting, kinds),
        interpolation_gate=_means(record.interpolation_gate.double().cpu(), kinds),
        slots_in_use=_means(entropy.exp(), kinds),
        movement=_means((weighting - before).abs().sum(-1) / 2, kinds),
    )


def _means(
    values: Float[Tensor, "batch time *rest"], kinds: UInt8[np.ndarray, "batch time"]
) -> Float[np.ndarray, " kinds *rest"]:
    """Take the mean over the steps of each kind."""
    nothing = np.full(values.shape[2:], np.nan)
    return np.stack(
        [values.numpy()[kinds == kind].mean(0) if (kinds == kind).any() else nothing for kind in range(len(KINDS))]
    )
