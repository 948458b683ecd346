"""A memory that follows the length of what is trained on, with spare slots drawn for each update."""

import signal

import numpy as np
import pytest
import torch
from tiny_run import TINY, TINY_LSTM, tiny

from ntmlib.training import TrainConfig, Trainer, train, train_many
from ntmlib.training.checkpoints import fingerprint
from ntmlib.training.many import advance_together

SPARE = {"train_slots": None, "spare_slots": [3, 9]}


def weights_of(model: torch.nn.Module) -> str:
    return fingerprint(dict(model.state_dict()))


def sizes_drawn(config: TrainConfig, updates: int) -> list[tuple[int, int]]:
    """Length and slots of each update."""
    trainer, seen = Trainer(config), []
    for _ in range(updates):
        drawn = trainer.draw()
        seen.append((drawn.length, drawn.model.config.slots))
    return seen


def test_the_memory_of_an_update_is_its_length_and_one_of_the_spare_numbers():
    seen = sizes_drawn(tiny(**SPARE, curriculum_start=3), 60)
    assert set(seen) == {(length, length + spare) for length in (1, 2, 3) for spare in (3, 9)}


def test_with_mixed_lengths_it_is_the_longest_allowed():
    seen = sizes_drawn(tiny(**SPARE, curriculum_start=2, mixed_lengths=True), 30)
    assert set(seen) == {(2, 5), (2, 11)}


def test_all_sizes_share_their_weights_and_learn_together():
    trainer = Trainer(tiny(**SPARE))
    before = weights_of(trainer.model)
    for _ in range(12):
        trainer.advance()
    assert len(trainer.drawing.sizes) > 1
    assert (
        {weights_of(machine) for machine in trainer.drawing.sizes.values()} == {weights_of(trainer.model)} != {before}
    )


def test_after_training_the_machine_has_the_memory_it_was_asked_to_have():
    run = train(tiny(**SPARE))
    assert run.machine.config.slots == TINY.model_options["slots"]
    assert set(run.evaluations.slots) == {TINY.model_options["slots"]}


def test_a_run_goes_on_to_the_same_bits(tmp_path):
    config = tiny(**SPARE)
    whole, trainer, again = train(config), Trainer(config), Trainer(config)
    for _ in range(7):
        trainer.advance()
    again.restore(trainer.checkpoint())
    while not again.finished:
        again.advance()
    assert weights_of(again.model) == weights_of(whole.machine)
    assert train(config, tmp_path / "run").result["weights_sha256"] == whole.result["weights_sha256"]
    assert train(config, tmp_path / "run").config == config


@pytest.mark.parametrize(("start", "smallest"), [(5, 5), (None, 20)])
def test_with_mixed_lengths_the_smallest_memory_is_that_of_the_start_of_the_curriculum(start, smallest):
    config = TrainConfig(spare_slots=[0], mixed_lengths=True, curriculum_start=start)
    assert config.slots_in_training == (smallest, 20)
    assert sizes_drawn(config.replace(engine="reference"), 1) == [(smallest, smallest)]


def test_a_run_stopped_after_a_restart_goes_on_from_disk_to_the_same_bits(tmp_path):
    stuck = {"curriculum_threshold": 1e-9, "stall_updates": 5, "max_restarts": 2, "checkpoint_every": 1}
    config = tiny(**SPARE, **stuck)
    whole = train(config)
    assert whole.result["restarts"] == 2

    def stop(progress):
        if progress.update == 7 and not progress.finished:  # past the first restart
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ntmlib.training.loop.SECONDS_BETWEEN_LOOKS", -1.0)
        stopped = train(config, tmp_path / "run", watch=stop)
    assert stopped.interrupted
    assert (stopped.result["updates"], stopped.result["restarts"]) == (7, 1)
    again = train(config, tmp_path / "run", resume=True)
    assert again.result["restarts"] == 2
    assert weights_of(again.machine) == weights_of(whole.machine)
    np.testing.assert_array_equal(again.history.loss, whole.history.loss)


def test_one_spare_number_draws_nothing():
    fixed = train(tiny(train_slots=7, curriculum_start=None, task_options=ONLY_TWO))
    following = train(tiny(train_slots=None, spare_slots=[5], curriculum_start=None, task_options=ONLY_TWO))
    assert weights_of(fixed.machine) == weights_of(following.machine)


ONLY_TWO = {"max_length": 2, "min_length": 2, "bits": 2}


def test_many_are_trained_as_each_alone():
    configs = [tiny(**SPARE, seed=seed) for seed in (1, 2)]
    together = [run.result["weights_sha256"] for run in train_many(configs)]
    assert together == [train(config).result["weights_sha256"] for config in configs]


def test_machines_with_memories_of_several_sizes_share_an_update(gpu):
    """The cuda engine launches one size of memory at a time; here three machines draw two sizes."""
    options = {"model_options": {"hidden": 3, "slots": 5, "width": 2}, "task_options": {"max_length": 2, "bits": 1}}
    changes = {**SPARE, **options, "engine": "cuda", "batch_size": 1, "spare_slots": [2, 3], "curriculum_start": 2}
    configs = [tiny(**changes, seed=seed) for seed in (1, 2, 3)]
    trainers, alone = [Trainer(config) for config in configs], [Trainer(config) for config in configs]
    assert advance_together(trainers) == [None] * 3
    for trainer in alone:
        trainer.advance()
    assert len({next(iter(trainer.drawing.sizes), 0) for trainer in alone}) > 1
    losses = [[trainer.history.loss[0] for trainer in group] for group in (trainers, alone)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_slots": 8, "spare_slots": [4]}, r"spare_slots must be None where train_slots is 8; got \[4\]"),
        ({"spare_slots": []}, r"spare_slots must be one or more numbers of slots; got \[\]"),
        ({"spare_slots": 4}, "spare_slots must be one or more numbers of slots; got 4"),
        ({"spare_slots": [4, -1]}, "spare_slots must be a whole number of at least 0; got -1"),
        (
            {"spare_slots": [9, 1]},  # length 1 and 1 spare
            r"spare_slots must leave at least num_shifts \(3\) slots at every length; got \[9, 1\], .* memory has 2",
        ),
        (
            {"spare_slots": [2, 0], "mixed_lengths": True, "curriculum_start": 2},
            "at every length; .* smallest .* has 2",
        ),
        ({"spare_slots": [3, 9, 3]}, r"spare_slots must be different numbers; got \[3, 9, 3\]"),
        (
            {"spare_slots": [4], "model_options": {"memory_init": "learned"}},
            "spare_slots must be None when the initial",
        ),
        ({"spare_slots": [4], "model": "lstm"}, "spare_slots must be None for the lstm"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**changes)


def test_they_survive_the_round_trip_through_json():
    config = tiny(**SPARE)
    assert config.spare_slots == (3, 9)
    assert TrainConfig.from_json(config.to_json()) == config
    assert TINY_LSTM.spare_slots is None
