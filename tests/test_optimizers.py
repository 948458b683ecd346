import math
import subprocess
import sys

import pytest
import torch

from ntmlib.training.config import TrainConfig
from ntmlib.training.optimizers import (
    Adam,
    GravesRMSProp,
    build,
    clip_norm,
    load_state_tensors,
    norm_of,
    state_tensors,
    step_together,
)


def parameter_with_gradient(value: float, gradient: float) -> torch.nn.Parameter:
    parameter = torch.nn.Parameter(torch.tensor([value], dtype=torch.float64))
    parameter.grad = torch.tensor([gradient], dtype=torch.float64)
    return parameter


def test_graves_rmsprop_follows_two_steps_worked_by_hand():
    # Step 1, g = 2:  n = .05 * 4 = .2          m = .05 * 2 = .1
    #                 n - m^2 + 1e-4 = .2 - .01 + .0001 = .1901, root .43600459
    #                 d = -.01 * 2 / .43600459 = -.045871077        p = 1 - .045871077
    # Step 2, g = -1: n = .95 * .2 + .05 = .24   m = .95 * .1 - .05 = .045
    #                 .24 - .002025 + .0001 = .238075, root .48792930
    #                 d = .9 * -.045871077 + .01 / .48792930 = -.020789197   p = .933339726
    parameter = parameter_with_gradient(1.0, 2.0)
    optimizer = GravesRMSProp([parameter], lr=0.01)
    optimizer.step()
    assert parameter.item() == pytest.approx(0.954128923, abs=1e-9)
    parameter.grad.fill_(-1.0)
    optimizer.step()
    assert parameter.item() == pytest.approx(0.933339726, abs=1e-9)


def test_graves_rmsprop_equals_its_formulas_in_a_loop():
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 2), (4,), ()]
    parameters = [torch.nn.Parameter(torch.randn(shape, generator=generator).double()) for shape in shapes]
    expected = [p.detach().clone() for p in parameters]
    n, m, d = ([torch.zeros_like(p) for p in expected] for _ in range(3))
    optimizer = GravesRMSProp(parameters, lr=0.003)
    for _ in range(20):
        gradients = [torch.randn(shape, generator=generator).double() for shape in shapes]
        for i, g in enumerate(gradients):
            parameters[i].grad = g
            n[i] = 0.95 * n[i] + 0.05 * g**2
            m[i] = 0.95 * m[i] + 0.05 * g
            d[i] = 0.9 * d[i] - 0.003 * g / torch.sqrt(n[i] - m[i] ** 2 + 1e-4)
            expected[i] = expected[i] + d[i]
        optimizer.step()
    torch.testing.assert_close([p.detach() for p in parameters], expected, rtol=1e-12, atol=0)


def test_graves_rmsprop_stays_finite_for_a_huge_constant_gradient():
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.full((1,), 1e4)
    optimizer = GravesRMSProp([parameter])
    for _ in range(300):  # the variance is then 0 but for rounding errors of several units
        optimizer.step()
    assert parameter.isfinite().all()


def test_graves_rmsprop_gives_the_same_bits_however_the_parameters_are_grouped():
    """The state of a group lies in one vector; that is only to be fast. Now and then one has no gradient."""
    shapes, found = [(33, 7), (5,), (), (2, 3, 4)], []
    for apart in (False, True):
        generator = torch.Generator().manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
        optimizer = GravesRMSProp([{"params": [p]} for p in parameters] if apart else parameters, lr=0.003)
        for step in range(8):
            for p in parameters:
                p.grad = torch.randn(p.shape, generator=generator)
            parameters[step % 4].grad = parameters[step % 4].grad if step % 2 else None
            optimizer.step()
            if step == 5:
                load_state_tensors(optimizer, state_tensors(optimizer))
        found.append([*(p.detach() for p in parameters), *state_tensors(optimizer).values()])
    assert all(map(torch.equal, *found))


def test_graves_rmsprop_leaves_a_parameter_without_gradient_alone():
    moved, still = parameter_with_gradient(1.0, 1.0), torch.nn.Parameter(torch.ones(1))
    GravesRMSProp([moved, still]).step()
    assert still.item() == 1
    assert moved.item() != 1


@pytest.mark.parametrize(("name", "value"), [("lr", 0.0), ("momentum", 1.0), ("decay", -0.1), ("floor", 0.0)])
def test_graves_rmsprop_refuses_numbers_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be .* got {value}"):
        GravesRMSProp([torch.nn.Parameter(torch.zeros(1))], **{name: value})


def test_each_group_of_parameters_has_its_learning_rate():
    groups = {name: [torch.nn.Parameter(torch.zeros(1))] for name in ("controller", "heads", "output", "initial")}
    optimizer = build(TrainConfig(learning_rate=0.01, learning_rate_factors={"output": 4.0}), groups)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(groups[name][0])] for name in groups] == [0.01, 0.01, 0.04, 0.01]


@pytest.mark.parametrize("name", ["adam", "graves_rmsprop"])
def test_an_optimizer_goes_on_exactly_from_its_state(name):
    def fresh() -> tuple[torch.nn.Parameter, torch.optim.Optimizer]:
        parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        return parameter, build(TrainConfig(optimizer=name), {"output": [parameter]})

    def steps(parameter, optimizer, count):
        for _ in range(count):
            parameter.grad = parameter.detach() ** 2
            optimizer.step()

    whole, optimizer = fresh()
    steps(whole, optimizer, 7)
    first, optimizer = fresh()
    steps(first, optimizer, 3)
    saved = {key: value.clone() for key, value in state_tensors(optimizer).items()}
    second, optimizer = fresh()
    second.data.copy_(first.data)
    load_state_tensors(optimizer, saved)
    steps(second, optimizer, 4)
    assert torch.equal(second, whole)


def test_optimizer_state_of_another_shape_is_refused():
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = build(TrainConfig(optimizer="graves_rmsprop"), {"output": [parameter]})
    with pytest.raises(ValueError, match=r"'0/mean' must have shape \[2\]; got \[3\]"):
        load_state_tensors(optimizer, {"0/mean": torch.zeros(3)})
    with pytest.raises(ValueError, match="has 1 parameters"):
        load_state_tensors(optimizer, {"1/mean": torch.zeros(2)})


def test_adam_gives_the_bits_of_torchs_own():
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in ((7, 3), (5,))]
    ours, theirs = ([torch.nn.Parameter(value.clone()) for value in start] for _ in range(2))
    groups = [[{"params": [p], "lr": lr} for p, lr in zip(each, (1e-2, 3e-2), strict=True)] for each in (ours, theirs)]
    mine, reference = Adam(groups[0], 1e-3, (0.8, 0.999)), torch.optim.Adam(groups[1], 1e-3, (0.8, 0.999), fused=True)
    for _ in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        mine.step()
        reference.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert all(torch.equal(state_tensors(mine)[name], value) for name, value in state_tensors(reference).items())


def test_steps_taken_together_are_those_taken_alone():
    """Three Adams, two of which share a learning rate, one parameter without a gradient, and an RMSProp."""

    def made() -> tuple[list[torch.optim.Optimizer], list[torch.nn.Parameter]]:
        generator = torch.Generator().manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(4, generator=generator)) for _ in range(5)]
        for parameter in parameters[:4]:
            parameter.grad = torch.randn(4, generator=generator)
        rates = (1e-2, 1e-2, 5e-3)
        adams = [Adam([p], lr, (0.9, 0.999)) for p, lr in zip(parameters, rates, strict=False)]
        adams[0].add_param_group({"params": [parameters[4]]})
        return [*adams, GravesRMSProp([parameters[3]])], parameters

    (together, found), (alone, expected) = made(), made()
    for _ in range(3):
        step_together(together)
        for optimizer in alone:
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "graves_rmsprop"])
def test_a_first_update_does_not_load_torchs_compiler(optimizer):
    """It would take a second longer than all the rest of it."""
    code = f"""
import sys
from ntmlib import presets
from ntmlib.training import Trainer
trainer = Trainer(presets.copy_quick(seed=1).replace(optimizer={optimizer!r}))
trainer.advance()
trainer.checkpoint()
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("largest", [1e-3, 0.1, 5.0])
@pytest.mark.parametrize("share", [0.5, 0.9995, 0.99999999, 1.0, 3.0])
def test_gradients_are_cut_to_the_bits_of_torchs_own(largest, share):
    ours, theirs = (torch.nn.Parameter(torch.zeros(4)) for _ in range(2))
    gradient = torch.randn(4, generator=torch.Generator().manual_seed(0))
    gradient *= largest * share / gradient.norm()
    ours.grad, theirs.grad = gradient.clone(), gradient.clone()
    clip_norm([ours], norm_of([ours.grad]), largest)
    torch.nn.utils.clip_grad_norm_([theirs], largest)
    assert torch.equal(ours.grad, theirs.grad)


def test_the_norm_is_that_of_torch_to_the_bit():
    tensors = list(torch.randn(3, 5, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(norm_of(tensors), torch.nn.utils.get_total_norm(tensors))


@pytest.mark.parametrize("size", [1e19, 1e25, 3e38])
def test_the_norm_of_finite_numbers_is_finite(size):
    """The squares of these, or their sum, are infinite in float32."""
    tensors = [torch.full((30, 20), size), torch.tensor(-size)]
    assert norm_of(tensors).item() == pytest.approx(size * math.sqrt(601), rel=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("size", [1.0, 1e25])
def test_the_norm_of_a_number_that_is_not_finite_is_not_finite(bad, size):
    assert not norm_of([torch.full((3,), size), torch.tensor([size, bad])]).isfinite()


@pytest.mark.parametrize("size", [1.0, 1e19, 1e25, 3e38])
def test_a_gradient_of_any_finite_size_is_cut_to_its_norm(size):
    parameters = [torch.nn.Parameter(torch.zeros(30, 20)), torch.nn.Parameter(torch.zeros(()))]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, size)
    gradients = [parameter.grad for parameter in parameters]
    clip_norm(parameters, norm_of(gradients), 0.1)
    assert norm_of(gradients).item() == pytest.approx(0.1, rel=1e-3)
