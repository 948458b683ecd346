"""NaN and infinity at twenty steps: training stops in that step, keeps the good checkpoints, and says what happened."""

import json
import math

import pytest
import torch
from trials import TINY

from ntmlib.training import Diverged, Trainer, checkpoints, load_run, loop, train

CONFIG = TINY.replace(max_updates=24, checkpoint_every=2, evaluate_every=None)
STEPS = range(2, 22)


@pytest.fixture(autouse=True)
def no_git(monkeypatch):
    """Asking git for the commit takes longer than these trainings."""
    monkeypatch.setattr("ntmlib.training.environment._commit", lambda: None)


def plant(monkeypatch: pytest.MonkeyPatch, step: int, what: str, value: float) -> None:
    """Let a number that is none appear in the loss, the gradient or the weights of one update."""
    advance, cost = Trainer.advance, loop.cost_nats

    def advance_into_it(self: Trainer) -> None:
        if self.update + 1 != step:
            return advance(self)
        first = self.parameters[0]
        with monkeypatch.context() as patch:
            if what == "loss":
                patch.setattr(loop, "cost_nats", lambda logits, batch: cost(logits, batch) * value)
            elif what == "gradient":
                first.register_hook(lambda gradient: torch.full_like(gradient, value))
            else:
                patch.setattr(self.optimizer, "step", lambda: first.data.fill_(value))
            return advance(self)

    monkeypatch.setattr(Trainer, "advance", advance_into_it)


def finite(folder) -> bool:
    kept = checkpoints.paths(folder / "checkpoints")
    return all(
        bool(tensor.isfinite().all())
        for path in kept
        for tensor in checkpoints.unpack(path.read_bytes()).tensors.values()
        if tensor.is_floating_point()
    )


@pytest.mark.parametrize("step", STEPS)
def test_a_number_that_is_none_stops_the_run_in_its_step_and_is_never_saved(tmp_path, monkeypatch, step):
    what = ("loss", "gradient", "weights")[step % 3]
    value = (math.nan, math.inf, -math.inf)[step // 3 % 3]
    with monkeypatch.context() as patch:
        plant(patch, step, what, value)
        with pytest.raises(Diverged, match=f"diverged at update {step}: the {what} is not finite"):
            train(CONFIG, tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["status"], result["update"], result["what"]) == ("diverged", step, what)
    last_good = (step - 1) // 2 * 2
    newest = checkpoints.paths(tmp_path / "checkpoints")[:1]
    assert [path.name for path in newest] == [f"update-{last_good:09d}.safetensors"] * (last_good > 0)
    assert finite(tmp_path)
    if last_good:
        run = load_run(tmp_path)
        assert (run.result["status"], len(run.history)) == ("diverged", last_good)


def test_a_loop_that_does_not_look_would_be_caught(tmp_path, monkeypatch):
    """The planted fault: it trains on and saves what is of no use."""
    monkeypatch.setattr(Trainer, "check", lambda self, **values: None)
    plant(monkeypatch, 5, "weights", math.nan)
    train(CONFIG, tmp_path)
    assert not finite(tmp_path)
