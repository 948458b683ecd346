"""Raw numbers become instructions: where each lies, and the range it is brought into."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import ntmlib
from ntmlib.machine.heads import HeadLayout


def raw_numbers(layout: HeadLayout, scale: float = 1.0, seed: int = 0, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(batch, layout.size, generator=generator, dtype=torch.float64)


def test_a_pair_of_heads_takes_the_count_of_the_paper():
    layout = HeadLayout(num_heads=2, width=20, num_shifts=3)
    assert layout.pair_size == (20 + 3 + 3) + (3 * 20 + 3 + 3)
    assert layout.size == 2 * layout.pair_size


def test_raw_zeros_become_neutral_instructions():
    told = HeadLayout(1, 2, 3).instructions(torch.zeros(1, 20))
    for head in (told.read, told.write):
        assert head.key.tolist() == [[[0.0, 0.0]]]
        torch.testing.assert_close(head.key_strength, torch.full((1, 1), math.log(2)))
        assert head.interpolation_gate.tolist() == [[0.5]]
        torch.testing.assert_close(head.shift_weighting, torch.full((1, 1, 3), 1 / 3))
        torch.testing.assert_close(head.sharpening, torch.full((1, 1), 1 + math.log(2)))
    assert told.erase.tolist() == [[[0.5, 0.5]]]
    assert told.add.tolist() == [[[0.0, 0.0]]]


def test_numbers_lie_in_the_documented_order():
    raw = torch.arange(20).double()[None]
    told = HeadLayout(num_heads=1, width=2, num_shifts=3).instructions(raw)
    torch.testing.assert_close(told.read.key.atanh()[0, 0], raw[0, 0:2])
    for start, head in ((0, told.read), (8, told.write)):
        torch.testing.assert_close(head.key_strength.exp().sub(1).log()[0, 0], raw[0, start + 2], atol=1e-6, rtol=0)
        torch.testing.assert_close(head.interpolation_gate.logit()[0, 0], raw[0, start + 3], atol=1e-6, rtol=0)
        torch.testing.assert_close(head.shift_weighting[0, 0], torch.softmax(raw[0, start + 4 : start + 7], -1))
        torch.testing.assert_close((head.sharpening - 1).exp().sub(1).log()[0, 0], raw[0, start + 7], atol=1e-6, rtol=0)
    torch.testing.assert_close(told.write.key[0, 0], raw[0, 8:10].tanh())
    torch.testing.assert_close(told.erase[0, 0], raw[0, 16:18].sigmoid())
    torch.testing.assert_close(told.add[0, 0], raw[0, 18:20].tanh())


def test_each_pair_of_heads_reads_only_its_own_numbers():
    layout = HeadLayout(num_heads=3, width=4, num_shifts=5)
    raw = raw_numbers(layout)
    alone = HeadLayout(1, 4, 5).instructions(raw[:, layout.pair_size : 2 * layout.pair_size])
    together = layout.instructions(raw)
    assert torch.equal(together.read.key[:, 1:2], alone.read.key)
    assert torch.equal(together.write.sharpening[:, 1:2], alone.write.sharpening)
    assert torch.equal(together.add[:, 1:2], alone.add)


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.sampled_from([0.1, 1.0, 30.0, 1e4]), st.integers(1, 4), st.sampled_from([1, 3, 5]))
def test_every_instruction_is_in_its_range(seed, scale, num_heads, num_shifts):
    layout = HeadLayout(num_heads, 3, num_shifts)
    told = layout.instructions(raw_numbers(layout, scale, seed))
    for head in (told.read, told.write):
        assert bool((head.key.abs() <= 1).all())
        assert bool((head.key_strength >= 0).all())
        assert bool(((head.interpolation_gate >= 0) & (head.interpolation_gate <= 1)).all())
        torch.testing.assert_close(head.shift_weighting.sum(-1), torch.ones(2, num_heads).double())
        assert bool((head.sharpening >= 1).all())
    assert bool(((told.erase >= 0) & (told.erase <= 1)).all())
    assert bool((told.add.abs() <= 1).all())


def test_tape_heads_begin_by_stepping_forward_and_by_looking_sharply():
    layout = HeadLayout(num_heads=2, width=3, num_shifts=5)
    told = layout.instructions(layout.tape_bias())
    forward = torch.tensor([1.0, 1.0, 1.0, math.e**2, 1.0]).expand(2, 5)
    torch.testing.assert_close(told.write.shift_weighting, forward / forward.sum(-1, keepdim=True))
    torch.testing.assert_close(told.write.interpolation_gate, torch.full((2,), 1 / (1 + math.e**2)))
    torch.testing.assert_close(told.read.key_strength, torch.full((2,), math.log(1 + math.e**3)))
    neutral = layout.instructions(torch.zeros(layout.size))
    for same in ("key", "interpolation_gate", "shift_weighting", "sharpening"):
        torch.testing.assert_close(getattr(told.read, same), getattr(neutral.read, same))
    torch.testing.assert_close(told.write.key_strength, neutral.write.key_strength)
    torch.testing.assert_close((told.erase, told.add), (neutral.erase, neutral.add))


def test_tape_heads_that_cannot_move_only_look_sharply():
    layout = HeadLayout(num_heads=1, width=3, num_shifts=1)
    assert layout.instructions(layout.tape_bias()).write.shift_weighting.tolist() == [[1.0]]


def test_induction_heads_find_what_came_next_the_last_time():
    """Before any training: in a text read twice, each symbol of the second time leads to the one behind it."""
    generator = torch.Generator().manual_seed(4)
    sizes = {"hidden": 50, "slots": 64, "num_shifts": 5, "embedding": 8, "read_feedback": False}
    machine = ntmlib.NTM(20, 20, "lstm", head_init="induction", generator=generator, **sizes)
    symbols = torch.randint(20, (8, 24), generator=generator)
    trace = machine.trace(torch.nn.functional.one_hot(symbols.repeat(1, 2), 20).float())
    written = trace.write.weighting[:, :, 0].argmax(-1)
    assert torch.equal(written, torch.arange(1, 49).expand(8, 48)), "every symbol has a slot of its own"
    successor = written[:, 4:24, None]  # of symbols 3, 4, ..., where the second reading is at 27, 28, ...
    assert float(trace.read.weighting[:, 27:47, 0].gather(-1, successor).mean()) > 0.4
    here = (written[:, 27:47, None] + 1) % 64  # the symbol itself has just been written, too, and nothing behind it
    found = trace.read.weighting[:, 27:47, 0]
    assert float((found.gather(-1, successor) + found.gather(-1, here)).mean()) > 0.8


def test_induction_heads_start_from_tied_weights():
    layout = HeadLayout(num_heads=2, width=3, num_shifts=5)
    drawn = torch.randn(layout.size, 7, generator=torch.Generator().manual_seed(0))
    weight, bias = drawn.clone(), torch.ones(layout.size)
    layout.start_induction(weight, bias)
    told, zero = layout.instructions(bias), torch.zeros(2)
    assert told.read.shift_weighting.argmax(-1).tolist() == told.write.shift_weighting.argmax(-1).tolist() == [3, 3]
    assert float(told.read.key_strength.min()) > 20
    assert float(told.read.interpolation_gate.min()) > 0.8 > 0.1 > float(told.write.interpolation_gate.max())
    torch.testing.assert_close((told.read.key.abs().sum(-1), told.add.abs().sum(-1)), (zero, zero))
    for pair in range(2):
        own, was = (part[pair * layout.pair_size :][: layout.pair_size] for part in (weight, drawn))
        torch.testing.assert_close(own[:3], was[-3:])
        torch.testing.assert_close(own[-3:], 10 * was[-3:])
        torch.testing.assert_close(own[3:-3], 0.3 * was[3:-3])


@pytest.mark.parametrize(("head_init", "moved"), [("neutral", False), ("tape", True)])
def test_a_machine_begins_with_the_heads_asked_for(head_init, moved):
    machine = ntmlib.NTM(3, 2, hidden=5, slots=8, width=4, num_heads=2, head_init=head_init)
    expected = machine.cell.layout.tape_bias() if moved else torch.zeros(machine.cell.layout.size)
    assert torch.equal(machine.cell.heads.bias, expected)
    with pytest.raises(ValueError, match="head_init must be one of 'neutral', 'tape', 'induction'; got 'wheel'"):
        ntmlib.NTM(3, 2, head_init="wheel")
    with pytest.raises(ValueError, match="num_shifts must be 3 or more with head_init='induction'"):
        ntmlib.NTM(3, 2, head_init="induction", num_shifts=1)
