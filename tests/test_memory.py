"""Equations 2-4: reading is an average, writing erases with every head and then adds with every head."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ntmlib.machine import add, erase, read, write


def normal(seed: int, *size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def arguments(seed: int = 0, batch: int = 2, heads: int = 3, slots: int = 5, width: int = 4) -> dict[str, Tensor]:
    return {
        "memory": normal(seed, batch, slots, width),
        "weighting": torch.softmax(2 * normal(seed + 1, batch, heads, slots), -1),
        "erase_vector": torch.sigmoid(2 * normal(seed + 2, batch, heads, width)),
        "add_vector": normal(seed + 3, batch, heads, width),
    }


MEMORY = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=torch.float64)


def one_head(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


# --- cases worked by hand ----------------------------------------------------------------------------------------


def test_read_of_a_hand_worked_case():
    torch.testing.assert_close(read(MEMORY, one_head(0.5, 0.25, 0.25)), one_head(2.5, 3.5))


def test_erase_of_a_hand_worked_case():
    erased = erase(MEMORY, one_head(1.0, 0.5, 0.0), one_head(1.0, 0.5))
    torch.testing.assert_close(erased, torch.tensor([[0.0, 1.0], [1.5, 3.0], [5.0, 6.0]]).double())


def test_add_of_a_hand_worked_case():
    added = add(MEMORY, one_head(1.0, 0.5, 0.0), one_head(10.0, -2.0))
    torch.testing.assert_close(added, torch.tensor([[11.0, 0.0], [8.0, 3.0], [5.0, 6.0]]).double())


def test_two_heads_on_one_slot_multiply_what_is_left_and_sum_what_is_added():
    focus, half = torch.tensor([[1.0, 0, 0], [1.0, 0, 0]]).double(), torch.full((2, 2), 0.5).double()
    written = write(MEMORY, focus, half, torch.tensor([[1.0, 10.0], [2.0, 20.0]]).double())
    torch.testing.assert_close(written[0], torch.tensor([0.25 + 3, 0.5 + 30]).double())
    assert torch.equal(written[1:], MEMORY[1:])


# --- the definitions in loops ------------------------------------------------------------------------------------


def test_read_is_its_definition_in_loops():
    given_ = arguments()
    vectors = read(given_["memory"], given_["weighting"])
    for b, h, m in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).tolist():
        expected = sum(float(given_["weighting"][b, h, i] * given_["memory"][b, i, m]) for i in range(5))
        assert float(vectors[b, h, m]) == pytest.approx(expected, abs=1e-14)


def test_write_is_its_definition_in_loops():
    given_ = arguments()
    written = write(**given_)
    w, e, a = given_["weighting"], given_["erase_vector"], given_["add_vector"]
    for b, i, m in torch.cartesian_prod(torch.arange(2), torch.arange(5), torch.arange(4)).tolist():
        expected = float(given_["memory"][b, i, m])
        for h in range(3):
            expected *= 1 - float(w[b, h, i] * e[b, h, m])
        for h in range(3):
            expected += float(w[b, h, i] * a[b, h, m])
        assert float(written[b, i, m]) == pytest.approx(expected, abs=1e-14)


# --- limits and invariants ---------------------------------------------------------------------------------------


def test_a_sharp_read_returns_the_slot_itself():
    given_ = arguments(heads=1)
    focus = torch.eye(5).double()[None].expand(2, 5, 5)
    torch.testing.assert_close(read(given_["memory"], focus), given_["memory"])


def test_erasing_nothing_and_adding_nothing_keeps_the_memory():
    given_ = arguments()
    nothing = torch.zeros_like(given_["add_vector"])
    assert torch.equal(write(given_["memory"], given_["weighting"], nothing, nothing), given_["memory"])


def test_a_full_erase_at_one_slot_replaces_it_by_the_added_vector():
    written = write(MEMORY, one_head(0.0, 1.0, 0.0), one_head(1.0, 1.0), one_head(7.0, 8.0))
    assert torch.equal(written, torch.tensor([[1.0, 2.0], [7.0, 8.0], [5.0, 6.0]]).double())


@settings(max_examples=1000)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_order_of_the_heads_does_not_matter(seed, heads, slots, random):
    given_ = arguments(seed, heads=heads, slots=slots)
    order = random.sample(range(heads), heads)
    permuted = {name: value if name == "memory" else value[:, order] for name, value in given_.items()}
    torch.testing.assert_close(write(**permuted), write(**given_), atol=1e-12, rtol=0)


@settings(max_examples=1000)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 40))
def test_erasing_only_brings_the_memory_closer_to_zero_and_reading_stays_inside_it(seed, heads, slots):
    given_ = arguments(seed, heads=heads, slots=slots)
    memory, weighting = given_["memory"], given_["weighting"]
    erased = erase(memory, weighting, given_["erase_vector"])
    assert bool((erased.abs() <= memory.abs()).all())
    assert bool((erased * memory >= 0).all())
    vectors = read(memory, weighting)
    assert bool((vectors <= memory.amax(1)[:, None] + 1e-12).all())
    assert bool((vectors >= memory.amin(1)[:, None] - 1e-12).all())


@pytest.mark.parametrize("function", [read, erase, add, write])
def test_gradient_is_that_of_finite_differences(function):
    values = list(arguments(heads=2).values())
    taken = {read: values[:2], erase: values[:3], add: [values[0], values[1], values[3]], write: values}[function]
    cotangent = normal(9, *function(*taken).shape)
    leaves = [value.clone().requires_grad_() for value in taken]
    assert torch.autograd.gradcheck(lambda *given_: (function(*given_) * cotangent).sum(), leaves, atol=1e-7, rtol=1e-5)
