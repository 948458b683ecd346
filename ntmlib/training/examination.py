"""What a machine trained on a task is asked afterwards: the paper's conditions, and some beyond."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch

from ntmlib import tasks
from ntmlib.ntm import NTM
from ntmlib.training.config import TrainConfig
from ntmlib.training.evaluation import Report, evaluate
from ntmlib.training.models import Model
from ntmlib.training.texts import evaluate_text

SEED = 2014  # every machine is asked with the same sequences, which no training run draws


@dataclass(frozen=True)
class Question:
    """One condition a trained machine is tried in.

    Attributes:
        name: how tables and figures call it.
        length: length of every sequence; None draws them as in training.
        slots: slots of the memory, for machines that have one; None leaves them those of the run.
        num_sequences: sequences tried; of a text the streams it is read in.
        part: of a text the part that is read; then ``length`` counts the characters of a stream, None for all.
        task_options: settings that differ from those of training.
    """

    name: str
    length: int | None = None
    slots: int | None = None
    num_sequences: int = 100
    task_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    part: str = "validation"


def _repeats(length: int, repeats: int) -> Question:
    options = {"min_repeats": repeats, "max_repeats": repeats}
    return Question(f"{length} x {repeats}", length, 256, 20, options)


ROOM = 32  # slots beyond the length, where the memory grows with it
FIXED_SLOTS = 700  # more than any length asked: the same memory at all of them tells nothing about the length
# Trained on lengths 1 to 40 and asked up to 500, the range of the paper of the Chomsky hierarchy. There all lengths
# from 41 to 500 are asked, 512 sequences each; here four that training does not have, 128 sequences each: where the
# answer is one symbol, they pin a share of a half down to nine hundredths.
GENERALISATION = (
    Question("as trained"),
    *(Question(f"length {length}", length, length + ROOM, 128) for length in (40, 50, 100, 200, 500)),
    *(Question(f"length {length}, 700 slots", length, FIXED_SLOTS, 128) for length in (50, 100, 500)),
)


def _at_the_end(questions: Sequence[Question]) -> tuple[Question, ...]:
    """Ask for what comes when the text is over, whatever was asked on the way in training."""
    return tuple(replace(question, task_options=MappingProxyType({"scored": "end"})) for question in questions)


EXPRESSIONS = (GENERALISATION[0], *_at_the_end(GENERALISATION[1:]))
# A text is judged at its end, whatever steps were scored in training. Twice the length trained on has more sequences,
# because the answer is one bit a text and 99 % of them should be right.
RECOGNITION = (
    GENERALISATION[0],
    *_at_the_end((Question("length 80", 80, 80 + ROOM, 500), *GENERALISATION[1:])),
)

EXAMINATIONS: dict[str, tuple[Question, ...]] = {
    "copy": (
        Question("as trained"),
        *(Question(f"length {length}", length, num_sequences=20) for length in (10, 20, 30, 50, 120)),
        Question("length 120, 256 slots", 120, 256, 20),
        Question("length 1,000, 2,560 slots", 1000, 2560, 4),
    ),
    "repeat_copy": (
        Question("as trained"),
        *(_repeats(length, repeats) for length, repeats in ((10, 10), (20, 10), (10, 20), (20, 20))),
    ),
    "associative_recall": (
        Question("as trained"),
        *(Question(f"{items} items", items) for items in (6, 8, 10, 12, 15, 20)),
    ),
    "dynamic_ngrams": (Question("as trained", num_sequences=1000),),
    "priority_sort": (Question("20 vectors", 20),),
    "one_two_ax": (
        Question("as trained"),
        Question("1,000 symbols", 1000, num_sequences=20),
        Question("1,000 symbols, up to 40 pairs a block", 1000, num_sequences=20, task_options={"max_pairs": 40}),
    ),
    "recognition": RECOGNITION,
    "next_symbols": (
        Question("as trained", num_sequences=5000),
        Question("lengths 52 to 100", None, 100 + ROOM, 5000, MappingProxyType({"min_length": 52, "max_length": 100})),
    ),
    **{task.name: GENERALISATION for task in tasks.CHOMSKY},
    "modular_arithmetic_brackets": EXPRESSIONS,
    "solve_equation": EXPRESSIONS,
    # One stream, as a reader reads: the whole of what was held out, and as much of what was trained on.
    "text": (
        Question("validation", num_sequences=1),
        Question("training text", 100_000, num_sequences=1, part="train"),
    ),
    "n_back": (Question("as trained"), Question("200 symbols", 200, num_sequences=20)),
}


def examine(model: Model, config: TrainConfig) -> dict[str, Report]:
    """Ask a trained model everything its task is asked; the same sequences for every model.

    A machine whose weights fit one number of slots is always asked with that number.

    Returns:
        For each question's name what was found.
    """
    return {question.name: ask(model, config, question) for question in EXAMINATIONS[config.task]}


def ask(model: Model, config: TrainConfig, question: Question) -> Report:
    """Ask one question."""
    task = tasks.make(config.task, **{**config.task_options, **question.task_options})
    if isinstance(task, tasks.Continuous):
        streams, characters = question.num_sequences, question.length
        return evaluate_text(model, task, question.part, streams=streams, characters=characters)
    resizable = isinstance(model, NTM) and not model.config.depends_on_slots
    return evaluate(
        model,
        task,
        length=question.length,
        num_sequences=question.num_sequences,
        generator=torch.Generator().manual_seed(SEED),
        slots=question.slots if resizable else None,
    )
