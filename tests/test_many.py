"""``train_many`` makes of each config what ``train`` makes of it, but for rounding."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import tiny

from ntmlib.training import Diverged, Run, TrainConfig, Trainer, train, train_many
from ntmlib.training.many import advance_together

# As little as shows the difference, because the interpreter takes 10 ms for each step of each sequence.
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


def test_a_finished_run_does_not_wait_for_the_others(gpu):
    """An easy threshold is met by one seed before the other; its run ends there."""
    changes = {"curriculum_start": None, "solved_threshold": 0.98, "solved_window": 1}
    runs = as_runs(train_many(seeds(1, 2, 3, **changes)))
    assert [run.result["updates"] for run in runs] == [
        train(config).result["updates"] for config in seeds(1, 2, 3, **changes)
    ]
    assert len({run.result["updates"] for run in runs}) > 1


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


@pytest.mark.parametrize("changes", [{"memory_init": "learned"}, {"weighting_init": "learned"}, {"controller": "lstm"}])
def test_every_kind_of_start_is_that_of_its_machine(gpu, changes):
    options = {**SMALLEST["model_options"], **changes}
    for run, config in zip(
        as_runs(train_many(seeds(1, 2, model_options=options, max_updates=2))),
        seeds(1, 2, model_options=options, max_updates=2),
        strict=True,
    ):
        np.testing.assert_allclose(run.history["loss"], train(config).history["loss"], rtol=1e-4)


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


def test_without_a_gpu_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="engine 'cuda' needs a CUDA device, and torch sees none"):
        train(tiny(engine="cuda"), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
