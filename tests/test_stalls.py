"""Runs that get nowhere end early or start again; memories of several sizes share one set of weights."""

import math

import pytest
import torch
from tiny_run import TINY, TINY_LSTM, tiny

from ntmlib import training
from ntmlib.training import TrainConfig, Trainer, train
from ntmlib.training.checkpoints import fingerprint
from ntmlib.training.models import build_model

STUCK = {"curriculum_threshold": 1e-9, "max_updates": 12}  # a step of the curriculum that nobody can make


def weights_of(model: torch.nn.Module) -> str:
    return fingerprint(dict(model.state_dict()))


def advanced(config: TrainConfig, updates: int) -> Trainer:
    trainer = Trainer(config)
    for _ in range(updates):
        trainer.advance()
    return trainer


def test_a_run_without_progress_ends_and_says_so():
    result = train(tiny(**STUCK, stall_updates=5)).result
    assert (result["status"], result["updates"], result["stalled_at"], result["restarts"]) == ("unsolved", 5, 5, 0)
    assert train(tiny(**STUCK)).result["stalled_at"] is None


def test_a_step_of_the_curriculum_is_progress():
    result = train(tiny(stall_updates=3, max_updates=12)).result  # a step after every two updates, up to length 3
    assert (result["stalled_at"], result["updates"]) == (7, 7)


def test_restarts_count_in_the_cost_and_are_bounded():
    run = train(tiny(**STUCK, stall_updates=3, max_restarts=2))
    assert (run.result["restarts"], run.result["updates"], run.result["stalled_at"]) == (2, 9, 9)
    assert run.history.sequences[-1] == 9 * run.config.batch_size


@pytest.mark.parametrize("config", [TINY, TINY_LSTM], ids=["ntm", "lstm"])
def test_a_restart_has_first_weights_of_its_own_and_forgets_the_optimizers_past(config):
    trainer = advanced(config.replace(**STUCK, stall_updates=4, max_restarts=1), 4)
    assert trainer.restarts == 1
    assert not trainer.optimizer.state
    slots = config.slots_in_training
    fresh = build_model(config, restart=1)
    assert weights_of(trainer.model) == weights_of(fresh.with_slots(max(slots)) if slots else fresh)
    assert weights_of(build_model(config, 1)) != weights_of(build_model(config))


def test_a_solved_run_is_never_stalled():
    config = tiny(curriculum_start=None, solved_threshold=2.0, solved_window=3, updates_after_solved=9, stall_updates=4)
    assert train(config).result["stalled_at"] is None


def test_a_run_stopped_after_a_restart_goes_on_to_the_same_bits(tmp_path):
    config = tiny(**STUCK, stall_updates=5, max_restarts=5, train_slots=[4, 7])
    whole = train(config)
    trainer = advanced(config, 7)  # past the first restart
    again = Trainer(config)
    again.restore(trainer.checkpoint())
    while not again.finished:
        again.advance()
    assert (again.restarts, weights_of(again.model)) == (whole.result["restarts"], weights_of(whole.machine))


def test_every_size_of_memory_is_drawn_and_all_share_their_weights(monkeypatch):
    seen = []
    forward = training.loop.NTM.forward
    monkeypatch.setattr(
        training.loop.NTM, "forward", lambda self, *a, **k: seen.append(self.config.slots) or forward(self, *a, **k)
    )
    trainer = advanced(tiny(train_slots=[4, 5, 9]), 12)
    assert set(seen) == {4, 5, 9}
    assert {weights_of(machine) for machine in trainer.drawing.sizes.values()} == {weights_of(trainer.model)}


def test_one_size_in_a_list_is_the_same_run_as_the_number():
    assert weights_of(train(tiny(train_slots=[5])).machine) == weights_of(train(tiny(train_slots=5)).machine)


def test_without_an_end_to_wait_for_the_learning_rate_falls_all_the_way():
    trainer = advanced(tiny(solved_threshold=None, final_learning_rate_factor=0.5, max_updates=10), 10)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(trainer.config.learning_rate * 0.5)
    trainer = advanced(tiny(solved_threshold=None, final_learning_rate_factor=0.5, max_updates=20), 10)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(trainer.config.learning_rate * 0.75)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stall_updates": 0}, "stall_updates must be a whole number of at least 1; got 0"),
        ({"max_restarts": 1}, "max_restarts must be 0 where stall_updates is None; got 1"),
        ({"train_slots": []}, "train_slots must be a number of slots, or several; got none"),
        ({"train_slots": [8, 0]}, "train_slots must be a whole number of at least 1; got 0"),
        ({"train_slots": [8, 2]}, r"num_shifts must be at most slots \(2\); got 3"),
        ({"model_options": {"memory_init": "learned"}, "train_slots": [128, 64]}, "got 64"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**changes)


def test_several_sizes_survive_the_round_trip_through_json():
    config = tiny(train_slots=[4, 5], stall_updates=3, max_restarts=1)
    assert TrainConfig.from_json(config.to_json()) == config
    assert math.isfinite(train(config).result["bits_per_bit"])
