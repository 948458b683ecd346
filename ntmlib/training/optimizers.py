"""Optimizers: Graves' RMSProp, as the paper trained with, and Adam."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adam import adam

from ntmlib.training.config import TrainConfig

STATE = ("mean_square", "mean", "velocity")
Parameters = Iterable[Tensor] | Iterable[dict[str, Any]]


class Optimizer(torch.optim.Optimizer):
    """torch's base class, without what it loads for its compiler.

    Two of its methods import the whole of ``torch._dynamo`` when first called, only to keep the compiler away from
    them: more than a second, a quarter of what training copy takes. The functions inside are called instead.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        getattr(torch.optim.Optimizer.add_param_group, "__wrapped__", torch.optim.Optimizer.add_param_group)(
            self, param_group
        )

    def zero_grad(self, set_to_none: bool = True) -> None:
        getattr(torch.optim.Optimizer.zero_grad, "__wrapped__", torch.optim.Optimizer.zero_grad)(self, set_to_none)


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), the numbers of ``torch.optim.Adam(fused=True)``.

    torch's own is fast on a CPU only in this form (76 against 149 and 179 microseconds for 13,500 parameters), and its
    ``step`` loads the compiler too.
    """

    def __init__(self, params: Parameters, lr: float, betas: tuple[float, float]) -> None:
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step. Parameters without a gradient stay as they are."""
        step_together([self])


def step_together(optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Take a step of each; what several Adams do with equal settings is done in one go."""
    alike: dict[tuple[float, float, float], list[tuple[Tensor, dict[str, Tensor]]]] = {}
    for optimizer in optimizers:
        if not isinstance(optimizer, Adam):
            optimizer.step()
            continue
        for group in optimizer.param_groups:
            members = alike.setdefault((group["lr"], *group["betas"]), [])
            for parameter in group["params"]:
                if parameter.grad is not None:
                    members.append((parameter, _adam_state(optimizer, parameter)))
    for (lr, beta1, beta2), members in alike.items():
        if members:
            states = [[state[name] for _, state in members] for name in ("exp_avg", "exp_avg_sq", "step")]
            with torch.no_grad():
                adam(
                    [p for p, _ in members], [cast(Tensor, p.grad) for p, _ in members], states[0], states[1], [],
                    states[2], fused=True, amsgrad=False, beta1=beta1, beta2=beta2, lr=lr, weight_decay=0.0, eps=1e-8,
                    maximize=False,
                )  # fmt: skip


def _adam_state(optimizer: Adam, parameter: Tensor) -> dict[str, Tensor]:
    """Return the running means of a parameter's gradient, under the names that torch uses."""
    state = optimizer.state[parameter]
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
    return state


class GravesRMSProp(Optimizer):
    """RMSProp in the form of Graves (2013), "Generating Sequences With Recurrent Neural Networks", eq. 38-41.

    For every parameter ``p`` with gradient ``g``::

        n <- decay * n + (1 - decay) * g^2            mean square
        m <- decay * m + (1 - decay) * g              mean
        d <- momentum * d - lr * g / sqrt(n - m^2 + floor)
        p <- p + d

    The gradient is divided by its own standard deviation, not by its root mean square as in
    torch's default ``RMSprop``, and the floor stands inside the root.

    Args:
        params: parameters, or groups of them, each of which may have its own ``lr``.
        lr: learning rate.
        momentum: share of the last step kept.
        decay: share of the running means kept.
        floor: added to the variance.

    Raises:
        ValueError: a number is out of its range.
    """

    def __init__(
        self, params: Parameters, lr: float = 1e-4, momentum: float = 0.9, decay: float = 0.95, floor: float = 1e-4
    ) -> None:
        for name, value in {"momentum": momentum, "decay": decay}.items():
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1); got {value!r}")
        for name, value in {"lr": lr, "floor": floor}.items():
            if not value > 0:
                raise ValueError(f"{name} must be above 0; got {value!r}")
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay, "floor": floor})

        self._joined: dict[tuple[Tensor, ...], tuple[list[Tensor], list[list[Tensor]]]] = {}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step. Parameters without a gradient stay as they are."""
        for group in self.param_groups:
            parameters = tuple(p for p in group["params"] if p.grad is not None)
            if not parameters:
                continue
            (mean_square, mean, velocity), (*_, velocities) = self._join(parameters)
            gradient, decay = torch.cat([p.grad.flatten() for p in parameters]), group["decay"]
            mean_square.mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
            mean.mul_(decay).add_(gradient, alpha=1 - decay)
            spread = mean_square.addcmul(mean, mean, value=-1).clamp_min_(0.0)  # a variance, but for rounding
            spread.add_(group["floor"]).sqrt_()
            velocity.mul_(group["momentum"]).addcdiv_(gradient, spread, value=-group["lr"])
            torch._foreach_add_(parameters, velocities)

    def _join(self, parameters: tuple[Tensor, ...]) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Return the state of some parameters as three vectors, and their parts, the states of single parameters.

        Ten operations on each of a dozen parameters would take a small machine's update as long as all else.
        """
        vectors, parts = self._joined.get(parameters, ([], []))
        known = zip(STATE, parts, strict=False)
        if vectors and all(self.state[p].get(n) is v for n, row in known for p, v in zip(parameters, row, strict=True)):
            return vectors, parts
        vectors, parts = [], []
        for name in STATE:
            values = [self.state[p][name] if name in self.state[p] else torch.zeros_like(p) for p in parameters]
            vectors.append(torch.cat([value.flatten() for value in values]))
            split = vectors[-1].split([p.numel() for p in parameters])
            parts.append([part.view_as(p) for part, p in zip(split, parameters, strict=True)])
            for parameter, part in zip(parameters, parts[-1], strict=True):
                self.state[parameter][name] = part
        self._joined = {key: value for key, value in self._joined.items() if not set(key) & set(parameters)}
        self._joined[parameters] = vectors, parts
        return vectors, parts


@torch.no_grad()
def norm_of(tensors: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Return the length of all tensors as one vector: torch's ``get_total_norm`` without its preparations.

    It is finite if all numbers are. The square of a number above 1.8e19 is not, in float32; so where their sum comes
    out infinite it is taken once more in float64.
    """
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tuple(tensors))))
    if norm.isfinite():
        return norm
    return torch.linalg.vector_norm(torch.cat([tensor.flatten() for tensor in tensors]), dtype=torch.float64)


def clip_norm(parameters: Sequence[Tensor], norm: Float[Tensor, ""], largest: float) -> None:
    """Shrink gradients of length ``norm`` to the length ``largest`` if they are longer."""
    if norm.item() + 1e-6 > 0.99999 * largest:  # below, torch would multiply all of them by 1
        torch.nn.utils.clip_grads_with_norm_(parameters, largest, norm)


def build(config: TrainConfig, parameter_groups: dict[str, list[torch.nn.Parameter]]) -> torch.optim.Optimizer:
    """Build the optimizer a config asks for, with a group for each learning rate."""
    by_rate: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameters in parameter_groups.items():
        rate = config.learning_rate * config.learning_rate_factors.get(name, 1.0)
        by_rate.setdefault(rate, []).extend(parameters)
    groups = [{"params": parameters, "lr": rate, "full_lr": rate} for rate, parameters in by_rate.items() if parameters]
    if config.optimizer == "graves_rmsprop":
        return GravesRMSProp(groups, config.learning_rate, config.momentum)
    return Adam(groups, config.learning_rate, (config.momentum, 0.999))


def state_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's memory as named tensors, ``<index of the parameter>/<name>``."""
    return {
        f"{index}/{name}": value.clone()  # each with memory of its own
        for index, parameter in enumerate(_parameters(optimizer))
        for name, value in optimizer.state.get(parameter, {}).items()
    }


def load_state_tensors(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what ``state_tensors`` gave.

    Raises:
        ValueError: a tensor belongs to no parameter, or has another shape than it.
    """
    parameters = _parameters(optimizer)
    states: list[dict[str, Tensor]] = [{} for _ in parameters]
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        if not index.isdecimal() or int(index) >= len(parameters):
            raise ValueError(f"the optimizer has {len(parameters)} parameters; got state for {key!r}")
        if name not in _kept(optimizer) or value.dtype != parameters[int(index)].dtype:
            raise ValueError(f"the optimizer keeps {', '.join(_kept(optimizer))}; got {key!r} of {value.dtype}")
        if (value.ndim or name != "step") and value.shape != parameters[int(index)].shape:
            raise ValueError(
                f"optimizer state {key!r} must have shape {list(parameters[int(index)].shape)}; got {list(value.shape)}"
            )
        states[int(index)][name] = value.to(parameters[int(index)].device)
    for state in states:
        if state and set(state) != set(_kept(optimizer)):
            raise ValueError(f"the optimizer keeps {', '.join(_kept(optimizer))}; got only {', '.join(state)}")
    optimizer.state.clear()
    optimizer.state.update({p: state for p, state in zip(parameters, states, strict=True) if state})


def _kept(optimizer: torch.optim.Optimizer) -> tuple[str, ...]:
    """Return the names under which an optimizer keeps its memory of a parameter."""
    return STATE if isinstance(optimizer, GravesRMSProp) else ("step", "exp_avg", "exp_avg_sq")


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
