"""The fused engine inside autograd: second derivatives, frozen parts, changed tensors, what it refuses."""

import gc
import math
import weakref
from collections.abc import Callable

import pytest
import torch
from fused_cases import gradients, parts, relative_error
from torch import Tensor

import ntmlib
from ntmlib.engines import fused, reference, select


def make(dtype: torch.dtype = torch.float64, **changes: object) -> ntmlib.NTM:
    sizes = {"hidden": 4, "slots": 5, "width": 3, "num_heads": 2} | changes
    starts = {"memory_init": "learned", "weighting_init": "learned"}
    return ntmlib.NTM(2, 2, "lstm", **sizes, **starts, generator=torch.Generator().manual_seed(0)).to(dtype)


def sequences(batch: int = 2, time: int = 6, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, time, 2, generator=torch.Generator().manual_seed(1), dtype=dtype)


def chosen(machine: ntmlib.NTM, inputs: Tensor) -> object:
    return select("auto", machine.cell, inputs, machine.initial_state(inputs.shape[0]))


@pytest.mark.parametrize("windows", [1, 2])
def test_second_derivatives_are_those_of_the_reference(windows):
    """Also where the second window's state comes from parameters that the window itself uses."""
    machine, found = make(), []
    for engine in ("reference", "fused"):
        inputs, state, outputs = sequences().requires_grad_(), None, []
        for window in inputs.chunk(windows, 1):
            logits, state = machine(window, state, engine=engine)
            outputs.append(logits)
        wanted = [inputs, *machine.parameters()]
        first = torch.autograd.grad(torch.cat(outputs, 1).square().sum(), wanted, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), wanted)
        found.append([*first, *second])
    assert max(map(relative_error, found[1], found[0])) < 1e-12


@pytest.mark.draws_globally  # torch's check does
def test_gradients_of_gradients_pass_the_numerical_check():
    machine = make(hidden=2, slots=3, width=2, num_heads=1)
    inputs = sequences(1, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: machine(x, engine="fused")[0], inputs)
    assert torch.autograd.gradgradcheck(lambda x: machine(x, engine="fused")[0], inputs)


def test_backward_twice_gives_the_same():
    machine = make()
    loss = machine(sequences(), engine="fused")[0].square().sum()
    first, second = gradients(loss, machine), gradients(loss, machine)
    assert all(map(torch.equal, first, second))


def test_what_is_kept_for_the_backward_pass_is_freed_by_it():
    """As torch does it: a loss that is kept for a curve must not keep the history of the sequences."""
    machine = make()
    loss = machine(sequences(), engine="fused")[0].sum()
    kept = weakref.ref(loss.grad_fn.next_functions[0][0].saved_tensors[-1])
    storage = loss.grad_fn.next_functions[0][0].saved_tensors[-1].untyped_storage()
    size = storage.nbytes()
    del storage
    assert size > 0
    loss.backward()
    gc.collect()
    assert kept() is None
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


@pytest.mark.parametrize("what", ["inputs", "weight"])
def test_changing_what_went_in_is_noticed(what):
    machine, inputs = make(), sequences()
    loss = machine(inputs, engine="fused")[0].sum()
    with torch.no_grad():
        (inputs if what == "inputs" else machine.cell.heads.weight).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_changing_what_came_out_does_not_reach_the_gradient():
    machine, found = make(slots=1, width=1, num_shifts=1), []
    for change in (False, True):
        logits, state = machine(sequences(), engine="fused")
        loss = sum(tensor.sum() for tensor in (logits, *parts(state)))
        for tensor in (logits, *parts(state)):
            tensor.data.mul_(0.0 if change else 1.0)
        found.append(gradients(loss, machine))
    assert all(map(torch.equal, *found))


def test_without_gradients_the_numbers_are_the_same():
    machine, inputs = make(), sequences()
    expected = machine(inputs, engine="fused")[0]
    with torch.no_grad():
        assert torch.equal(machine(inputs, engine="fused")[0], expected)
    with torch.inference_mode():
        assert torch.equal(machine(inputs, engine="fused")[0], expected)
    assert not machine.requires_grad_(False)(inputs, engine="fused")[0].requires_grad


@pytest.mark.parametrize("trained", ["inputs", "cell.heads.bias", "cell.initial_read_vector", "cell.initial_memory"])
def test_one_part_alone_can_be_trained(trained):
    found = []
    for engine in ("reference", "fused"):
        machine, inputs = make().requires_grad_(False), sequences()
        part = inputs if trained == "inputs" else machine.get_parameter(trained)
        part.requires_grad_()
        machine(inputs, engine=engine)[0].square().sum().backward()
        found.append(part.grad)
        assert sum(p.grad is not None for p in machine.parameters()) == (trained != "inputs")
    assert relative_error(found[1], found[0]) < 1e-12


def bfloat16() -> tuple[ntmlib.NTM, Tensor]:
    return make(torch.bfloat16), sequences(dtype=torch.bfloat16)


def mixed() -> tuple[ntmlib.NTM, Tensor]:
    return make(torch.float32), sequences()


def no_steps() -> tuple[ntmlib.NTM, Tensor]:
    return make(), sequences(time=0)


def no_sequences() -> tuple[ntmlib.NTM, Tensor]:
    return make(), sequences(batch=0)


def huge_memory() -> tuple[ntmlib.NTM, Tensor]:
    machine = make(torch.float32)
    machine.cell.initial_memory.data.fill_(1e20)
    return machine, sequences(dtype=torch.float32)


def hooked() -> tuple[ntmlib.NTM, Tensor]:
    machine = make()
    machine.cell.heads.register_forward_hook(lambda *_: None)
    return machine, sequences()


def changed_step() -> tuple[ntmlib.NTM, Tensor]:
    class Other(type(make().cell)):
        pass

    machine = make()
    machine.cell.__class__ = Other
    return machine, sequences()


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (bfloat16, "float32 or float64; got torch.bfloat16"),
        (mixed, "must share one dtype"),
        (no_steps, "at least one sequence and one step"),
        (no_sequences, "at least one sequence and one step"),
        (huge_memory, "memory must be finite and below 1e"),
        (hooked, "hooks on them would see nothing"),
        (changed_step, "class of another kind"),
    ],
)
def test_what_is_not_supported_goes_to_the_reference_or_is_refused(
    case: Callable[[], tuple[ntmlib.NTM, Tensor]], reason
):
    machine, inputs = case()
    assert chosen(machine, inputs) is reference
    with pytest.raises(ValueError, match=f"engine 'fused' cannot run this: .*{reason}"):
        machine(inputs, engine="fused")
    if case is not mixed:  # the reference refuses it as well
        assert machine(inputs)[0].shape == (*inputs.shape[:2], 2)


def test_the_fused_engine_is_what_auto_takes():
    assert chosen(make(), sequences()) is fused


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, in jvp
def test_transforms_of_torch_work_through_the_reference():
    machine, inputs = make(), sequences()
    found = torch.func.grad(lambda x: machine(x)[0].square().sum())(inputs)
    (expected,) = torch.autograd.grad(machine(inputs.requires_grad_())[0].square().sum(), inputs)
    assert relative_error(found, expected) < 1e-12
    batched = torch.func.vmap(lambda x: machine(x[None])[0][0])(inputs.detach())
    assert relative_error(batched, machine(inputs)[0]) < 1e-12
    _, tangent = torch.func.jvp(lambda x: machine(x)[0].sum(), (inputs.detach(),), (torch.ones_like(inputs),))
    assert math.isfinite(tangent.item())


def test_tied_and_normalised_weights_are_the_ones_used():
    machine = make(num_layers=3)
    machine.cell.controller.layers[2].gates.weight = machine.cell.controller.layers[1].gates.weight
    torch.nn.utils.parametrizations.weight_norm(machine.cell.heads)
    found = [gradients(machine(sequences(), engine=e)[0].square().sum(), machine) for e in ("reference", "fused")]
    assert len(found[0]) == len(list(machine.parameters()))
    assert max(map(relative_error, found[1], found[0])) < 1e-12
