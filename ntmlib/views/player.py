"""What the player gets to draw: one sequence of a trace, small enough to live inside a page.

Arrays travel as bytes. Values between 0 and 1 are rounded to 1/255, signed values to 1/127
of their largest size. Most bytes do not change from one step to the next, so each step is
stored as its difference from the step before, and a run of zeros as a zero and its length:
the memory of a trained machine shrinks about twentyfold.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ntmlib.machine import HeadRecord
from ntmlib.ntm import Trace
from ntmlib.views.colours import SIGNED_COLOURS, UNIT_COLOURS, colour_table

MEMORY_BYTES = 1_500_000  # a longer memory history keeps every second step, or every third ...
USED_WEIGHT = 0.1  # a slot counts as used when some head ever gives it this much weight
GUESSES = 3  # likeliest next symbols that are named at each step


@dataclass(frozen=True)
class PackedArray:
    """An array rounded to bytes; its first axis is time.

    Signed values are ``(byte - 128) / 127 * limit``, the others ``byte / 255``.
    """

    shape: tuple[int, ...]
    signed: bool
    limit: float
    data: str

    @classmethod
    def pack(cls, values: Tensor, signed: bool = False, limit: float = 1.0) -> "PackedArray":
        """Round, take differences along time, squeeze runs of zeros."""
        array = values.detach().cpu().double().numpy()
        levels = np.rint(array / limit * 127) + 128 if signed else np.rint(array * 255)
        frames = levels.clip(0, 255).astype(np.uint8).reshape(len(array), -1)
        changes = np.diff(frames, axis=0, prepend=np.zeros_like(frames[:1]))  # wraps around at 256, as the player does
        return cls(array.shape, signed, limit, base64.b64encode(_squeeze_zeros(changes.ravel())).decode("ascii"))


@dataclass(frozen=True)
class SymbolData:
    """A sequence of symbols, with what was expected to follow each of them.

    ``shown``, ``guesses`` (the likeliest first) and ``came`` are places in ``names``; ``came`` is None where it is not
    known or not asked for. ``shares`` are those of the guesses, ``nats`` is what the symbol that came has cost.
    """

    names: tuple[str, ...]
    shown: list[int]
    guesses: list[list[int]]
    shares: list[list[float]]
    came: list[int | None]
    nats: list[float | None]


@dataclass(frozen=True)
class PlayerData:
    """One sequence of a trace, ready for ``player.js``.

    ``window`` is the first slot and the number of slots that any head used, wrapping around;
    ``memory_every`` is larger than 1 where the memory of some steps had to be left out. With ``symbols`` there are no
    ``inputs``, ``outputs`` and ``targets`` among the arrays.
    """

    steps: int
    slots: int
    width: int
    heads: int
    window: tuple[int, int]
    memory_every: int
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    scored: tuple[bool, ...] | None
    score: str
    summary: str
    arrays: dict[str, PackedArray]
    numbers: dict[str, dict[str, list[Any]]]
    symbols: SymbolData | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, colour tables included."""
        tables = {"unit": colour_table(UNIT_COLOURS), "signed": colour_table(SIGNED_COLOURS)}
        arrays = {name: vars(array) for name, array in self.arrays.items()}
        symbols = None if self.symbols is None else vars(self.symbols)
        return {**vars(self), "arrays": arrays, "symbols": symbols, "tables": tables}

    def to_json(self) -> str:
        """Return JSON that may stand inside a ``<script>``: no ``<`` can close it."""
        return json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def player_data(
    trace: Trace,
    example: int = 0,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    targets: Float[Tensor, "batch time outputs"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
    symbols: Sequence[str] | None = None,
) -> PlayerData:
    """Pack one sequence of a trace.

    Raises:
        ValueError: an argument does not fit the trace; the message says which and how.
    """
    check_example(trace, example)
    if symbols is not None and (input_names is not None or output_names is not None):
        raise ValueError("symbols name both inputs and outputs; input_names and output_names must be left out")
    steps, inputs, outputs = trace.inputs.shape[1], trace.inputs[example], trace.outputs[example].sigmoid()
    input_names = check_names("input_names", input_names, inputs.shape[-1], "input")
    output_names = check_names("output_names", output_names, outputs.shape[-1], "output")
    check_answers(trace, targets, mask)
    memory, add, read_vector = trace.memory[example], trace.add[example], trace.read_vector[example]
    if not all(part.isfinite().all() for part in (inputs, outputs, memory)):
        raise ValueError("trace must be finite to be drawn; got nan or inf")

    # Memory and what goes into and out of it share one scale. A key has its own: only its direction counts.
    limit, every = _largest(memory, add, read_vector), -(-memory.numel() // MEMORY_BYTES)
    arrays = {
        "memory": PackedArray.pack(memory[::every], True, limit),
        "erase": PackedArray.pack(trace.erase[example]),
        "add": PackedArray.pack(add, True, limit),
        "read_vector": PackedArray.pack(read_vector, True, limit),
    }
    read_symbols = None
    if symbols is None:
        in_unit_range = bool((inputs >= 0).all() and (inputs <= 1).all())
        arrays["inputs"] = PackedArray.pack(inputs, not in_unit_range, 1.0 if in_unit_range else _largest(inputs))
        arrays["outputs"] = PackedArray.pack(outputs)
        if targets is not None:
            arrays["targets"] = PackedArray.pack(targets[example])
    else:
        read_symbols = symbol_data(trace, example, symbols, targets, mask)
    starts = {"read": trace.initial.read_weighting, "write": trace.initial.write_weighting}
    for kind, record in (("read", trace.read), ("write", trace.write)):
        for stage in ("content", "gated", "shifted"):
            arrays[f"{kind}.{stage}"] = PackedArray.pack(getattr(record, f"{stage}_weighting")[example])
        arrays[f"{kind}.sharpened"] = PackedArray.pack(record.weighting[example])
        arrays[f"{kind}.initial"] = PackedArray.pack(starts[kind][example : example + 1])
        arrays[f"{kind}.key"] = PackedArray.pack(record.key[example], True, _largest(record.key[example]))
    result = score(trace, example, targets, mask) if read_symbols is None else _score_symbols(read_symbols)
    return PlayerData(
        steps=steps,
        slots=memory.shape[1],
        width=memory.shape[2],
        heads=add.shape[1],
        window=used_slots(trace, example),
        memory_every=every,
        input_names=input_names,
        output_names=output_names,
        scored=None if mask is None else tuple(mask[example].tolist()),
        score=result,
        summary=_summary(trace, result),
        arrays=arrays,
        numbers={"read": _numbers(trace.read, example), "write": _numbers(trace.write, example)},
        symbols=read_symbols,
    )


def symbol_data(
    trace: Trace,
    example: int,
    symbols: Sequence[str],
    targets: Float[Tensor, "batch time outputs"] | None = None,
    mask: Bool[Tensor, "batch time"] | None = None,
) -> SymbolData:
    """Read one sequence of a trace as symbols: one is shown at each step, and shares are given to what may follow.

    What came is taken from the targets, or from the next step's input where there are none.

    Raises:
        ValueError: inputs and outputs are not one channel for each symbol, or not exactly one is shown at each step.
    """
    inputs, outputs = trace.inputs[example], trace.outputs[example]
    names = check_names("symbols", symbols, inputs.shape[-1], "symbol")
    if outputs.shape[-1] != len(names):
        raise ValueError(
            f"symbols must name inputs and outputs; got {len(names)} of them for {outputs.shape[-1]} outputs"
        )
    strangers = torch.nonzero((inputs != 0).sum(-1).ne(1) | inputs.sum(-1).ne(1))
    if len(strangers):
        raise ValueError(f"symbols need inputs with a single 1 at each step; step {int(strangers[0])} is not so")
    shown = inputs.argmax(-1)
    if targets is None:
        asked = torch.arange(len(shown)) < len(shown) - 1
        came = shown.roll(-1)
    else:
        asked = torch.ones(len(shown), dtype=torch.bool)
        came = targets[example].argmax(-1).cpu()
    if mask is not None:
        asked &= mask[example].cpu()
    likely = outputs.double().log_softmax(-1).cpu()
    best = likely.topk(min(GUESSES, len(names)), -1)
    nats = -likely.gather(-1, came[:, None].cpu())[:, 0]
    return SymbolData(
        names=names,
        shown=shown.tolist(),
        guesses=best.indices.tolist(),
        shares=np.round(best.values.exp().numpy(), 4).tolist(),
        came=[place if wanted else None for place, wanted in zip(came.tolist(), asked.tolist(), strict=True)],
        nats=[round(cost, 3) if wanted else None for cost, wanted in zip(nats.tolist(), asked.tolist(), strict=True)],
    )


def _score_symbols(read: SymbolData) -> str:
    """Say how many symbols were expected most of all, and what they cost in the mean."""
    pairs = [(first, came) for (first, *_), came in zip(read.guesses, read.came, strict=True) if came is not None]
    if not pairs:
        return ""
    mean = sum(cost for cost in read.nats if cost is not None) / len(pairs)
    return f"{sum(first == came for first, came in pairs)} of {len(pairs)} right, {mean:.2f} nats a symbol"


def check_example(trace: Trace, example: int) -> None:
    """Refuse a sequence that the trace does not have."""
    batch = trace.inputs.shape[0]
    if isinstance(example, bool) or not isinstance(example, int) or not 0 <= example < batch:
        raise ValueError(f"example must be a whole number from 0 to {batch - 1}, a row of the trace; got {example!r}")


def check_names(argument: str, names: Sequence[str] | None, channels: int, default: str) -> tuple[str, ...]:
    """Return one name for every channel, made up where none were given."""
    if names is None:
        return tuple(f"{default} {channel}" for channel in range(channels))
    if isinstance(names, str) or len(names) != channels:
        raise ValueError(f"{argument} must be {channels} names, one for each channel; got {names!r}")
    return tuple(str(name) for name in names)


def check_answers(trace: Trace, targets: Tensor | None, mask: Tensor | None) -> None:
    """Refuse targets or a mask of another shape than the outputs."""
    expected = list(trace.outputs.shape)
    if targets is not None and list(targets.shape) != expected:
        raise ValueError(f"targets must have the axes of the outputs, {expected}; got {list(targets.shape)}")
    if mask is not None and list(mask.shape) != expected[:2]:
        raise ValueError(f"mask must have the axes [batch time] of the outputs, {expected[:2]}; got {list(mask.shape)}")


def used_slots(trace: Trace, example: int) -> tuple[int, int]:
    """Return the first slot and the number of slots worth looking at.

    A short sequence leaves most of a large memory alone. The window is the shortest stretch,
    wrapping past the last slot if need be, that holds every slot some head cared about and
    one more at either end; it is the whole memory when that saves less than a third.
    """
    weightings = torch.cat([trace.read.weighting[example], trace.write.weighting[example]], 1)
    slots = weightings.shape[-1]
    used = torch.nonzero(weightings.amax((0, 1)) >= USED_WEIGHT)[:, 0].tolist()
    if not used:
        return 0, slots
    gaps = [(following - slot) % slots or slots for slot, following in zip(used, used[1:] + used[:1], strict=True)]
    widest = max(range(len(used)), key=gaps.__getitem__)  # the window is what remains outside the widest gap
    count = slots - gaps[widest] + 3
    if count > slots * 2 / 3:
        return 0, slots
    return (used[(widest + 1) % len(used)] - 1) % slots, count


def score(trace: Trace, example: int, targets: Tensor | None, mask: Tensor | None) -> str:
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


def _numbers(record: HeadRecord, example: int) -> dict[str, list[Any]]:
    """Return what a kind of head was told, in four digits; time first, then heads."""
    names = ("key_strength", "interpolation_gate", "shift_weighting", "sharpening")
    return {name: np.round(getattr(record, name)[example].cpu().double().numpy(), 4).tolist() for name in names}


def _largest(*parts: Tensor) -> float:
    """Return the largest size of any entry, never zero, so that it can be divided by."""
    return max(max(float(part.abs().max()) for part in parts), 1e-3)


def _squeeze_zeros(flat: npt.NDArray[np.uint8]) -> bytes:
    """Replace every run of zeros by a zero and the run's length, at most 255 of them at a time."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flat == 0, [False])).astype(np.int8)))
    squeezed, end = bytearray(), 0
    for start, stop in edges.reshape(-1, 2).tolist():
        squeezed += flat[end:start].tobytes()
        full, rest = divmod(stop - start, 255)
        squeezed += b"\x00\xff" * full + (bytes((0, rest)) if rest else b"")
        end = stop
    return bytes(squeezed + flat[end:].tobytes())
