"""The file format: what goes in comes out, and what is damaged or strange stays out."""

import contextlib
import errno
import json
import os
import struct
import zipfile

import pytest
import torch

from ntmlib.training import checkpoints, durable
from ntmlib.training.checkpoints import Checkpoint, CheckpointError, load_latest, pack, save, unpack


def example(update: int = 1) -> Checkpoint:
    generator = torch.Generator().manual_seed(update)
    tensors = {
        "model/weight": torch.randn(20, 30, generator=generator),
        "optim/0/step": torch.tensor(3.0),
        "rng/batches": generator.get_state(),
    }
    return Checkpoint(tensors, {"update": update, "recent": [0.1, 1 / 3], "solved_at": None})


def same(one: Checkpoint, other: Checkpoint) -> bool:
    tensors = one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(value, other.tensors[name]) for name, value in one.tensors.items()
    )
    return tensors and one.state == other.state


def header_size(data: bytes) -> int:
    return int.from_bytes(data[:8], "little")


def newest(folder) -> Checkpoint:
    found: list[Checkpoint] = []
    load_latest(folder, found.append)
    return found[-1]


def test_a_checkpoint_comes_back_as_it_was():
    assert same(unpack(pack(example())), example())


def test_the_same_checkpoint_gives_the_same_bytes():
    assert pack(example()) == pack(example())


def test_every_truncation_is_noticed():
    data = pack(example())
    for length in [*range(0, header_size(data), 7), *range(header_size(data), len(data), 211)]:
        with pytest.raises(CheckpointError):
            unpack(data[:length])


def test_a_flipped_bit_never_gives_something_else():
    data = pack(example())
    start = header_size(data) + 8
    for position in [*range(start), *range(start, len(data), 17)]:
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with contextlib.suppress(CheckpointError):
            assert same(unpack(bytes(damaged)), example())  # a flip in a place without meaning


def test_a_flipped_bit_in_the_data_is_always_refused():
    data = pack(example())
    for position in range(header_size(data) + 8, len(data), 5):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(CheckpointError, match="SHA-256"):
            unpack(bytes(damaged))


@pytest.mark.parametrize("size", [512, 4096])
def test_a_page_or_a_tail_of_zeros_is_refused(size):
    data = pack(example())
    for start in (header_size(data) + 8, len(data) - size):
        with pytest.raises(CheckpointError, match="SHA-256"):
            unpack(data[:start] + bytes(size) + data[start + size :])


def test_an_edited_state_is_refused():
    data = pack(example())
    edited = data.replace(rb"\"update\": 1}", rb"\"update\": 2}")
    assert edited != data
    with pytest.raises(CheckpointError, match="SHA-256"):
        unpack(edited)


def test_a_newer_format_says_which_ntmlib_it_needs(monkeypatch):
    monkeypatch.setattr(checkpoints, "FORMAT", 2)
    monkeypatch.setattr(checkpoints, "NEEDS", "7.0")
    data = pack(example())
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"has format 2, this ntmlib reads 1: needs ntmlib >= 7\.0"):
        unpack(data)


def with_header(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


HOSTILE = {
    "nothing": b"",
    "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "zeros": bytes(100),
    "a header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "a header of 99 MB": with_header(b" " * 99_000_000),
    "50,000 nested lists": with_header(b"[" * 50_000),
    "no metadata": with_header(b"{}"),
    "metadata that is no object": with_header(b'{"__metadata__": 3}'),
    "a format that is no number": with_header(b'{"__metadata__": {"ntmlib": "{\\"format\\": \\"pt\\"}"}}'),
    "metadata of somebody else": with_header(b'{"__metadata__": {"format": "pt"}}'),
    "a tensor past the end": with_header(
        json.dumps(
            {
                "__metadata__": {"ntmlib": json.dumps({"format": 1, "needs": "", "state": {}, "sha256": ""})},
                "a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]},
            }
        ).encode()
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_checkpoint_is_refused(name):
    with pytest.raises(CheckpointError):
        unpack(HOSTILE[name])


def test_a_zip_file_as_torch_writes_them_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as file:
        file.writestr("archive/data.pkl", HOSTILE["a pickle"])
    with pytest.raises(CheckpointError):
        unpack((tmp_path / "model.zip").read_bytes())


def test_the_last_two_are_kept(tmp_path):
    for update in (1, 2, 30):
        save(tmp_path, update, example(update))
    assert [path.name for path in checkpoints.paths(tmp_path)] == [
        "update-000000030.safetensors",
        "update-000000002.safetensors",
    ]
    assert same(newest(tmp_path), example(30))


def test_a_damaged_newest_file_is_passed_over_with_file_and_reason(tmp_path):
    save(tmp_path, 1, example(1))
    path = save(tmp_path, 2, example(2))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"passed over checkpoint update-000000002\.safetensors: .*went on"):
        assert same(newest(tmp_path), example(1))


def test_when_every_file_is_damaged_that_is_an_error_and_no_fresh_start(tmp_path):
    save(tmp_path, 1, example(1)).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* is usable: update-000000001"):
        newest(tmp_path)


def test_a_folder_without_checkpoints_says_so(tmp_path):
    assert load_latest(tmp_path, lambda checkpoint: None) is None


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_full_disk_keeps_the_earlier_checkpoints_and_leaves_nothing_behind(tmp_path, monkeypatch, call):
    save(tmp_path, 1, example(1))

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, call, full)
        with pytest.raises(OSError, match=r"No space left on device while writing [\d,]+ bytes to .*update-000000002"):
            save(tmp_path, 2, example(2))
    assert [path.name for path in tmp_path.iterdir()] == ["update-000000001.safetensors"]
    assert same(newest(tmp_path), example(1))


def test_a_disk_that_writes_a_little_at_a_time_still_gets_all(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(durable.os, "write", lambda handle, data: write(handle, data[:1000]))
    assert same(unpack(save(tmp_path, 1, example(1)).read_bytes()), example(1))
