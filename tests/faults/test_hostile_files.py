"""Checkpoints, configs and results from a stranger: refused in one line, quickly, in little memory, never run."""

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from trials import TINY

from ntmlib.training import Trainer, checkpoints, train
from ntmlib.training.checkpoints import Checkpoint, pack, unpack
from ntmlib.training.loop import STATE

pytestmark = pytest.mark.slow
SECONDS, MEGABYTES = 0.5, 200
# what pickle writes for an object whose loading makes a file called "executed"
PICKLE = b"cposix\nsystem\n(S'touch executed'\ntR."
Read = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def read(tmp_path_factory) -> Iterator[Read]:
    """Read a hostile folder in a child of a process that is ready for it; answer what that did."""
    command = [sys.executable, str(Path(__file__).with_name("reader_of_strangers.py"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, cwd=tmp_path_factory.mktemp("cwd"), **pipes) as reader:
        assert reader.stdout.readline() == "ready\n"

        def answer(what: str, folder: Path) -> dict[str, Any]:
            job = {"what": what, "folder": str(folder), "config": TINY.to_dict()}
            reader.stdin.write(json.dumps(job) + "\n")
            reader.stdin.flush()
            return json.loads(reader.stdout.readline())

        yield answer
        reader.stdin.close()


@pytest.fixture(scope="module")
def half(tmp_path_factory) -> Path:
    """A run that was interrupted: two checkpoints and no result."""
    folder = tmp_path_factory.mktemp("half") / "run"
    train(TINY, folder)
    (folder / "result.json").unlink()
    return folder


@pytest.fixture
def run(half, tmp_path) -> Path:
    """A copy of it, to be tampered with."""
    return shutil.copytree(half, tmp_path / "run")


def newest(run: Path) -> Path:
    return checkpoints.paths(run / "checkpoints")[0]


def harmless(answer: dict[str, Any]) -> bool:
    """Whether nothing was executed and little was used; says what was not so."""
    assert answer["noted"] == [], answer
    assert answer["modules"] == [], answer
    assert answer["megabytes"] < MEGABYTES, answer
    return answer["seconds"] < SECONDS or pytest.fail(str(answer))


def header(text: str | bytes, size: int | None = None) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data) if size is None else size) + data


def ours(about: str, **tensors: Any) -> bytes:
    return header(json.dumps({"__metadata__": {checkpoints.ENTRY: about}, **tensors}))


def about(state: str = "{}", version: str = "1") -> str:
    return f'{{"format": {version}, "needs": "", "state": {state}, "sha256": ""}}'


def tensor(dtype: str, shape: list[int], end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}


FILES = {
    "a pickle": PICKLE,
    "a header of 2^63 bytes": header("{}", 2**63),
    "a header of 2^64 - 1 bytes": header("{}", 2**64 - 1),
    "a header of 99 MB": header(b" " * 99_000_000),
    "300,000 tensors": header(json.dumps({f"t{n}": tensor("F32", [0], 0) for n in range(300_000)})),
    "15,000 tensors under a header of ours": ours(about(), **{f"t{n}": tensor("F32", [0], 0) for n in range(15_000)}),
    "50,000 nested lists": header("[" * 50_000),
    "50,000 nested lists in its state": ours(about("[" * 50_000 + "]" * 50_000)),
    "950 nested lists in its state": ours(about('{"a": ' + "[" * 950 + "]" * 950 + "}")),
    "an infinite format": ours(about(version="1e999")),
    "a format of 100,000 digits": ours(about(version="9" * 100_000)),
    "a state that is a list": ours(about("[1]")),
    "a tensor of 2^124 numbers": ours(about(), a=tensor("F32", [2**62, 2**62], 4)) + bytes(4),
    "a tensor of 100,000 axes": ours(about(), a=tensor("F32", [1] * 100_000, 4)) + bytes(4),
    "an end that is text": ours(about(), a={"dtype": "F32", "shape": [], "data_offsets": [0, "os:system"]}),
    "an unknown kind of number": ours(about(), a=tensor("F4", [2], 1)) + bytes(1),
    "overlapping tensors": ours(about(), a=tensor("F32", [1], 4), b=tensor("F32", [1], 4)) + bytes(4),
    "an unknown key": ours(about()[:-1] + ', "hook": "os:system"}'),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_passed_over_for_the_checkpoint_before_it(read, run, name):
    newest(run).write_bytes(FILES[name])
    answer = read("load", run)
    assert harmless(answer)
    assert (answer["end"], len(answer["said"])) == ("done", 1)
    assert answer["said"][0].startswith(f"passed over checkpoint {newest(run).name}: ")
    assert len(answer["said"][0]) < 300


def zip_of_torch(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", PICKLE)


def folder_of_shards(path: Path) -> None:
    path.mkdir()
    (path / ".metadata").write_bytes(PICKLE)
    (path / "__0_0.distcp").write_bytes(PICKLE)


def sparse(path: Path) -> None:
    """Say 100 GB of zeros, which take no room on the disk and would take it all in memory."""
    good = path.with_name("update-000000008.safetensors").read_bytes()
    path.write_bytes(good)
    os.truncate(path, 100_000_000_000)


@pytest.mark.parametrize(
    "make",
    [zip_of_torch, folder_of_shards, sparse, os.mkfifo, lambda path: path.symlink_to("/dev/zero")],
    ids=["zip", "folder", "sparse", "pipe", "endless"],
)
def test_what_is_no_file_of_ours_at_all_is_passed_over_too(read, run, make):
    path = newest(run)
    path.unlink()
    make(path)
    answer = read("load", run)
    assert harmless(answer)
    assert (answer["end"], len(answer["said"])) == ("done", 1)
    assert answer["said"][0].startswith(f"passed over checkpoint {path.name}: ")


# ---- whoever can write a file can also write its checksum

STRANGE = ("os:system", -1, [["x"]], {"a": 1}, float("inf"), 10**400, True)


def refused(good: Checkpoint, trainer: Trainer, **changes: Any) -> bool:
    """Whether a checkpoint with another state or other tensors is refused, by a CheckpointError or ValueError."""
    tensors, state = dict(good.tensors), dict(good.state)
    for name, value in changes.items():
        part = tensors if name in tensors else state
        part.pop(name)
        part |= {} if value is ... else {name: value}
    try:
        trainer.restore(unpack(pack(Checkpoint(tensors, state))))
    except ValueError:
        return True
    return False


def test_a_state_with_a_right_checksum_is_still_not_believed(half):
    good, trainer = unpack(newest(half).read_bytes()), Trainer(TINY)
    assert not refused(good, trainer)
    for name in STATE:
        assert refused(good, trainer, **{name: ...}), name
        for value in STRANGE:
            assert refused(good, trainer, **{name: value}), (name, value)
    for name in ("best", "skipped", "cpu_seconds", "environment", "exact", "history_bytes"):
        for value in STRANGE[:6]:
            fits = name == "environment" and isinstance(value, dict)
            assert refused(good, trainer, **{name: value}) != fits, (name, value)
    assert not refused(good, trainer)


def test_tensors_with_a_right_checksum_are_still_not_believed(half):
    good, trainer = unpack(newest(half).read_bytes()), Trainer(TINY)
    for name, value in good.tensors.items():
        others = [..., torch.zeros(3, 1, 5), value.to(torch.complex64), torch.full((7, 7, 7), 255, dtype=torch.uint8)]
        for other in others:
            if other is ... and name.startswith("optim/") and name.count("/") == 1:
                continue
            assert refused(good, trainer, **{name: other}), (name, other)
    generator = good.tensors["rng/batches"]
    assert refused(good, trainer, **{"rng/batches": torch.full_like(generator, 255)})
    assert not refused(good, trainer)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "[" * 50_000),
        ("config.json", '{"engine": "os:system"}'),
        ("config.json", '{"model": "torch.nn:Linear"}'),
        ("config.json", '{"hook": "os:system"}'),
        ("config.json", '{"seed": 1e999}'),
        ("result.json", "[" * 50_000),
        ("result.json", "[1]"),
        ("result.json", "{}"),
        ("result.json", '{"status": "os:system"}'),
        ("result.json", '{"status": "diverged"}'),
        ("result.json", '{"status": "diverged", "update": 1e999, "what": 3}'),
        ("history.csv", "update,sequences\n"),
    ],
)
def test_texts_of_a_stranger_are_refused_by_the_name_of_the_file(read, run, file, content):
    (run / file).write_text(content)
    for what in ("load", "train"):
        answer = read(what, run)
        assert harmless(answer)
        assert answer["end"].startswith("refused: "), answer
        assert file in answer["end"]


def test_a_reader_that_executes_would_be_caught(read, run):
    """The planted fault: pickle."""
    newest(run).write_bytes(PICKLE)
    answer = read("unpickle", newest(run))
    assert {"pickle.find_class", "os.system"} <= set(answer["noted"])
    with pytest.raises(AssertionError):
        harmless(answer)
