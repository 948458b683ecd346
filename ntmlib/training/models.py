"""From a config to a model with its first weights, and from a checkpoint to a model with trained ones."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from ntmlib.baselines import LSTM, Elman, Transformer
from ntmlib.machine import MachineConfig
from ntmlib.ntm import NTM
from ntmlib.training.checkpoints import Checkpoint, CheckpointError
from ntmlib.training.config import TrainConfig

Model = NTM | LSTM | Elman | Transformer


def generator_for(seed: int, purpose: str) -> torch.Generator:
    """Return the private generator of one purpose; different purposes share no random numbers."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))


def build_model(config: TrainConfig, restart: int = 0) -> Model:
    """Build the model of a config with its first weights, as large as it is after training.

    Every ``restart`` has other first weights.
    """
    task = config.make_task()
    inputs, outputs = len(task.input_channels), len(task.output_channels)
    generator = generator_for(config.seed, f"weights, restart {restart}" if restart else "weights")
    if config.model == "lstm":
        return LSTM(inputs, outputs, **config.model_options, generator=generator)
    if config.model == "transformer":
        return Transformer(inputs, outputs, **config.model_options, generator=generator)
    if config.model == "rnn":
        return Elman(inputs, outputs, **config.model_options, generator=generator)
    return NTM.from_config(MachineConfig(inputs, outputs, **config.model_options), generator)


def load_weights(model: Model, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights into a model.

    Raises:
        CheckpointError: names or shapes are those of another model.
    """
    weights = checkpoint.part("model/")
    check_weights(weights, model.state_dict())
    model.load_state_dict(weights)


def check_weights(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not those of a model like the one whose weights are given, too.

    Raises:
        CheckpointError: a name, a shape or a type of number is another.
    """
    if set(weights) != set(wanted):
        raise CheckpointError(f"its weights are those of another model: {sorted(set(weights) ^ set(wanted))[0]!r}")
    for name, value in wanted.items():
        if weights[name].shape != value.shape:
            raise CheckpointError(f"{name!r} must have shape {list(value.shape)}; got {list(weights[name].shape)}")
        if weights[name].dtype != value.dtype:
            raise CheckpointError(f"{name!r} must hold {value.dtype}; got {weights[name].dtype}")
