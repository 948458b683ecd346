"""The mean of a model's weights over the last part of its training."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ntmlib.training.models import Model


class WeightAverage:
    """A running mean of weights in which late updates count for more (Shamir and Zhang, 2013: polynomial decay).

    After update ``n`` the mean moves by ``1 / (1 + share * n)`` of the way to the new weights. So it always reaches
    back over the same share of the training: what the weights were ``share * n`` updates ago counts for 1/e of the
    last, about. An optimizer whose steps are large wanders about a good place; the mean is nearer to it.

    Args:
        share: of the updates made so far, in [0, 1); with 0 there is no mean.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.updates = 0
        self.weights: dict[str, Tensor] = {}

    @torch.no_grad()
    def take(self, model: nn.Module) -> None:
        """Take up the weights that an update has left."""
        if not self.share:
            return
        parameters = dict(model.named_parameters())
        if not self.weights:
            self.weights = {name: value.detach().clone() for name, value in parameters.items()}
        self.updates += 1
        step = 1 / (1 + self.share * self.updates)
        torch._foreach_lerp_(list(self.weights.values()), [parameters[name] for name in self.weights], step)

    @torch.no_grad()
    def model(self, model: Model) -> Model:
        """Return a copy of a model with the mean weights, or the model itself if there is no mean."""
        if not self.weights:
            return model
        averaged = copy.deepcopy(model)
        for name, parameter in averaged.named_parameters():  # not its buffers: a random memory has a seed there
            parameter.copy_(self.weights[name])
        return averaged

    def restore(self, weights: Mapping[str, Tensor], updates: int, device: torch.device) -> None:
        """Go on from weights and number of updates as they were."""
        self.weights = {name: value.to(device) for name, value in weights.items()}
        self.updates = updates
