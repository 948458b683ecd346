import hashlib
from pathlib import Path

import pytest

import ntmlib
from ntmlib.training import evaluate_lengths

ROOT = Path(__file__).parents[1]
KEPT = sorted(path.parent for path in (ROOT / "data" / "runs").glob("*/config.json"))


def test_the_runs_the_notebooks_start_from_are_there():
    assert {"copy-ntm", "copy-lstm"} <= {folder.name for folder in KEPT}


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_every_file_of_a_kept_run_has_its_checksum(folder):
    sums = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sums}
    assert found == sums
    assert set(sums) == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_kept_weights_give_the_kept_numbers(folder):
    run = ntmlib.load_run(folder)
    [report] = evaluate_lengths(run.machine, run.task, [20], num_sequences=50)
    [kept] = [row for row in run.result["evaluations"] if row["length"] == 20]
    assert report.bits_right == pytest.approx(kept["bits_right"], abs=0.01)  # other sequences, same machine
