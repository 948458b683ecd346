"""How fast a training update is: the engines against each other, interleaved in one process.

An update is forward, cost, backward, clipping and a step of RMSProp, on copy with sequences of 20 vectors. Engines
take turns, so that whatever else the computer does slows all of them alike; what counts is the ratio.

``dnc`` is a public package and not an NTM but its successor, which does more in a step (``dnc_package`` says what): its
ratio compares two machines on one task, where the others compare ways to compute one machine.
"""

import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor, nn

from ntmlib import tasks
from ntmlib.engines import device_for
from ntmlib.machine import MachineState, NTMCell
from ntmlib.ntm import NTM
from ntmlib.training import dnc_package
from ntmlib.training.config import TrainConfig
from ntmlib.training.evaluation import cost_nats
from ntmlib.training.optimizers import build, clip_norm, norm_of

DEVICES = ("cpu", "cuda")
CONTROLLERS, BATCH_SIZES = ("feedforward", "lstm"), (1, 16, 64)
ENGINES = ("compiled", "fused", "cuda", "dnc")  # what is compared with the reference
ON_CPU = ("fused", "dnc")  # wherever the reference runs
INPUTS, OUTPUTS = 10, 9  # channels of copy
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
        gflops: arithmetic done in a second, in thousand millions of operations; None for a machine that is not an
            NTM, whose operations nobody counted.
    """

    engine: str
    controller: str
    batch_size: int
    seconds: float
    spread: float
    ratio: float
    gflops: float | None

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


def matrix_product_gflops(size: int = 1024, turns: int = 7, device: str = "cpu") -> float:
    """Measure what a processor or a GPU reaches at its best: a large float32 matrix product, in GFLOP/s."""
    matrix = torch.full((size, size), 0.1, device=device)
    fastest = float("inf")
    for _ in range(turns):
        _wait(device)
        started = time.perf_counter()
        matrix @ matrix
        _wait(device)
        fastest = min(fastest, time.perf_counter() - started)
    return 2 * size**3 / fastest / 1e9


def _wait(device: str) -> None:
    """Wait for a GPU to finish what it was given, without which a clock shows how fast work is handed out."""
    if device == "cuda":
        torch.cuda.synchronize()


def compare(
    engines: Sequence[str] = ("reference", "compiled", "fused"),
    controllers: Iterable[str] = CONTROLLERS,
    batch_sizes: Iterable[int] = BATCH_SIZES,
    turns: int = 7,
    watch: Callable[[Timing], None] | None = None,
    device: str = "cpu",
) -> list[Timing]:
    """Time engines against the reference, which must be the first of them and runs on ``device``.

    ``"compiled"`` is the reference with ``torch.compile`` around its step, which needs a C++ compiler. ``"dnc"`` is
    another machine (see ``dnc_package``), with an LSTM controller only: it takes no part in other cases.

    Raises:
        ValueError: the reference is not the first engine, or an engine's package is missing.
    """
    if not engines or engines[0] != "reference":
        raise ValueError(f"engines must begin with 'reference', what the others are measured by; got {list(engines)}")
    if "dnc" in engines:
        dnc_package.load()  # missing packages are told before anything is measured
    timings = []
    for controller in controllers:
        present = [engine for engine in engines if engine != "dnc" or controller == "lstm"]
        for batch_size in batch_sizes:
            updates = {engine: _update(engine, controller, batch_size, device) for engine in present}
            for update in updates.values():
                update()  # compilation and first allocations do not count
            seconds: dict[str, list[float]] = {engine: [] for engine in present}
            for _ in range(turns):
                for engine, update in updates.items():
                    seconds[engine].append(_turn(update))
            ours = operations(NTM(INPUTS, OUTPUTS, controller), 2 * LENGTH + 1) * batch_size
            for engine in present:
                work = None if engine == "dnc" else ours
                timing = _summary(engine, controller, batch_size, seconds[engine], seconds["reference"], work)
                timings.append(timing)
                if watch is not None:
                    watch(timing)
    return timings


def print_table(
    engines: Sequence[str],
    batch: Sequence[int],
    controllers: Sequence[str],
    turns: int,
    threads: int,
    device: str = "cpu",
) -> None:
    """Compare engines and print one line for each, as soon as it is known."""
    named = (("engines", engines, ENGINES), ("controllers", controllers, CONTROLLERS), ("device", [device], DEVICES))
    for name, values, known in named:
        if unknown := [value for value in values if value not in known]:
            raise ValueError(f"{name} must be among {', '.join(known)}; got {unknown[0]!r}")
    for name, number in (("turns", turns), ("threads", threads), *(("batch", size) for size in batch)):
        if number < (2 if name == "turns" else 1):
            raise ValueError(f"{name} must be at least {2 if name == 'turns' else 1}; got {number}")
    if "dnc" in engines:
        dnc_package.load()
    if device != "cuda" and "cuda" in engines:
        raise ValueError(f"device must be 'cuda' to compare the engine 'cuda'; got {device!r}")
    if device == "cuda":
        device_for("cuda")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        peak = matrix_product_gflops(4096 if device == "cuda" else 1024, device=device)
        print(describe_machine() + (f", dnc {dnc_package.version()}" if "dnc" in engines else ""))
        where = torch.cuda.get_device_name() if device == "cuda" else f"{threads} thread(s)"
        print(f"{where}, matrix product {peak:,.0f} GFLOP/s, {turns} turns each")
        if device == "cuda" and set(engines) & set(ON_CPU):
            print(f"{' and '.join(sorted(set(engines) & set(ON_CPU)))} on the CPU, {threads} thread(s)")
        if "dnc" in engines:
            print("dnc is another machine, a DNC that does more in a step, and has no feed-forward controller:")
            print("its rows, with the LSTM controller only, compare machines; its operations are not counted.")
        print(f"{'controller':12} {'batch':>5} {'engine':10} ", end="")
        print(f"{'sequences/s':>12} {'spread':>7} {'ratio':>7} {'of peak':>8}")

        def show(timing: Timing) -> None:
            elsewhere = device == "cuda" and timing.engine in ON_CPU
            share = "-" if timing.gflops is None or elsewhere else f"{timing.gflops / peak:.1%}"
            print(
                f"{timing.controller:12} {timing.batch_size:5} {timing.engine:10} {timing.sequences_per_second:12,.0f} "
                f"{timing.spread:7.0%} {timing.ratio:7.1f} {share:>8}",
                flush=True,
            )

        compare(("reference", *engines), controllers, batch, turns, show, device)
    finally:
        torch.set_num_threads(before)


def describe_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name the processor, its cores, and the versions of what computes."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numba {metadata.version('numba')}"
    return f"{_processor(cpuinfo)}, {os.cpu_count()} core(s); {versions}"


def _processor(cpuinfo: Path) -> str:
    name = ""
    try:
        if platform.system() == "Linux":
            found = re.search(r"^model name\s*:(.*)$", cpuinfo.read_text("utf-8", errors="replace"), re.MULTILINE)
            name = found[1] if found else ""
        elif platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        else:
            name = platform.processor()
    except (OSError, subprocess.SubprocessError):
        pass  # a table without the processor's name is better than none
    return " ".join(name.split()) or "unknown processor"


def _summary(
    engine: str, controller: str, batch_size: int, seconds: list[float], reference: list[float], work: int | None
) -> Timing:
    median = statistics.median(seconds)
    low, _, high = statistics.quantiles(seconds, n=4)
    ratio = statistics.median(slow / fast for slow, fast in zip(reference, seconds, strict=True))
    gflops = None if work is None else work / median / 1e9
    return Timing(engine, controller, batch_size, median, (high - low) / 2 / median, ratio, gflops)


def _turn(update: Update) -> float:
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SHORTEST_TURN or count == 0:
        update()
        count += 1
    return (time.perf_counter() - started) / count


def _update(engine: str, controller: str, batch_size: int, device: str = "cpu") -> Update:
    """Return a function that makes one training update of a machine of its own."""
    home = "cpu" if engine in ON_CPU else device
    generator = torch.Generator().manual_seed(0)
    batch = tasks.make("copy").sample(batch_size, generator=generator, length=LENGTH).to(torch.device(home))
    machine, groups, forward = _machine(engine, controller, generator, home)
    optimizer = build(TrainConfig(optimizer="graves_rmsprop", learning_rate=1e-4), groups)
    parameters = list(machine.parameters())

    def update() -> None:
        logits = forward(batch.inputs)
        for parameter in parameters:
            parameter.grad = None
        (cost_nats(logits, batch) / batch_size).backward()
        clip_norm(parameters, norm_of([parameter.grad for parameter in parameters if parameter.grad is not None]), 10.0)
        optimizer.step()
        _wait(home)

    return update


def _machine(
    engine: str, controller: str, generator: torch.Generator, home: str
) -> tuple[nn.Module, dict[str, list[nn.Parameter]], dnc_package.Forward]:
    """Build a machine; return it, its parameters by group, and the engine's way from a batch of inputs to logits."""
    if engine == "dnc":
        model, forward = dnc_package.build(INPUTS, OUTPUTS, generator)
        return model, {"all": list(model.parameters())}, forward
    machine = NTM(INPUTS, OUTPUTS, controller, generator=generator).to(home)
    if engine != "compiled":
        return machine, machine.parameter_groups(), lambda inputs: machine(inputs, engine=engine)[0]
    torch.compiler.reset()  # the last case's code must not count towards the compiler's limit
    step = torch.compile(_flat_step(machine.cell), dynamic=False)

    def compiled(inputs: Tensor) -> Tensor:
        state = _flat(machine.initial_state(len(inputs)))
        outputs = []
        for features in inputs.unbind(1):
            logits, *state = step(features, *state)
            outputs.append(logits)
        return torch.stack(outputs, 1)

    return machine, machine.parameter_groups(), compiled


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
