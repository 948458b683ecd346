"""The cuda engine gives the reference's numbers; without a GPU its kernels run under Triton's interpreter."""

import copy
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fused_cases import parts, relative_error, results, unfolded
from hypothesis import given, settings
from hypothesis import strategies as st

import ntmlib
from ntmlib import engines
from ntmlib.engines import Engine, cuda, reference
from ntmlib.machine import MachineConfig, addressing

STRICT = {torch.float64: 1e-12, torch.float32: 1e-5}
FEED_FORWARD, LSTM = {"controller": "feedforward"}, {"controller": "lstm"}


def a_case(batch: int = 2, time: int = 6, lengths: list[int] | None = None, **sizes: Any) -> dict[str, Any]:
    """Six steps are two segments of the replay; no size is a power of two."""
    config = MachineConfig(**{"input_size": 4, "output_size": 3, "hidden": 9, "slots": 11, "width": 5, **sizes})
    return {"config": config, "batch": batch, "time": time, "lengths": lengths, "seed": 1, "own_start": True}


def largest_error(case: dict[str, Any], dtype: torch.dtype, device: torch.device, sharp: float = 0.0) -> float:
    """Largest relative error of any result and any gradient, one far shorter than the longest counted with that."""
    machine, inputs, state, lengths = unfolded(case, 1.0, sharp)

    def run(engine: Engine, dtype: torch.dtype) -> list[torch.Tensor]:
        there = (
            copy.deepcopy(machine).to(device, dtype),
            inputs.to(device, dtype),
            state.map(lambda t: t.to(device, dtype)),
        )
        return results(engine, *there, lengths)[0]

    found, expected = run(cuda, dtype), run(reference, torch.float64)
    floor = 1e-4 * max(tensor.norm() for tensor in expected)
    return max(((a.double() - b).norm() / max(b.norm(), floor)).item() for a, b in zip(found, expected, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "case",
    [
        a_case(**FEED_FORWARD),
        a_case(**LSTM),
        a_case(batch=3, lengths=[6, 0, 3], **LSTM, num_layers=2, num_heads=2, num_shifts=5),
        a_case(batch=3, lengths=[1, 6, 5], **FEED_FORWARD, num_layers=3, num_heads=3),
        a_case(**FEED_FORWARD, slots=1, width=1, num_shifts=1, hidden=1, input_size=1, output_size=1),
        a_case(time=2, **LSTM, slots=33, width=17, hidden=40, num_shifts=7),
        a_case(batch=3, lengths=[2, 6, 0], **FEED_FORWARD, output_hidden=8, embedding=3),
        a_case(batch=3, lengths=[2, 6, 0], **LSTM, embedding=3, read_feedback=False),
    ],
)
def test_results_and_gradients_are_those_of_the_reference(case, dtype, gpu):
    assert largest_error(case, dtype, gpu) < STRICT[dtype]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=8)
def test_odd_sizes_give_those_of_the_reference(gpu, data):
    """Compiling takes seconds for each size on a GPU, so there are few of them."""
    slots = data.draw(st.integers(1, 9))
    case = a_case(
        controller=data.draw(st.sampled_from(["feedforward", "lstm"])),
        hidden=data.draw(st.integers(1, 9)),
        num_layers=data.draw(st.integers(1, 2)),
        slots=slots,
        width=data.draw(st.integers(1, 5)),
        num_heads=data.draw(st.integers(1, 2)),
        num_shifts=data.draw(st.sampled_from([n for n in (1, 3, 5) if n <= slots])),
        lengths=data.draw(st.none() | st.lists(st.integers(0, 5), min_size=2, max_size=2)),
        time=5,
    )
    assert largest_error(case | {"seed": data.draw(st.integers(0, 99))}, torch.float64, gpu) < 1e-12


@pytest.mark.slow
def test_sharp_heads_give_those_of_the_reference(gpu):
    case = a_case(time=4, **FEED_FORWARD)
    assert largest_error(case, torch.float64, gpu, sharp=20.0) < 1e-11  # a logarithm's rounding, times 20
    assert largest_error(case, torch.float32, gpu, sharp=20.0) < 1e-4


def machine_and_inputs(gpu: torch.device, time: int = 5, **options: Any) -> tuple[ntmlib.NTM, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    machine = ntmlib.NTM(4, 3, hidden=7, slots=6, width=3, **options, generator=generator).to(gpu, torch.float64)
    return machine, torch.randn(2, time, 4, generator=generator, dtype=torch.float64).to(gpu)


def gradients_of(loss: torch.Tensor, machine: ntmlib.NTM) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, list(machine.parameters()), retain_graph=True))


@pytest.mark.slow
@pytest.mark.parametrize("output_hidden", [0, 5])
def test_machines_that_share_a_launch_do_not_see_each_other(gpu, output_hidden):
    """Three machines of one shape give what each gives by itself, gradients included."""
    alone = [
        ntmlib.NTM.from_config(
            MachineConfig(4, 3, "lstm", hidden=7, slots=6, width=3, output_hidden=output_hidden),
            torch.Generator().manual_seed(seed),
        )
        for seed in range(3)
    ]
    machines = [machine.to(gpu, torch.float64) for machine in alone]
    inputs = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(gpu)
    lengths = torch.tensor([5, 2, 0, 5, 4, 1])
    starts = [machine.initial_state(2) for machine in machines]
    together = ntmlib.machine.MachineState(
        *(torch.cat([getattr(start, name) for start in starts]) for name in
          ("memory", "read_weighting", "write_weighting", "read_vector")),
        tuple(torch.cat(same) for same in zip(*(start.controller for start in starts), strict=True)),
    )  # fmt: skip
    logits, end = cuda.unroll_many([machine.cell for machine in machines], inputs, together, lengths)
    found = [gradients_of(logits.square().sum() + end.memory.square().sum(), machine) for machine in machines]
    for index, machine in enumerate(machines):
        own = slice(2 * index, 2 * index + 2)
        expected, state = machine(inputs[own], lengths=lengths[own], engine="reference")
        assert relative_error(logits[own], expected) < 1e-12
        wanted = gradients_of(expected.square().sum() + state.memory.square().sum(), machine)
        assert max(map(relative_error, found[index], wanted)) < 1e-11


def test_a_run_without_gradients_gives_the_same_bits(gpu, monkeypatch):
    machine, inputs = machine_and_inputs(gpu)
    launched, launch = [], cuda._Sizes.launch
    monkeypatch.setattr(cuda._Sizes, "launch", lambda *args, **more: launched.append(more) or launch(*args, **more))
    with torch.no_grad():
        plain, plain_end = machine(inputs, engine="cuda")
    assert launched == [{"KEEP": False}]
    logits, end = machine(inputs, engine="cuda")
    assert all(torch.equal(a, b) for a, b in zip([plain, *parts(plain_end)], [logits, *parts(end)], strict=True))


def test_lengths_may_be_any_whole_numbers_in_any_layout(gpu):
    machine, inputs = machine_and_inputs(gpu)
    expected, _ = machine(inputs, lengths=torch.tensor([5, 2]), engine="cuda")
    spread = torch.tensor([5, 0, 2, 0], dtype=torch.int32)[::2]
    found, _ = machine(inputs, lengths=spread.to(gpu), engine="cuda")
    assert torch.equal(found, expected)


def test_going_back_inside_autocast_does_not_round(gpu):
    machine, inputs = machine_and_inputs(gpu)
    loss = machine(inputs, engine="cuda")[0].square().sum()
    expected = gradients_of(loss, machine)
    with torch.autocast(gpu.type, dtype=torch.bfloat16):
        found = gradients_of(loss, machine)
    assert all(map(torch.equal, found, expected))


def test_second_derivatives_of_several_machines_at_once_are_refused(gpu):
    machine, inputs = machine_and_inputs(gpu, time=2)
    inputs.requires_grad_()
    logits, _ = cuda.unroll_many([machine.cell] * 2, inputs, machine.initial_state(2))
    with pytest.raises(ValueError, match="second derivatives need one cell at a time; got 2"):
        torch.autograd.grad(logits.square().sum(), inputs, create_graph=True)


COMPILE = """
import sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from ntmlib.engines import cuda, cuda_kernels
from ntmlib.machine import MachineConfig

for kernel in (cuda_kernels.forward, cuda_kernels.backward):
    for options in ({}, {"controller": "lstm", "num_layers": 2, "num_heads": 2}):
        known = {**vars(cuda._Sizes.of(MachineConfig(10, 9, **options))), "KEEP": True}
        known = {name: value for name, value in known.items() if name in kernel.arg_names}
        kinds = dict.fromkeys(kernel.arg_names, "*fp32") | dict.fromkeys(known, "constexpr")
        kinds |= {"lengths": "*i32", "time": "i32", "every": "i32", "per_machine": "i32"}
        compile(ASTSource(kernel, kinds, known), target=GPUTarget("cuda", 90, 32))
"""


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(gpu):
    """The interpreter lets pass what the compiler does not; compiling needs no GPU."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]


def test_going_back_twice_gives_the_same_bits(gpu):
    machine, inputs = machine_and_inputs(gpu)
    loss = machine(inputs, engine="cuda")[0].square().sum()
    assert all(map(torch.equal, gradients_of(loss, machine), gradients_of(loss, machine)))


def test_two_windows_equal_one_run(gpu):
    machine, inputs = machine_and_inputs(gpu, time=6)
    whole, end = machine(inputs, engine="cuda")
    first, state = machine(inputs[:, :4], engine="cuda")
    second, state = machine(inputs[:, 4:], state, engine="cuda")
    windows = torch.cat([first, second], 1)
    wanted = [whole, *parts(end), *gradients_of(whole.square().sum(), machine)]
    found = [windows, *parts(state), *gradients_of(windows.square().sum(), machine)]
    assert max(map(relative_error, found, wanted)) < 1e-12


def test_second_derivatives_are_those_of_the_reference(gpu):
    found = []
    for engine in ("reference", "cuda"):
        machine, inputs = machine_and_inputs(gpu, time=3)
        inputs.requires_grad_()
        slope = torch.autograd.grad(machine(inputs, engine=engine)[0].square().sum(), inputs, create_graph=True)[0]
        found.append(torch.autograd.grad(slope.square().sum(), machine.cell.heads.weight)[0])
    assert relative_error(found[1], found[0]) < 1e-12


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # the interpreter computes with numpy
def test_a_nan_shows(gpu):
    """The check that stops a diverging run looks at the loss and at the gradient."""
    machine, inputs = machine_and_inputs(gpu)
    machine.cell.heads.weight.data[2, 3] = float("nan")
    logits, _ = machine(inputs, engine="cuda")
    assert logits.isnan().any()
    assert any(not gradient.isfinite().all() for gradient in gradients_of(logits.square().sum(), machine))


def test_auto_takes_it_for_tensors_on_a_gpu(monkeypatch):
    monkeypatch.setattr(cuda, "unsupported", lambda cell, inputs, state: None)
    machine = ntmlib.NTM(4, 3)
    on_gpu: Any = SimpleNamespace(is_cuda=True)
    assert engines.select("auto", machine.cell, on_gpu, machine.initial_state(1)) is cuda
    monkeypatch.setattr(cuda, "unsupported", lambda cell, inputs, state: "it cannot")
    assert engines.select("auto", machine.cell, on_gpu, machine.initial_state(1)) is reference


def refusal(machine: ntmlib.NTM, inputs: torch.Tensor) -> str:
    with pytest.raises(ValueError, match=r"^engine 'cuda' cannot run this: ") as caught:
        machine(inputs, engine="cuda")
    return str(caught.value)


def test_it_says_why_it_cannot_run_a_case(gpu, monkeypatch):
    machine, inputs = machine_and_inputs(gpu)
    large = ntmlib.NTM(4, 3, slots=4096, width=20).to(gpu)
    assert "at most; got 131,072" in refusal(large, inputs.float())
    assert "float32 or float64; got torch.float16" in refusal(machine, inputs.half())
    assert "one dtype" in refusal(machine, inputs.float())
    monkeypatch.setattr(cuda, "find_spec", lambda name: None)
    assert "needs the package triton" in refusal(machine, inputs)


def test_it_refuses_tensors_that_are_not_on_a_gpu(gpu, monkeypatch):
    monkeypatch.setattr(cuda, "INTERPRETED", False)
    machine, inputs = machine_and_inputs(torch.device("cpu"))
    assert "it runs on a CUDA device; got a tensor on cpu" in refusal(machine, inputs)


def test_machines_in_one_launch_must_fit_together(gpu):
    machine, inputs = machine_and_inputs(gpu)
    other, _ = machine_and_inputs(gpu, num_heads=2)
    state = machine.initial_state(2)
    with pytest.raises(ValueError, match="cells must share one config"):
        cuda.unroll_many([machine.cell, other.cell], inputs, state)
    with pytest.raises(ValueError, match="multiple of 3 sequences, one share a cell; got 2"):
        cuda.unroll_many([machine.cell] * 3, inputs, state)


def test_the_floors_are_those_of_the_definition(gpu):
    from ntmlib.engines import cuda_kernels

    assert cuda_kernels.SQUARED_NORM_FLOOR.value == addressing.SQUARED_NORM_FLOOR
    assert cuda_kernels.WEIGHT_FLOOR.value == addressing.WEIGHT_FLOOR
