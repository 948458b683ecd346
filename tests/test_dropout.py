"""Dropout: the share, the scale, the gradient, and where the draws come from."""

import pytest
import torch

from ntmlib.dropout import dropped


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_becomes_zero_and_the_rest_keeps_the_expectation(share):
    values = dropped(torch.ones(100, 400, dtype=torch.float64), share, seeded(1))
    assert torch.equal(values.unique(), torch.tensor([0, 1 / (1 - share)], dtype=torch.float64))
    assert float((values == 0).double().mean()) == pytest.approx(share, abs=0.01)


def test_no_dropout_gives_the_values_themselves_and_draws_nothing():
    values, generator = torch.randn(3, 4, generator=seeded(2)), seeded(1)
    assert dropped(values, 0.0, generator) is values
    assert dropped(values, 0.0, None) is values
    assert torch.equal(generator.get_state(), seeded(1).get_state())


def test_the_gradient_passes_where_the_values_do():
    values = torch.randn(5, 6, generator=seeded(2)).requires_grad_()
    left = dropped(values, 0.25, seeded(3))
    left.sum().backward()
    assert torch.equal(values.grad, (left != 0) / 0.75)


def test_one_seed_draws_one_mask_and_another_another():
    values = torch.randn(50, generator=seeded(2))
    one, again, other = (dropped(values, 0.5, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(dropped(values.double(), 0.5, seeded(1)) != 0, one != 0)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match=f"dropout must be a share from 0 to below 1; got {share}"):
        dropped(torch.ones(3), share, seeded(1))


def test_drawing_from_nowhere_is_refused():
    with pytest.raises(ValueError, match=r"dropout needs a generator of its own .* got dropout 0.1 and no generator"):
        dropped(torch.ones(3), 0.1, None)
