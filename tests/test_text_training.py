"""Training on a text that is read on: states, dropout, warm-up, the best machine, and going on exactly."""

import math

import pytest
import torch
from torch import nn

from ntmlib.ntm import NTM
from ntmlib.tasks.text import Text
from ntmlib.training import (
    Diverged,
    TrainConfig,
    Trainer,
    character_nats,
    evaluate,
    evaluate_text,
    load_run,
    loop,
    train,
    train_many,
)
from ntmlib.training.runs import RunRefused
from ntmlib.training.states import tensors

VERSE = "the cat sat on the mat; the dog sat on the log. "
MODELS = {
    "ntm": {"controller": "lstm", "hidden": 9, "slots": 6, "width": 4, "output_hidden": 8, "embedding": 3},
    "lstm": {"hidden": 9, "num_layers": 1, "output_hidden": 8, "embedding": 3},
    "rnn": {"hidden": 9},
    "transformer": {"hidden": 8, "num_layers": 2, "num_heads": 2, "context": 12},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "verse.txt"
    path.write_text(VERSE * 20, "utf-8")
    return str(path)


def config(file: str, model: str = "ntm", **changes) -> TrainConfig:
    settings = {
        "task": "text",
        "task_options": {"text": file, "window": 6},
        "model": model,
        "model_options": MODELS[model],
        "seed": 1,
        "batch_size": 4,
        "max_updates": 12,
        "learning_rate": 1e-2,
        "fresh_share": 0.3,
        "dropout": 0.2,
        "warmup_updates": 3,
        "solved_threshold": None,
        "final_learning_rate_factor": 0.1,
        "evaluate_every": 4,
        "evaluation_lengths": (20,),
        "evaluation_sequences": 2,
        "keep_best": True,
        "averaged_share": 0.2,
        "checkpoint_every": 5,
    }
    return TrainConfig(**{**settings, **changes})


@pytest.mark.parametrize("model", MODELS)
def test_a_run_that_went_on_is_bit_for_bit_the_one_that_was_never_interrupted(tmp_path, file, model):
    wanted = config(file, model)
    whole, first = Trainer(wanted), Trainer(wanted)
    for _ in range(7):
        first.advance()
    first.evaluate()
    again = Trainer(wanted)
    again.restore(first.checkpoint())
    for _ in range(7):
        whole.advance()
    whole.evaluate()
    for trainer in (whole, again):
        for _ in range(5):
            trainer.advance()
        trainer.evaluate()
    for name, value in whole.final_model().state_dict().items():
        assert torch.equal(value, again.final_model().state_dict()[name]), name
    assert torch.equal(whole.drawing.stream.places, again.drawing.stream.places)
    assert whole.best.update == again.best.update


@pytest.mark.parametrize("model", MODELS)
def test_state_and_place_are_passed_on_from_update_to_update(file, model):
    """By hand: with nothing fresh, what an update starts from is where and how the one before ended."""
    trainer = Trainer(config(file, model, fresh_share=1e-12, dropout=0.0))
    trainer.advance()
    places, weights = trainer.drawing.stream.places, {n: p.clone() for n, p in trainer.model.state_dict().items()}
    batch, later = trainer.task.read_on(places, 6)
    drawn = trainer.draw()
    assert torch.equal(drawn.batch.inputs, batch.inputs)
    assert torch.equal(trainer.drawing.stream.places, later)
    alone = Trainer(config(file, model, fresh_share=1e-12, dropout=0.0))
    first = alone.draw()
    _, state = alone.model(first.batch.inputs, first.state)
    assert torch.equal(alone.drawing.stream.places, places)
    assert set(weights) == set(alone.model.state_dict())
    for found, wanted in zip(tensors(drawn.state), tensors(state), strict=True):
        torch.testing.assert_close(found, wanted.detach())


def test_a_share_of_the_streams_begins_anew_each_time(file):
    trainer = Trainer(config(file, fresh_share=0.5, batch_size=64))
    trainer.advance()
    starts, drawn = trainer.model.initial_state(64).memory, trainer.draw()
    assert 0.3 < float((drawn.state.memory == starts).all(-1).all(-1).float().mean()) < 0.7
    ended, went_on = trainer.drawing.stream.places, 0
    for _ in range(20):
        drawn = trainer.draw()
        begun = drawn.batch.inputs
        went_on += int((begun == trainer.task.read_on(ended, 6)[0].inputs).all(-1).all(-1).sum())
        ended = trainer.drawing.stream.places
    assert 0.4 < went_on / (20 * 64) < 0.65  # half, and a few that happen to read the same


def test_all_fresh_is_what_other_tasks_do(file):
    trainer = Trainer(config(file, fresh_share=1.0))
    drawn = trainer.draw()
    assert drawn.state is None
    assert trainer.drawing.stream is None


def test_the_learning_rate_rises_then_falls(file):
    trainer = Trainer(config(file))
    rates = []
    for _ in range(12):
        trainer.advance()
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    fall = [1e-2 * (1 - 0.9 * update / 12) for update in range(1, 13)]
    assert rates == pytest.approx([rate * min(1, (i + 1) / 4) for i, rate in enumerate(fall)])


def test_an_update_whose_gradient_is_not_finite_is_left_out_and_all_streams_begin_anew(file, monkeypatch):
    trainer = Trainer(config(file, skip_updates=2, fresh_share=1e-12))
    trainer.advance()
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    monkeypatch.setattr(loop.optimizers, "norm_of", lambda tensors: torch.tensor(math.inf))
    trainer.advance()
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())
    assert trainer.history.gradient_norm[-1] == math.inf
    assert (trainer.update, trainer.skipped, trainer.drawing.stream) == (2, 1, None)
    again = Trainer(trainer.config)
    again.restore(trainer.checkpoint())
    assert again.skipped == 1


def test_only_so_many_updates_in_a_row_are_left_out(file, monkeypatch):
    monkeypatch.setattr(loop.optimizers, "norm_of", lambda tensors: torch.tensor(math.inf))
    with pytest.raises(Diverged, match="diverged at update 3: the gradient is not finite"):
        train(config(file, skip_updates=2))


def test_a_run_says_how_many_updates_were_left_out(file, monkeypatch):
    inf = torch.tensor(math.inf)
    advance, original = Trainer.advance, loop.optimizers.norm_of

    def sometimes(self):
        spoiled = self.update in (3, 7)
        monkeypatch.setattr(loop.optimizers, "norm_of", (lambda tensors: inf) if spoiled else original)
        advance(self)

    monkeypatch.setattr(Trainer, "advance", sometimes)
    run = train(config(file, skip_updates=1))
    assert (run.result["skipped_updates"], run.result["updates"]) == (2, 12)


def test_the_machine_of_the_run_is_the_best_one(tmp_path, file, monkeypatch):
    costs = iter([3.0, 1.0, 2.0])
    original = Trainer._evaluate
    seen = []

    def told(self, model, length):
        report = original(self, model, length)
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        object.__setattr__(report, "bits_per_bit", next(costs))
        return report

    monkeypatch.setattr(Trainer, "_evaluate", told)
    run = train(config(file), tmp_path / "run")
    assert run.result["best_at"] == 8
    for machine in (run.machine, load_run(tmp_path / "run").machine):
        assert all(torch.equal(value, seen[1][name]) for name, value in machine.state_dict().items())


def test_a_text_costs_what_its_characters_cost_one_by_one(file):
    task = Text(file)
    machine = NTM(len(task.corpus.alphabet), len(task.corpus.alphabet), "lstm", hidden=9, slots=6, width=4)
    part = torch.from_numpy(task.corpus.part("validation").astype(int))
    shown = nn.functional.one_hot(part[:-1], len(task.corpus.alphabet)).float()
    with torch.no_grad():
        logits, _ = machine(shown[None])
    nats = nn.functional.cross_entropy(logits[0].double(), part[1:], reduction="none")
    report = evaluate_text(machine, task)
    assert report.num_bits == len(part) - 1
    assert report.bits_per_bit * math.log(2) == pytest.approx(float(nats.mean()), rel=1e-6)
    assert report.bit_errors == int((logits[0].argmax(-1) != part[1:]).sum())
    assert character_nats(machine, task)[0] == pytest.approx(nats.numpy(), abs=1e-5)
    streams = character_nats(machine, task, streams=3)
    assert (~torch.from_numpy(streams).isnan()).sum() == len(part) - 1


def test_evaluating_windows_of_a_text_is_still_possible(file):
    task = Text(file, window=5)
    machine = NTM(len(task.corpus.alphabet), len(task.corpus.alphabet), hidden=5, slots=4, width=3)
    assert evaluate(machine, task, num_sequences=3).num_bits == 15


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fresh_share": 1.5}, r"fresh_share must be in \[0, 1\]; got 1.5"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\); got 1.0"),
        ({"train_slots": 9}, "train_slots and spare_slots must be None where fresh_share is below 1"),
        ({"model_options": {"output_hidden": 0}}, "dropout must be 0 for a machine without output_hidden; got 0.2"),
        ({"keep_best": 1}, "keep_best must be true or false; got 1"),
        (
            {"model": "transformer", "model_options": {"hidden": 0}},
            "hidden must be a whole number of at least 1; got 0",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(file, changes, message):
    with pytest.raises(ValueError, match=message):
        config(file).replace(**changes)


def test_other_tasks_cannot_be_read_on():
    with pytest.raises(ValueError, match=r"fresh_share must be 1 for copy, whose sequences are whole; got 0\.5"):
        TrainConfig(fresh_share=0.5)
    with pytest.raises(ValueError, match="keep_best must be false where nothing is evaluated"):
        TrainConfig(keep_best=True)


def test_a_run_does_not_go_on_with_another_text(tmp_path, file):
    train(config(file, max_updates=2), tmp_path / "run")
    (tmp_path / "verse.txt").write_text(VERSE * 21, "utf-8")
    with pytest.raises(RunRefused, match="sha256"):
        train(config(file, max_updates=2), tmp_path / "run")


def test_runs_that_read_on_can_be_trained_one_after_the_other(file):
    runs = train_many([config(file), config(file).replace(seed=2)])
    assert runs[0].result["weights_sha256"] == train(config(file)).result["weights_sha256"]
    assert runs[1].result["updates"] == 12
