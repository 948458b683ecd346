"""``train_many`` makes of each config what ``train`` makes of it, but for rounding."""

import math
import os
import signal
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import tiny

from ntmlib.cli import main
from ntmlib.engines import cuda
from ntmlib.training import Diverged, Run, RunRefused, TrainConfig, Trainer, load_run, train, train_many
from ntmlib.training.many import advance_together

# As little as shows the difference, because the interpreter takes over 100 ms for each step of each sequence.
SMALLEST = {
    "engine": "cuda",
    "task_options": {"max_length": 2, "bits": 1},
    "model_options": {"hidden": 3, "slots": 5, "width": 2},
    "train_slots": None,
    "batch_size": 1,
    "max_updates": 3,
    "curriculum_window": 1,
    "evaluate_every": None,
    "evaluation_lengths": (),
}


def seeds(*numbers: int, **changes: Any) -> list[TrainConfig]:
    return [tiny(**{**SMALLEST, **changes}, seed=number) for number in numbers]


def as_runs(outcomes: list[Run | Diverged]) -> list[Run]:
    assert all(isinstance(outcome, Run) for outcome in outcomes)
    return [outcome for outcome in outcomes if isinstance(outcome, Run)]


@pytest.mark.slow
def test_side_by_side_gives_what_each_gives_alone(gpu, tmp_path):
    configs = seeds(1, 2, 3)
    folders = [tmp_path / str(config.seed) for config in configs]
    runs = as_runs(train_many(configs, folders))
    assert len({tuple(run.history["length"]) for run in runs}) > 1  # launches held sequences of several lengths
    for run, config, folder in zip(runs, configs, folders, strict=True):
        alone = train(config)
        assert (run.history["length"] == alone.history["length"]).all()
        np.testing.assert_allclose(run.history["loss"], alone.history["loss"], rtol=1e-4)
        assert run.directory == folder
        assert (folder / "result.json").exists()
        assert next(run.machine.parameters()).device.type == "cpu"


@pytest.mark.slow
def test_a_finished_run_does_not_wait_for_the_others(gpu):
    """An easy threshold is met by one seed before the other; its run ends there."""
    changes = {"curriculum_start": None, "solved_threshold": 0.98, "solved_window": 1}
    runs = as_runs(train_many(seeds(1, 2, 3, **changes)))
    assert [run.result["updates"] for run in runs] == [
        train(config).result["updates"] for config in seeds(1, 2, 3, **changes)
    ]
    assert len({run.result["updates"] for run in runs}) > 1


@pytest.mark.slow
def test_it_goes_on_from_a_folder_bit_for_bit(gpu, tmp_path, monkeypatch):
    folders = [tmp_path / "a", tmp_path / "b"]
    with monkeypatch.context() as patch:  # a first attempt is interrupted after its first update
        patch.setattr(Trainer, "last_update", property(lambda self: 1))
        train_many(seeds(1, 2, checkpoint_every=1), folders)
    for folder in folders:
        (folder / "result.json").unlink()
    gone_on = as_runs(train_many(seeds(1, 2, checkpoint_every=1), folders))
    straight = as_runs(train_many(seeds(1, 2)))
    assert [run.result["weights_sha256"] for run in gone_on] == [run.result["weights_sha256"] for run in straight]
    assert [list(run.history["update"]) for run in gone_on] == [[1, 2, 3]] * 2


def test_a_run_that_diverges_leaves_the_others_alone(gpu):
    trainers = [Trainer(config) for config in seeds(1, 2)]
    with torch.no_grad():
        next(trainers[0].model.parameters())[0, 0] = math.nan
    before = [p.clone() for p in trainers[1].model.parameters()]
    failed, fine = advance_together(trainers)
    assert (str(failed), fine) == ("diverged at update 1: the loss is not finite", None)
    assert (trainers[0].update, trainers[1].update) == (0, 1)
    after = list(trainers[1].model.parameters())
    assert all(p.isfinite().all() for p in after)
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_gradient_whose_square_overflows_is_cut_and_leaves_the_others_alone(gpu):
    trainers, alone = [Trainer(config) for config in seeds(1, 2)], Trainer(seeds(2)[0])
    for parameter in trainers[0].parameters:
        parameter.register_hook(lambda gradient: gradient.sign() * 1e26)
    assert advance_together(trainers) == [None, None]
    advance_together([alone])
    assert 1e25 < trainers[0].history.gradient_norm[0] < 1e30
    length = torch.nn.utils.get_total_norm([p.grad for p in trainers[0].parameters if p.grad is not None])
    assert length.item() == pytest.approx(trainers[0].config.clip_norm, rel=1e-3)
    for together, by_itself in zip(trainers[1].parameters, alone.parameters, strict=True):
        torch.testing.assert_close(together, by_itself)


def test_the_outcome_of_a_diverged_run_is_how_it_diverged(gpu, monkeypatch):
    def fail(self: Trainer, **numbers: float) -> None:
        if self.config.seed == 2 and self.update == 1:
            raise Diverged(2, "loss")

    monkeypatch.setattr(Trainer, "check", fail)
    good, bad = train_many(seeds(1, 2))
    assert isinstance(good, Run)
    assert good.result["updates"] == 3
    assert isinstance(bad, Diverged)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"memory_init": "learned"}, {"weighting_init": "learned"}, {"controller": "lstm"}])
def test_every_kind_of_start_is_that_of_its_machine(gpu, changes):
    options = {**SMALLEST["model_options"], **changes}
    for run, config in zip(
        as_runs(train_many(seeds(1, 2, model_options=options, max_updates=2))),
        seeds(1, 2, model_options=options, max_updates=2),
        strict=True,
    ):
        np.testing.assert_allclose(run.history["loss"], train(config).history["loss"], rtol=1e-4)


DECAY = {"solved_threshold": None, "final_learning_rate_factor": 0.1, "learning_rate": 0.05}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {**DECAY, "clip_norm": 0.01, "train_slots": (3, 4, 5), "learning_rate_factors": {"output": 4.0}},
        {**DECAY, "clip_norm": None, "clip_value": 0.001, "optimizer": "graves_rmsprop", "mixed_lengths": True},
        {"curriculum_threshold": 1e-9, "stall_updates": 1, "max_restarts": 5, "objective": "sequence"},
        {"averaged_share": 0.5},
    ],
)
def test_whatever_a_config_asks_of_an_update_is_done(gpu, changes):
    """Clipping that bites, rates that fall, memories of several sizes, restarts: weights and losses stay together."""
    runs = as_runs(train_many(seeds(1, 2, **changes)))
    for run, config in zip(runs, seeds(1, 2, **changes), strict=True):
        alone = train(config)
        np.testing.assert_allclose(run.history["loss"], alone.history["loss"], rtol=1e-5)
        assert run.result["restarts"] == alone.result["restarts"]
        for a, b in zip(run.machine.parameters(), alone.machine.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_an_interruption_ends_all_runs(monkeypatch):
    """Each after the update that is due, also where they are trained one after the other."""
    made = Trainer.advance

    def interrupted(self: Trainer) -> None:
        made(self)
        if self.config.seed == 1 and self.update == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "advance", interrupted)
    runs = as_runs(train_many([tiny(seed=1), tiny(seed=2)]))
    assert [(run.interrupted, run.result["updates"]) for run in runs] == [(True, 2), (True, 1)]


def test_a_refused_folder_lets_nothing_be_trained(tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "note.txt").write_text("not a run")
    with pytest.raises(RunRefused, match="must be empty or hold a run"):
        train_many([tiny(seed=1), tiny(seed=2)], [tmp_path / "first", taken])
    assert not (tmp_path / "first" / "result.json").exists()
    assert [path.name for path in taken.iterdir()] == ["note.txt"]
    first, _ = as_runs(train_many([tiny(seed=1), tiny(seed=2)], [tmp_path / "first", tmp_path / "second"]))
    assert first.result["weights_sha256"] == train(tiny(seed=1)).result["weights_sha256"]


def test_progress_is_that_of_the_first_run_still_going_on():
    seen = []
    runs = as_runs(train_many([tiny(seed=1), tiny(seed=2)], watch=seen.append))
    ends = [progress.history for progress in seen if progress.finished]
    assert [history is run.history for history, run in zip(ends, runs, strict=True)] == [True, True]


def test_other_engines_train_one_after_the_other():
    configs = [tiny(seed=1), tiny(seed=2)]
    found = [run.result["weights_sha256"] for run in as_runs(train_many(configs))]
    assert found == [train(config).result["weights_sha256"] for config in configs]
    assert train_many([]) == []


def test_configs_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="differ in seed alone; batch_size is 4 and 5"):
        train_many([tiny(), tiny(batch_size=5)])
    with pytest.raises(ValueError, match="directories must be 2, one for each config; got 1"):
        train_many([tiny(seed=1), tiny(seed=2)], [tmp_path / "a"])
    with pytest.raises(ValueError, match="one is named twice"):
        train_many([tiny(seed=1), tiny(seed=2)], [tmp_path / "a", tmp_path / "a"])
    assert list(tmp_path.iterdir()) == []


def test_a_run_trained_on_a_gpu_can_be_read_without_one(gpu, tmp_path, monkeypatch):
    run = train(tiny(**SMALLEST), tmp_path / "run")
    monkeypatch.setattr(cuda, "INTERPRETED", False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_run(tmp_path / "run").result["weights_sha256"] == run.result["weights_sha256"]
    with pytest.raises(RunRefused, match="engine 'cuda' needs a CUDA device, and torch sees none"):
        train(tiny(**SMALLEST), tmp_path / "another")
    assert not (tmp_path / "another").exists()


@pytest.mark.parametrize(("slots", "train_slots"), [(4096, 8), (8, (4096, 16))])
def test_a_memory_too_large_for_the_engine_is_refused_before_anything_is_made(gpu, tmp_path, slots, train_slots):
    """While training or after it."""
    sizes = {"hidden": 3, "slots": slots, "width": 20}
    large = tiny(**SMALLEST | {"model_options": sizes, "train_slots": train_slots})
    with pytest.raises(RunRefused, match=r"engine 'cuda' cannot run this: slots and width.*at most; got 131,072"):
        train(large, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.draws_globally  # tyro tidies its cache with Python's global generator
def test_the_command_refuses_a_gpu_that_is_not_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cuda, "INTERPRETED", False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["train", "copy", "--engine", "cuda", "--out", str(tmp_path / "run")]) == 2
    assert "torch sees none" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
