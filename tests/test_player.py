import dataclasses
import json
import math
import zlib

import numpy as np
import pytest
import torch

from ntmlib.ntm import NTM, Trace
from ntmlib.views.packing import ByteArray, pack
from ntmlib.views.player import PlayerData, player_data, used_slots


def random_trace(steps: int = 12, heads: int = 2, slots: int = 9) -> Trace:
    generator = torch.Generator().manual_seed(3)
    machine = NTM(5, 3, hidden=10, slots=slots, width=4, num_heads=heads, generator=generator)
    return machine.trace(torch.randint(0, 2, (2, steps, 5), generator=generator).float())


def unpack_block(block: bytes, headers: dict, frames: int | None = None) -> dict[str, np.ndarray]:
    """Undo the packing in the plainest way: inflate, cut, add up differences, scale."""
    rest, arrays = np.frombuffer(zlib.decompress(block), np.uint8), {}
    for name, header in headers.items():
        shape = (frames or header["frames"], *header["shape"], *([3] if header["kind"] == "number" else []))
        part, rest = rest[: math.prod(shape)], rest[math.prod(shape) :]
        levels = part.reshape(shape).astype(int).cumsum(0) % 256
        if header["kind"] == "number":
            words = np.concatenate([levels, np.zeros_like(levels[..., :1])], -1).astype(np.uint8)
            arrays[name] = np.ascontiguousarray(words).view(">f4")[..., 0]
        else:
            arrays[name] = (levels - 128) / 127 * header["limit"] if header["kind"] == "signed" else levels / 255
    assert len(rest) == 0
    return arrays


def unpack(data: PlayerData, name: str) -> np.ndarray:
    """All steps of an array."""
    if name in data.whole:
        return unpack_block(data.whole_bytes, data.whole)[name]
    total = -(-data.steps // data.every)
    starts = range(0, total, data.chunk_frames)
    chunks = zip(starts, data.chunks, strict=True)
    frames = (unpack_block(block, data.detail, min(data.chunk_frames, total - start))[name] for start, block in chunks)
    return np.concatenate(list(frames))


def packed_alone(array: ByteArray) -> np.ndarray:
    return unpack_block(pack([array]), {"it": array.header})["it"]


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize("stage", ["content", "gated", "shifted", "sharpened"])
def test_unpacked_weightings_equal_the_trace_to_one_part_in_255(kind, stage):
    trace = random_trace()
    field = "weighting" if stage == "sharpened" else f"{stage}_weighting"
    expected = getattr(getattr(trace, kind), field)[1]
    assert np.abs(unpack(player_data(trace, 1), f"{kind}.{stage}") - expected.numpy()).max() <= 0.5 / 255 + 1e-7


@pytest.mark.parametrize("name", ["memory", "add", "read_vector"])
def test_unpacked_memory_and_vectors_equal_the_trace_to_one_part_in_127(name):
    trace = random_trace()
    data = player_data(trace, 0)
    error = np.abs(unpack(data, name) - getattr(trace, name)[0].numpy()).max()
    assert error <= data.detail[name]["limit"] * 0.5 / 127 + 1e-6


def test_outputs_travel_as_probabilities():
    trace = random_trace()
    outputs = unpack(player_data(trace, 0), "outputs")
    np.testing.assert_allclose(outputs, trace.outputs[0].sigmoid(), atol=0.5 / 255 + 1e-7)


def test_memory_add_and_read_vector_share_one_scale():
    detail = player_data(random_trace(), 0).detail
    assert detail["memory"]["limit"] == detail["add"]["limit"] == detail["read_vector"]["limit"]


def test_zero_is_exactly_zero_in_a_signed_array():
    assert (packed_alone(ByteArray.signed(torch.zeros(3, 4), 2.0)) == 0).all()


@pytest.mark.parametrize("size", [1e-20, 0.01, 1.0, 57.31, 1e4, 1e20])
def test_numbers_of_any_size_are_kept_to_one_part_in_sixty_thousand(size):
    values = size * torch.tensor([[1.0, -1.0, 0.0], [1.2345, 1.99999, 0.5]])
    np.testing.assert_allclose(packed_alone(ByteArray.numbers(values)), values, rtol=1 / 60_000, atol=0)


def test_inputs_below_zero_are_kept():
    trace = dataclasses.replace(random_trace(), inputs=torch.linspace(-2, 1, 2 * 12 * 5).reshape(2, 12, 5))
    data = player_data(trace, 0)
    np.testing.assert_allclose(unpack(data, "inputs"), trace.inputs[0], atol=data.whole["inputs"]["limit"] / 127)


def test_a_slow_memory_packs_to_a_fraction_of_its_size():
    memory = torch.zeros(100, 128, 20)
    for step in range(100):
        memory[step:, step] = 1.0
    assert len(pack([ByteArray.signed(memory)])) < memory.numel() / 50


def test_the_weighting_before_a_step_is_the_one_used_a_step_earlier():
    trace = random_trace()
    before = unpack(player_data(trace, 1), "read.before")
    np.testing.assert_allclose(before[0], trace.initial.read_weighting[1], atol=0.5 / 255 + 1e-7)
    np.testing.assert_allclose(before[1:], trace.read.weighting[1, :-1], atol=0.5 / 255 + 1e-7)


def test_a_long_trace_comes_in_chunks_that_lose_nothing(monkeypatch):
    trace = random_trace(steps=50)
    one = player_data(trace, 0)
    monkeypatch.setattr("ntmlib.views.player.CHUNK_BYTES", 1)
    many = player_data(trace, 0)
    assert (len(one.chunks), len(many.chunks), many.every) == (1, 7, 1)
    for name in one.detail:
        np.testing.assert_array_equal(unpack(one, name), np.concatenate([unpack_whole_chunks(many, name)]))


def unpack_whole_chunks(data: PlayerData, name: str) -> np.ndarray:
    return unpack(dataclasses.replace(data, whole={}), name)


def test_pictures_of_a_long_trace_keep_the_largest_weight_of_each_cell(monkeypatch):
    monkeypatch.setattr("ntmlib.views.player.CHUNK_BYTES", 1)
    monkeypatch.setattr("ntmlib.views.player.COLUMNS", 5)
    monkeypatch.setattr("ntmlib.views.player.ROWS", 5)
    trace = random_trace(steps=12, slots=9)
    data = player_data(trace, 0, window=(0, 9))
    assert data.pooled == (3, 2)
    shown = unpack(data, "write.sharpened")
    assert shown.shape == (4, 2, 5)
    exact = trace.write.weighting[0].numpy()
    assert shown[1, 1, 4] == pytest.approx(exact[3:6, 1, 8:].max(), abs=0.5 / 255 + 1e-7)
    assert shown[3, 0, 1] == pytest.approx(exact[9:, 0, 2:4].max(), abs=0.5 / 255 + 1e-7)


@pytest.mark.parametrize("share", [2, 5])
def test_of_a_trace_too_large_to_send_every_few_steps_are_kept(share):
    trace = random_trace(steps=120)
    most = player_data(trace, 0).num_bytes // share
    data = player_data(trace, 0, most_bytes=most)
    assert data.every > 1
    assert data.num_bytes <= most or len(data.whole_bytes) > most // 2
    kept = unpack_whole_chunks(data, "read.sharpened")
    np.testing.assert_allclose(kept, trace.read.weighting[0, :: data.every], atol=0.5 / 255 + 1e-7)
    assert unpack(data, "outputs").shape[0] == 120  # what goes in and comes out is there for every step


@pytest.mark.parametrize("name", ["key_strength", "interpolation_gate", "shift_weighting", "sharpening"])
def test_what_a_head_was_told_at_each_step_is_that_of_the_trace(name):
    trace = random_trace()
    told = unpack(player_data(trace, 1), f"write.{name}")
    np.testing.assert_allclose(told, getattr(trace.write, name)[1], atol=0.5 / 255 + 1e-7)


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
