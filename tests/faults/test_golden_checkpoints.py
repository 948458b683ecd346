"""Checkpoints of every format there ever was load for ever, with the weights they had, and a run goes on from them."""

import shutil
import warnings
from pathlib import Path

import pytest
from trials import TINY

from ntmlib.training import checkpoints, load_run, train
from ntmlib.training.checkpoints import FORMAT, fingerprint, unpack

GOLDEN = Path(__file__).parents[1] / "golden"
# format: SHA-256 of all tensors of the one checkpoint in tests/golden/run-format-N, a run of TINY stopped at update 8.
# It never changes. A new format gets a new folder and a new line, whatever is done to the code that writes.
TENSORS = {1: "faf059c73f7e71d3321b89556d62900f8f234dde5dafca78d7d24d2981fd6c25"}


def test_every_format_has_its_golden_run():
    assert set(TENSORS) == set(range(1, FORMAT + 1))
    assert {path.name for path in GOLDEN.iterdir()} == {f"run-format-{number}" for number in TENSORS}


@pytest.mark.parametrize("number", TENSORS)
def test_an_old_checkpoint_has_the_weights_it_had(number):
    folder = GOLDEN / f"run-format-{number}"
    (path,) = checkpoints.paths(folder / "checkpoints")
    assert fingerprint(unpack(path.read_bytes()).tensors) == TENSORS[number]
    run = load_run(folder)
    assert (run.interrupted, run.config, run.history.update.tolist()) == (True, TINY, list(range(1, 9)))
    kept = {name.removeprefix("model/") for name in unpack(path.read_bytes()).tensors if name.startswith("model/")}
    assert set(run.machine.state_dict()) == kept


@pytest.mark.parametrize("number", TENSORS)
def test_a_run_goes_on_from_an_old_checkpoint(number, tmp_path):
    shutil.copytree(GOLDEN / f"run-format-{number}", tmp_path / "run")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "resuming is not bitwise exact here", UserWarning)  # another torch, say
        run = train(TINY, tmp_path / "run")
    assert (run.result["status"], run.history.update.tolist()) == ("unsolved", list(range(1, 13)))


def test_a_changed_golden_file_would_be_caught(tmp_path):
    """The planted fault: one bit of one weight, with a checksum that fits."""
    (path,) = checkpoints.paths(GOLDEN / "run-format-1" / "checkpoints")
    good = unpack(path.read_bytes())
    tensors = {name: value.clone() for name, value in good.tensors.items()}
    next(value for value in tensors.values() if value.is_floating_point()).flatten()[0] += 1e-3
    forged = unpack(checkpoints.pack(checkpoints.Checkpoint(tensors, good.state)))
    assert fingerprint(forged.tensors) != TENSORS[1]
