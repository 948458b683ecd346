"""Many machines of one shape trained side by side: on a GPU all of them share each launch."""

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ntmlib.engines import cuda
from ntmlib.machine import MachineState, NTMCell
from ntmlib.ntm import NTM
from ntmlib.training.config import TrainConfig
from ntmlib.training.drawing import Draw
from ntmlib.training.evaluation import answer_nats
from ntmlib.training.loop import LARGEST_SQUARED, Diverged, Trainer
from ntmlib.training.optimizers import norm_of, step_together
from ntmlib.training.process import interruptions, threads
from ntmlib.training.progress import Progress, Watch
from ntmlib.training.runs import Run, advance, go_on, training


def train_many(
    configs: Sequence[TrainConfig],
    directories: Sequence[str | os.PathLike[str]] | None = None,
    watch: Watch | None = None,
    resume: bool = True,
) -> list[Run | Diverged]:
    """Train machines that differ in their seeds alone.

    Each run is what ``train`` would make of its config, but for rounding: its batches, its curriculum, its end and its
    folder are its own. With ``engine="cuda"`` the sequences of all machines run in one launch, to be exact those whose
    memories have the same size in this update. With ``spare_slots`` hardly two have (ten seeds and three numbers gave
    nine sizes an update), and what launching together saves is lost. Other engines train one machine after the other.

    Args:
        configs: what to train; equal in everything but the seed.
        directories: a folder for each run, or None to keep them in memory only.
        watch: called with the progress of the first run that is still going on.
        resume: whether unfinished runs in the folders may go on.

    Returns:
        For each config its run, or how it diverged, which does not stop the others.

    Raises:
        ValueError: configs or directories do not fit together.
        RunRefused: a folder cannot be used. Nothing was trained, but folders named before it are ready for their runs.
    """
    _check(configs, directories)
    if not configs:
        return []
    folders = list(directories) if directories is not None else [None] * len(configs)
    states: list[Trainer | Run | Diverged] = []
    # Dropout and a text that is read on are things of one machine; those run in a launch of their own.
    in_one_launch = configs[0].engine == "cuda" and not configs[0].dropout and configs[0].fresh_share == 1
    in_one_launch = in_one_launch and not configs[0].skip_updates

    def watched(index: int) -> Watch | None:
        def show(progress: Progress) -> None:
            if watch is not None and not any(isinstance(state, Trainer) for state in states[:index]):
                watch(progress)

        return None if watch is None else show

    with threads(configs[0].threads), interruptions() as interrupted, ExitStack() as stack:
        runs = [
            stack.enter_context(closing(training(config, folder, watched(index), resume, interrupted)))
            for index, (config, folder) in enumerate(zip(configs, folders, strict=True))
        ]
        for run in runs:  # opens all folders before anything is trained
            states.append(go_on(run))
        while waiting := [index for index, state in enumerate(states) if isinstance(state, Trainer)]:
            together = waiting if in_one_launch else waiting[:1]
            trainers = [cast(Trainer, states[index]) for index in together]
            failures = advance_together(trainers) if in_one_launch else [advance(trainers[0])]
            for index, failure in zip(together, failures, strict=True):
                states[index] = go_on(runs[index], failure)
    return cast(list[Run | Diverged], states)


def _check(configs: Sequence[TrainConfig], directories: Sequence[object] | None) -> None:
    for config in configs:
        if config.replace(seed=0) != configs[0].replace(seed=0):
            here, there = config.to_dict(), configs[0].to_dict()
            name = next(name for name in here if name != "seed" and here[name] != there[name])
            raise ValueError(f"configs must differ in seed alone; {name} is {there[name]!r} and {here[name]!r}")
    if directories is not None and len(directories) != len(configs):
        raise ValueError(f"directories must be {len(configs)}, one for each config; got {len(directories)}")
    if directories is not None and len({os.path.realpath(str(folder)) for folder in directories}) < len(directories):
        raise ValueError("directories must be different folders; one is named twice")


def advance_together(trainers: Sequence[Trainer]) -> list[Diverged | None]:
    """Make one update of each run, as ``Trainer.advance`` does; returns what became of each."""
    draws = [trainer.draw() for trainer in trainers]
    costs = _costs(draws, trainers[0].device)
    for trainer in trainers:
        for parameter in trainer.parameters:
            parameter.grad = None
    torch.stack([cost / draw.divisor for cost, draw in zip(costs, draws, strict=True)]).sum().backward()

    gradients = [[p.grad for p in trainer.parameters if p.grad is not None] for trainer in trainers]
    numbers = torch.stack([torch.stack(costs).detach(), _norms(gradients)]).tolist()
    outcomes = [
        _judge(trainer, loss=cost, gradient=norm) for trainer, cost, norm in zip(trainers, *numbers, strict=True)
    ]
    going = [index for index, outcome in enumerate(outcomes) if outcome is None]
    if not going:
        return outcomes
    _clip(trainers[0].config, [gradients[index] for index in going], [numbers[1][index] for index in going])
    for index in going:
        trainers[index].set_learning_rates()
    step_together([trainers[index].optimizer for index in going])
    weights = _norms([trainers[index].parameters for index in going]).tolist()
    for index, norm in zip(going, weights, strict=True):
        outcomes[index] = _judge(trainers[index], weights=norm)
        if outcomes[index] is None:
            trainers[index].record(draws[index], numbers[0][index], numbers[1][index])
    return outcomes


def _judge(trainer: Trainer, **numbers: float) -> Diverged | None:
    try:
        trainer.check(**numbers)
    except Diverged as error:
        return error
    return None


def _costs(draws: Sequence[Draw], device: torch.device) -> list[Tensor]:
    """Run all draws, those with one size of memory in one launch; returns the cost of each in nats."""
    by_slots: dict[int, list[int]] = {}
    for index, draw in enumerate(draws):
        by_slots.setdefault(cast(NTM, draw.model).config.slots, []).append(index)
    found: dict[int, Tensor] = {}
    for indices in by_slots.values():
        found |= dict(zip(indices, _launch([draws[index] for index in indices], device), strict=True))
    return [found[index] for index in range(len(draws))]


def _launch(draws: Sequence[Draw], device: torch.device) -> tuple[Tensor, ...]:
    batches = [draw.batch for draw in draws]
    size = batches[0].inputs.shape[0]
    steps = max(batch.inputs.shape[1] for batch in batches)

    def joined(parts: list[Tensor]) -> Tensor:
        """Put batches of several lengths under one another, filled up with zeros."""
        return torch.cat([F.pad(part, (0, 0, 0, steps - part.shape[1])) for part in parts]).to(device)

    inputs, targets = (joined([getattr(batch, name) for batch in batches]) for name in ("inputs", "targets"))
    mask = joined([batch.mask[..., None] for batch in batches])
    cells = [cast(NTM, draw.model).cell for draw in draws]
    lengths = torch.cat([batch.lengths for batch in batches])
    logits, _ = cuda.unroll_many(cells, inputs, _start(cells, size), lengths)
    scored = logits.masked_fill(~mask, 0.0)  # whatever else is there, infinite or not
    nats = answer_nats(scored, targets, batches[0].answer_type, "none").view(*mask.shape[:2], -1) * mask
    return nats.view(len(draws), -1).sum(1).unbind()


def _start(cells: Sequence[NTMCell], size: int) -> MachineState:
    """Return the first states of all machines, ``size`` sequences each."""
    config = cells[0].config
    if config.memory_init != "constant" or config.weighting_init == "learned":
        starts = [cell.initial_state(size) for cell in cells]
        memory, read_weighting, write_weighting = (
            torch.cat([getattr(start, name) for start in starts])
            for name in ("memory", "read_weighting", "write_weighting")
        )
    else:  # the same for all; to build it once saves most of the time
        start = cells[0].initial_state(len(cells) * size)
        memory, read_weighting, write_weighting = start.memory, start.read_weighting, start.write_weighting
    controllers = [cell.controller.initial_state(1) for cell in cells]
    return MachineState(
        memory,
        read_weighting,
        write_weighting,
        torch.stack([cell.initial_read_vector for cell in cells]).repeat_interleave(size, 0),
        tuple(torch.cat(same).repeat_interleave(size, 0) for same in zip(*controllers, strict=True)),
    )


def _norms(groups: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return the length of each group of tensors, as one vector each; finite if all numbers are (``norm_of``)."""
    every = torch._foreach_norm([tensor.detach() for group in groups for tensor in group])
    norms = torch.linalg.vector_norm(torch.stack(list(every)).view(len(groups), -1), dim=1)
    if norms.isfinite().all():
        return norms
    return torch.stack([norm_of(group).to(torch.float64) for group in groups])


def _clip(config: TrainConfig, gradients: Sequence[Sequence[Tensor]], norms: Sequence[float]) -> None:
    """Cut each machine's gradient; the numbers are those of ``torch.nn.utils.clip_grads_with_norm_``."""
    if config.clip_norm is not None:
        kinds = [np.float32 if norm <= LARGEST_SQUARED else np.float64 for norm in norms]  # as ``norm_of`` has them
        limits = [kind(config.clip_norm) / (kind(norm) + kind(1e-6)) for kind, norm in zip(kinds, norms, strict=True)]
        factors = [min(float(limit), 1.0) for limit in limits]
        torch._foreach_mul_(
            [gradient for own in gradients for gradient in own],
            [factor for own, factor in zip(gradients, factors, strict=True) for _ in own],
        )
    if config.clip_value is not None:
        every = [gradient for own in gradients for gradient in own]
        torch._foreach_clamp_min_(every, -config.clip_value)
        torch._foreach_clamp_max_(every, config.clip_value)
