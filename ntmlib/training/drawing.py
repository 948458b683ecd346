"""What an update trains on: the batch, the memory it has, and of a text the place and the state it goes on from."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ntmlib.ntm import NTM
from ntmlib.tasks import Batch, Continuous, Task
from ntmlib.training import states
from ntmlib.training.config import TrainConfig
from ntmlib.training.evaluation import lengths_for
from ntmlib.training.models import Model, generator_for
from ntmlib.training.states import State


@dataclass(frozen=True)
class Draw:
    """What one update trains on.

    Attributes:
        length: of the sequences, in the task's unit.
        batch: still on the CPU.
        lengths: steps of each sequence, for the model; None where all are equal or it need not know.
        model: the model with the memory of this update.
        num_answers: bits, or symbols, wanted in all sequences together.
        divisor: of the cost, for the objective.
        state: where its sequences start; None for the model's initial state.
    """

    length: int
    batch: Batch
    lengths: Tensor | None
    model: Model
    num_answers: int
    divisor: int
    state: State | None = None


@dataclass(frozen=True)
class Stream:
    """Where in a text the sequences of the next update begin, and with what state."""

    places: Tensor
    state: State


class Drawing:
    """Draws what the updates of a run train on, from a generator of its own.

    Args:
        config: the run.
        task: its task.
        model: the model that is trained, with the memory it trains with; of several sizes the largest.
    """

    def __init__(self, config: TrainConfig, task: Task, model: Model) -> None:
        self.config, self.task, self.model = config, task, model
        ends = list(itertools.accumulate(lesson["updates"] for lesson in config.lessons))
        self.lessons = list(zip(ends, config.make_lessons(), strict=True))  # each with the update after its last
        self.generator = generator_for(config.seed, "batches")
        self.sizes: dict[int, NTM] = {}  # one set of weights, seen through memories of several sizes
        self.stream: Stream | None = None  # of a text that is read on from update to update

    def draw(self, top_length: int, update: int) -> Draw:
        """Draw what the next update trains on, up to this length, after so many updates."""
        task = next((lesson for end, lesson in self.lessons if update < end), self.task)
        if any(update == end for end, _ in self.lessons):
            self.stream = None  # its places are those of the lesson before
        state = None
        if self.config.fresh_share < 1:
            length, (batch, state) = task.max_length, self._read_on(cast(Continuous, task))
        else:
            length, batch = self._sample(task, top_length if task is self.task else task.max_length)
        model = self._model_for(length)
        num_answers = batch.num_answers
        divisor = num_answers if self.config.objective == "bit" else self.config.batch_size
        return Draw(length, batch, lengths_for(model, batch), model, num_answers, divisor, state)

    def _sample(self, task: Task, top_length: int) -> tuple[int, Batch]:
        """Draw a batch of whole sequences, within the curriculum."""
        size = self.config.batch_size
        if self.config.mixed_lengths:
            return top_length, task.up_to(top_length).sample(size, generator=self.generator)
        length = int(torch.randint(task.min_length, top_length + 1, (), generator=self.generator))
        return length, task.up_to(top_length).sample(size, generator=self.generator, length=length)

    def _read_on(self, task: Continuous) -> tuple[Batch, State]:
        """Return the next windows of a text, and the state to read them from; some streams begin anew."""
        size = self.config.batch_size
        places, start = task.begin(size, generator=self.generator), self.model.initial_state(size)
        if self.stream is not None:
            fresh = torch.rand(size, generator=self.generator) < self.config.fresh_share
            places = torch.where(fresh, places, self.stream.places)
            start = states.chosen(fresh, start, self.stream.state) if bool(fresh.any()) else self.stream.state
        batch, places = task.read_on(places, task.max_length)
        self.stream = Stream(places, states.detached(start))
        return batch, start

    def _model_for(self, length: int) -> Model:
        """Draw the size of memory of one update, for sequences of this length."""
        if not isinstance(self.model, NTM):
            return self.model
        spare = self.config.spare_slots
        choices = self.config.slots_in_training if spare is None else tuple(length + extra for extra in spare)
        if not choices:
            return self.model
        chosen = 0 if len(choices) == 1 else int(torch.randint(len(choices), (), generator=self.generator))
        slots = choices[chosen]
        if slots == self.model.config.slots:
            return self.model
        if slots not in self.sizes:
            self.sizes[slots] = self.model.with_slots(slots, shared=True)
        return self.sizes[slots]

    def ended(self, state: State) -> None:
        """Take up the state that the last update's sequences ended with, if the next one goes on from it."""
        if self.stream is not None:
            self.stream = Stream(self.stream.places, states.detached(state))

    def tensors(self) -> dict[str, Tensor]:
        """Return for a checkpoint what the next draw depends on."""
        kept = {"rng/batches": self.generator.get_state()}
        if self.stream is not None:
            kept["stream/places"] = self.stream.places
            kept |= {f"stream/state/{index}": part for index, part in enumerate(states.tensors(self.stream.state))}
        return kept

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Go on from what ``tensors`` gave."""
        self.generator.set_state(kept["rng/batches"])
        if "stream/places" in kept:
            like = states.detached(self.model.initial_state(self.config.batch_size))
            parts = [kept[f"stream/state/{index}"] for index in range(len(states.tensors(like)))]
            places = kept["stream/places"]
            if places.dtype != torch.int64 or places.shape != (self.config.batch_size,) or bool((places < 0).any()):
                raise ValueError(f"stream/places must be {self.config.batch_size} places in a text; got {places}")
            self.stream = Stream(places, states.rebuilt(like, parts))
