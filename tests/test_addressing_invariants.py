"""Equations 5-9 together: what holds for all arguments, however extreme, and the gradients of every equation."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ntmlib.machine import Addressing, address, content_weighting, cosine_similarity, interpolate, sharpen, shift

STAGES = ("content_weighting", "gated_weighting", "shifted_weighting", "weighting")


def normal(seed: int, *size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_weighting(seed: int, *size: int) -> Tensor:
    return torch.softmax(2 * normal(seed, *size), -1)


@st.composite
def address_arguments(draw: st.DrawFn, dtype: torch.dtype | None = None, extreme: bool = False) -> dict[str, Tensor]:
    """Arguments of ``address`` of any size, from mild to extreme; sizes and scales shrink, the numbers are seeded."""
    dtype = dtype or draw(st.sampled_from([torch.float32, torch.float64]))
    batch, width, shifts = draw(st.integers(1, 4)), draw(st.integers(1, 20)), draw(st.sampled_from([1, 3, 5]))
    slots, seed = draw(st.integers(shifts, 128)), draw(st.integers(0, 2**32))
    scales = st.sampled_from([0.0, 1e-20, 1e-6, 1.0, 1e6, 1e20]) if extreme else st.floats(1e-3, 30)
    strongest = 1e4 if extreme else 50
    made = {
        "key": draw(scales) * normal(seed, batch, width),
        "key_strength": torch.full((batch,), draw(st.floats(0, strongest))).double(),
        "interpolation_gate": torch.full((batch,), draw(st.floats(0, 1))).double(),
        "shift_weighting": torch.softmax(draw(st.sampled_from([0.0, 1.0, 1e4])) * normal(seed + 1, batch, shifts), -1),
        "sharpening": torch.full((batch,), draw(st.floats(1, strongest))).double(),
        "memory": draw(scales) * normal(seed + 2, batch, slots, width),
        "previous_weighting": torch.softmax(
            draw(st.sampled_from([0.0, 1.0, 1e4])) * normal(seed + 3, batch, slots), -1
        ),
    }
    return {name: tensor.to(dtype) for name, tensor in made.items()}


def change(arguments: dict[str, Tensor], **changes: Any) -> Addressing:
    return address(**{**arguments, **changes})


@settings(max_examples=1000)
@given(st.booleans().flatmap(lambda extreme: address_arguments(extreme=extreme)))
def test_every_stage_is_a_distribution(arguments):
    found = address(**arguments)
    for stage in STAGES:
        weighting = getattr(found, stage)
        tolerance = 1e-6 if weighting.dtype == torch.float32 else 1e-12
        assert weighting.min() >= 0
        assert (weighting.double().sum(-1) - 1).abs().max() <= tolerance


@settings(max_examples=1000)
@given(address_arguments(extreme=True))
def test_values_and_gradients_are_finite_at_extremes(arguments):
    leaves = {name: tensor.requires_grad_() for name, tensor in arguments.items()}
    found = address(**leaves)
    cotangents = [normal(seed, *found.weighting.shape).to(found.weighting) for seed in range(4)]
    outputs = [getattr(found, stage) for stage in STAGES]
    gradients = torch.autograd.grad(outputs, list(leaves.values()), cotangents)
    assert all(bool(tensor.isfinite().all()) for tensor in [*outputs, *gradients])


@settings(max_examples=1000)
@given(address_arguments(torch.float64), st.integers(-200, 200))
def test_rolling_the_memory_rolls_every_stage(arguments, offset):
    found = address(**arguments)
    rolled = change(
        arguments,
        memory=arguments["memory"].roll(offset, -2),
        previous_weighting=arguments["previous_weighting"].roll(offset, -1),
    )
    for stage in STAGES:
        torch.testing.assert_close(getattr(rolled, stage), getattr(found, stage).roll(offset, -1), atol=1e-12, rtol=0)


@settings(max_examples=1000)
@given(address_arguments(torch.float64), st.randoms(use_true_random=False))
def test_permuting_the_batch_permutes_every_stage(arguments, random):
    order = random.sample(range(len(arguments["key"])), len(arguments["key"]))
    found = address(**arguments)
    permuted = address(**{name: tensor[order] for name, tensor in arguments.items()})
    for stage in STAGES:
        torch.testing.assert_close(getattr(permuted, stage), getattr(found, stage)[order], atol=1e-13, rtol=0)


@settings(max_examples=1000)
@given(address_arguments())
def test_gate_closed_shift_zero_and_no_sharpening_keep_the_weighting(arguments):
    batch, shifts = arguments["shift_weighting"].shape
    like = arguments["key"]
    found = change(
        arguments,
        interpolation_gate=like.new_zeros(batch),
        shift_weighting=F.one_hot(torch.tensor(shifts // 2), shifts).to(like).expand(batch, shifts),
        sharpening=like.new_ones(batch),
    )
    assert torch.equal(found.gated_weighting, arguments["previous_weighting"])
    assert torch.equal(found.shifted_weighting, arguments["previous_weighting"])
    torch.testing.assert_close(found.weighting, arguments["previous_weighting"], atol=1e-6, rtol=0)


def test_leading_axes_may_be_none_or_many():
    key, memory, one = normal(1, 2, 3, 5), normal(2, 2, 1, 7, 5), torch.ones(2, 3).double()
    arguments = (key, one, one / 2, some_weighting(3, 2, 3, 3), 2 * one, memory, some_weighting(4, 2, 3, 7))
    found = address(*arguments).weighting
    alone = address(*(argument[1, min(2, argument.shape[1] - 1)] for argument in arguments)).weighting
    torch.testing.assert_close(found[1, 2], alone)


# --- gradients ---------------------------------------------------------------------------------------------------


def weigh_unequally(function: Any, seed: int = 9) -> Any:
    """Give every output its own random share of the loss: equal shares would hide errors, as weightings sum to 1."""

    def loss(*arguments: Tensor) -> Tensor:
        outputs = function(*arguments)
        return (outputs * normal(seed, *outputs.shape)).sum()

    return loss


GATE, STRENGTH = torch.sigmoid(normal(7, 2)), normal(8, 2).exp()
EQUATIONS = {
    "eq. 5": (content_weighting, (normal(1, 2, 4), STRENGTH, normal(2, 2, 6, 4))),
    "eq. 6": (cosine_similarity, (normal(1, 2, 4), normal(2, 2, 6, 4))),
    "eq. 6 with zeros": (cosine_similarity, (normal(1, 2, 4), torch.zeros(2, 6, 4).double())),
    "eq. 6 with large entries": (cosine_similarity, (3 * normal(1, 2, 4), 5 * normal(2, 2, 6, 4))),
    "eq. 7": (interpolate, (some_weighting(1, 2, 6), some_weighting(2, 2, 6), GATE)),
    "eq. 8": (shift, (some_weighting(1, 2, 6), some_weighting(2, 2, 3))),
    "eq. 9": (sharpen, (some_weighting(1, 2, 6), 1 + STRENGTH)),
    "eq. 5-9": (
        lambda *arguments: address(*arguments).weighting,
        (
            normal(1, 2, 4),
            STRENGTH,
            GATE,
            some_weighting(2, 2, 3),
            1 + STRENGTH,
            normal(3, 2, 6, 4),
            some_weighting(4, 2, 6),
        ),
    ),
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_gradient_is_that_of_finite_differences(equation):
    function, arguments = EQUATIONS[equation]
    leaves = [argument.clone().requires_grad_() for argument in arguments]
    assert torch.autograd.gradcheck(weigh_unequally(function), leaves, atol=1e-7, rtol=1e-5)
