"""The command ``ntm``: train, evaluate, report, doctor.

Exit status: 0 done, 1 failed, 2 refused before anything was touched, 3 diverged, 130 interrupted.
torch and tyro are imported by the commands that need them, so that ``ntm --help`` answers at once.
"""

import dataclasses
import difflib
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ntmlib import __version__

if TYPE_CHECKING:
    from ntmlib.training import TrainConfig

DONE, FAILED, REFUSED, DIVERGED, INTERRUPTED = 0, 1, 2, 3, 130

HELP = """usage: ntm COMMAND [OPTIONS]

The Neural Turing Machine workbook.

  ntm train copy --seed 3 --out runs/copy-3      train a machine; add --resume to go on after an interruption
  ntm evaluate runs/copy-3 --length 120          try a trained machine on longer sequences
  ntm sweep FILE                                 train the many runs a file names; again: only what is missing
  ntm keep runs/copy-3 data/runs/mine            write a small copy of a finished run, with checksums
  ntm report [NAMES]                             run the notebooks and write reports/index.html
  ntm exercises build                            write copies of the notebooks without the solutions of their exercises
  ntm data list                                  texts to read: which there are; fetch or show one
  ntm bench                                      how fast is a training update here, engine by engine?
  ntm doctor                                     is this computer ready for the workbook?

`ntm COMMAND --help` tells every option with its unit and default.
Exit status: 0 done, 1 failed, 2 refused (nothing was touched), 3 diverged, 130 interrupted.
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return DONE
    if arguments[0] == "--version":
        print(f"ntm {__version__}")
        return DONE
    command = COMMANDS.get(arguments[0])
    if command is None:
        return _refuse(f"command must be one of {_one_of(arguments[0], COMMANDS)}; got {arguments[0]!r}")
    # By default torch's threads wait for 5 ms after each of its operations with all their strength, and the fused
    # engine's threads get no processor meanwhile. This is for Linux, and is read when torch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(f"ntm: {message}", file=sys.stderr)
        try:
            return command(arguments[1:])
        except SystemExit as end:  # tyro: 0 after --help, 2 after an argument it cannot read
            return end.code if isinstance(end.code, int) else REFUSED
        except KeyboardInterrupt:
            return INTERRUPTED


def train(arguments: list[str]) -> int:
    """``ntm train TASK``: train a machine and keep it in a folder."""
    from ntmlib import tasks, training

    presets = training.presets.PRESETS
    if not arguments or arguments[0].startswith("-"):
        print(
            f"usage: ntm train TASK [OPTIONS]\n\n{_list_presets(presets)}\n`ntm train TASK --help` tells the options."
        )
        return DONE if {"-h", "--help"} & set(arguments) else REFUSED
    task, arguments = arguments[0], arguments[1:]
    if task not in presets and task in tasks.names():
        return _refuse(
            f"task {task} has no preset to start from; train it in Python: "
            f"from ntmlib import TrainConfig, train; train(TrainConfig(task={task!r}), 'runs/{task}')"
        )
    if task not in presets:
        return _refuse(f"task must be one of {_one_of(task, presets)}; got {task!r}")
    try:
        chosen = _parse_train(task, arguments)
        config = chosen.pop("config")
    except ValueError as error:
        return _refuse(str(error))
    folder = chosen["out"] or Path("runs", f"{task}-{chosen['preset']}-{config.seed}")
    try:
        run = training.train(config, folder, training.terminal_line(), resume=chosen["resume"])
    except training.RunRefused as error:
        return _refuse(str(error))
    except training.Diverged as error:
        print(f"ntm: {error}; the last good checkpoint is kept in {folder}", file=sys.stderr)
        return DIVERGED
    except (OSError, ValueError) as error:
        print(f"ntm: failed: {error}", file=sys.stderr)
        return FAILED
    if run.interrupted:
        again = f"ntm train {task} --out {folder} --resume"
        print(f"interrupted after update {run.result['updates']:,}; to go on: {again}")
        return INTERRUPTED
    training.printing.print_run(run)
    return DONE


def _parse_train(task: str, arguments: list[str]) -> dict[str, Any]:
    """Read the options of ``ntm train TASK``: where, from which preset, and any field of the config."""
    import tyro

    from ntmlib import tasks
    from ntmlib.training import TrainConfig, presets

    preset, out = _peek(arguments, "--preset"), _peek(arguments, "--out")
    default = presets.get(task, preset or "quick")
    if "--resume" in arguments and preset is None and out and os.path.isfile(Path(out, "config.json")):
        default = TrainConfig.from_json(Path(out, "config.json").read_text("utf-8"))
        preset = "stored"
    described: list[Any] = [
        (
            "preset",
            Annotated[str, tyro.conf.arg(help=f"settings to start from: {', '.join(presets.PRESETS[task])}")],
        ),
        ("out", Annotated[Path | None, tyro.conf.arg(help="folder of the run (default: runs/TASK-PRESET-SEED)")]),
        (
            "resume",
            Annotated[bool, tyro.conf.arg(help="go on with the unfinished run in that folder")],
        ),
    ]
    values: list[Any] = [preset or "quick", None, False]
    reads = "text" in default.task_options
    if reads:
        which = "what to read: the name of a corpus (`ntm data list`), or the path of a UTF-8 file"
        described.append(("text", Annotated[str, tyro.conf.arg(help=which)]))
        values.append(default.task_options["text"])
    for field in dataclasses.fields(TrainConfig):
        if field.name not in ("task", "model"):  # the one is said already, the other belongs to the preset
            value = getattr(default, field.name)
            described.append((field.name, field.type))
            values.append(dict(value) if isinstance(value, Mapping) else value)
    flags = [
        (name, kind, dataclasses.field(default_factory=partial(copy, value)))
        for (name, kind), value in zip(described, values, strict=True)
    ]
    options: type[Any] = dataclasses.make_dataclass("Options", flags, namespace={"__doc__": TrainConfig.__doc__})
    given: Any = tyro.cli(
        options,
        args=arguments,
        prog=f"ntm train {task}",
        description=f"Train a machine on {task} and keep it in a folder.",
    )
    chosen = vars(given)
    parts = {name: chosen.pop(name) for name in ("preset", "out", "resume")}
    if reads:
        text = {"text": chosen.pop("text")}
        chosen["task_options"] = tasks.changed(task, chosen["task_options"], text)
    return {**parts, "config": default.replace(**chosen)}


def evaluate(arguments: list[str]) -> int:
    """``ntm evaluate DIR``: try a trained machine on fresh sequences."""
    import tyro

    def options(
        directory: tyro.conf.Positional[Path],
        length: tuple[int, ...] = (),
        slots: int | None = None,
        sequences: int = 100,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Try a trained machine on fresh sequences.

        Args:
            directory: folder of a run, finished or not.
            length: lengths to try, in the task's unit; by default the longest it was trained on. Of a text this is how
                many characters of each part to read; by default all that was held out, and as many of the others.
            slots: slots of the memory, at least 3; by default the machine's own.
            sequences: sequences for each length, at least 1.
            seed: whole number the sequences are drawn from.
        """
        return locals()

    given = tyro.cli(options, args=arguments, prog="ntm evaluate")
    from ntmlib import training
    from ntmlib.tasks import Continuous
    from ntmlib.training import printing

    try:
        run = training.load_run(given["directory"])
        if isinstance(run.task, Continuous):
            printing.print_text(run, given["length"])
        else:
            printing.print_lengths(run, given["length"], given["sequences"], given["seed"], given["slots"])
    except ValueError as error:
        return _refuse(str(error))
    except OSError as error:
        print(f"ntm: failed: {error}", file=sys.stderr)
        return FAILED
    return DONE


def sweep(arguments: list[str]) -> int:
    """``ntm sweep FILE``: train the many runs a file names."""
    import tyro

    def options(
        file: tyro.conf.Positional[Path],
        out: Path | None = None,
        engine: Literal["local", "ray"] = "local",
        address: str | None = None,
        jobs: int | None = None,
        keep: Path | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Train the many runs a file names, side by side; the same command again trains only what is missing.

        Args:
            file: the sweep in TOML: name, task, preset, seeds, tables config and grid of what to change, resources.
            out: folder of the sweep, one folder per run in it (default: runs/NAME).
            engine: where runs are trained: local, in processes of this computer; ray, on a cluster (docs/scaling.md).
            address: HOST:PORT of the head of a Ray cluster, or auto (default: a cluster of this computer only).
            jobs: runs trained at the same time, at least 1 (default: cores this process may use; on a cluster all).
            keep: folder for what is worth keeping: tables of every seed, curves, answers, the middle seed's weights.
            dry_run: print the table of runs and what they will cost, by a few updates of each; touch nothing.
        """
        return locals()

    given = tyro.cli(options, args=arguments, prog="ntm sweep")
    from ntmlib.sweeps.command import run_command

    return run_command(**given)


def keep(arguments: list[str]) -> int:
    """``ntm keep DIR TO``: write a small copy of a finished run."""
    import tyro

    def options(directory: tyro.conf.Positional[Path], to: tyro.conf.Positional[Path]) -> dict[str, Any]:
        """Write a small copy of a finished run: weights, history, evaluations, config, result, checksums.

        Args:
            directory: folder of a finished run.
            to: folder to write.
        """
        return locals()

    given = tyro.cli(options, args=arguments, prog="ntm keep")
    from ntmlib import training

    try:
        written = training.export_run(given["directory"], given["to"])
    except ValueError as error:
        return _refuse(str(error))
    except OSError as error:
        print(f"ntm: failed: {error}", file=sys.stderr)
        return FAILED
    for name, checksum in written.items():
        print(f"{checksum}  {given['to'] / name}")
    return DONE


def data(arguments: list[str]) -> int:
    """``ntm data``: list, fetch and show corpora."""
    from ntmlib.tasks.text.command import run_command

    return run_command(arguments)


def bench(arguments: list[str]) -> int:
    """``ntm bench``: time training updates, engine by engine."""
    from importlib.util import find_spec

    import tyro

    def options(
        engines: tuple[str, ...] = ("compiled", "fused", *(("dnc",) if find_spec("dnc") else ())),
        batch: tuple[int, ...] = (1, 16, 64),
        controllers: tuple[str, ...] = ("feedforward", "lstm"),
        turns: int = 7,
        threads: int = 1,
        device: str = "cpu",
    ) -> dict[str, Any]:
        """Time training updates of copy (20 vectors, 128 slots), every engine beside the reference.

        Args:
            engines: what to compare with the reference: compiled (torch.compile, needs a C++ compiler), fused, cuda
                (needs --device cuda), dnc (a public package with another machine, a DNC; measured when installed, LSTM
                controller only).
            batch: sequences per update.
            controllers: feedforward, lstm.
            turns: measurements of each engine, taken in turn with the others; medians are shown.
            threads: threads that compute on the CPU, at least 1.
            device: cpu or cuda, where the reference runs; fused and dnc run on the CPU in any case.
        """
        return locals()

    given = tyro.cli(options, args=arguments, prog="ntm bench")
    from ntmlib.training import speed

    try:
        speed.print_table(**given)
    except ValueError as error:
        return _refuse(str(error))
    return DONE


def report(arguments: list[str]) -> int:
    """``ntm report``: run the notebooks and write their pages."""
    import tyro

    from ntmlib.workbook.report import run_report

    def options(
        names: tyro.conf.Positional[tuple[str, ...]] = (),
        preset: str = "quick",
        set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
        jobs: int = 1,
        out: Path = Path("reports"),
        force: bool = False,
        against: Path | None = None,
        engine: Literal["local", "ray"] = "local",
        address: str | None = None,
    ) -> dict[str, Any]:
        """Run the notebooks and write their pages; a notebook of which nothing has changed is kept as it is.

        Args:
            names: notebooks to run, such as 03-copy; all without names.
            preset: "quick" trains in seconds, "paper" as long as the paper did.
            set: parameters of the notebooks to change.
            jobs: notebooks to run at the same time, at least 1.
            out: folder of the pages.
            force: run notebooks too of which nothing has changed.
            against: folder of an earlier report; prints what differs, and writes it as against.html.
            engine: local for processes of this computer, ray for tasks on a cluster whose nodes see the same folders.
            address: HOST:PORT of the cluster's head, or auto; without, ray runs on this computer only.
        """
        return locals()

    given = tyro.cli(options, args=arguments, prog="ntm report")
    return run_report(given.pop("names"), settings=given.pop("set"), **given)


def exercises(arguments: list[str]) -> int:
    """``ntm exercises build``: write the student's copies of the notebooks."""
    import tyro

    def options(notebooks: Path | None = None, out: Path = Path("workshop"), force: bool = False) -> dict[str, Any]:
        """Write copies of the notebooks with the exercises, but without their solutions; they run as they are.

        Args:
            notebooks: folder of the notebooks with solutions (default: notebooks, here or beside the library).
            out: folder of the copies; it should stand beside data, which the notebooks read.
            force: replace copies that are there already, and what was answered in them.
        """
        return locals()

    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: ntm exercises build [OPTIONS]\n\n`ntm exercises build --help` tells the options.")
        return DONE if arguments else REFUSED
    if arguments[0] != "build":
        return _refuse(f"ntm exercises can only build; got {arguments[0]!r}")
    given = tyro.cli(options, args=arguments[1:], prog="ntm exercises build")
    from ntmlib.workbook.students import build_copies

    return build_copies(**given)


def doctor(arguments: list[str]) -> int:
    """``ntm doctor``: is this computer ready?"""
    if arguments not in ([], ["--compile"]):
        print(
            "usage: ntm doctor [--compile]\n\n"
            "Says whether this computer is ready for the workbook, and what to do if it is not.\n"
            "With --compile it first compiles the fast engine; otherwise the first training has to."
        )
        return DONE if {"-h", "--help"} & set(arguments) else REFUSED
    from ntmlib.workbook.doctor import run_doctor

    return run_doctor(compile_first=bool(arguments))


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "evaluate": evaluate,
    "sweep": sweep,
    "keep": keep,
    "report": report,
    "exercises": exercises,
    "data": data,
    "bench": bench,
    "doctor": doctor,
}


def _refuse(message: str) -> int:
    print(f"ntm: refused: {message}", file=sys.stderr)
    return REFUSED


def _one_of(given: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(given, list(known), 1)
    return ", ".join(known) + (f" (did you mean {close[0]!r}?)" if close else "")


def _peek(arguments: list[str], flag: str) -> str | None:
    """Return the value given to a flag, before the arguments are parsed."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == flag:
            return following
        if argument.startswith(f"{flag}="):
            return argument.removeprefix(f"{flag}=")
    return None


def _list_presets(presets: Mapping[str, Mapping[str, Callable[..., "TrainConfig"]]]) -> str:
    lines = []
    for task, of_task in presets.items():
        for name, preset in of_task.items():
            summary = (preset.__doc__ or "").splitlines()[0]
            lines.append(f"  {task} --preset {name:<12} {summary}\n")
    return "".join(lines)
