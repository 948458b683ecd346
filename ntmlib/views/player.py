"""What the player gets to draw: one sequence of a trace, small enough to live inside a page."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ntmlib.ntm import Trace
from ntmlib.views.checks import check_answers, check_example, check_names
from ntmlib.views.colours import SIGNED_COLOURS, UNIT_COLOURS, colour_table
from ntmlib.views.packing import ByteArray, largest, pack
from ntmlib.views.states import StateTrace
from ntmlib.views.symbols import SymbolData, score_symbols, symbol_data

LIVE_BYTES = 12_000_000  # a packed trace larger than this keeps details of every second step, or every third ...
PAGE_BYTES = 750_000  # the same in a page, which stays below 2 MB with its script, its picture and base64
CHUNK_BYTES = 2_000_000  # unpacked; some milliseconds in a browser
COLUMNS, ROWS = 400, 200  # a picture of all steps needs no more than this
USED_WEIGHT = 0.1  # a slot counts as used when some head ever gives it this much weight
MAPS = tuple(f"{kind}.{stage}" for kind in ("read", "write") for stage in ("content", "gated", "shifted", "sharpened"))


@dataclass(frozen=True)
class PlayerData:
    """One sequence of a trace, ready for ``player.js``.

    ``window`` is the first slot and the number of slots that any head used, wrapping around. ``whole`` holds what is
    drawn for all steps at once, ``detail`` what belongs to one step, in ``chunks`` of ``chunk_frames`` steps each.
    Of a trace too large to be sent, details of every ``every``-th step are kept, and ``pooled`` counts the steps and
    the slots that a cell of the pictures of all steps stands for: the largest of their weights. A trace of a single
    chunk has no pictures of its own in ``whole``. With ``symbols`` there are no ``inputs``, ``outputs`` and
    ``targets``. A network without a memory has no heads and no slots, but ``units`` cells in each layer.
    """

    steps: int
    slots: int
    width: int
    heads: int
    window: tuple[int, int]
    every: int
    pooled: tuple[int, int]
    chunk_frames: int
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    scored: tuple[bool, ...] | None
    score: str
    summary: str
    whole: dict[str, dict[str, Any]]
    whole_bytes: bytes
    detail: dict[str, dict[str, Any]]
    chunks: tuple[bytes, ...]
    symbols: SymbolData | None = None
    units: int = 0

    @property
    def num_bytes(self) -> int:
        """Size of all packed arrays."""
        return len(self.whole_bytes) + sum(map(len, self.chunks))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and bytes for a widget, colour tables included."""
        tables = {"unit": colour_table(UNIT_COLOURS), "signed": colour_table(SIGNED_COLOURS)}
        symbols = None if self.symbols is None else vars(self.symbols)
        return {**vars(self), "chunks": list(self.chunks), "symbols": symbols, "tables": tables}

    def to_json(self) -> str:
        """Return JSON that may stand inside a ``<script>``: no ``<`` can close it."""
        return json.dumps(
            self.to_dict(),
            separators=(",", ":"),
            allow_nan=False,
            default=lambda part: base64.b64encode(part).decode("ascii"),
        ).replace("<", "\\u003c")


def player_data(
    trace: Trace,
    example: int = 0,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    targets: Float[Tensor, "batch time outputs"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
    symbols: Sequence[str] | None = None,
    window: tuple[int, int] | None = None,
    limit: float | None = None,
    most_bytes: int = LIVE_BYTES,
) -> PlayerData:
    """Pack one sequence of a trace.

    Args:
        trace, example, input_names, output_names, targets, mask, symbols: see ``step_through``.
        window: first slot and number of slots to look at; by default what the heads used.
        limit: what the strongest colour of the memory stands for; by default the largest value.
        most_bytes: of the packed trace; where there are more, some steps have no details.

    Raises:
        ValueError: an argument does not fit the trace; the message says which and how.
    """
    check_example(trace, example)
    if symbols is not None and (input_names is not None or output_names is not None):
        raise ValueError("symbols name both inputs and outputs; input_names and output_names must be left out")
    inputs, outputs = trace.inputs[example], trace.outputs[example]
    input_names = check_names("input_names", input_names, inputs.shape[-1], "input")
    output_names = check_names("output_names", output_names, outputs.shape[-1], "output")
    check_answers(trace, targets, mask)
    if not all(part.isfinite().all() for part in (inputs, outputs, trace.memory[example])):
        raise ValueError("trace must be finite to be drawn; got nan or inf")
    read_symbols = None if symbols is None else symbol_data(trace, example, symbols, targets, mask)
    whole = {} if read_symbols is not None else tapes(inputs, outputs, None if targets is None else targets[example])
    window = used_slots(trace, example) if window is None else window
    detail = _details(trace, example, memory_limit(trace, example) if limit is None else limit)

    steps, (_, _, slots, width), heads = len(inputs), trace.memory.shape, trace.add.shape[2]
    chunk_frames = max(8, CHUNK_BYTES // sum(array.frames.shape[1] for array in detail.values()))
    every, pooled, chunks = 1, (1, 1), _chunks(detail, chunk_frames)
    if len(chunks) > 1 or sum(map(len, chunks)) > most_bytes:
        pooled = (-(-steps // COLUMNS), -(-window[1] // ROWS))
        whole |= {name: detail[name].pooled(*pooled) for name in MAPS}
    room = max(most_bytes - len(pack(list(whole.values()))), most_bytes // 4)
    while (size := sum(map(len, chunks))) > room and every < steps:
        every = max(every + 1, every * size // room)
        chunks = _chunks({name: array.every(every) for name, array in detail.items()}, chunk_frames)
    result = score(trace, example, targets, mask) if read_symbols is None else score_symbols(read_symbols)
    return PlayerData(
        steps=steps,
        slots=slots,
        width=width,
        heads=heads,
        window=window,
        every=every,
        pooled=pooled,
        chunk_frames=chunk_frames,
        input_names=input_names,
        output_names=output_names,
        scored=None if mask is None else tuple(mask[example].tolist()),
        score=result,
        summary=_summary(trace, result),
        whole={name: array.header for name, array in whole.items()},
        whole_bytes=pack(list(whole.values())),
        detail={name: array.header for name, array in detail.items()},
        chunks=chunks,
        symbols=read_symbols,
    )


def tapes(
    inputs: Float[Tensor, "time features"],
    outputs: Float[Tensor, "time outputs"],
    targets: Float[Tensor, "time outputs"] | None,
) -> dict[str, ByteArray]:
    """Round what goes in and what comes out, as probabilities."""
    in_unit_range = bool((inputs >= 0).all() and (inputs <= 1).all())
    arrays = {
        "inputs": ByteArray.units(inputs) if in_unit_range else ByteArray.signed(inputs),
        "outputs": ByteArray.units(outputs.sigmoid()),
    }
    return arrays if targets is None else arrays | {"targets": ByteArray.units(targets)}


def memory_limit(trace: Trace, example: int) -> float:
    """Return the largest value of the memory and of what goes into and out of it: they share one scale."""
    return largest(trace.memory[example], trace.add[example], trace.read_vector[example])


def _details(trace: Trace, example: int, limit: float) -> dict[str, ByteArray]:
    """Round what belongs to one step. A key has a scale of its own: only its direction counts."""
    arrays = {
        "memory": ByteArray.signed(trace.memory[example], limit),
        "erase": ByteArray.units(trace.erase[example]),
        "add": ByteArray.signed(trace.add[example], limit),
        "read_vector": ByteArray.signed(trace.read_vector[example], limit),
    }
    starts = {"read": trace.initial.read_weighting, "write": trace.initial.write_weighting}
    for kind, record in (("read", trace.read), ("write", trace.write)):
        for stage in ("content", "gated", "shifted"):
            arrays[f"{kind}.{stage}"] = ByteArray.units(getattr(record, f"{stage}_weighting")[example])
        used = arrays[f"{kind}.sharpened"] = ByteArray.units(record.weighting[example])
        first = ByteArray.units(starts[kind][example : example + 1]).frames
        arrays[f"{kind}.before"] = ByteArray(np.concatenate([first, used.frames[:-1]]), used.shape, "unit")
        arrays[f"{kind}.key"] = ByteArray.signed(record.key[example])
        for name in ("interpolation_gate", "shift_weighting"):
            arrays[f"{kind}.{name}"] = ByteArray.units(getattr(record, name)[example])
        for name in ("key_strength", "sharpening"):
            arrays[f"{kind}.{name}"] = ByteArray.numbers(getattr(record, name)[example])
    return arrays


def _chunks(detail: Mapping[str, ByteArray], frames: int) -> tuple[bytes, ...]:
    """Pack so many steps at a time."""
    arrays = list(detail.values())
    return tuple(pack(arrays, start, start + frames) for start in range(0, len(arrays[0].frames), frames))


def used_slots(trace: Trace, example: int) -> tuple[int, int]:
    """Return the first slot and the number of slots worth looking at.

    A short sequence leaves most of a large memory alone. The window is the shortest stretch,
    wrapping past the last slot if need be, that holds every slot some head cared about and
    one more at either end; it is the whole memory when that saves less than a third.
    """
    return window_of(slot_use(trace, example))


def slot_use(trace: Trace, example: int) -> Float[Tensor, " slots"]:
    """Return the largest weight that any head ever gave to each slot."""
    read, write = (record.weighting[example].amax((0, 1)) for record in (trace.read, trace.write))
    return torch.maximum(read, write)


def window_of(use: Float[Tensor, " slots"]) -> tuple[int, int]:
    """Return the window of ``used_slots`` for the largest weight of each slot."""
    slots = len(use)
    used = torch.nonzero(use >= USED_WEIGHT)[:, 0].tolist()
    if not used:
        return 0, slots
    gaps = [(following - slot) % slots or slots for slot, following in zip(used, used[1:] + used[:1], strict=True)]
    widest = max(range(len(used)), key=gaps.__getitem__)  # the window is what remains outside the widest gap
    count = slots - gaps[widest] + 3
    if count > slots * 2 / 3:
        return 0, slots
    return (used[(widest + 1) % len(used)] - 1) % slots, count


def score(trace: Trace | StateTrace, example: int, targets: Tensor | None, mask: Tensor | None) -> str:
    """Say how many output bits are wrong; nothing where the answers are not known."""
    if targets is None:
        return ""
    outputs, answers = trace.outputs[example], targets[example]
    if mask is not None:
        outputs, answers = outputs[mask[example]], answers[mask[example]]
    wrong = (outputs > 0) != (answers > 0.5)
    return f"{int(wrong.sum())} of {wrong.numel()} {'' if mask is None else 'scored '}bits wrong"


def summarise(trace: Trace, example: int, targets: Tensor | None = None, mask: Tensor | None = None) -> str:
    """Say in words what the sequence shows; also the alternative text of its pictures."""
    return _summary(trace, score(trace, example, targets, mask))


def _summary(trace: Trace, result: str) -> str:
    steps, slots, heads = trace.inputs.shape[1], trace.memory.shape[2], trace.add.shape[2]
    pairs = "one read and one write head" if heads == 1 else f"{heads} read and {heads} write heads"
    return f"A Neural Turing Machine with {slots} slots, {pairs}, over {steps} steps{result and ': '}{result}."
