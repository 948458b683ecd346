"""How fast a training update is: the engines against each other, interleaved in one process.

An update is forward, cost, backward, clipping and a step of RMSProp, on copy with sequences of 20 vectors. Engines
take turns, so that whatever else the computer does slows all of them alike; what counts is the ratio.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ntmlib import tasks
from ntmlib.machine import MachineState, NTMCell
from ntmlib.ntm import NTM
from ntmlib.training.config import TrainConfig
from ntmlib.training.evaluation import cost_nats
from ntmlib.training.optimizers import build, clip_norm, norm_of

CONTROLLERS, BATCH_SIZES = ("feedforward", "lstm"), (1, 16, 64)
LENGTH = 20  # vectors to copy; a sequence takes 41 steps
SHORTEST_TURN = 0.05  # seconds: an engine's turn repeats its update until this much has passed
Update = Callable[[], None]


@dataclass(frozen=True)
class Timing:
    """One engine on one case.

    Attributes:
        engine: its name.
        controller: of the machine.
        batch_size: sequences per update.
        seconds: of one update, the median over all turns.
        spread: half the distance between the quartiles, as a share of the median.
        ratio: updates in the time of one update of the reference, the median over turns taken side by side.
        gflops: arithmetic done in a second, in thousand millions of operations.
    """

    engine: str
    controller: str
    batch_size: int
    seconds: float
    spread: float
    ratio: float
    gflops: float

    @property
    def sequences_per_second(self) -> float:
        """Sequences trained on in a second."""
        return self.batch_size / self.seconds


def operations(machine: NTM, steps: int) -> int:
    """Count the additions and multiplications of one sequence, forward and backward.

    Matrices and the five passes over the memory that one pair of heads makes in a step: two
    comparisons, erase, add, read. Backward counts twice, as every product has two gradients.
    """
    config = machine.config
    table = machine.parameter_table()
    per_step = sum(table[part] for part in ("controller", "heads", "output"))
    per_step += 5 * config.num_heads * config.slots * config.width
    return 2 * 3 * steps * per_step


def matrix_product_gflops(size: int = 1024, turns: int = 7) -> float:
    """Measure what the processor reaches at its best: a large float32 matrix product, in GFLOP/s."""
    matrix = torch.ones(size, size)
    fastest = float("inf")
    for _ in range(turns):
        started = time.perf_counter()
        matrix @ matrix
        fastest = min(fastest, time.perf_counter() - started)
    return 2 * size**3 / fastest / 1e9


def compare(
    engines: Sequence[str] = ("reference", "compiled", "fused"),
    controllers: Iterable[str] = CONTROLLERS,
    batch_sizes: Iterable[int] = BATCH_SIZES,
    turns: int = 7,
    watch: Callable[[Timing], None] | None = None,
) -> list[Timing]:
    """Time engines against the reference, which must be the first of them.

    ``"compiled"`` is the reference with ``torch.compile`` around its step, which needs a C++ compiler.
    """
    if not engines or engines[0] != "reference":
        raise ValueError(f"engines must begin with 'reference', what the others are measured by; got {list(engines)}")
    timings = []
    for controller in controllers:
        for batch_size in batch_sizes:
            updates = {engine: _update(engine, controller, batch_size) for engine in engines}
            for update in updates.values():
                update()  # compilation and first allocations do not count
            seconds: dict[str, list[float]] = {engine: [] for engine in engines}
            for _ in range(turns):
                for engine, update in updates.items():
                    seconds[engine].append(_turn(update))
            work = operations(NTM(10, 9, controller), 2 * LENGTH + 1) * batch_size
            for engine in engines:
                timing = _summary(engine, controller, batch_size, seconds[engine], seconds["reference"], work)
                timings.append(timing)
                if watch is not None:
                    watch(timing)
    return timings


def print_table(
    engines: Sequence[str], batch: Sequence[int], controllers: Sequence[str], turns: int, threads: int
) -> None:
    """Compare engines and print one line for each, as soon as it is known."""
    for name, values, known in (("engines", engines, ("compiled", "fused")), ("controllers", controllers, CONTROLLERS)):
        if unknown := [value for value in values if value not in known]:
            raise ValueError(f"{name} must be among {', '.join(known)}; got {unknown[0]!r}")
    for name, number in (("turns", turns), ("threads", threads), *(("batch", size) for size in batch)):
        if number < (2 if name == "turns" else 1):
            raise ValueError(f"{name} must be at least {2 if name == 'turns' else 1}; got {number}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        peak = matrix_product_gflops()
        print(f"torch {torch.__version__}, {threads} thread(s), matrix product {peak:.0f} GFLOP/s, {turns} turns each")
        print(f"{'controller':12} {'batch':>5} {'engine':10} ", end="")
        print(f"{'sequences/s':>12} {'spread':>7} {'ratio':>7} {'of peak':>8}")

        def show(timing: Timing) -> None:
            print(
                f"{timing.controller:12} {timing.batch_size:5} {timing.engine:10} {timing.sequences_per_second:12,.0f} "
                f"{timing.spread:7.0%} {timing.ratio:7.1f} {timing.gflops / peak:8.1%}",
                flush=True,
            )

        compare(("reference", *engines), controllers, batch, turns, show)
    finally:
        torch.set_num_threads(before)


def _summary(
    engine: str, controller: str, batch_size: int, seconds: list[float], reference: list[float], work: int
) -> Timing:
    median = statistics.median(seconds)
    low, _, high = statistics.quantiles(seconds, n=4)
    ratio = statistics.median(slow / fast for slow, fast in zip(reference, seconds, strict=True))
    return Timing(engine, controller, batch_size, median, (high - low) / 2 / median, ratio, work / median / 1e9)


def _turn(update: Update) -> float:
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SHORTEST_TURN or count == 0:
        update()
        count += 1
    return (time.perf_counter() - started) / count


def _update(engine: str, controller: str, batch_size: int) -> Update:
    """Return a function that makes one training update of a machine of its own."""
    generator = torch.Generator().manual_seed(0)
    machine = NTM(10, 9, controller, generator=generator)
    batch = tasks.make("copy").sample(batch_size, generator=generator, length=LENGTH)
    config = TrainConfig(optimizer="graves_rmsprop", learning_rate=1e-4)
    optimizer = build(config, machine.parameter_groups())
    parameters = list(machine.parameters())
    step = None
    if engine == "compiled":
        torch.compiler.reset()  # the last case's code must not count towards the compiler's limit
        step = torch.compile(_flat_step(machine.cell), dynamic=False)

    def update() -> None:
        if step is None:
            logits, _ = machine(batch.inputs, engine=engine)
        else:
            state = _flat(machine.initial_state(batch_size))
            outputs = []
            for features in batch.inputs.unbind(1):
                logits, *state = step(features, *state)
                outputs.append(logits)
            logits = torch.stack(outputs, 1)
        for parameter in parameters:
            parameter.grad = None
        (cost_nats(logits, batch) / batch_size).backward()
        clip_norm(parameters, norm_of([parameter.grad for parameter in parameters if parameter.grad is not None]), 10.0)
        optimizer.step()

    return update


def _flat(state: MachineState) -> list[Tensor]:
    return [state.memory, state.read_weighting, state.write_weighting, state.read_vector, *state.controller]


def _flat_step(cell: NTMCell) -> Callable[..., tuple[Tensor, ...]]:
    """The cell's step from tensors to tensors, as the compiler wants it."""

    def step(features: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        memory, read_weighting, write_weighting, read_vector, *controller = parts
        state = MachineState(memory, read_weighting, write_weighting, read_vector, tuple(controller))
        logits, after, _ = cell.step(features, state)
        return (logits, *_flat(after))

    return step
