"""What holds for every task. A new task is one more row here, beside a test file of its own."""

from dataclasses import dataclass
from math import log2

import pytest
import torch

from ntmlib.tasks import Batch, Task, answer_type, make, names


@dataclass(frozen=True)
class Row:
    """What the workbook says of a task with its default settings."""

    input_size: int
    output_size: int
    max_length: int
    chance_bits: float


TABLE = {
    "repeat_copy": Row(input_size=8, output_size=7, max_length=10, chance_bits=181.5),
    "associative_recall": Row(input_size=8, output_size=6, max_length=6, chance_bits=18),
    "n_back": Row(input_size=8, output_size=1, max_length=30, chance_bits=13.660009),
    "one_two_ax": Row(input_size=8, output_size=1, max_length=30, chance_bits=4.9027575),
    "dynamic_ngrams": Row(input_size=1, output_size=1, max_length=200, chance_bits=200),
    "priority_sort": Row(input_size=10, output_size=8, max_length=20, chance_bits=128),
    "copy": Row(input_size=10, output_size=9, max_length=20, chance_bits=84),
    "text": Row(input_size=62, output_size=62, max_length=96, chance_bits=96 * log2(62)),
    "recognition": Row(input_size=3, output_size=1, max_length=40, chance_bits=1),
    "next_symbols": Row(input_size=4, output_size=4, max_length=50, chance_bits=21.1157085),
    # One channel more than the published alphabets: it says that there is nothing to read.
    "even_pairs": Row(input_size=3, output_size=2, max_length=40, chance_bits=1),
    "modular_arithmetic": Row(input_size=10, output_size=5, max_length=40, chance_bits=log2(5)),
    "parity_check": Row(input_size=3, output_size=2, max_length=40, chance_bits=1),
    "cycle_navigation": Row(input_size=4, output_size=5, max_length=40, chance_bits=log2(5)),
    "stack_manipulation": Row(input_size=6, output_size=3, max_length=40, chance_bits=23.15144),
    "reverse_string": Row(input_size=3, output_size=2, max_length=40, chance_bits=20.5),
    "modular_arithmetic_brackets": Row(input_size=12, output_size=5, max_length=40, chance_bits=log2(5)),
    "solve_equation": Row(input_size=12, output_size=5, max_length=40, chance_bits=log2(5)),
    "duplicate_string": Row(input_size=3, output_size=2, max_length=40, chance_bits=41),
    "missing_duplicate_string": Row(input_size=5, output_size=2, max_length=40, chance_bits=1),
    "odds_first": Row(input_size=3, output_size=2, max_length=40, chance_bits=20.5),
    "binary_addition": Row(input_size=4, output_size=3, max_length=40, chance_bits=23.28533),
    "binary_multiplication": Row(input_size=4, output_size=3, max_length=40, chance_bits=29.036234),
    "compute_sqrt": Row(input_size=3, output_size=2, max_length=40, chance_bits=10.5),
    "bucket_sort": Row(input_size=6, output_size=5, max_length=40, chance_bits=20.5 * log2(5)),
}
# What must be settled beside the length for all sequences to take equally many steps.
SETTLED = {"repeat_copy": {"min_repeats": 2, "max_repeats": 2}}
ONE_LENGTH = {"text"}  # windows of a text are never padded
every_task = pytest.mark.parametrize("name", TABLE)


def draw(name: str, seed: int = 0, batch_size: int = 16, length: int | None = None) -> Batch:
    return make(name).sample(batch_size, generator=torch.Generator().manual_seed(seed), length=length)


def tensors(batch: Batch) -> list[torch.Tensor]:
    return [batch.inputs, batch.targets, batch.mask, batch.lengths]


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(first, second) for first, second in zip(tensors(one), tensors(other), strict=True))


def test_every_task_is_in_the_table():
    assert names() == sorted(TABLE)


@every_task
def test_sizes_and_chance_are_as_documented(name):
    task, row = make(name), TABLE[name]
    assert isinstance(task, Task)
    assert task.name == name
    assert (len(task.input_channels), len(task.output_channels)) == (row.input_size, row.output_size)
    assert (task.min_length <= task.max_length, task.max_length) == (True, row.max_length)
    assert task.chance_bits == pytest.approx(row.chance_bits)


@every_task
def test_a_batch_has_the_shapes_and_types_of_a_batch(name):
    batch, row = draw(name), TABLE[name]
    steps = int(batch.lengths.max())
    assert batch.inputs.shape == (16, steps, row.input_size)
    assert batch.targets.shape == (16, steps, row.output_size)
    assert batch.mask.shape == (16, steps)
    assert [part.dtype for part in tensors(batch)] == [torch.float32, torch.float32, torch.bool, torch.int64]
    assert bool(((batch.targets >= 0) & (batch.targets <= 1)).all())


@every_task
def test_batches_have_the_tasks_type_of_answer_and_one_symbol_for_each_scored_step(name):
    task, batch = make(name), draw(name)
    assert batch.answer_type == answer_type(task)
    if batch.answer_type == "symbols":
        scored = batch.targets[batch.mask]
        assert set(scored.unique().tolist()) == {0, 1}
        assert bool((scored.sum(1) == 1).all())


@pytest.mark.parametrize("name", [name for name in TABLE if name not in ONE_LENGTH])
def test_padding_is_empty_and_never_scored(name):
    task = make(name, min_length=5)  # some tasks have one length unless told otherwise
    batch = task.sample(16, generator=torch.Generator().manual_seed(0))
    padding = torch.arange(batch.mask.shape[1]) >= batch.lengths[:, None]
    assert bool(padding.any())
    assert torch.equal(batch.ragged_lengths, batch.lengths)
    assert not any(bool(part[padding].any()) for part in (batch.inputs, batch.targets, batch.mask))
    assert bool(batch.mask.any(1).all())


@every_task
def test_the_generator_is_the_only_source_of_randomness(name):
    before = torch.get_rng_state()
    assert same(draw(name, seed=1), draw(name, seed=1))
    assert not same(draw(name, seed=1, length=5), draw(name, seed=2, length=5))
    generator = torch.Generator().manual_seed(1)
    first, second = (make(name).sample(16, generator=generator, length=5) for _ in range(2))
    assert not same(first, second)
    assert torch.equal(before, torch.get_rng_state())


@every_task
def test_two_equal_lengths_need_no_ragged_run(name):
    task = make(name, **SETTLED.get(name, {}))
    assert task.sample(16, generator=torch.Generator().manual_seed(0), length=3).ragged_lengths is None


@every_task
@pytest.mark.parametrize(
    ("argument", "value"), [("batch_size", 0), ("batch_size", True), ("length", 0), ("length", -1)]
)
def test_a_draw_of_nothing_is_refused(name, argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be a whole number of at least 1; got {value}"):
        draw(name, **{argument: value})


@pytest.mark.parametrize(("typed", "meant"), [("cpoy", "copy"), ("Copy", "copy")])
def test_an_unknown_task_is_refused_with_the_nearest_name(typed, meant):
    with pytest.raises(ValueError, match=rf"task must be one of \[.*\] \(did you mean '{meant}'\?\); got '{typed}'"):
        make(typed)


def test_an_unknown_setting_is_refused_with_the_nearest_name():
    with pytest.raises(
        ValueError, match=r"task 'copy' has the settings .* \(did you mean 'max_length'\?\); got 'max_lenght'"
    ):
        make("copy", max_lenght=10)
    with pytest.raises(ValueError, match=r"task 'copy' has the settings \[[^(]*\]; got 'zzz'"):
        make("copy", zzz=1)


@every_task
def test_settings_reach_the_task(name):
    settings = {"window": 5} if name in ONE_LENGTH else {"min_length": 5, "max_length": 7}
    task = make(name, **settings)
    assert (task.min_length, task.max_length) == (5, settings.get("max_length", 5))
