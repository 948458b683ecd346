"""Checkpoints: one safetensors file each, with our own SHA-256, from which a run goes on bit for bit.

Plain safetensors notices neither a flipped bit nor a zeroed page in its data, so the header carries a
SHA-256 over all tensors and all other metadata. Loading runs no code from the file and draws nothing.
"""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from ntmlib.training.durable import write_durably

FORMAT = 1
NEEDS = "0.1.0"  # the first ntmlib that reads this format
ENTRY = "ntmlib"  # the one entry of the header's metadata
HEADER_CAP = 1_000_000  # bytes; a header of ours is a hundredth of this
MOST_TENSORS = 4096  # ours have some dozens, but many tiny ones take long to refuse
KEEP = 2
_NAME = re.compile(r"update-(\d{9})\.safetensors")


class CheckpointError(ValueError):
    """A file is not a checkpoint that can be used; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors, and everything else as plain JSON values."""

    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors below a prefix (``"model/"``), named without it."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}


def pack(checkpoint: Checkpoint) -> bytes:
    """Turn a checkpoint into the bytes of its file; the same checkpoint gives the same bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
    about = {"format": FORMAT, "needs": NEEDS, "state": dict(checkpoint.state)}
    # One entry only: safetensors writes several in an order that changes from call to call.
    metadata = {ENTRY: json.dumps(about | {"sha256": fingerprint(tensors, about)}, sort_keys=True)}
    return safetensors.torch.save(tensors, metadata)


def unpack(data: bytes) -> Checkpoint:
    """Turn the bytes of a file back into a checkpoint.

    Raises:
        CheckpointError: the bytes are damaged, of a newer format, or something else altogether.
    """
    about = _about(data, len(data))
    claimed = about.pop("sha256")
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # safetensors raises its own error, KeyError for an unknown dtype, and others
        raise CheckpointError(f"not a readable safetensors file ({error})") from error
    try:
        found = fingerprint(tensors, about)
    except (RuntimeError, RecursionError) as error:  # numbers of a kind whose bytes torch does not give
        raise CheckpointError(f"not a checkpoint of ours ({error})") from error
    if found != claimed:
        raise CheckpointError("damaged: its SHA-256 does not match its contents")
    return Checkpoint(tensors, about["state"])


def read(path: Path) -> Checkpoint:
    """Read a checkpoint; its header decides whether the rest is even looked at.

    Raises:
        CheckpointError: see ``unpack``; or it is no file, but something that one could read from for ever.
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise CheckpointError("it is not a file")
    with open(path, "rb") as file:
        start = file.read(8 + HEADER_CAP)
        _about(start, os.fstat(file.fileno()).st_size)
        return unpack(start + file.read())


def _about(data: bytes, file_size: int) -> dict[str, Any]:
    """Read what the header says besides tensors, refusing what is too large or strange before anything parses it."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > file_size - 8:
        raise CheckpointError("truncated, or not a safetensors file")
    if size > HEADER_CAP:
        raise CheckpointError(f"its header has {size:,} bytes; at most {HEADER_CAP:,} are read")
    try:
        entries = json.loads(data[8 : 8 + size])
        about = json.loads(entries.pop("__metadata__")[ENTRY])
        version, needs, state = int(about["format"]), str(about["needs"]), about["state"]
        end = 8 + size + max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
        raise CheckpointError("its header is not that of a checkpoint of ours") from None
    if version > FORMAT:
        raise CheckpointError(f"it has format {version}, this ntmlib reads {FORMAT}: needs ntmlib >= {needs[:40]}")
    if set(about) != {"format", "needs", "state", "sha256"} or not isinstance(state, dict):
        raise CheckpointError("its header is not that of a checkpoint of ours")
    if len(entries) > MOST_TENSORS:
        raise CheckpointError(f"it has {len(entries):,} tensors; at most {MOST_TENSORS:,} are read")
    if end != file_size:
        raise CheckpointError(f"truncated or extended: it has {file_size:,} bytes, and its header says {end:,}")
    return dict(about)


def fingerprint(tensors: Mapping[str, Tensor], about: Mapping[str, Any] | None = None) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors in the order of their names, and what goes with them."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    digest.update(json.dumps(dict(about or {}), sort_keys=True).encode())
    return digest.hexdigest()


def save(folder: Path, update: int, checkpoint: Checkpoint, first: Callable[[], object] | None = None) -> Path:
    """Write the checkpoint of an update; when it is durable, remove all but the last two.

    Args:
        folder: where the checkpoints are.
        update: names the file.
        checkpoint: what to write.
        first: makes durable what the checkpoint counts on; see ``write_durably``.

    Raises:
        OSError: it could not be written; earlier checkpoints are as they were.
    """
    path = folder / f"update-{update:09d}.safetensors"
    write_durably(path, pack(checkpoint), first)
    for old in paths(folder)[KEEP:]:
        old.unlink(missing_ok=True)
    return path


def paths(folder: Path) -> list[Path]:
    """Return the checkpoint files of a folder, newest first."""
    return sorted((path for path in folder.glob("update-*") if _NAME.fullmatch(path.name)), reverse=True)


def load_latest(folder: Path, use: Callable[[Checkpoint], None]) -> Path | None:
    """Hand the newest usable checkpoint to ``use``; for each one passed over, warn with file and reason.

    Args:
        folder: where the checkpoints are.
        use: takes the checkpoint, or raises ValueError before it has changed anything.

    Returns:
        The file used; None if the folder has no checkpoints.

    Raises:
        CheckpointError: there are checkpoints, but none is usable.
    """
    problems = []
    for path in paths(folder):
        try:
            use(read(path))
        except (ValueError, OSError) as error:
            problems.append(f"{path.name}: {error}")
            continue
        for problem in problems:
            warnings.warn(f"passed over checkpoint {problem}; went on from {path.name}", stacklevel=2)
        return path
    if problems:
        raise CheckpointError(f"no checkpoint in {folder} is usable: {'; '.join(problems)}")
    return None
