"""How arrays travel to the player: rounded to bytes, and packed in pieces that are unpacked when they are looked at.

Most bytes do not change from one step to the next, so each step is stored as its difference from the step before and
the whole is deflated: the memory of a trained machine shrinks about fiftyfold.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ByteArray:
    """An array rounded to bytes; its first axis is time.

    Attributes:
        frames: the bytes, one row for each step.
        shape: axes of one step.
        kind: ``unit`` for ``byte / 255``, ``signed`` for ``(byte - 128) / 127 * limit``, ``number`` for the first
            three bytes of a float: any size, to one part in 60,000.
        limit: largest size of a signed value.
    """

    frames: Bytes
    shape: tuple[int, ...]
    kind: Literal["unit", "signed", "number"]
    limit: float = 1.0

    @classmethod
    def units(cls, values: Tensor) -> "ByteArray":
        """Round values from 0 to 1."""
        levels = values.detach().cpu().float().mul(255).round_().clamp_(0, 255)
        return cls(_rows(levels.to(torch.uint8)), tuple(values.shape[1:]), "unit")

    @classmethod
    def signed(cls, values: Tensor, limit: float | None = None) -> "ByteArray":
        """Round values of a size of at most ``limit``, by default the largest there is."""
        limit = largest(values) if limit is None else limit
        levels = values.detach().cpu().float().mul(127 / limit).round_().clamp_(-127, 127).add_(128)
        return cls(_rows(levels.to(torch.uint8)), tuple(values.shape[1:]), "signed", limit)

    @classmethod
    def numbers(cls, values: Tensor) -> "ByteArray":
        """Keep sign, exponent and 15 bits of each value, rounded."""
        words = values.detach().cpu().float().numpy().view(np.uint32).astype(np.uint64) + 0x80
        words = np.minimum(words, 0xFFFFFFFF).astype(">u4")
        parts = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), -1, 4)[..., :3]
        return cls(np.ascontiguousarray(parts).reshape(len(words), -1), tuple(values.shape[1:]), "number")

    @property
    def header(self) -> dict[str, Any]:
        """What must be known to read the bytes."""
        return {"frames": len(self.frames), "shape": list(self.shape), "kind": self.kind, "limit": self.limit}

    def every(self, stride: int) -> "ByteArray":
        """Keep the first of every so many steps."""
        return ByteArray(self.frames[::stride], self.shape, self.kind, self.limit)

    def pooled(self, steps: int, entries: int) -> "ByteArray":
        """Keep of so many steps and so many entries of the last axis the strongest value."""
        table = self.frames.reshape(len(self.frames), *self.shape)
        for axis, size in ((0, steps), (table.ndim - 1, entries)):
            if size > 1:
                starts = np.arange(0, table.shape[axis], size)
                most = np.maximum.reduceat(table, starts, axis=axis)
                if self.kind == "signed":
                    least = np.minimum.reduceat(table, starts, axis=axis)
                    most = np.where(most.astype(int) - 128 >= 128 - least.astype(int), most, least)
                table = most
        return ByteArray(table.reshape(len(table), -1), table.shape[1:], self.kind, self.limit)


def pack(arrays: Sequence[ByteArray], start: int = 0, stop: int | None = None) -> bytes:
    """Pack some steps of several arrays, one array after the other."""
    changes = []
    for array in arrays:
        rows = array.frames[start:stop]
        changes.append(np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1])).tobytes())  # wraps around at 256
    return zlib.compress(b"".join(changes), 6)


def largest(*parts: Tensor) -> float:
    """Return the largest size of any entry, never zero, so that it can be divided by."""
    return max(max(float(part.abs().max()) for part in parts), 1e-3)


def _rows(levels: Tensor) -> Bytes:
    rows: Bytes = levels.reshape(len(levels), -1).numpy()
    return rows
