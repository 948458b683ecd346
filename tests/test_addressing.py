"""Equations 5-9 one by one: a case worked by hand, the definition as loops, limits, errors."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ntmlib.machine import content_weighting, cosine_similarity, interpolate, sharpen, shift


def focus_on(slot: int, slots: int = 8) -> Tensor:
    return F.one_hot(torch.tensor(slot), slots).double()


def normal(seed: int, *size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_weighting(seed: int, *size: int) -> Tensor:
    return torch.softmax(2 * normal(seed, *size), -1)


# --- equation 6 --------------------------------------------------------------------------------------------------


def test_similarity_of_a_hand_worked_case():
    memory = torch.tensor([[6.0, 8.0], [-3.0, -4.0], [4.0, -3.0], [3.0, 0.0]], dtype=torch.float64)
    similarity = cosine_similarity(torch.tensor([3.0, 4.0], dtype=torch.float64), memory)
    torch.testing.assert_close(similarity, torch.tensor([1.0, -1.0, 0.0, 0.6]).double(), atol=1e-5, rtol=0)


def test_similarity_is_its_definition_in_loops():
    key, memory = normal(1, 3, 5), normal(2, 3, 7, 5)
    for b in range(3):
        for i in range(7):
            dot = sum(float(key[b, m] * memory[b, i, m]) for m in range(5))
            lengths = [math.sqrt(sum(float(x) ** 2 for x in row) + 1e-4) for row in (key[b], memory[b, i])]
            assert float(cosine_similarity(key, memory)[b, i]) == pytest.approx(dot / math.prod(lengths), abs=1e-14)


def test_similarity_to_an_empty_memory_is_nearly_the_same_for_every_key():
    memory = torch.full((8, 20), 1e-6, dtype=torch.float64)
    assert cosine_similarity(normal(1, 50, 20), memory).abs().max() < 1e-2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [1e-1, 10.0, 1e20])
def test_similarity_does_not_depend_on_how_long_the_vectors_are(dtype, factor):
    key, memory = (3 * normal(1, 5)).to(dtype), (3 * normal(2, 7, 5)).to(dtype)
    expected = cosine_similarity(key, memory)
    torch.testing.assert_close(cosine_similarity(key * factor, memory * factor), expected, atol=2e-3, rtol=0)


# --- equation 5 --------------------------------------------------------------------------------------------------


def test_content_weighting_of_a_hand_worked_case():
    memory = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]], dtype=torch.float64)
    key, key_strength = torch.tensor([1000.0, 0.0]).double(), torch.tensor(math.log(3.0)).double()
    torch.testing.assert_close(content_weighting(key, key_strength, memory), torch.tensor([0.75, 0.25]).double())


def test_content_weighting_is_its_definition_in_loops():
    key, key_strength, memory = normal(1, 3, 5), normal(2, 3).exp(), normal(3, 3, 7, 5)
    similarity = cosine_similarity(key, memory)
    for b in range(3):
        powers = [math.exp(float(key_strength[b] * similarity[b, i])) for i in range(7)]
        expected = torch.tensor([power / sum(powers) for power in powers]).double()
        torch.testing.assert_close(content_weighting(key, key_strength, memory)[b], expected, atol=1e-7, rtol=0)


def test_key_strength_zero_is_uniform():
    weighting = content_weighting(normal(1, 3, 5), torch.zeros(3).double(), normal(2, 3, 8, 5))
    torch.testing.assert_close(weighting, torch.full((3, 8), 1 / 8).double())


def test_large_key_strength_finds_the_one_slot_that_matches():
    memory = normal(1, 8, 5)
    torch.testing.assert_close(content_weighting(memory[6], torch.tensor(1e4).double(), memory), focus_on(6))


def test_no_key_or_no_memory_looks_everywhere_alike():
    strong, uniform = torch.tensor(1e4).double(), torch.full((8,), 1 / 8).double()
    torch.testing.assert_close(content_weighting(torch.zeros(5).double(), strong, normal(1, 8, 5)), uniform)
    torch.testing.assert_close(content_weighting(normal(1, 5), strong, torch.zeros(8, 5).double()), uniform)


# --- equation 7 --------------------------------------------------------------------------------------------------


def test_interpolation_of_a_hand_worked_case():
    gated = interpolate(focus_on(0, 3), focus_on(2, 3), torch.tensor(0.25).double())
    torch.testing.assert_close(gated, torch.tensor([0.25, 0.0, 0.75]).double())


def test_interpolation_is_its_definition_in_loops():
    content, previous, gate = some_weighting(1, 3, 7), some_weighting(2, 3, 7), torch.sigmoid(normal(3, 3))
    for b in range(3):
        expected = [gate[b] * content[b, i] + (1 - gate[b]) * previous[b, i] for i in range(7)]
        torch.testing.assert_close(interpolate(content, previous, gate)[b], torch.stack(expected))


@pytest.mark.parametrize(("gate", "chosen"), [(1.0, 0), (0.0, 1)])
def test_a_gate_at_its_end_takes_one_weighting_whole(gate, chosen):
    weightings = some_weighting(1, 3, 8), some_weighting(2, 3, 8)
    assert torch.equal(interpolate(*weightings, torch.full((3,), gate).double()), weightings[chosen])


# --- equation 8 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "expected_slot"), [(-1, 7), (0, 0), (1, 1)])
def test_one_hot_shift_moves_the_focus_and_wraps(offset, expected_slot):
    torch.testing.assert_close(shift(focus_on(0), focus_on(offset + 1, 3)), focus_on(expected_slot))


def test_soft_shift_of_a_hand_worked_case():
    shifted = shift(focus_on(3, 4), torch.tensor([0.1, 0.6, 0.3]).double())
    torch.testing.assert_close(shifted, torch.tensor([0.3, 0.0, 0.1, 0.6]).double())


@pytest.mark.parametrize(("slots", "shifts"), [(7, 1), (7, 3), (7, 5), (7, 7), (128, 3), (3, 3), (1, 1)])
def test_shift_is_circular_convolution_in_loops(slots, shifts):
    weighting, shift_weighting = some_weighting(1, slots), some_weighting(2, shifts)
    expected = torch.zeros(slots).double()
    for i in range(slots):
        for j in range(shifts):
            expected[i] += weighting[(i - (j - shifts // 2)) % slots] * shift_weighting[j]
    torch.testing.assert_close(shift(weighting, shift_weighting), expected)


@pytest.mark.parametrize("shifts", [2, 4, 9])
def test_shift_refuses_a_number_of_offsets_without_a_middle_or_beyond_the_memory(shifts):
    with pytest.raises(ValueError, match=f"shift_weighting needs an odd number of offsets, at most 8.*got {shifts}"):
        shift(focus_on(0), some_weighting(1, shifts))


# --- equation 9 --------------------------------------------------------------------------------------------------


def test_sharpening_of_a_hand_worked_case():
    sharpened = sharpen(torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor(2.0).double())
    torch.testing.assert_close(sharpened, torch.tensor([25 / 38, 9 / 38, 4 / 38]).double())


def test_sharpening_is_its_definition_in_loops():
    weighting, sharpening = some_weighting(1, 3, 7), 1 + normal(2, 3).exp()
    for b in range(3):
        powers = [float(weighting[b, i]) ** float(sharpening[b]) for i in range(7)]
        expected = torch.tensor([power / sum(powers) for power in powers], dtype=torch.float64)
        torch.testing.assert_close(sharpen(weighting, sharpening)[b], expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sharpening_one_keeps_the_weighting(dtype):
    weightings = torch.stack([some_weighting(1, 8), focus_on(5), torch.full((8,), 1 / 8).double()]).to(dtype)
    torch.testing.assert_close(sharpen(weightings, torch.ones(3, dtype=dtype)), weightings, atol=1e-7, rtol=0)


def test_strong_sharpening_takes_the_largest_slot_and_leaves_a_flat_weighting_flat():
    flat, strong = torch.full((128,), 1 / 128), torch.tensor(1e4)
    torch.testing.assert_close(sharpen(flat, strong), flat)
    torch.testing.assert_close(
        sharpen(some_weighting(1, 8).float(), strong), focus_on(int(some_weighting(1, 8).argmax())).float()
    )


def test_textbook_sharpening_of_a_flat_weighting_is_not_a_number():
    """Why eq. 9 is computed in another way; if this ever fails, the detour can go."""
    flat = torch.full((128,), 1 / 128)
    powers = flat**25
    assert bool((powers / powers.sum()).isnan().all())
