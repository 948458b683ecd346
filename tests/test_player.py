import base64
import dataclasses
import json

import numpy as np
import pytest
import torch

from ntmlib.ntm import NTM, Trace
from ntmlib.views.player import PackedArray, player_data, used_slots


def random_trace(steps: int = 12, heads: int = 2, slots: int = 9) -> Trace:
    generator = torch.Generator().manual_seed(3)
    machine = NTM(5, 3, hidden=10, slots=slots, width=4, num_heads=heads, generator=generator)
    return machine.trace(torch.randint(0, 2, (2, steps, 5), generator=generator).float())


def unpack(packed: PackedArray) -> np.ndarray:
    """Undo the packing in the plainest way: expand zeros, add up differences, scale."""
    coded, flat = iter(base64.b64decode(packed.data)), []
    for byte in coded:
        flat += [0] * next(coded) if byte == 0 else [byte]
    frames = np.array(flat).reshape(packed.shape).cumsum(0) % 256
    return (frames - 128) / 127 * packed.limit if packed.signed else frames / 255


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize("stage", ["content", "gated", "shifted", "sharpened"])
def test_unpacked_weightings_equal_the_trace_to_one_part_in_255(kind, stage):
    trace = random_trace()
    field = "weighting" if stage == "sharpened" else f"{stage}_weighting"
    expected = getattr(getattr(trace, kind), field)[1]
    assert np.abs(unpack(player_data(trace, 1).arrays[f"{kind}.{stage}"]) - expected.numpy()).max() <= 0.5 / 255 + 1e-7


@pytest.mark.parametrize("name", ["memory", "add", "read_vector"])
def test_unpacked_memory_and_vectors_equal_the_trace_to_one_part_in_127(name):
    trace = random_trace()
    packed = player_data(trace, 0).arrays[name]
    assert np.abs(unpack(packed) - getattr(trace, name)[0].numpy()).max() <= packed.limit * 0.5 / 127 + 1e-7


def test_outputs_travel_as_probabilities():
    trace = random_trace()
    outputs = unpack(player_data(trace, 0).arrays["outputs"])
    np.testing.assert_allclose(outputs, trace.outputs[0].sigmoid(), atol=0.5 / 255 + 1e-7)


def test_memory_add_and_read_vector_share_one_scale():
    arrays = player_data(random_trace(), 0).arrays
    assert arrays["memory"].limit == arrays["add"].limit == arrays["read_vector"].limit


def test_zero_is_exactly_zero_in_a_signed_array():
    assert (unpack(PackedArray.pack(torch.zeros(3, 4), signed=True, limit=2.0)) == 0).all()


def test_runs_of_zeros_longer_than_a_byte_can_count_come_back():
    values = torch.zeros(2, 1000)
    values[0, 700] = values[1, 10] = 1
    np.testing.assert_array_equal(unpack(PackedArray.pack(values)), values)


def test_inputs_below_zero_are_kept():
    trace = dataclasses.replace(random_trace(), inputs=torch.linspace(-2, 1, 2 * 12 * 5).reshape(2, 12, 5))
    packed = player_data(trace, 0).arrays["inputs"]
    np.testing.assert_allclose(unpack(packed), trace.inputs[0], atol=packed.limit / 127)


def test_a_slow_memory_packs_to_a_fraction_of_its_size():
    memory = torch.zeros(100, 128, 20)
    for step in range(100):
        memory[step:, step] = 1.0
    assert len(PackedArray.pack(memory, signed=True).data) < memory.numel() / 20


def test_a_memory_too_long_to_send_keeps_every_few_steps(monkeypatch):
    monkeypatch.setattr("ntmlib.views.player.MEMORY_BYTES", 12 * 9 * 4 // 3)
    data = player_data(random_trace(steps=12), 0)
    assert data.memory_every == 3
    assert data.arrays["memory"].shape[0] == 4


def test_numbers_of_each_step_are_those_of_the_trace():
    trace = random_trace()
    numbers = player_data(trace, 1).numbers["write"]
    np.testing.assert_allclose(numbers["shift_weighting"], trace.write.shift_weighting[1], atol=1e-4)
    np.testing.assert_allclose(numbers["key_strength"], trace.write.key_strength[1], atol=1e-4)


def focused_trace(path: list[int], slots: int) -> Trace:
    """A trace whose heads look at one slot at a time."""
    trace = random_trace(steps=len(path), slots=slots)
    weighting = torch.nn.functional.one_hot(torch.tensor(path), slots).float()[None, :, None].expand(2, -1, 2, -1)
    heads = {kind: dataclasses.replace(getattr(trace, kind), weighting=weighting) for kind in ("read", "write")}
    return dataclasses.replace(trace, **heads)


@pytest.mark.parametrize(
    ("path", "window"),
    [([4, 5, 6], (3, 5)), ([0, 31, 30], (29, 5)), ([31, 0, 1], (30, 5)), ([5], (4, 3)), (list(range(32)), (0, 32))],
)
def test_window_is_the_shortest_stretch_of_used_slots_and_may_wrap(path, window):
    assert used_slots(focused_trace(path, 32), 0) == window


def test_json_cannot_close_the_script_it_stands_in():
    names = ["</script><script>alert(1)</script>", *"bcde"]
    text = player_data(random_trace(), 0, input_names=names).to_json()
    assert "<" not in text
    assert json.loads(text)["input_names"] == names


def test_the_number_of_wrong_bits_counts_scored_steps_only():
    trace = random_trace()
    targets = (trace.outputs > 0).float()
    targets[0, 3, 1] = 1 - targets[0, 3, 1]
    mask = torch.zeros(2, 12, dtype=torch.bool)
    mask[:, 3:5] = True
    assert player_data(trace, 0, targets=targets, mask=mask).score == "1 of 6 scored bits wrong"


def test_a_trace_with_nan_is_refused():
    trace = random_trace()
    trace.memory[0, 2, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="trace must be finite to be drawn; got nan"):
        player_data(trace, 0)
