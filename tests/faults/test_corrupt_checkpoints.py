"""Ten thousand damaged checkpoints: each is passed over for the one before it, and the reason is one line."""

import random
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
from trials import TINY, amount

from ntmlib.training import checkpoints, train
from ntmlib.training.checkpoints import Checkpoint, fingerprint, load_latest

pytestmark = pytest.mark.slow
FILES = amount("NTM_FAULT_FILES", 10_000)


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[bytes, bytes]:
    """The last two checkpoints of a run, older first."""
    folder = tmp_path_factory.mktemp("run")
    train(TINY, folder)
    newer, older = checkpoints.paths(folder / "checkpoints")
    return older.read_bytes(), newer.read_bytes()


def damaged(data: bytes, draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield one damage of each class after the other, without end: the header is hit at every byte in turn."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = 0
    while True:
        header = (header + 1) % start
        place, size = draw.randrange(start, len(data)), draw.choice((512, 4096))
        page = place // size * size
        yield "cut in the header", data[:header]
        yield "cut in the data", data[:place]
        yield "bit of the header", flipped(data, header, draw)
        yield "bit of the data", flipped(data, place, draw)
        yield "bit of the data", flipped(data, draw.randrange(start, len(data)), draw)
        yield "page of zeros", data[:page] + bytes(min(size, len(data) - page)) + data[page + size :]
        yield "tail of zeros", data[:place] + bytes(len(data) - place)
        yield "more at the end", data + draw.randbytes(draw.randint(1, 99))
        yield "something else", draw.randbytes(draw.randint(0, 2000))
        yield "byte of the header", data[:header] + draw.randbytes(1) + data[header + 1 :]


def flipped(data: bytes, place: int, draw: random.Random) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]


def whole(checkpoint: Checkpoint) -> str:
    return fingerprint(checkpoint.tensors, checkpoint.state)


def silently_wrong(two: tuple[bytes, bytes], folder: Path, files: int) -> tuple[Counter[str], Counter[str]]:
    """Damage the newer of two checkpoints so many times; count the classes, and those that gave something else."""
    good = [whole(checkpoints.unpack(data)) for data in two]
    (folder / "update-000000008.safetensors").write_bytes(two[0])
    tried: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    damages = damaged(two[1], random.Random(1))
    while tried.total() < files:
        kind, data = next(damages)
        if data == two[1]:
            continue
        tried[kind] += 1
        newest = folder / "update-000000012.safetensors"
        newest.write_bytes(data)
        got: list[Checkpoint] = []
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            used = load_latest(folder, got.append)
        if used == newest:
            wrong[kind] += whole(got[-1]) != good[1]
            continue
        assert whole(got[-1]) == good[0]
        (line,) = (str(warning.message) for warning in said)
        assert line.startswith(f"passed over checkpoint {newest.name}: "), line
        assert "\n" not in line
    return tried, wrong


def test_of_ten_thousand_damaged_checkpoints_none_is_silently_wrong(two, tmp_path):
    tried, wrong = silently_wrong(two, tmp_path, FILES)
    assert wrong.total() == 0, wrong
    assert tried.total() == FILES
    assert len(tried) == 9
    assert tried["bit of the data"] >= FILES * 0.15
    assert tried["bit of the header"] >= min(FILES // 11, 8 + int.from_bytes(two[1][:8], "little"))


def test_a_format_without_a_checksum_of_its_own_would_be_caught(two, tmp_path, monkeypatch):
    """The planted fault: plain safetensors, which believes whatever stands in the data."""

    def believe(data: bytes) -> Checkpoint:
        about = checkpoints._about(data, len(data))
        return Checkpoint(safetensors.torch.load(data), about["state"])

    def plain(path: Path) -> Checkpoint:
        try:
            return believe(path.read_bytes())
        except (safetensors.SafetensorError, KeyError) as error:
            raise checkpoints.CheckpointError(str(error).replace("\n", " ")) from error

    monkeypatch.setattr(checkpoints, "read", plain)

    _, found = silently_wrong(two, tmp_path, 500)
    assert found["bit of the data"] >= 50
    assert found["page of zeros"] >= 20
    assert found["tail of zeros"] >= 20
