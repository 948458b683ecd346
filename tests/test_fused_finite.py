"""NaN and infinity in the fused engine: never hidden when they are there, never made where they need not be."""

import pytest
import torch
from torch import Tensor

import ntmlib


def make(controller: str, **changes: object) -> ntmlib.NTM:
    sizes = {"hidden": 16, "slots": 20, "width": 6} | changes
    return ntmlib.NTM(3, 2, controller, **sizes, generator=torch.Generator().manual_seed(0))


def sequences(batch: int = 3, time: int = 8) -> Tensor:
    return torch.randn(batch, time, 3, generator=torch.Generator().manual_seed(1))


def names_of_bad_gradients(machine: ntmlib.NTM) -> set[str]:
    return {name for name, p in machine.named_parameters() if p.grad is not None and not p.grad.isfinite().all()}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_a_bad_weight_spoils_what_it_spoils_in_the_reference(controller, bad):
    for name, _ in make(controller).named_parameters():
        spoiled = []
        for engine in ("reference", "fused"):
            machine = make(controller)
            machine.get_parameter(name).data.view(-1)[-1] = bad
            logits, _ = machine(sequences(), engine=engine)
            logits.sum().backward()
            spoiled.append((~logits.isfinite(), names_of_bad_gradients(machine)))
        assert torch.equal(spoiled[1][0], spoiled[0][0]), name
        assert spoiled[1][1] >= spoiled[0][1], name


def test_a_bad_input_spoils_its_own_sequence_from_then_on():
    inputs = sequences()
    inputs[1, 4, 2] = float("nan")
    logits, state = make("lstm")(inputs, engine="fused")
    assert logits[1, 4:].isnan().all()
    assert logits[1, :4].isfinite().all()
    assert logits[[0, 2]].isfinite().all()
    assert state.memory[1].isnan().all()


@pytest.mark.parametrize("part", ["memory", "read_weighting", "write_weighting", "read_vector"])
def test_a_bad_state_spoils_the_outputs(part):
    machine = make("lstm")
    state = machine.initial_state(3).map(torch.clone)
    getattr(state, part)[0, 0, 0] = float("nan")
    logits, _ = machine(sequences(), state)
    assert logits[0, -1].isnan().all()
    assert logits[1:].isfinite().all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_bad_gradient_spoils_the_gradients(bad):
    machine = make("lstm")
    logits, _ = machine(sequences(), engine="fused")
    cotangent = torch.zeros_like(logits)
    cotangent[1, 3, 0] = bad
    logits.backward(cotangent)
    assert "cell.heads.weight" in names_of_bad_gradients(machine)
    assert "cell.controller.layers.0.gates.weight" in names_of_bad_gradients(machine)


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_long_bit_sequences_have_finite_gradients(controller):
    """200 bits one after another, heads from soft to very sharp, erase gates shut and wide open."""
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        machine = ntmlib.NTM(1, 1, controller, hidden=40, generator=generator)
        scale = (1.0, 3.0, 10.0, 30.0)[seed % 4]
        machine.cell.heads.weight.data.mul_(scale)
        if seed >= 6:
            machine.cell.heads.bias.data[-2 * machine.config.width :] = 100.0  # erases all, adds as much as it can
        bits = torch.randint(2, (2, 200, 1), generator=generator).float()
        logits, _ = machine(bits, engine="fused")
        torch.nn.functional.binary_cross_entropy_with_logits(logits[:, :-1], bits[:, 1:]).backward()
        assert logits.isfinite().all(), seed
        assert not names_of_bad_gradients(machine), seed


@pytest.mark.parametrize("raw", [-1e4, -100.0, 100.0, 1e4])
@pytest.mark.parametrize("memory", [0.0, 1e-20, 1e14])
def test_extreme_heads_and_memories_stay_finite(raw, memory):
    """Key strength and sharpening up to 10,000; a memory of zeros, tiny or huge."""
    machine = make("feedforward")
    width = machine.config.width
    machine.cell.heads.bias.data[[width, 2 * width + 5]] += raw  # both key strengths
    size = machine.cell.layout.addressing_size
    machine.cell.heads.bias.data[[size - 1, 2 * size - 1]] += raw  # both sharpenings
    state = machine.initial_state(3)
    state = state.map(lambda tensor: tensor.detach().requires_grad_())
    state.memory.data.fill_(memory)
    logits, _ = machine(sequences(), state, engine="fused")
    logits.square().mean().backward()
    assert logits.isfinite().all()
    assert not names_of_bad_gradients(machine)
    assert state.memory.grad.isfinite().all()


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_a_huge_gradient_comes_through_as_the_same_multiple(controller):
    """Going back is linear in the loss's gradient: nothing on the way is larger than it need be."""
    found = []
    for factor in (1.0, 2.0**100):
        machine = make(controller)
        logits, _ = machine(sequences(time=40), engine="fused")
        logits.backward(torch.full_like(logits, factor))
        found.append([p.grad / factor for p in machine.parameters() if p.grad is not None])
    assert max(float(gradient.abs().max()) for gradient in found[0]) > 0.1  # times 1e30: near the end of float32
    for plain, scaled in zip(*found, strict=True):
        torch.testing.assert_close(scaled, plain, rtol=1e-6, atol=0.0)
