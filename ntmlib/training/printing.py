"""What the commands say of a run when it is over, and of a machine that is tried."""

import math
import os
from collections.abc import Sequence
from typing import cast

from ntmlib.tasks import Continuous, answer_type
from ntmlib.tasks.text import Text
from ntmlib.training.evaluation import evaluate_lengths
from ntmlib.training.runs import Run
from ntmlib.training.texts import evaluate_text


def print_run(run: Run) -> None:
    """Say how a run that was kept in a folder ended."""
    result = run.result
    ending = f"solved after {result['solved_at_sequences']:,} sequences" if run.solved_at else "not solved"
    if run.config.solved_threshold is None:
        ending = "trained to the end"
    print(
        f"{ending}; {result['updates']:,} updates, {result['sequences']:,} sequences in {result['seconds']:.1f} s; "
        f"{result['bits_per_sequence']:.3f} bits per sequence (chance: {result['chance_bits']:g})"
    )
    answers = answer_type(run.task)
    for row in result["evaluations"]:
        right = f"{row['bits_right']:.2%} of the {answers} right"
        if isinstance(run.task, Continuous):
            print(f"  held out: {_cost(row['bits_per_bit'])}, {right}")
        else:
            slots = f" with {row['slots']} slots" if row["slots"] else ""
            print(f"  length {row['length']:>4}{slots}: {right}, {row['exact']:.0%} exact")
    if result["best_at"]:
        best = min(row["bits_per_bit"] for row in run.evaluations.rows())
        print(f"  kept is the best machine, of update {result['best_at']:,}: {_cost(best)}")
    print(f"kept in {run.directory}{os.sep}")


def _cost(bits: float) -> str:
    return f"{bits * math.log(2):.4f} nats ({bits:.4f} bits) each"


def print_lengths(run: Run, lengths: Sequence[int], num_sequences: int, seed: int, slots: int | None) -> None:
    """Try a machine on fresh sequences of several lengths, by default of the longest it was trained on."""
    wrong = f"wrong {answer_type(run.task)}"
    print(f"{'length':>6} {'slots':>5} {'sequences':>9} {'bits/sequence':>13} {wrong:>16} {'exact':>7}")
    for length in lengths or (run.task.max_length,):
        report = evaluate_lengths(run.machine, run.task, [length], num_sequences=num_sequences, seed=seed, slots=slots)[
            0
        ]
        wrong = f"{report.bit_errors:,}/{report.num_bits:,}"
        print(
            f"{length:>6} {report.slots or '-':>5} {report.num_sequences:>9} {report.bits_per_sequence:>13.3f} "
            f"{wrong:>16} {report.exact:>7.1%}"
        )


def print_text(run: Run, lengths: Sequence[int]) -> None:
    """Say what each part of a text costs a machine that reads so many of its characters, from the beginning."""
    task = cast(Text, run.task)
    print(f"{'part':>10} {'characters':>10} {'nats':>7} {'bits':>7} {'right':>7}")
    for length in lengths or (len(task.corpus.part("validation")) - 1,):
        for part in task.corpus.splits:
            report = evaluate_text(run.machine, task, part, characters=length)
            bits = report.bits_per_bit
            print(
                f"{part:>10} {report.num_bits:>10,} {bits * math.log(2):>7.4f} {bits:>7.4f} {report.bits_right:>7.2%}"
            )
