"""The one training loop: draw, run, cost, gradient, step; for every task and model."""

import copy
import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import torch

from ntmlib.engines import device_for
from ntmlib.engines.denormals import flushed
from ntmlib.ntm import NTM, Trace
from ntmlib.tasks import Continuous, answer_type
from ntmlib.training import optimizers
from ntmlib.training.averaging import WeightAverage
from ntmlib.training.checkpoints import Checkpoint, CheckpointError
from ntmlib.training.config import TrainConfig
from ntmlib.training.drawing import Draw, Drawing
from ntmlib.training.evaluation import BITS_PER_NAT, Report, cost_nats, evaluate
from ntmlib.training.history import EVALUATIONS, History
from ntmlib.training.models import Model, build_model, check_weights, generator_for, load_weights
from ntmlib.training.progress import Progress, Watch
from ntmlib.training.stored_state import check_state
from ntmlib.training.texts import evaluate_text

SECONDS_BETWEEN_LOOKS = 0.5
# Of the sequence that is watched while a machine learns, where the task allows it.
EXAMPLE_LENGTH, EXAMPLE_STEPS = 10, 40
LARGEST_SQUARED = math.sqrt(torch.finfo(torch.float32).max)  # 1.8e19: the square of anything above is infinite

# what a run cannot go on without
STATE = ("update", "seconds", "top_length", "recent", "solved_at", "stalled_at", "restarts", "progress_at")


class Diverged(RuntimeError):  # noqa: N818  # what happened, in a word
    """Training met a number that is not finite.

    Attributes:
        update: the update it happened in, from 1.
        what: ``"loss"``, ``"gradient"``, ``"gradient's square"`` or ``"weights"``.
    """

    def __init__(self, update: int, what: str) -> None:
        super().__init__(f"diverged at update {update}: the {what} is not finite")
        self.update, self.what = update, what


@dataclasses.dataclass(frozen=True)
class Best:
    """The weights that did best in an evaluation so far, after which update, and how well."""

    update: int
    bits_per_bit: float
    weights: dict[str, torch.Tensor]


class Trainer:
    """A training run between two updates: model, optimizer, generator, curriculum, history.

    ``checkpoint`` gives all of it as a value, ``restore`` goes on from one.

    Args:
        config: the run.
        device: where the model is; by default where the engine wants it.

    Raises:
        ValueError: the engine cannot run this here.
    """

    def __init__(self, config: TrainConfig, device: torch.device | None = None) -> None:
        self.config = config
        self.task = config.make_task()
        model = build_model(config)
        largest = None
        if isinstance(model, NTM):
            largest = dataclasses.replace(model.config, slots=max(model.config.slots, *config.slots_in_training, 0))
        self.device = device or device_for(config.engine, largest)
        self.model = self._for_training(model).to(self.device)
        self.drawing = Drawing(config, self.task, self.model)
        self.dropout_generator = generator_for(config.seed, "dropout")
        self.average = WeightAverage(config.averaged_share)
        self.best: Best | None = None
        self.history, self.evaluations = History(), History(EVALUATIONS)
        self.update = 0
        self.solved_at: int | None = None
        self.stalled_at: int | None = None
        self.restarts = 0
        self.skipped = 0  # updates in a row that were left out
        self.progress_at = 0  # update of the last step of the curriculum, or of the last start
        self.top_length = config.curriculum_start or self.task.max_length
        self._recent: deque[float] = deque(maxlen=max(config.curriculum_window, config.solved_window))
        self.parameters = list(self.model.parameters())
        self._options: dict[str, Any] = {"engine": config.engine} if config.model == "ntm" else {}
        self.seconds = self.cpu_seconds = 0.0
        self._running_since: tuple[float, float] | None = None  # by the clock, and by this process's own

    def _for_training(self, model: Model) -> Model:
        """Give a model the memory it trains with; of several sizes the largest."""
        sizes = self.config.slots_in_training
        return model.with_slots(max(sizes)) if isinstance(model, NTM) and sizes else model

    @cached_property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer, built when first needed and again after a restart."""
        return optimizers.build(self.config, self.model.parameter_groups())

    @cached_property
    def example(self) -> torch.Tensor:
        """The inputs of a short sequence, on which one can watch the machine learn."""
        length = min(self.task.max_length, max(self.task.min_length, EXAMPLE_LENGTH))
        batch = self.task.sample(1, generator=generator_for(self.config.seed, "example"), length=length)
        return batch.inputs[:, :EXAMPLE_STEPS].to(self.device)

    def trace_example(self) -> Trace | None:
        """Run the machine as it is now on the example; None for a model without heads."""
        return self.model.trace(self.example) if isinstance(self.model, NTM) else None

    @property
    def last_update(self) -> int:
        """The update after which the run ends, as far as can be known."""
        if self.stalled_at is not None:
            return self.stalled_at
        if self.solved_at is None:
            return self.config.max_updates
        return min(self.config.max_updates, self.solved_at + self.config.updates_after_solved)

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return self.update >= self.last_update

    @flushed()
    def advance(self) -> None:
        """Make one update.

        Raises:
            Diverged: the loss, the gradient or the weights are not finite. The weights have then
                not been changed, or are of no use: do not keep them.
        """
        drawn = self.draw()
        batch = drawn.batch.to(self.device)
        logits, state = drawn.model(batch.inputs, drawn.state, lengths=drawn.lengths, **self._options, **self._dropout)
        nats = cost_nats(logits, batch)
        for parameter in self.parameters:
            parameter.grad = None
        (nats / drawn.divisor).backward()

        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = optimizers.norm_of(gradients)
        cost, gradient_norm = torch.stack([nats.detach(), norm]).tolist()
        if not math.isfinite(gradient_norm) and math.isfinite(cost) and self.skipped < self.config.skip_updates:
            self.skipped += 1
            self.drawing.stream = None
            self.record(drawn, cost, math.inf)
            return
        self.skipped = 0
        self.check(loss=cost, gradient=gradient_norm)
        self._clip(gradients, norm)
        self.set_learning_rates()
        self.optimizer.step()
        self.check(weights=optimizers.norm_of(self.parameters).item())
        self.drawing.ended(state)
        self.record(drawn, cost, gradient_norm)

    @property
    def _dropout(self) -> dict[str, Any]:
        """What a model is told of dropout in training."""
        share = self.config.dropout
        return {"dropout": share, "generator": self.dropout_generator} if share else {}

    def draw(self) -> Draw:
        """Draw what the next update trains on."""
        return self.drawing.draw(self.top_length, self.update)

    def record(self, drawn: Draw, cost: float, gradient_norm: float) -> None:
        """Count an update that was made, and draw the conclusions: a harder task, solved, stalled.

        Args:
            drawn: what it trained on.
            cost: of all its sequences together, in nats.
            gradient_norm: of the whole gradient, before it was cut.
        """
        self.update += 1
        self.average.take(self.model)
        bits, num_sequences = cost * BITS_PER_NAT, self.config.batch_size
        self._tick()
        self.history.append(
            self.update,
            self.update * num_sequences,
            self.seconds,
            self.top_length,
            drawn.length,
            bits / drawn.num_answers,
            bits / num_sequences,
            gradient_norm,
        )
        self._judge(bits / drawn.num_answers)

    def check(self, **values: float) -> None:
        """Stop the update that is being made if a number is not finite.

        Nor may the square of a gradient overflow that nothing cuts: the optimizer keeps a mean of squares, and an
        infinite one would stop the weights from ever moving again.

        Raises:
            Diverged: it names the number.
        """
        for what, value in values.items():
            if not math.isfinite(value):
                raise Diverged(self.update + 1, what)
        cut = self.config.clip_norm is not None or self.config.clip_value is not None
        if not cut and values.get("gradient", 0.0) > LARGEST_SQUARED:
            raise Diverged(self.update + 1, "gradient's square")

    def _clip(self, gradients: list[torch.Tensor], norm: torch.Tensor) -> None:
        if self.config.clip_norm is not None:
            optimizers.clip_norm(self.parameters, norm, self.config.clip_norm)
        if self.config.clip_value is not None:
            torch._foreach_clamp_min_(gradients, -self.config.clip_value)
            torch._foreach_clamp_max_(gradients, self.config.clip_value)

    def set_learning_rates(self) -> None:
        """Set the optimizer's learning rates to those of the next update."""
        update, config = self.update + 1, self.config
        if config.final_learning_rate_factor == 1 and update > config.warmup_updates + 1:
            return
        done = 0.0
        if config.solved_threshold is None:
            done = update / config.max_updates
        elif self.solved_at is not None:
            done = (update - self.solved_at) / (self.last_update - self.solved_at)
        elif update > config.warmup_updates + 1:
            return
        factor = 1 - (1 - config.final_learning_rate_factor) * done
        factor *= min(1.0, update / (config.warmup_updates + 1))
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_lr"] * factor

    def _judge(self, bits_per_answer: float) -> None:
        """Move the curriculum on, or find the task solved."""
        config = self.config
        self._recent.append(bits_per_answer)
        if self.top_length < self.task.max_length:
            if self._mean_of_last(config.curriculum_window) < config.curriculum_threshold:
                self.top_length = min(self.top_length + config.curriculum_step, self.task.max_length)
                self._recent.clear()
                self.progress_at = self.update
        elif self.solved_at is None and self._mean_of_last(config.solved_window) < (config.solved_threshold or 0):
            self.solved_at = self.update
        if self.solved_at is None and self.update - self.progress_at >= (config.stall_updates or math.inf):
            self._give_up()

    def _give_up(self) -> None:
        """End a run that gets nowhere, or start it again with other weights."""
        if self.restarts == self.config.max_restarts:
            self.stalled_at = self.update
            return
        self.restarts += 1
        self.progress_at = self.update
        self.top_length = self.config.curriculum_start or self.task.max_length
        self._recent.clear()
        self.drawing.stream = None
        self.model.load_state_dict(self._for_training(build_model(self.config, self.restarts)).state_dict())
        del self.optimizer  # built anew, without a memory of the old gradients
        self.average = WeightAverage(self.config.averaged_share)

    def _mean_of_last(self, window: int) -> float:
        """Mean cost of the last updates at this top length; infinite while there are too few."""
        if len(self._recent) < window:
            return math.inf
        return math.fsum(list(self._recent)[-window:]) / window

    def evaluate(self) -> None:
        """Evaluate at the config's lengths; the sequences are the same every time."""
        averaged = self.average.model(self.model)
        model = self._with_full_memory(averaged)
        for length in self.config.evaluation_lengths or (None,) * isinstance(self.task, Continuous):
            report = self._evaluate(model, length)
            values = {**dataclasses.asdict(report), "slots": report.slots or 0, "bits_right": report.bits_right}
            self.evaluations.append(self.update, *(values[name] for name in list(EVALUATIONS)[1:]))
        if self.config.keep_best and (self.best is None or report.bits_per_bit < self.best.bits_per_bit):
            weights = {name: value.detach().clone() for name, value in averaged.state_dict().items()}
            self.best = Best(self.update, report.bits_per_bit, weights)

    def _evaluate(self, model: Model, length: int | None) -> Report:
        """Try a model at one length; on a text that is so many characters of the validation part in each stream."""
        streams = self.config.evaluation_sequences
        if isinstance(self.task, Continuous):
            return evaluate_text(model, self.task, streams=streams, characters=length, **self._options)
        generator = generator_for(self.config.seed, "evaluation")
        return evaluate(model, self.task, length=length, num_sequences=streams, generator=generator, **self._options)

    def final_model(self) -> Model:
        """Return the model as it is used after training: with its full memory, and the best one if so configured."""
        if self.best is None:
            return self._last_model()
        model = copy.deepcopy(self._last_model())
        model.load_state_dict(self.best.weights)
        return model

    def _last_model(self) -> Model:
        """Return the model with its full memory, and with the mean of its weights if so configured."""
        return self._with_full_memory(self.average.model(self.model))

    def _with_full_memory(self, model: Model) -> Model:
        if isinstance(model, NTM) and self.config.slots_in_training:
            return model.with_slots(self.config.model_options["slots"])
        return model

    def checkpoint(self) -> Checkpoint:
        """Return all of the run's state.

        Rows of the histories are only counted in it: whoever keeps it makes them durable first (``sync_rows``).
        """
        tensors = {f"model/{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"optim/{name}": value for name, value in optimizers.state_tensors(self.optimizer).items()}
        tensors |= self.drawing.tensors()
        tensors |= {f"average/{name}": value.clone() for name, value in self.average.weights.items()}
        if self.config.dropout:
            tensors["rng/dropout"] = self.dropout_generator.get_state()
        if self.best is not None:
            tensors |= {f"best/{name}": value for name, value in self.best.weights.items()}
        state = {
            "update": self.update,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "top_length": self.top_length,
            "recent": list(self._recent),
            "solved_at": self.solved_at,
            "stalled_at": self.stalled_at,
            "restarts": self.restarts,
            "skipped": self.skipped,
            "averaged_updates": self.average.updates,
            "progress_at": self.progress_at,
            "best": self.best and [self.best.update, self.best.bits_per_bit],
            "history_bytes": self.history.size(),
            "evaluations_bytes": self.evaluations.size(),
        }
        return Checkpoint(tensors, state)

    def sync_rows(self) -> None:
        """Make the rows of both histories durable."""
        self.history.sync()
        self.evaluations.sync()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, but for the histories.

        Raises:
            CheckpointError: it belongs to another config, or is none that a run has written.
        """
        state = checkpoint.state
        check_state(state, STATE)
        load_weights(self.model, checkpoint)
        optimizers.load_state_tensors(self.optimizer, checkpoint.part("optim/"))
        try:
            self.drawing.restore(checkpoint.tensors)
            if self.config.dropout:
                self.dropout_generator.set_state(checkpoint.tensors["rng/dropout"])
        except (KeyError, TypeError, RuntimeError) as error:  # torch refuses the state of another generator
            raise CheckpointError(f"what it has drawn cannot be gone on from: {error}") from error
        self.restore_average(checkpoint)
        self.restore_best(checkpoint)
        self.update, self.solved_at, self.top_length = state["update"], state["solved_at"], state["top_length"]
        self.stalled_at, self.restarts, self.progress_at = state["stalled_at"], state["restarts"], state["progress_at"]
        self.skipped = state.get("skipped", 0)
        self.seconds, self.cpu_seconds = state["seconds"], state.get("cpu_seconds", 0.0)
        self._recent.clear()
        self._recent.extend(state["recent"])

    def restore_average(self, checkpoint: Checkpoint) -> None:
        """Take up the mean of the weights that a checkpoint has, if it has any.

        Raises:
            CheckpointError: it is not that of this model.
        """
        self.average = WeightAverage(self.config.averaged_share)
        weights, updates = checkpoint.part("average/"), checkpoint.state.get("averaged_updates", 0)
        if bool(weights) != (updates > 0) or (weights and not self.config.averaged_share):
            raise CheckpointError(f"its mean of weights is of {updates} updates, and {len(weights)} tensors are there")
        if weights:
            check_weights(weights, dict(self.model.named_parameters()))
            self.average.restore(weights, updates, self.device)

    def restore_best(self, checkpoint: Checkpoint) -> None:
        """Take up the best weights that a checkpoint has, if it has any."""
        self.best = None
        if found := checkpoint.state.get("best"):
            check_weights(checkpoint.part("best/"), self.model.state_dict())
            self.best = Best(found[0], found[1], checkpoint.part("best/"))

    def _tick(self) -> None:
        now = time.perf_counter(), time.process_time()
        since = self._running_since or now
        self.seconds += now[0] - since[0]
        self.cpu_seconds += now[1] - since[1]
        self._running_since = now

    def updates(
        self, watch: Watch | None, keep: Callable[[], Any] | None, interrupted: Sequence[int]
    ) -> Iterator["Trainer"]:
        """Do all there is to do between updates; whoever iterates makes the updates themselves.

        So a run that is trained alone and runs that are updated together (``train_many``) share this.

        Args:
            watch: called with the progress, at most twice a second and once at the end.
            keep: called every ``checkpoint_every`` updates and when the run ends.
            interrupted: once it holds anything, the run ends before its end.
        """
        first_update, started, looked = self.update, time.perf_counter(), -math.inf
        self._running_since = started, time.process_time()

        def progress(finished: bool) -> Progress:
            updates_per_second = (self.update - first_update) / max(time.perf_counter() - started, 1e-9)
            size, last = self.config.batch_size, self.last_update
            left = (last - self.update) / updates_per_second if updates_per_second else math.inf
            return Progress(
                self.history,
                self.update,
                last,
                self.update * size,
                self.seconds,
                self.task.chance_bits,
                updates_per_second * size,
                left,
                self.solved_at,
                finished,
                answer_type(self.task),
                interrupted=finished and not self.finished,
                trace=self.trace_example,
            )

        while not self.finished and not interrupted:
            yield self
            if self.finished or (self.config.evaluate_every and self.update % self.config.evaluate_every == 0):
                self.evaluate()
            if keep and not self.finished and self.update % self.config.checkpoint_every == 0:
                keep()
            if watch and not self.finished and time.perf_counter() - looked > SECONDS_BETWEEN_LOOKS:
                watch(progress(finished=False))
                self.history.flush()
                looked = time.perf_counter()
        self._tick()
        if keep:
            keep()
        if watch:
            watch(progress(finished=True))
