"""A hundred random machines give the same numbers as an implementation that shares no code with them."""

import numpy as np
import numpy_machine
import pytest
import torch

from ntmlib.ntm import NTM


def random_machine(seed: int) -> tuple[NTM, torch.Tensor]:
    """Draw the sizes of a machine, weights up to three times the usual, and a sequence for it."""
    rng = np.random.default_rng(seed)
    num_shifts = 3 + 2 * (seed // 12 % 2)
    machine = NTM(
        input_size=int(rng.integers(1, 5)),
        output_size=int(rng.integers(1, 4)),
        controller=("feedforward", "lstm")[seed % 2],
        hidden=int(rng.integers(1, 8)),
        num_layers=1 + seed // 2 % 2,
        slots=int(rng.integers(num_shifts, 41)),
        width=int(rng.integers(1, 8)),
        num_heads=1 + seed // 4 % 3,
        num_shifts=num_shifts,
    ).double()
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.copy_(torch.from_numpy(rng.uniform(0.3, 3) * rng.normal(size=parameter.shape)))
    return machine, torch.from_numpy(rng.normal(size=(1, 5, machine.config.input_size)))


@pytest.mark.parametrize("first_seed", range(0, 100, 10))
def test_machine_agrees_with_numpy(first_seed):
    for seed in range(first_seed, first_seed + 10):
        machine, inputs = random_machine(seed)
        parameters = {name: value.numpy(force=True) for name, value in machine.cell.state_dict().items()}
        logits, memory, read_weightings = numpy_machine.run(parameters, machine.config, inputs[0].numpy())
        trace = machine.trace(inputs)
        np.testing.assert_allclose(trace.outputs[0], logits, atol=1e-10, rtol=0, err_msg=str(machine.config))
        np.testing.assert_allclose(trace.memory[0, -1], memory, atol=1e-10, rtol=0)
        np.testing.assert_allclose(trace.read.weighting[0], read_weightings, atol=1e-10, rtol=0)


def test_the_hundred_machines_cover_every_kind():
    configs = [random_machine(seed)[0].config for seed in range(100)]
    kinds = {(c.controller, c.num_layers, c.num_heads, c.num_shifts) for c in configs}
    assert len(kinds) == 2 * 2 * 3 * 2
    slots = [c.slots for c in configs]
    assert min(slots) <= 5
    assert max(slots) >= 36
