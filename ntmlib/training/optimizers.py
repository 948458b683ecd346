"""Optimizers: Graves' RMSProp, as the paper trained with, and torch's Adam."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ntmlib.training.config import TrainConfig

STATE = ("mean_square", "mean", "velocity")
Parameters = Iterable[Tensor] | Iterable[dict[str, Any]]


class GravesRMSProp(torch.optim.Optimizer):
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
    """Return the length of all tensors as one vector: torch's ``get_total_norm`` without its preparations."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tuple(tensors))))


def clip_norm(parameters: Sequence[Tensor], norm: Float[Tensor, ""], largest: float) -> None:
    """Shrink gradients of length ``norm`` to the length ``largest`` if they are longer."""
    if norm.item() > 0.99999 * largest:  # below, torch would multiply all of them by 1
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
    # fused: the fastest of torch's three on a CPU (76 against 149 and 179 microseconds for 13,500 parameters)
    return torch.optim.Adam(groups, config.learning_rate, (config.momentum, 0.999), fused=True)


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
        if value.ndim and value.shape != parameters[int(index)].shape:
            raise ValueError(
                f"optimizer state {key!r} must have shape {list(parameters[int(index)].shape)}; got {list(value.shape)}"
            )
        states[int(index)][name] = value
    optimizer.state.clear()
    optimizer.state.update({p: state for p, state in zip(parameters, states, strict=True) if state})


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
