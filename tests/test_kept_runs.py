"""What is kept in data/runs: checksums agree, and the kept weights give the kept numbers again."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

import ntmlib
from ntmlib.sweeps import read_kept, read_sweep
from ntmlib.sweeps.keep import SEEDS, SWEEP, representative
from ntmlib.training import evaluate_lengths
from ntmlib.training.examination import EXAMINATIONS, ask

ROOT = Path(__file__).parents[1]
RUNS = sorted(path.parent for path in (ROOT / "data" / "runs").rglob("config.json"))
SINGLE = [folder for folder in RUNS if folder.parent.name == "runs"]
SWEEPS = sorted(path.parent for path in (ROOT / "data" / "runs").glob(f"*/{SEEDS}"))
REPRESENTATIVES = [folder for folder in SWEEPS if (folder / "representative").is_dir()]
LONGEST = 200  # longer questions take too long to ask again


def name(folder):
    return str(folder.relative_to(ROOT / "data" / "runs"))


def test_the_runs_the_notebooks_start_from_are_there():
    assert {"copy-ntm", "copy-lstm"} <= {folder.name for folder in SINGLE}


@pytest.mark.parametrize("folder", [*RUNS, *SWEEPS], ids=name)
def test_every_kept_file_has_its_checksum(folder):
    sums = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sums}
    assert found == sums
    assert set(sums) == {path.name for path in folder.iterdir()} - {"SHA256SUMS", "representative"}


@pytest.mark.parametrize("folder", SINGLE, ids=name)
def test_kept_weights_give_the_kept_numbers(folder):
    run = ntmlib.load_run(folder)
    kept = run.result["evaluations"][0]
    [report] = evaluate_lengths(run.machine, run.task, [kept["length"]], num_sequences=50)
    assert report.bits_right == pytest.approx(kept["bits_right"], abs=0.01)  # other sequences, same machine


@pytest.mark.parametrize("folder", SWEEPS, ids=name)
def test_a_kept_sweep_can_be_run_again_from_its_committed_file(folder):
    assert (folder / SWEEP).read_bytes() == (ROOT / "data" / "sweeps" / f"{folder.name}.toml").read_bytes()
    cells = read_sweep(folder / SWEEP).cells
    assert [(row["cell"], row["seed"]) for row in read_kept(folder).seeds] == [(cell.name, cell.seed) for cell in cells]


@pytest.mark.parametrize("folder", REPRESENTATIVES, ids=name)
def test_the_representative_is_the_middle_seed_trained_with_the_settings_of_today(folder):
    run, seeds = ntmlib.load_run(folder / "representative"), read_kept(folder).seeds
    middle = seeds[representative(seeds)]
    assert (run.config.seed, run.result["weights_sha256"]) == (middle["seed"], middle["weights_sha256"])
    [cell] = [cell for cell in read_sweep(folder / SWEEP).cells if cell.name == middle["cell"]]
    assert run.config.to_dict() == cell.config.to_dict()


@pytest.mark.parametrize("folder", REPRESENTATIVES, ids=name)
def test_the_representative_answers_as_it_did_when_it_was_kept(folder):
    """Other processors round differently, so a bit on the edge may fall to the other side."""
    run, kept = ntmlib.load_run(folder / "representative"), read_kept(folder)
    rows = {row["question"]: row for row in kept.examination if row["cell"] == f"seed-{run.config.seed}"}
    for question in [question for question in EXAMINATIONS[run.config.task] if (question.length or 0) <= LONGEST]:
        row = rows[question.name]
        report = ask(run.machine, run.config, replace(question, slots=row["slots"]))
        assert report.num_bits == row["num_bits"]
        assert report.bits_per_sequence == pytest.approx(row["bits_per_sequence"], rel=0.01, abs=1e-3)
        assert report.bit_errors == pytest.approx(row["bit_errors"], rel=0.02, abs=2)
        assert report.optimal_bits_per_sequence == pytest.approx(row["optimal_bits_per_sequence"], abs=1e-6)
