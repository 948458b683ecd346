"""The mean of the weights over the last part of a training is what is evaluated, kept and given back."""

import numpy as np
import pytest
import torch
from tiny_run import TINY, TINY_LSTM, tiny

from ntmlib.training import TrainConfig, Trainer, export_run, load_run, train
from ntmlib.training.averaging import WeightAverage
from ntmlib.training.checkpoints import Checkpoint, CheckpointError
from ntmlib.training.evaluation import evaluate
from ntmlib.training.models import generator_for

SHARE = 0.25


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


RANDOM = tiny(model_options={**TINY.model_options, "memory_init": "random"})  # its seed is no parameter
MODELS = pytest.mark.parametrize("config", [TINY, RANDOM, TINY_LSTM], ids=["ntm", "random memory", "lstm"])


@MODELS
def test_it_is_the_mean_that_its_rule_gives(config):
    """By hand, in float64: after update n the mean moves by 1 / (1 + share n) of the way."""
    trainer = Trainer(config.replace(averaged_share=SHARE))
    expected: dict[str, np.ndarray] = {}
    for update in range(1, 13):
        trainer.advance()
        for name, value in weights_of(trainer.model).items():
            now = value.numpy().astype(np.float64)
            before = expected.get(name, now)
            expected[name] = before + (now - before) / (1 + SHARE * update)
    for name, value in weights_of(trainer.final_model()).items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-5, atol=1e-7, err_msg=name)
    assert trainer.average.updates == 12


def test_late_weights_count_by_the_share_of_the_training_that_they_are_back():
    """What weights count for after many updates: 1/e of the last about ``share`` of the updates ago."""
    average, model = WeightAverage(0.1), torch.nn.utils.skip_init(torch.nn.Linear, 1000, 1, bias=False)
    for update in range(1000):
        model.weight.data.zero_()
        model.weight.data[0, update] = 1.0  # so each weight of the mean is what one update counts for
        average.take(model)
    counts = average.weights["weight"][0]
    assert float(counts.sum()) == pytest.approx(1.0, rel=1e-4)
    assert float(counts[-101] / counts[-1]) == pytest.approx(np.exp(-1), abs=0.03)


def test_training_goes_on_from_the_last_weights():
    plain, averaged = (Trainer(tiny(averaged_share=share)) for share in (0.0, SHARE))
    for trainer in (plain, averaged):
        for _ in range(12):
            trainer.advance()
    for name, value in weights_of(plain.model).items():
        assert torch.equal(value, weights_of(averaged.model)[name])
        assert not torch.equal(value, weights_of(averaged.final_model())[name])
        assert torch.equal(value, weights_of(plain.final_model())[name])


@pytest.mark.parametrize("config", [TINY, RANDOM], ids=["ntm", "random memory"])
def test_the_mean_is_what_is_evaluated_kept_and_exported(tmp_path, config):
    plain, config = config, config.replace(averaged_share=SHARE)
    run = train(config, tmp_path / "run")
    found = evaluate(
        run.machine, run.task, length=3, num_sequences=4, generator=generator_for(1, "evaluation"), engine="reference"
    )
    assert run.result["evaluations"][0]["bits_per_bit"] == found.bits_per_bit
    assert run.result["weights_sha256"] != train(plain).result["weights_sha256"]
    export_run(tmp_path / "run", tmp_path / "kept")
    for again in (load_run(tmp_path / "run"), load_run(tmp_path / "kept"), train(config, tmp_path / "run")):
        for name, value in weights_of(run.machine).items():
            assert torch.equal(value, weights_of(again.machine)[name])


def test_the_best_machine_is_the_best_mean():
    trainer = Trainer(tiny(averaged_share=SHARE, keep_best=True))
    for _ in range(5):
        trainer.advance()
    trainer.evaluate()
    wanted = weights_of(trainer.average.model(trainer.model))
    assert trainer.best is not None
    assert all(torch.equal(trainer.best.weights[name], value) for name, value in wanted.items())


@MODELS
def test_a_run_that_went_on_has_the_mean_of_one_never_interrupted(config):
    config = config.replace(averaged_share=SHARE)
    whole, first, again = Trainer(config), Trainer(config), Trainer(config)
    for _ in range(7):
        first.advance()
    again.restore(first.checkpoint())
    first.advance()  # what was handed over is not changed by going on
    for trainer, updates in ((whole, 12), (again, 5)):
        for _ in range(updates):
            trainer.advance()
    for name, value in weights_of(whole.final_model()).items():
        assert torch.equal(value, weights_of(again.final_model())[name])


@pytest.mark.parametrize("config", [TINY, RANDOM], ids=["ntm", "random memory"])
def test_another_start_begins_another_mean(config):
    config = config.replace(averaged_share=SHARE, curriculum_threshold=1e-9, stall_updates=4, max_restarts=3)
    trainer = Trainer(config)
    for _ in range(4):
        trainer.advance()
    assert trainer.restarts == 1
    assert trainer.average.updates == 0
    for name, value in weights_of(trainer.final_model()).items():
        assert torch.equal(value, weights_of(trainer.model)[name])
    trainer.advance()
    for name, value in trainer.final_model().state_dict().items():
        assert torch.equal(value, trainer.model.state_dict()[name]), "the seed of a random memory, too"


DAMAGES = {
    "one is missing": "its weights are those of another model",
    "all are missing": "its mean of weights is of 1 updates, and 0 tensors are there",
    "another shape": "must have shape",
    "no count": "its mean of weights is of 0 updates",
    "no share": "its mean of weights is of 1 updates",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_mean_that_is_not_of_this_run_is_refused(damage):
    trainer = Trainer(tiny(averaged_share=SHARE))
    trainer.advance()
    checkpoint = trainer.checkpoint()
    tensors, state = dict(checkpoint.tensors), dict(checkpoint.state)
    names = [name for name in tensors if name.startswith("average/")]
    if damage in ("one is missing", "all are missing"):
        for name in names[: 1 if damage == "one is missing" else None]:
            del tensors[name]
    elif damage == "another shape":
        tensors[names[0]] = torch.zeros(3, 3, 3)
    elif damage == "no count":
        del state["averaged_updates"]
    with pytest.raises(CheckpointError, match=DAMAGES[damage]):
        Trainer(tiny(averaged_share=0.0 if damage == "no share" else SHARE)).restore(Checkpoint(tensors, state))


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan"), "0.2", True])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match=r"averaged_share must be (in \[0, 1\)|a finite number); got "):
        TrainConfig(averaged_share=share)
