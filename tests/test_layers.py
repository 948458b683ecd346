"""Imports point one way: a room of ntmlib sees only the rooms named in the table below."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EVERYTHING = {
    *("dropout", "machine", "baselines", "tasks", "engines", "ntm", "training", "cluster", "sweeps", "views"),
    *("workbook", "cli"),
}

# room -> the rooms of ntmlib it may import from
MAY_SEE = {
    "dropout": set(),
    "machine": {"dropout"},
    "baselines": {"dropout"},
    "tasks": set(),
    "engines": {"machine", "dropout"},
    "ntm": {"engines", "machine", "dropout"},
    "training": {"ntm", "baselines", "tasks", "engines", "machine", "dropout"},
    "cluster": set(),
    "sweeps": {"training", "tasks", "cluster"},
    "views": {"ntm", "machine"},
    "workbook": {"cluster"},
    "cli": EVERYTHING,
    "__main__": {"cli"},
    "__init__": EVERYTHING,
}
ONLY_NAMES = {("views", "ntm"): {"Trace"}}  # views draw a finished trace; they never run a machine
NEVER_IMPORTS = {"workbook": {"torch", "numpy", "safetensors"}}  # the workbook starts notebooks, it does not compute


def imports(tree: ast.AST, module: str) -> Iterator[tuple[str, str | None]]:
    """Yield (imported module, imported name or None) for every import in a file, relative ones made absolute."""
    package = module.rsplit(".", 1)[0] if "." in module else module
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [base])])
            yield from ((base, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from ((str(argument.value), None) for argument in node.args[:1] if isinstance(argument, ast.Constant))


def wrong_imports(source: str, module: str) -> list[str]:
    """Name every import of ``module`` ("ntmlib.views.stepper") that points against the table."""
    room = [*module.split("."), "__init__"][1]
    wrong = []
    for target, name in imports(ast.parse(source), module):
        top, *rest = target.split(".")
        if top in NEVER_IMPORTS.get(room, set()):
            wrong.append(f"{module} imports {target}")
        if top != "ntmlib":
            continue
        if not rest and name in EVERYTHING:  # from ntmlib import views
            rest, name = [name], None
        if not rest:
            allowed = name == "__version__" or MAY_SEE.get(room) == EVERYTHING
        else:
            allowed = rest[0] == room or rest[0] in MAY_SEE.get(room, set())
            allowed &= name in ONLY_NAMES.get((room, rest[0]), {name})
        if not allowed:
            wrong.append(f"{module} imports {target}" + (f" ({name})" if name else ""))
    return wrong


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1]) + ".__init__" if parts[-1] == "__init__" else ".".join(parts)


def test_imports_point_one_way():
    files = sorted((ROOT / "ntmlib").rglob("*.py"))
    assert files
    assert [wrong for path in files for wrong in wrong_imports(path.read_text("utf-8"), module_name(path))] == []


def test_every_room_is_in_the_table():
    rooms = {
        path.stem for path in (ROOT / "ntmlib").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - set(MAY_SEE) == set()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ntmlib.machine.cell", "from ntmlib.tasks import make"),
        ("ntmlib.machine.cell", "from ..engines import reference"),
        ("ntmlib.machine.__init__", "from ..ntm import NTM"),
        ("ntmlib.machine.cell", "import ntmlib"),
        ("ntmlib.tasks.copy", "from ntmlib.machine import addressing"),
        ("ntmlib.baselines.lstm", "import ntmlib.ntm"),
        ("ntmlib.dropout", "from ntmlib.machine import NTMCell"),
        ("ntmlib.engines.reference", "from ntmlib import training"),
        ("ntmlib.ntm", "import importlib\nimportlib.import_module('ntmlib.training')"),
        ("ntmlib.ntm", "from .views import stepper"),
        ("ntmlib.training.loop", "def late():\n    from ntmlib.views import plot_history"),
        ("ntmlib.views.stepper", "from ntmlib.ntm import NTM"),
        ("ntmlib.views.stepper", "from ntmlib.training import train"),
        ("ntmlib.training.loop", "from ntmlib.sweeps import run_sweep"),
        ("ntmlib.workbook.export", "import torch.nn"),
        ("ntmlib.workbook.export", "from ntmlib.machine import NTMCell"),
        ("ntmlib.surprise", "from ntmlib.machine import NTMCell"),
    ],
)
def test_an_import_in_the_wrong_direction_is_caught(module, source):
    assert len(wrong_imports(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "ntmlib.machine.cell",
            "from .addressing import address\nfrom ntmlib.machine.memory import read\nimport torch",
        ),
        ("ntmlib.views.stepper", "from ntmlib.ntm import Trace\nfrom ..machine import addressing"),
        ("ntmlib.workbook.index", "from ntmlib import __version__\nfrom ntmlib.workbook.parameters import check"),
        ("ntmlib.training.loop", "from ntmlib import tasks\nfrom ntmlib.ntm import NTM"),
        ("ntmlib.__init__", "from ntmlib.ntm import NTM\nfrom . import tasks"),
    ],
)
def test_an_import_in_the_right_direction_is_not(module, source):
    assert wrong_imports(source, module) == []
