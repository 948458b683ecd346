"""The fused engine gives the reference's numbers: outputs, final state and every gradient."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from fused_cases import gradients, parts, random_state, relative_error, results, unfolded
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ntmlib
from ntmlib.engines import Engine, fused, plan, reference
from ntmlib.engines.plan import Plan
from ntmlib.machine import MachineConfig, MachineState
from ntmlib.machine.config import MEMORY_INITS, WEIGHTING_INITS

STRICT = {torch.float64: 1e-12, torch.float32: 1e-5}


@st.composite
def cases(draw: st.DrawFn, max_time: int = 30) -> dict[str, Any]:
    """Draw a machine and a batch: odd sizes, partial blocks of 8 sequences, hidden units below and above 8."""
    slots = draw(st.integers(1, 40))
    config = MachineConfig(
        input_size=draw(st.integers(1, 6)),
        output_size=draw(st.integers(1, 6)),
        controller=draw(st.sampled_from(["feedforward", "lstm"])),
        hidden=draw(st.integers(1, 17)),
        num_layers=draw(st.integers(1, 3)),
        slots=slots,
        width=draw(st.integers(1, 9)),
        num_heads=draw(st.integers(1, 4)),
        num_shifts=draw(st.sampled_from([n for n in (1, 3, 5, 7) if n <= slots])),
        memory_init=draw(st.sampled_from(MEMORY_INITS)),
        weighting_init=draw(st.sampled_from(WEIGHTING_INITS)),
        output_hidden=draw(st.sampled_from([0, 0, 1, 9])),
        embedding=draw(st.sampled_from([0, 0, 1, 9])),
        read_feedback=draw(st.sampled_from([True, True, False])),
    )
    batch, time = draw(st.integers(1, 19)), draw(st.integers(1, max_time))
    ragged = st.lists(st.integers(0, time), min_size=batch, max_size=batch)
    return {"config": config, "batch": batch, "time": time, "lengths": draw(st.none() | ragged),
            "windows": draw(st.booleans()), "own_start": draw(st.booleans()),
            "seed": draw(st.integers(0, 10_000))}  # fmt: skip


@contextmanager
def limit_of_what_is_kept(limit: int | None) -> Iterator[None]:
    """With a limit of 0, long sequences are computed window by window, as large ones are."""
    Plan.of.cache_clear()
    with mock.patch.object(plan, "LARGEST_KEPT", plan.LARGEST_KEPT if limit is None else limit):
        yield
    Plan.of.cache_clear()


def disagreement(case: dict[str, Any], dtype: torch.dtype, scale: float = 1.0, sharp: float = 0.0) -> float:
    """Return the largest relative error of any result or gradient, in units of what is allowed.

    Some gradients have no right answer to so many digits: their terms cancel, or the machine is chaotic. So one whose
    length is below 1e-4 of the longest counts as that long; and where float32 costs the reference itself a number of
    roundings, a hundred times as many are allowed. A case that leaves it fewer than three digits says nothing.
    Sharpening multiplies every rounding of a logarithm (eq. 9).
    """
    machine, inputs, state, lengths = unfolded(case, scale, sharp)

    def run(engine: Engine, dtype: torch.dtype) -> list[torch.Tensor]:
        converted = copy.deepcopy(machine).to(dtype), inputs.to(dtype), state.map(lambda tensor: tensor.to(dtype))
        return [tensor.double() for tensor in results(engine, *converted, lengths)[0]]

    with limit_of_what_is_kept(0 if case["windows"] else None):
        found = run(fused, dtype)
    exact = run(reference, torch.float64)
    expected = exact if dtype == torch.float64 else run(reference, dtype)
    longest = max(tensor.norm() for tensor in exact)
    unit = [STRICT[dtype] * max(tensor.norm(), 1e-4 * longest) for tensor in exact]
    errors = [(a - b).norm() / u for a, b, u in zip(found, expected, unit, strict=True)]
    if max(errors) <= 1:
        return max(errors).item()
    cost = max(
        (a - b).norm() / u * STRICT[dtype] for a, b, u in zip(run(reference, torch.float32), exact, unit, strict=True)
    )
    assume(cost < 1e-3)
    eps = torch.finfo(dtype).eps
    allowed = max(STRICT[dtype], 100 * cost / 1.2e-7 * eps, 10 * (1 + sharp) * eps)
    return (max(errors) * STRICT[dtype] / allowed).item()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(case=cases(), scale=st.sampled_from([0.01, 0.3, 1.0, 3.0]))
@settings(max_examples=25)
def test_results_and_gradients_are_those_of_the_reference(dtype, case, scale):
    assert disagreement(case, dtype, scale) <= 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@given(case=cases(max_time=6), sharp=st.sampled_from([3.0, 20.0, 300.0]))
@settings(max_examples=15)
def test_sharp_heads_give_those_of_the_reference(dtype, case, sharp):
    """Key strength and sharpening far above what an untrained machine asks for.

    Few steps, or all is chaos; and no symmetry at the start: sharpening blows up what a rounding makes of equal slots.
    """
    case["own_start"] = True
    assert disagreement(case, dtype, sharp=sharp) <= 1


@pytest.fixture(scope="module")
def trained() -> dict[str, ntmlib.NTM]:
    """Small machines after some hundred updates of copy, with the sharp heads this brings."""
    return {controller: train(make(controller), "fused", 300)[0] for controller in ("feedforward", "lstm")}


def make(controller: str) -> ntmlib.NTM:
    sizes = {"hidden": 32, "slots": 32, "width": 10}
    return ntmlib.NTM(10, 9, controller, **sizes, generator=torch.Generator().manual_seed(3))


def train(machine: ntmlib.NTM, engine: str, updates: int) -> tuple[ntmlib.NTM, list[float]]:
    task, generator = ntmlib.tasks.make("copy", max_length=5), torch.Generator().manual_seed(5)
    optimizer, losses = torch.optim.Adam(machine.parameters(), 1e-3), []
    dtype = next(machine.parameters()).dtype
    for _ in range(updates):
        batch = task.sample(8, generator=generator)
        logits, _ = machine(batch.inputs.to(dtype), lengths=batch.lengths, engine=engine)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits[batch.mask], batch.targets[batch.mask].to(dtype)
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(machine.parameters(), 10.0)
        optimizer.step()
        losses.append(loss.item())
    return machine, losses


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_a_trained_machine_gives_those_of_the_reference(trained, controller, dtype):
    machine = copy.deepcopy(trained[controller]).to(dtype)
    batch = ntmlib.tasks.make("copy", max_length=12).sample(11, generator=torch.Generator().manual_seed(1))
    inputs, state = batch.inputs.to(dtype), machine.initial_state(11).detach()
    expected, cotangents = results(reference, machine, inputs, state, batch.lengths)
    found, _ = results(fused, machine, inputs, state, batch.lengths, cotangents)
    assert max(map(relative_error, found, expected)) < STRICT[dtype]


@pytest.mark.slow
@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_two_hundred_updates_stay_together(controller):
    """In float64: training multiplies differences, and float32's last digit reaches the loss in a hundred updates."""
    _, expected = train(make(controller).double(), "reference", 200)
    _, found = train(make(controller).double(), "fused", 200)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-4, atol=0)


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_the_first_updates_stay_together_in_float32(controller):
    _, expected = train(make(controller), "reference", 30)
    _, found = train(make(controller), "fused", 30)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-4, atol=0)


@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_computing_windows_again_changes_no_output_and_only_the_order_of_gradient_sums(controller):
    machine = make(controller).double()
    inputs = torch.randn(11, 40, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    state = random_state(machine.config, 11, torch.float64, torch.Generator().manual_seed(2))
    lengths = torch.tensor([40, 0, 1, 39, 13, 40, 12, 26, 25, 24, 8])
    expected, cotangents = results(fused, machine, inputs, state, lengths)
    with limit_of_what_is_kept(0):
        assert 2 < Plan.of(machine.config, 11, 40, np.dtype(np.float64)).window < 39
        found, _ = results(fused, machine, inputs, state, lengths, cotangents)
    outputs = len(cotangents)
    assert all(map(torch.equal, found[:outputs], expected[:outputs]))
    assert max(map(relative_error, found[outputs:], expected[outputs:])) < 1e-13


def test_what_is_kept_grows_with_the_root_of_the_length_where_it_would_be_large():
    machine = make("lstm")

    def kept(steps: int) -> int:
        logits, _ = machine(torch.zeros(1, steps, 10), engine="fused")
        return sum(tensor.nbytes for tensor in logits.grad_fn.saved_tensors[-1:])

    with limit_of_what_is_kept(0):
        assert kept(1600) < 5 * kept(100)
    assert kept(1600) > 15 * kept(100)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_two_windows_give_those_of_the_reference(controller, cut):
    """Truncated backpropagation: the state of the first window starts the second."""
    machine = make(controller).double()
    inputs = torch.randn(3, 14, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = []
    for engine in ("reference", "fused"):
        first, state = machine(inputs[:, :9], engine=engine)
        second, state = machine(inputs[:, 9:], state.detach() if cut else state, engine=engine)
        loss = first.square().sum() + second.square().sum() + state.memory.square().sum()
        found.append([second, *parts(state), *gradients(loss, machine)])
    assert max(map(relative_error, found[1], found[0])) < 1e-12


def test_two_windows_equal_one_run():
    machine = make("lstm").double()
    inputs = torch.randn(3, 14, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole, end = machine(inputs, engine="fused")
    first, state = machine(inputs[:, :5], engine="fused")
    second, state = machine(inputs[:, 5:], state, engine="fused")
    windows = torch.cat([first, second], 1)
    wanted = [whole, *parts(end), *gradients(whole.square().sum(), machine)]
    found = [windows, *parts(state), *gradients(windows.square().sum(), machine)]
    assert max(map(relative_error, found, wanted)) < 1e-12


def test_a_sequence_does_not_depend_on_its_neighbours():
    """Alone, in a full block, in a partial one, among longer and shorter ones: the same numbers."""
    machine = make("lstm").double()
    inputs = torch.randn(13, 9, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    lengths = torch.tensor([9, 0, 3, 9, 1, 7, 7, 2, 9, 5, 4, 8, 6])
    together, end = machine(inputs, lengths=lengths, engine="fused")
    for index, length in enumerate(lengths.tolist()):
        if length:
            alone, state = machine(inputs[index : index + 1, :length], engine="fused")
            assert torch.equal(together[index, :length], alone[0])
            assert all(torch.equal(a[index], b[0]) for a, b in zip(parts(end), parts(state), strict=True))
        assert not together[index, length:].any()


def test_arrays_need_not_be_contiguous():
    machine = make("lstm")
    machine.cell.heads.weight = torch.nn.Parameter(machine.cell.heads.weight.detach().T.contiguous().T)
    wide = torch.randn(6, 10, 8, generator=torch.Generator().manual_seed(1))
    state = random_state(machine.config, 4, torch.float32, torch.Generator().manual_seed(2))
    state = replace(state, memory=state.memory[:1].expand(4, -1, -1), read_vector=state.read_vector.mT.contiguous().mT)
    for inputs in (wide.transpose(1, 2)[:4], wide.permute(2, 0, 1)[::2], wide[:1, :, :1].mT.expand(4, 5, 10)):
        expected, cotangents = results(reference, machine, inputs, state, None)
        found, _ = results(fused, machine, inputs, state, None, cotangents)
        assert max(map(relative_error, found, expected)) < 1e-5


def test_gradients_of_single_results_are_right():
    """A loss that leaves results out hands over no gradient for them."""
    machine = make("lstm").double()
    inputs = torch.randn(2, 5, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for index in range(7):
        found = []
        for engine in ("reference", "fused"):
            logits, state = machine(inputs, engine=engine)
            found.append(gradients([logits, *parts(state)][index].square().sum(), machine))
        assert max(map(relative_error, found[1], found[0])) < 1e-12, index


def test_another_number_of_slots_gives_those_of_the_reference():
    machine = make("lstm").double().with_slots(77)
    inputs = torch.randn(2, 5, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start: MachineState = machine.initial_state(2).detach()
    expected, cotangents = results(reference, machine, inputs, start, None)
    found, _ = results(fused, machine, inputs, start, None, cotangents)
    assert max(map(relative_error, found, expected)) < 1e-12
