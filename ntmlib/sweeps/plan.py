"""What a sweep consists of: a short TOML file becomes a table of cells, all of it checked before anything runs.

Example::

    name = "initial-state"
    task = "copy"
    preset = "quick"
    seeds = "1-5"

    [config]
    max_updates = 2000
    train_slots = "none"

    [grid]
    model_options.memory_init = ["constant", "learned", "random"]
"""

import dataclasses
import difflib
import itertools
import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, no_type_check

from ntmlib import tasks
from ntmlib.sweeps.resources import Resources, read_resources
from ntmlib.training import TrainConfig, presets

MOST_CELLS = 100_000  # a range with a digit too many should be refused, not fill the memory
LONGEST_NAME = 200  # bytes; file systems take 255, and logs put something behind the name

_FIELDS = tuple(f.name for f in dataclasses.fields(TrainConfig))
_MAY_BE_NONE = {f.name for f in dataclasses.fields(TrainConfig) if type(None) in get_args(f.type)}
_OF_ONE_MODEL = ("model_options", "learning_rate_factors", "train_slots", "spare_slots", "engine")
_SET_ELSEWHERE = {
    "task": "write it at the top",
    "seed": "write seeds = [...] at the top",
    "threads": "a cell computes with one thread, because cores are used across cells",
}


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        name: readable, unique in the sweep, and the name of the run's folder.
        config: what is trained.
        varied: the fields of the grid, dotted, with this cell's values; empty without a grid.
    """

    name: str
    config: TrainConfig
    varied: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.config.seed


@no_type_check  # while tests run: values of a wrong type are refused below, with a ValueError
@dataclass(frozen=True)
class Sweep:
    """Runs that belong together: every combination of the grid's values, each with every seed.

    A field of a TrainConfig is named as such ("max_updates"), a part of one with a dot ("model_options.slots") or as
    a table in a table. Changing the model leaves out what the preset says of the other model's parts.

    Args:
        name: what the sweep, and by default its folder, is called: letters, digits, ".", "_" and "-".
        task: name of the task.
        seeds: whole numbers of at least 0, or a text such as "1-20", which contains both ends.
        preset: the task's settings to start from.
        config: fields to change in all cells. The text "none" stands for None, which TOML cannot say.
        grid: fields with the list of values each of them takes.
        retries: how often a cell is tried again after its process died; one that diverged or was refused is not.
        resources: what is set aside for each cell; a table of cpus and gpus will do.

    Attributes:
        cells: the runs in order, the seeds of one combination next to each other.

    Raises:
        ValueError: a name is unknown, a value out of its range, or two cells are the same run.
    """

    name: str
    task: str
    seeds: Sequence[int] | str
    preset: str = "quick"
    config: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 1
    resources: Resources = field(default_factory=Resources)
    cells: tuple[Cell, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", self.name):
            raise ValueError(
                f"name must be 1 to 100 letters, digits, '.', '_' or '-' and start with one of the first two; "
                f"got {self.name!r}"
            )
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or not 0 <= self.retries <= 100:
            raise ValueError(f"retries must be a whole number from 0 to 100; got {self.retries!r}")
        self._set("resources", read_resources(self.resources))
        for name in ("task", "preset"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a text; got {getattr(self, name)!r}")
        start = presets.get(self.task, self.preset).to_dict()
        changes, grid = _flat("config", self.config, start), _flat("grid", self.grid, start)
        for name, values in grid.items():
            _check_values(name, values)
            if name in changes:
                raise ValueError(f"{name} must be in either config or grid; got it in both")
        seeds = _parse_seeds(self.seeds)
        self._set("seeds", seeds)
        self._set("config", MappingProxyType({name: _plain(name, value) for name, value in changes.items()}))
        self._set(
            "grid", MappingProxyType({name: tuple(_plain(name, v) for v in values) for name, values in grid.items()})
        )
        self._set("cells", self._make_cells(seeds))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _make_cells(self, seeds: tuple[int, ...]) -> tuple[Cell, ...]:
        number = len(seeds) * math.prod(map(len, self.grid.values()))
        if number > MOST_CELLS:
            raise ValueError(f"a sweep must have at most {MOST_CELLS:,} cells; seeds and grid make {number:,}")
        cells: list[Cell] = []
        names: dict[str, Mapping[str, Any]] = {}
        for values in itertools.product(*self.grid.values()):
            varied = dict(zip(self.grid, values, strict=True))
            for seed in seeds:
                name = _cell_name(varied, seed)
                try:
                    config = self._config_of(varied, seed)
                except ValueError as error:
                    raise ValueError(f"cell {name}: {error}") from error
                if names.setdefault(name.casefold(), varied) is not varied:
                    raise ValueError(
                        f"grid must make each cell once, in a folder of its own; two would be called {name!r}"
                    )
                cells.append(Cell(name, config, varied))
        return tuple(cells)

    def _config_of(self, varied: Mapping[str, Any], seed: int) -> TrainConfig:
        """Put preset, changes and grid values together."""
        values = presets.get(self.task, self.preset, seed).to_dict()
        changes = {**self.config, **varied}
        if changes.get("model", values["model"]) != values["model"]:
            values = {name: value for name, value in values.items() if name not in _OF_ONE_MODEL}
        of_task = {}
        for name, value in changes.items():
            first, dot, part = name.partition(".")
            if first == "task_options":
                of_task[part] = value
            else:
                values[first] = {**values.get(first, {}), part: value} if dot else value
        values["task_options"] = tasks.changed(self.task, values["task_options"], of_task)
        return TrainConfig.from_dict(values)


def read_sweep(path: str | os.PathLike[str]) -> Sweep:
    """Read a sweep from a TOML file whose keys are Sweep's arguments.

    Raises:
        ValueError: the file cannot be read, or something in it is refused; the message names the file first.
    """
    try:
        values = tomllib.loads(Path(path).read_text("utf-8"))
        known = tuple(f.name for f in dataclasses.fields(Sweep) if f.init)
        for key in values:
            if key not in known:
                inside = "; it belongs under [config]" if key in _FIELDS else ""
                raise ValueError(f"a sweep has no {key!r}{inside or _nearest(key, known)}; known: {', '.join(known)}")
        for key in ("name", "task", "seeds"):
            if key not in values:
                raise ValueError(f"{key} must be given; known: {', '.join(known)}")
        return Sweep(**values)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _flat(where: str, given: object, start: Mapping[str, Any]) -> dict[str, Any]:
    """Give every setting its dotted name, and refuse names that no config has."""
    flat: dict[str, Any] = {}
    for key, value in _items(where, given):
        name, dot, part = key.partition(".")
        if name in _SET_ELSEWHERE:
            raise ValueError(f"{where} cannot change {name!r}: {_SET_ELSEWHERE[name]}")
        if name not in _FIELDS:
            raise ValueError(f"{where} has no {name!r}{_nearest(name, _FIELDS)}; known: {', '.join(start)}")
        is_table = isinstance(start[name], Mapping)
        if dot and not is_table:
            raise ValueError(f"{where}.{name} must be one value, without parts; got {key!r}")
        parts = _items(f"{where}.{name}", value) if is_table and not dot else [(part, value)]
        for part, of_part in parts:
            full = f"{name}.{part}" if is_table else name
            if full in flat:
                raise ValueError(f"{where} must set {full} once; got it twice")
            flat[full] = of_part
    return flat


def _items(where: str, given: object) -> Iterable[tuple[str, Any]]:
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ValueError(f"{where} must be a table; got {given!r}")
    return given.items()


def _check_values(name: str, values: object) -> None:
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(f"grid.{name} must be a list of values to try; got {values!r}")
    for position, value in enumerate(values):
        if isinstance(value, Mapping):
            raise ValueError(f"grid.{name} must hold plain values; got {value!r}")
        if value in values[:position]:
            raise ValueError(f"grid.{name} must hold each value once; got {value!r} twice")


def _parse_seeds(given: object) -> tuple[int, ...]:
    rule = 'seeds must be whole numbers of at least 0 such as [1, 2, 3], or a range such as "1-20"'
    if isinstance(given, str):
        ends = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", given)
        if not ends or int(ends[1]) > int(ends[2]):
            raise ValueError(f"{rule}; got {given!r}")
        if int(ends[2]) - int(ends[1]) >= MOST_CELLS:
            raise ValueError(f"seeds must be at most {MOST_CELLS:,}; got {given!r}")
        return tuple(range(int(ends[1]), int(ends[2]) + 1))
    if not isinstance(given, list | tuple | range) or not given:
        raise ValueError(f"{rule}; got {given!r}")
    for seed in given:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"{rule}; got {seed!r} among them")
    if len(set(given)) < len(given):
        twice = next(seed for position, seed in enumerate(given) if seed in given[:position])
        raise ValueError(f"seeds must hold each seed once; got {twice} twice")
    return tuple(given)


def _plain(name: str, value: Any) -> Any:
    return None if value == "none" and name in _MAY_BE_NONE else value


def _cell_name(varied: Mapping[str, Any], seed: int) -> str:
    """Name a cell by what is special about it: ``memory_init=constant,seed=3``, or ``seed-3`` without a grid."""
    if not varied:
        return f"seed-{seed}"
    short = [name.rpartition(".")[2] for name in varied]
    labels = [last if short.count(last) == 1 else full for full, last in zip(varied, short, strict=True)]
    parts = [f"{label}={_text(value)}" for label, value in zip(labels, varied.values(), strict=True)]
    name = re.sub(r"[^A-Za-z0-9_.,=+-]", "_", ",".join([*parts, f"seed={seed}"]))
    if len(name) > LONGEST_NAME:
        raise ValueError(f"grid must give cells names of at most {LONGEST_NAME} characters; got {name!r}")
    return name


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return "-".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
