"""The fused engine on several threads: the same bits whatever their number, and nobody gets in another's way."""

import hashlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from fused_cases import parts

import ntmlib
from ntmlib.engines import fused, kernels, plan


@pytest.fixture(autouse=True)
def threads_are_restored() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    plan.Plan.of.cache_clear()


def fingerprint(batch: int = 40, seed: int = 0, controller: str = "lstm") -> str:
    """Hash all bits of the outputs, the final state and the gradients of one update."""
    sizes = {"hidden": 20, "slots": 30, "width": 6, "num_heads": 2}
    machine = ntmlib.NTM(3, 2, controller, **sizes, generator=torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(batch, 7, 3, generator=generator).requires_grad_()
    lengths = torch.randint(8, (batch,), generator=generator)
    logits, state = machine(inputs, lengths=lengths, engine="fused")
    (logits.square().sum() + state.memory.square().sum()).backward()
    tensors = [logits, *parts(state), inputs.grad, *(p.grad for p in machine.parameters())]
    return hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()


@pytest.mark.parametrize("largest_kept", [0, plan.LARGEST_KEPT])
@pytest.mark.parametrize("batch", [1, 9, 64, 200])
@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_the_number_of_threads_changes_no_bit(controller, batch, largest_kept, monkeypatch):
    monkeypatch.setattr(plan, "LARGEST_KEPT", largest_kept)
    plan.Plan.of.cache_clear()
    found = set()
    for threads in (1, 2, 4, 3):
        torch.set_num_threads(threads)
        found |= {fingerprint(batch, controller=controller) for _ in range(3)}
    assert len(found) == 1


@pytest.mark.parametrize("inner", [1, 3])
def test_callers_on_several_threads_get_what_they_get_alone(inner):
    torch.set_num_threads(inner)
    alone = [fingerprint(seed=seed) for seed in range(6)]
    with ThreadPoolExecutor(4) as callers:
        for _ in range(3):
            assert list(callers.map(lambda seed: fingerprint(seed=seed), range(6))) == alone


def test_backward_passes_on_two_threads_give_the_same():
    torch.set_num_threads(2)
    machine = ntmlib.NTM(3, 2, hidden=20, slots=30, width=6)
    inputs = torch.randn(40, 7, 3, generator=torch.Generator().manual_seed(0))
    loss = machine(inputs, engine="fused")[0].square().sum()

    def gradient(_: int) -> torch.Tensor:
        return torch.autograd.grad(loss, machine.cell.heads.weight, retain_graph=True)[0]

    expected = gradient(0)
    with ThreadPoolExecutor(2) as callers:
        assert all(torch.equal(found, expected) for found in callers.map(gradient, range(8)))


@pytest.mark.parametrize("failing", ["forward", "backward"])
def test_an_exception_in_between_does_no_harm(failing, monkeypatch):
    torch.set_num_threads(2)
    expected = fingerprint()

    def fails(*_: object) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(kernels, failing, fails)
        with pytest.raises(MemoryError, match="no room"):
            fingerprint()
    assert fingerprint() == expected


def test_a_graph_whose_backward_failed_can_be_used_again(monkeypatch):
    machine = ntmlib.NTM(3, 2, hidden=20, slots=30, width=6)
    loss = machine(torch.ones(2, 5, 3), engine="fused")[0].sum()
    with monkeypatch.context() as patched:
        patched.setattr(kernels, "backward", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loss.backward(retain_graph=True)
    loss.backward()
    assert machine.cell.heads.weight.grad.any()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # that is what is tested
def test_a_forked_process_can_go_on(monkeypatch):
    """With torch itself on one thread: after a fork its own operations hang on several, with or without us."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)  # what the engine asks
    expected = fingerprint()
    assert fused._pool is not None
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    child = context.Process(target=lambda: answer.put(fingerprint()))
    child.start()
    assert answer.get(timeout=60) == expected
    child.join()
    assert child.exitcode == 0
    assert fingerprint() == expected


def test_threads_do_not_pile_up():
    torch.set_num_threads(4)
    fingerprint(64)
    before = threading.active_count()
    for threads in (4, 2, 3, 4, 1):
        torch.set_num_threads(threads)
        fingerprint(64)
    assert threading.active_count() <= before


def test_a_hundred_backward_passes_give_the_same_bits_wherever_their_arrays_lie():
    machine = ntmlib.NTM(10, 9, slots=32, generator=torch.Generator().manual_seed(1))
    inputs = torch.rand(32, 11, 10, generator=torch.Generator().manual_seed(2)).round()
    lie, first = [], None
    for size in range(1, 101):
        lie.append(bytearray(197 * size))  # moves whatever is allocated next
        machine.zero_grad()
        machine(inputs, engine="fused")[0].square().sum().backward()
        gradients = [parameter.grad.clone() for parameter in machine.parameters()]
        first = first or gradients
        assert all(torch.equal(now, then) for now, then in zip(gradients, first, strict=True))
