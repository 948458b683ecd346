import math
import random
import threading

import numpy as np
import pytest
import torch
from tiny_run import TINY, TINY_LSTM, tiny

from ntmlib import training
from ntmlib.training import Diverged, Trainer, train
from ntmlib.training.checkpoints import fingerprint
from ntmlib.training.loop import generator_for

# Changes only with a change that is meant to alter results; CHANGELOG.md then says why.
FIRST_LOSSES = {
    "ntm": [1.003167, 0.973678, 0.944252, 1.008353, 0.914367],
    "lstm": [1.025679, 0.921761, 0.824564, 1.101897, 0.767287],
}


def weights_of(run: training.Run) -> str:
    return fingerprint(dict(run.machine.state_dict()))


@pytest.mark.parametrize("config", [TINY, TINY_LSTM], ids=["ntm", "lstm"])
def test_the_first_losses_are_those_stored(config):
    losses = train(config).history.loss[:5].tolist()
    assert losses == pytest.approx(FIRST_LOSSES[config.model], abs=1e-4)


def test_two_runs_of_a_config_agree_to_the_bit_and_another_seed_differs():
    first, second, other = train(TINY), train(TINY), train(tiny(seed=2))
    assert weights_of(first) == weights_of(second) != weights_of(other)
    assert np.array_equal(first.history.loss, second.history.loss)


def test_the_history_has_a_row_for_each_update():
    run = train(TINY)
    assert run.history.update.tolist() == list(range(1, 13))
    assert run.history.sequences.tolist() == list(range(4, 52, 4))
    assert (run.history.length <= run.history.top_length).all()
    assert (np.diff(run.history.seconds) > 0).all()
    assert run.history.bits_per_sequence == pytest.approx(run.history.loss * run.history.length * 3)


def test_the_curriculum_goes_up_when_a_window_of_costs_is_low_enough():
    run = train(TINY)  # the threshold is above chance: up by one after every two updates
    assert run.history.top_length[:6].tolist() == [1, 1, 2, 2, 3, 3]
    assert set(train(tiny(curriculum_threshold=1e-9)).history.top_length) == {1}
    assert set(train(tiny(curriculum_start=None)).history.top_length) == {3}


def test_a_solved_run_ends_so_many_updates_later():
    run = train(tiny(curriculum_start=None, solved_threshold=2.0, solved_window=3, updates_after_solved=4))
    assert (run.solved_at, len(run.history), run.result["status"]) == (3, 7, "solved")
    assert train(tiny(solved_threshold=None)).result["status"] == "unsolved"


def test_solved_counts_at_full_length_only():
    run = train(tiny(curriculum_threshold=1e-9, solved_threshold=2.0, solved_window=1))
    assert run.solved_at is None


def test_the_learning_rate_falls_in_a_straight_line_after_solving():
    trainer = Trainer(
        tiny(
            curriculum_start=None,
            solved_threshold=2.0,
            solved_window=2,
            updates_after_solved=4,
            final_learning_rate_factor=0.2,
        )
    )
    rates = []
    while not trainer.finished:
        trainer.advance()
        rates.append([group["lr"] for group in trainer.optimizer.param_groups])
    expected = [1, 1, 0.8, 0.6, 0.4, 0.2]
    assert rates == [pytest.approx([0.005 * factor, 0.02 * factor]) for factor in expected]


def test_gradients_are_clipped_by_norm_and_by_value():
    trainer = Trainer(tiny(clip_norm=1e-3, clip_value=1e-4))
    trainer.advance()
    gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    assert max(float(g.abs().max()) for g in gradients) == pytest.approx(1e-4)
    assert trainer.history.gradient_norm[0] > 1e-2  # what is kept is the norm before clipping


def test_objectives_differ_by_the_number_of_bits_in_a_sequence():
    def gradient(objective):
        trainer = Trainer(tiny(objective=objective, clip_norm=None, curriculum_start=None))
        trainer.advance()
        return trainer.history.gradient_norm[0] / (1 if objective == "bit" else 3 * trainer.history.length[0])

    assert gradient("sequence") == pytest.approx(gradient("bit"), rel=1e-4)


def test_mixed_lengths_stay_within_the_curriculum():
    trainer = Trainer(tiny(mixed_lengths=True, batch_size=64, curriculum_start=2))
    batch = trainer.drawing.draw(2, 0).batch
    steps = [int(trainer.task.sample(1, generator=torch.Generator(), length=length).lengths) for length in (1, 2)]
    assert batch.lengths.unique().tolist() == steps


def test_training_uses_few_slots_and_the_result_has_all():
    trainer = Trainer(TINY)
    assert (trainer.model.config.slots, trainer.final_model().config.slots) == (6, 8)


def test_evaluations_come_at_their_updates_and_at_the_end():
    assert train(TINY).evaluations.update.tolist() == [5, 10, 12]
    assert train(tiny(evaluation_lengths=())).evaluations.update.tolist() == []


def test_evaluating_does_not_change_the_training():
    assert weights_of(train(TINY)) == weights_of(train(tiny(evaluate_every=1, evaluation_lengths=(1, 3))))


def test_purposes_and_seeds_have_generators_of_their_own():
    states = {generator_for(seed, purpose).initial_seed() for seed in range(50) for purpose in ("weights", "batches")}
    assert len(states) == 100


@pytest.mark.draws_globally
def test_a_thread_that_hammers_the_global_generators_changes_nothing():
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            random.random(), np.random.rand(3), torch.rand(3)  # noqa: NPY002  # on purpose: no run may notice

    expected = weights_of(train(TINY))
    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        assert weights_of(train(TINY)) == expected
    finally:
        stop.set()
        thread.join()


def test_the_threads_set_outside_do_not_matter_and_are_left_as_they_were():
    few = training.presets.copy_quick(seed=1).replace(max_updates=3, evaluation_lengths=(), engine="reference")
    expected = weights_of(train(few))
    torch.set_num_threads(2)
    try:
        assert weights_of(train(few)) == expected
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_tiny_machine_computes_the_same_bits_with_two_threads():
    assert weights_of(train(TINY)) == weights_of(train(tiny(threads=2)))


@pytest.mark.parametrize("what", ["loss", "gradient", "weights"])
def test_a_number_that_is_not_finite_stops_training_within_one_update(monkeypatch, what):
    trainer = Trainer(TINY)
    for _ in range(5):
        trainer.advance()
    before = fingerprint(dict(trainer.model.state_dict()))
    plant_nan(monkeypatch, trainer, what)
    with pytest.raises(Diverged, match=f"diverged at update 6: the {what} is not finite") as caught:
        trainer.advance()
    assert (caught.value.update, trainer.update, len(trainer.history)) == (6, 5, 5)
    assert what == "weights" or fingerprint(dict(trainer.model.state_dict())) == before


@pytest.mark.parametrize("cut", [{"clip_norm": 0.1}, {"clip_norm": None, "clip_value": 0.1}])
def test_a_gradient_whose_square_overflows_is_cut_like_any_other(cut):
    """A gradient grows by a factor at every step back in time; it is of use as long as it is finite and is cut."""
    trainer = Trainer(tiny(**cut))
    make_gradients_huge(trainer)
    for _ in range(3):
        trainer.advance()
    assert (trainer.history.gradient_norm > 1e25).all()
    assert np.isfinite(trainer.history.gradient_norm).all()
    squares = [state["exp_avg_sq"] for state in trainer.optimizer.state.values()]
    assert all(square.isfinite().all() for square in squares)
    assert any((square > 0).any() for square in squares)


def test_a_gradient_whose_square_overflows_stops_training_where_nothing_cuts_it():
    """The optimizer's mean of squares would become infinite, and its weight stand still from then on."""
    trainer = Trainer(tiny(clip_norm=None))
    make_gradients_huge(trainer)
    with pytest.raises(Diverged, match="diverged at update 1: the gradient's square is not finite"):
        trainer.advance()


def make_gradients_huge(trainer: Trainer) -> None:
    for parameter in trainer.parameters:
        parameter.register_hook(lambda gradient: gradient.sign() * 1e26)


def plant_nan(monkeypatch, trainer: Trainer, what: str) -> None:
    parameter = next(iter(trainer.model.parameters()))
    if what == "loss":
        monkeypatch.setattr("ntmlib.training.loop.cost_nats", lambda logits, batch: logits.sum() * math.nan)
    elif what == "gradient":
        parameter.register_hook(lambda gradient: gradient * math.inf)
    else:
        monkeypatch.setattr(trainer.optimizer, "step", lambda: parameter.data.fill_(math.nan))


def test_progress_is_shown_at_the_end_and_at_most_twice_a_second():
    seen: list[training.Progress] = []
    run = train(TINY, watch=seen.append)
    assert [progress.finished for progress in seen].count(True) == 1
    assert seen[-1].finished
    assert len(seen) <= 2 + 2 * run.result["seconds"]
    assert (seen[-1].update, seen[-1].max_updates, seen[-1].sequences, seen[-1].chance_bits) == (12, 12, 48, 4)
    assert "update 12 of 12, 48 sequences, " in seen[-1].line()
    assert "stopped" not in seen[-1].line()


def test_the_last_line_of_a_run_that_was_interrupted_says_so():
    trainer, seen = Trainer(TINY), []
    interrupted: list[int] = []
    for running in trainer.updates(seen.append, None, interrupted):
        running.advance()
        interrupted += [2] if running.update == 5 else []
    assert (seen[-1].finished, seen[-1].interrupted, seen[-1].update) == (True, True, 5)
    assert ", stopped after " in seen[-1].line()


def test_nobody_watching_a_pipe_sees_a_progress_line(capsys):
    assert training.terminal_line() is None
    train(TINY)
    assert capsys.readouterr() == ("", "")
