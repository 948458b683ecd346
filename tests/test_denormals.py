"""Numbers below the smallest normal one count as zero while a machine runs or learns, and nowhere else."""

import threading

import pytest
import torch
from tiny_run import TINY

from ntmlib import NTM
from ntmlib.engines import fused
from ntmlib.engines.denormals import flushed
from ntmlib.training import Trainer, loop

DENORMAL = 5e-324


def flushes() -> bool:
    """Whether this thread takes a denormal number for zero."""
    return DENORMAL == 0.0


def test_a_denormal_number_is_zero_inside_and_itself_again_outside():
    tiny = torch.full((100,), 1e-40)
    assert (tiny * 2).min() > 0
    with flushed():
        assert flushes()
        assert (tiny * 2).max() == 0
        assert (torch.full((100,), 2e-38) * 1).min() > 0  # normal ones stay
    assert not flushes()
    assert (tiny * 2).min() > 0


def test_the_state_of_before_comes_back_after_an_error_and_from_inside():
    with flushed():
        with pytest.raises(ZeroDivisionError), flushed():
            raise ZeroDivisionError
        assert flushes()  # the inner one leaves what the outer one set
    assert not flushes()


def test_another_thread_is_left_alone():
    seen, other, go = [], threading.Event(), threading.Event()
    waiting = threading.Thread(target=lambda: (other.set(), go.wait(10), seen.append(flushes())))
    waiting.start()
    assert other.wait(10)
    with flushed():
        go.set()
        waiting.join()
    assert seen == [False]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_fused_engine_flushes_in_every_thread_that_works_and_not_after(monkeypatch, threads):
    seen, forward = [], fused.kernels.forward
    monkeypatch.setattr(fused.kernels, "forward", lambda *given: (seen.append(flushes()), forward(*given)))
    machine = NTM(3, 2, hidden=8, slots=6, width=4, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        machine(torch.zeros(64, 5, 3), engine="fused")
    finally:
        torch.set_num_threads(before)
    assert len(seen) > 1
    assert all(seen)
    assert not flushes()


def test_an_update_flushes_from_cost_to_step(monkeypatch):
    seen, cost = [], loop.cost_nats
    monkeypatch.setattr(loop, "cost_nats", lambda *given: (seen.append(flushes()), cost(*given))[1])
    Trainer(TINY).advance()
    assert seen == [True]
    assert not flushes()
