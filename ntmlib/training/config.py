"""What a training run is, in one frozen value: task, model, optimizer, when to stop, what to keep."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, no_type_check

from ntmlib import engines, tasks
from ntmlib.machine import MachineConfig
from ntmlib.training.checks import NUMBERS, WHOLE_NUMBERS, check_names, check_whole, checked_mapping, checked_number

OPTIMIZERS = ("adam", "graves_rmsprop")
OBJECTIVES = ("bit", "sequence")
LESSON = ("updates", "task_options")
_OF_A_BASELINE = ("layers", "output", "initial")
PARAMETER_GROUPS = {
    "ntm": ("controller", "heads", "output", "initial"),
    "lstm": _OF_A_BASELINE,
    "rnn": _OF_A_BASELINE,
    "transformer": ("layers", "output"),
}
BASELINE_SIZES = {
    "lstm": {"hidden": 256, "num_layers": 3, "output_hidden": 0, "embedding": 0},
    "rnn": {"hidden": 256},
    "transformer": {"hidden": 128, "num_layers": 4, "num_heads": 4, "context": 128},
}


@no_type_check  # while tests run: values of a wrong type are refused below, with a ValueError
@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a training run computes.

    The options of task and model are completed with their defaults, so that two equal
    configs mean equal runs and ``config.json`` tells the whole story.

    Args:
        task: name of the task.
        task_options: settings of the task, such as max_length (in vectors).
        model: "ntm", or a baseline without memory: "lstm", "rnn" for the plainest recurrent network, "transformer".
        model_options: sizes of the model: MachineConfig's fields but input and output size, or what the baseline's
            class takes of hidden, num_layers, output_hidden, embedding, num_heads and context.
        seed: whole number all randomness of the run is derived from.
        batch_size: sequences per update.
        max_updates: updates (steps of the optimizer) after which the run ends in any case.
        mixed_lengths: each sequence draws its own length; otherwise one length is drawn for each update.
        objective: what is minimised: mean nats per target "bit" (per symbol, where the task answers in symbols), or
            mean nats per "sequence" as in the paper. Only the gradient's scale differs.
        optimizer: "adam", or "graves_rmsprop" as in the paper.
        learning_rate: step size of the optimizer.
        learning_rate_factors: factors on the learning rate for groups of parameters, such as 4 for "output".
        momentum: share of the last step kept (graves_rmsprop), or decay of the mean gradient (adam), in [0, 1).
        clip_norm: largest norm of the whole gradient, which may be of any finite size; None leaves it alone. Where
            clip_value is None too, a gradient whose square overflows float32 (norm 1.8e19) stops the run.
        clip_value: largest absolute value of any component of the gradient; None leaves it alone.
        dropout: share of the units left out before the output at each step of training, in [0, 1); for an NTM those
            of its output's hidden layer, which it then must have.
        fresh_share: share of the sequences of an update that begin anew, at another place and with a fresh state, where
            the task is a text: the others go on where the last update left them, with the state that it left
            (truncated backpropagation through time). 1 trains on windows that have nothing to do with one another, as
            for all other tasks.
        skip_updates: updates in a row that may be left out because the gradient is not finite; a text then begins anew
            in all streams. 0 stops at the first. A machine that reads on for long can come to a state whose gradient
            grows with every step back, beyond all numbers.
        train_slots: slots of the memory while training; None means as many as the machine has afterwards.
            Of several numbers one is drawn for each update, so that nothing can rely on the size.
        spare_slots: instead of train_slots, a memory that follows the length: the slots of an update are its length in
            the task's unit (with mixed_lengths the longest allowed) plus one of these numbers, drawn for each update.
            Give several, well apart. With one number the size of the memory tells the length, and as slots lie on a
            ring, a machine learns to come back to the start by going round: it then fails at every other size.
            Several reduce what the size tells, and do not remove it: with 6, 12 and 20 at most three lengths go with
            a size. Whether a machine lives on it shows in a test with the same memory at all lengths. After training,
            in evaluations and where an examination asks "as trained", it has the slots of its model_options,
            a size that training may never have drawn. On a GPU, ``train_many`` launches each size on its own.
        curriculum_start: longest length at first, in the task's unit of length; None trains on all from the start.
        curriculum_step: how much longer the longest length becomes at a time.
        curriculum_threshold: mean cost, in bits per bit, below which it does. Where the task answers in symbols this
            is in bits per symbol, of which an even guess among k costs log2(k): 1 for two, 2.32 for five.
        curriculum_window: updates that mean is taken over.
        solved_threshold: mean cost, in bits per bit (or symbol) at full length, below which the task counts as solved;
            None never stops early.
        solved_window: updates that mean is taken over.
        updates_after_solved: updates made after the task is solved, to sharpen the result; fewer where max_updates
            comes first.
        warmup_updates: updates at the start over which the learning rate rises to its full size, in a straight line.
        final_learning_rate_factor: what the learning rate falls to, in a straight line, over these updates (over
            all updates where solved_threshold is None); 1 keeps it.
        lessons: what the task is at first, for tasks with more than a length to grow by: a list of lessons, each with
            ``updates``, how long it lasts, and ``task_options``, what is otherwise than in the task meanwhile. After
            the last one comes the task itself, which alone is evaluated. All have the same inputs and outputs. A
            text is begun anew with each. Not together with a curriculum of lengths, solved_threshold or stall_updates.
        stall_updates: updates without a step of the curriculum after which an unsolved run counts as stalled and
            ends, or starts again; None never.
        max_restarts: how often a stalled run starts again, with other first weights. The updates made before count:
            max_updates bounds them all together.
        evaluate_every: updates between evaluations; None evaluates at the end only.
        evaluation_lengths: lengths evaluated, each with the machine's full memory; empty for no evaluation. Of a text
            the characters that each stream reads of the validation part; empty for all of it.
        evaluation_sequences: sequences per evaluation and length; of a text the streams it is read in.
        keep_best: whether the machine of the run is the one that did best in an evaluation (of several lengths the
            last), and not the last.
        averaged_share: share of the updates made so far over which the weights are averaged, in [0, 1), for what is
            evaluated and what the run gives; training itself goes on from the last weights. 0 takes the last.
        checkpoint_every: updates between checkpoints of a run that has a folder.
        threads: threads of this process that compute. More than 1 is seldom faster, and may change the last bit
            of a sum: with the reference engine, copy_quick on 2 threads is not bit for bit copy_quick on 1.
        engine: engine of the machine, "auto" for the fastest.

    Raises:
        ValueError: a value is out of its range; the message names it, the rule and the value.
    """

    task: str = "copy"
    task_options: Mapping[str, Any] = field(default_factory=dict)
    model: str = "ntm"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    batch_size: int = 16
    max_updates: int = 2000
    mixed_lengths: bool = False
    objective: str = "bit"
    optimizer: str = "adam"
    learning_rate: float = 5e-3
    learning_rate_factors: Mapping[str, float] = field(default_factory=dict)
    momentum: float = 0.9
    dropout: float = 0.0
    fresh_share: float = 1.0
    skip_updates: int = 0
    clip_norm: float | None = 1.0
    clip_value: float | None = None
    train_slots: int | tuple[int, ...] | None = None
    spare_slots: tuple[int, ...] | None = None
    curriculum_start: int | None = None
    curriculum_step: int = 5
    curriculum_threshold: float = 0.05
    curriculum_window: int = 20
    solved_threshold: float | None = 0.01
    solved_window: int = 20
    updates_after_solved: int = 0
    lessons: tuple[Mapping[str, Any], ...] = ()
    warmup_updates: int = 0
    final_learning_rate_factor: float = 1.0
    stall_updates: int | None = None
    max_restarts: int = 0
    evaluate_every: int | None = None
    evaluation_lengths: tuple[int, ...] = ()
    evaluation_sequences: int = 100
    keep_best: bool = False
    averaged_share: float = 0.0
    checkpoint_every: int = 100
    threads: int = 1
    engine: str = "auto"

    def __post_init__(self) -> None:
        for name, low in WHOLE_NUMBERS.items():
            check_whole(name, getattr(self, name), low)
        for name in ("curriculum_start", "evaluate_every", "stall_updates"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        self._check_train_slots()
        if self.max_restarts and self.stall_updates is None:
            raise ValueError(f"max_restarts must be 0 where stall_updates is None; got {self.max_restarts}")
        for name, rule in NUMBERS.items():
            if getattr(self, name) is not None:
                self._set(name, checked_number(name, getattr(self, name), *rule))
        for name, choices in _NAMES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}")
        for name in ("mixed_lengths", "keep_best"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false; got {getattr(self, name)!r}")
        if self.model in BASELINE_SIZES and self.engine != "auto":
            raise ValueError(f"engine must be 'auto' for the {self.model}; got {self.engine!r}")
        engines.check_name(self.engine)
        self._complete_task()
        self._check_lessons()
        self._complete_model()
        self._check_factors()
        self._check_evaluation_lengths()
        self._check_continuous()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_train_slots(self) -> None:
        if isinstance(self.train_slots, list | tuple):
            if not self.train_slots:
                raise ValueError("train_slots must be a number of slots, or several; got none")
            self._set("train_slots", tuple(self.train_slots))
            for slots in self.train_slots:
                check_whole("train_slots", slots, 1)
        elif self.train_slots is not None:
            check_whole("train_slots", self.train_slots, 1)
        if self.spare_slots is None:
            return
        if self.train_slots is not None:
            raise ValueError(
                f"spare_slots must be None where train_slots is {self.train_slots}; got {self.spare_slots}"
            )
        if not isinstance(self.spare_slots, list | tuple) or not self.spare_slots:
            raise ValueError(f"spare_slots must be one or more numbers of slots; got {self.spare_slots!r}")
        self._set("spare_slots", tuple(self.spare_slots))
        for spare in self.spare_slots:
            check_whole("spare_slots", spare, 0)
        if len(set(self.spare_slots)) < len(self.spare_slots):
            raise ValueError(f"spare_slots must be different numbers; got {list(self.spare_slots)}")

    @property
    def slots_in_training(self) -> tuple[int, ...]:
        """The sizes of memory trained on, with spare_slots the least and the most; empty for the machine's own."""
        if self.spare_slots is not None:
            task = self.make_task()
            longest_at_first = self.curriculum_start or task.max_length
            shortest = longest_at_first if self.mixed_lengths else task.min_length
            return shortest + min(self.spare_slots), task.max_length + max(self.spare_slots)
        if self.train_slots is None:
            return ()
        return self.train_slots if isinstance(self.train_slots, tuple) else (self.train_slots,)

    def _complete_task(self) -> None:
        options = checked_mapping("task_options", self.task_options)
        task = tasks.make(self.task, **options)
        self._set("task_options", MappingProxyType(dataclasses.asdict(task)))  # type: ignore[call-overload]
        if self.curriculum_start is not None and not task.min_length <= self.curriculum_start <= task.max_length:
            raise ValueError(
                f"curriculum_start must lie between the task's min_length and max_length "
                f"({task.min_length} to {task.max_length}); got {self.curriculum_start}"
            )

    def _check_lessons(self) -> None:
        if not isinstance(self.lessons, list | tuple):
            raise ValueError(f"lessons must be a list of lessons; got {self.lessons!r}")
        checked = []
        for number, given in enumerate(self.lessons, 1):
            name = f"lessons (number {number})"
            lesson = checked_mapping(name, given)
            check_names(name, lesson, LESSON)
            if missing := [part for part in LESSON if part not in lesson]:
                raise ValueError(f"{name} must say {missing[0]}; got {sorted(lesson)}")
            check_whole(f"{name}: updates", lesson["updates"], 1)
            checked.append({**lesson, "task_options": checked_mapping(f"{name}: task_options", lesson["task_options"])})
        self._set("lessons", tuple(map(MappingProxyType, checked)))
        for name in ("curriculum_start", "solved_threshold", "stall_updates") if checked else ():
            if getattr(self, name) is not None:
                raise ValueError(f"{name} must be None where there are lessons; got {getattr(self, name)}")
        if (together := sum(lesson["updates"] for lesson in checked)) >= self.max_updates:
            raise ValueError(f"lessons must last fewer updates than max_updates ({self.max_updates}); got {together}")
        task = self.make_task()
        for number, other in enumerate(self.make_lessons(), 1):
            if (other.input_channels, other.output_channels) != (task.input_channels, task.output_channels):
                raise ValueError(f"lessons (number {number}) must have the inputs and outputs of the task itself")

    def _complete_model(self) -> None:
        options = checked_mapping("model_options", self.model_options)
        task = self.make_task()
        sizes: dict[str, Any] = {"input_size": len(task.input_channels), "output_size": len(task.output_channels)}
        if self.model in BASELINE_SIZES:
            usual = BASELINE_SIZES[self.model]
            check_names("model_options", options, tuple(usual))
            completed = {**usual, **options}
            for name, value in completed.items():
                check_whole(name, value, 0 if usual[name] == 0 else 1)
            for name in ("train_slots", "spare_slots"):
                if (given := getattr(self, name)) is not None:
                    raise ValueError(f"{name} must be None for the {self.model}, which has no memory; got {given}")
        else:
            known = tuple(f.name for f in dataclasses.fields(MachineConfig) if f.name not in sizes)
            check_names("model_options", options, known)
            machine = MachineConfig(**sizes, **options)
            completed = {name: value for name, value in machine.to_dict().items() if name not in sizes}
            for slots in self.slots_in_training:
                if self.spare_slots is not None and machine.num_shifts > slots:
                    raise ValueError(
                        f"spare_slots must leave at least num_shifts ({machine.num_shifts}) slots at every length; "
                        f"got {list(self.spare_slots)}, with which the smallest memory has {slots}"
                    )
                dataclasses.replace(machine, slots=slots)  # the shifts must fit in this memory too
                if machine.depends_on_slots and self.spare_slots is not None:
                    raise ValueError(
                        "spare_slots must be None when the initial memory or weighting is learned slot by slot; "
                        f"got {self.spare_slots}"
                    )
                if machine.depends_on_slots and slots != machine.slots:
                    raise ValueError(
                        f"train_slots must be None or slots ({machine.slots}) when the initial memory or weighting "
                        f"is learned slot by slot; got {slots}"
                    )
        self._set("model_options", MappingProxyType(completed))

    def _check_factors(self) -> None:
        factors = checked_mapping("learning_rate_factors", self.learning_rate_factors)
        check_names("learning_rate_factors", factors, PARAMETER_GROUPS[self.model])
        for name, factor in factors.items():
            factors[name] = checked_number(f"learning_rate_factors[{name!r}]", factor, 0.0, 1e6)
        self._set("learning_rate_factors", MappingProxyType(factors))

    def _check_evaluation_lengths(self) -> None:
        if not isinstance(self.evaluation_lengths, list | tuple):
            raise ValueError(f"evaluation_lengths must be a list of lengths; got {self.evaluation_lengths!r}")
        for length in self.evaluation_lengths:
            check_whole("evaluation_lengths", length, 1)
        self._set("evaluation_lengths", tuple(self.evaluation_lengths))

    def _check_continuous(self) -> None:
        """Refuse what does not go together with a text, with reading on, with dropout and with a best machine."""
        continuous = isinstance(self.make_task(), tasks.Continuous)
        if self.fresh_share < 1 and not continuous:
            raise ValueError(
                f"fresh_share must be 1 for {self.task}, whose sequences are whole; got {self.fresh_share}"
            )
        if self.fresh_share < 1 and (self.train_slots is not None or self.spare_slots is not None):
            raise ValueError(
                "train_slots and spare_slots must be None where fresh_share is below 1, because the memory is passed "
                f"on; got {self.train_slots} and {self.spare_slots}"
            )
        if self.dropout and self.model == "ntm" and not self.model_options["output_hidden"]:
            raise ValueError(f"dropout must be 0 for a machine without output_hidden; got {self.dropout}")
        if self.keep_best and not (self.evaluation_lengths or continuous):
            raise ValueError("keep_best must be false where nothing is evaluated (evaluation_lengths); got True")

    def make_task(self) -> tasks.Task:
        """Build the task."""
        return tasks.make(self.task, **self.task_options)

    def make_lessons(self) -> tuple[tasks.Task, ...]:
        """Build what the task is in each of the lessons."""
        return tuple(tasks.make(self.task, **{**self.task_options, **one["task_options"]}) for one in self.lessons)

    def replace(self, **changes: Any) -> "TrainConfig":
        """Return a copy with some fields changed; unknown names are refused."""
        return TrainConfig.from_dict({**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()} | {
            "evaluation_lengths": list(self.evaluation_lengths),
            "lessons": [{**lesson, "task_options": dict(lesson["task_options"])} for lesson in self.lessons],
            "train_slots": list(self.train_slots) if isinstance(self.train_slots, tuple) else self.train_slots,
            "spare_slots": list(self.spare_slots) if isinstance(self.spare_slots, tuple) else self.spare_slots,
        }

    def to_json(self) -> str:
        """Return the config as indented JSON."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Rebuild a config from ``to_dict``; unknown names are refused with the nearest valid one."""
        check_names("config", values, tuple(f.name for f in dataclasses.fields(cls)))
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> "TrainConfig":
        """Rebuild a config from ``to_json``.

        Raises:
            ValueError: the text is no JSON object, or a name or value in it is refused.
        """
        values = json.loads(text)
        return cls.from_dict(checked_mapping("config", values))

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __reduce__(self) -> tuple[Any, ...]:
        return TrainConfig.from_dict, (self.to_dict(),)  # a read-only mapping cannot be copied to another process


_NAMES = {"model": tuple(PARAMETER_GROUPS), "objective": OBJECTIVES, "optimizer": OPTIMIZERS}
