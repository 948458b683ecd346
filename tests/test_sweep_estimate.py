"""What a sweep will cost."""

import pytest
from stand_in_cells import SOLVED
from tiny_run import tiny

from ntmlib.sweeps import Cell, Outcome, read_outcome
from ntmlib.sweeps import estimate as module
from ntmlib.sweeps.estimate import Price, estimate, of_finished, probe
from ntmlib.training import Diverged, Trainer, train

CELLS = tuple(Cell(f"seed-{seed}", tiny(seed=seed, max_updates=1000), {}) for seed in range(1, 7))


def ended(cell: Cell, seconds: float) -> Outcome:
    return Outcome(cell.name, "solved", {**SOLVED, "seconds": seconds, "cpu_seconds": seconds / 2})


def missing(*cells: Cell) -> list[Outcome]:
    return [Outcome(cell.name, "missing") for cell in cells]


def test_an_estimate_from_updates_is_what_a_run_then_takes(tmp_path):
    """Within a factor of five, because the computer may be busy now and not then."""
    config = tiny(max_updates=60, curriculum_start=None, evaluate_every=None)
    price, run = probe(config), train(config)
    assert run.result["cpu_seconds"] / 5 < price.cpu_seconds < run.result["cpu_seconds"] * 5
    assert 0 < price.error < 1
    assert price.runs == 0


def test_it_is_tried_with_the_longest_sequences_and_not_with_those_of_the_start(monkeypatch):
    tops, real = set(), Trainer.advance

    def advance(trainer):
        tops.add(trainer.top_length)
        real(trainer)

    monkeypatch.setattr(Trainer, "advance", advance)
    probe(tiny(curriculum_threshold=1e-9))
    assert tops == {3}


def test_finished_runs_say_what_the_others_will_take(tmp_path):
    outcomes = [ended(CELLS[0], 90.0), ended(CELLS[1], 110.0), *missing(*CELLS[2:])]
    price = of_finished(outcomes)
    assert (price.seconds, price.cpu_seconds, price.runs) == (100.0, 50.0, 2)
    cost = estimate(CELLS, outcomes, tmp_path, jobs=2, cores=8, starting=3.0)
    assert (cost.num_cells, cost.seconds, cost.cpu_seconds, cost.at_most) == (4, 206.0, 212.0, False)
    deviation = 200**0.5 / 100
    assert cost.error == pytest.approx((16 * deviation**2 / 2 + 4 * deviation**2) ** 0.5 * 100 / 412)
    assert cost.lines()[0] == "cost: about 0.059 core hours, 3 min by the clock, give or take 24 %"
    assert cost.lines()[1] == "  4 cells by what 2 finished ones with the same settings took"


@pytest.mark.parametrize("outcomes", [[], [ended(CELLS[0], 90.0)], [Outcome("a", "diverged", {"cpu_seconds": 1})] * 3])
def test_one_run_or_none_or_those_that_diverged_say_nothing(outcomes):
    assert of_finished(outcomes) is None


def test_more_jobs_than_cores_gain_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "probe", lambda config: Price(10.0, 9.0, 0.1))
    costs = [estimate(CELLS, missing(*CELLS), tmp_path, jobs=jobs, cores=3, starting=0.0) for jobs in (1, 2, 3, 99)]
    assert [cost.seconds for cost in costs] == [60.0, 30.0, 20.0, 20.0]
    assert {cost.cpu_seconds for cost in costs} == {54.0}
    assert costs[0].error == pytest.approx(0.1)  # the seeds of one setting are all wrong by the same


def test_what_a_run_has_done_costs_nothing_more(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "probe", lambda config: Price(100.0, 100.0, 0.1))
    cell = Cell("seed-1", tiny(max_updates=20), {})
    train(tiny(max_updates=12), tmp_path / "seed-1")
    cost = estimate([cell], missing(cell), tmp_path, jobs=1, cores=1, starting=0.0)
    assert cost.seconds == pytest.approx(40.0)


def test_settings_that_were_not_tried_cost_as_much_as_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_FOR_ALL", -1.0)
    monkeypatch.setattr(module, "probe", None)
    wide = [Cell(f"width-{n}", tiny(seed=n), {"width": 9}) for n in (1, 2)]
    outcomes = [ended(CELLS[0], 90.0), ended(CELLS[1], 110.0), *missing(*CELLS[2:], *wide)]
    cost = estimate([*CELLS, *wide], outcomes, tmp_path, jobs=1, cores=1, starting=0.0)
    assert cost.seconds == pytest.approx(600.0)
    assert cost.sources[1].startswith("2 cells by the mean of the others")


@pytest.mark.parametrize("error", [Diverged(1, "loss"), ValueError("engine 'cuda' needs a GPU")])
def test_settings_that_cannot_be_tried_are_named(tmp_path, monkeypatch, error):
    def fail(config):
        raise error

    monkeypatch.setattr(module, "probe", fail)
    cost = estimate(CELLS[:1], missing(CELLS[0]), tmp_path, jobs=1, cores=1, starting=0.0)
    assert cost.lines() == ["cost: not known", f"  without seed-1: {error}"]


def test_it_leaves_nothing_behind(tmp_path):
    estimate(CELLS[:1], [read_outcome(CELLS[0], tmp_path)], tmp_path, jobs=1, cores=1, starting=0.0)
    assert list(tmp_path.iterdir()) == []
