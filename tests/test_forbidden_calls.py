"""Calls that occur nowhere: none that run code hidden in data or named in it, none that draw from global generators."""

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

RUNS_CODE_ON_LOAD = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    "torch.load": "use safetensors",
    "torch.save": "use safetensors",
    "eval": "say what is meant",
    "exec": "say what is meant",
    "yaml.load": "use yaml.safe_load",
    "torch.manual_seed": "seed a torch.Generator of your own",
    "torch.seed": "seed a torch.Generator of your own",
    "torch.set_rng_state": "use a torch.Generator of your own",
    "torch.cuda.manual_seed": "seed a torch.Generator of your own",
    "torch.cuda.manual_seed_all": "seed a torch.Generator of your own",
}
IMPORTS_BY_NAME = {"importlib.import_module", "__import__", "builtins.__import__", "pydoc.locate", "runpy.run_path"}
NUMPY_PRIVATE = {"default_rng", "Generator", "PCG64", "Philox", "SeedSequence", "BitGenerator", "get_state"}
PYTHON_PRIVATE = {"Random", "SystemRandom", "getstate"}
TORCH_DRAWS = {
    "rand",
    "randn",
    "randint",
    "randperm",
    "rand_like",
    "randn_like",
    "randint_like",
    "normal",
    "bernoulli",
    "multinomial",
}
IN_PLACE_DRAWS = {
    "normal_",
    "uniform_",
    "bernoulli_",
    "random_",
    "exponential_",
    "log_normal_",
    "cauchy_",
    "geometric_",
    "trunc_normal_",
    "orthogonal_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
}


def dotted_names(tree: ast.AST) -> dict[str, str]:
    """Map the names a file imports to what they stand for: ``import numpy as np`` gives np -> numpy."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                package = alias.name.split(".")[0]  # `import torch.nn` binds torch
                known[alias.asname or package] = alias.name if alias.asname else package
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def is_closed(name: ast.expr) -> bool:
    """Whether what is imported is written in the source: a text, something below ntmlib, or an entry of a table."""
    if isinstance(name, ast.JoinedStr):
        return isinstance(name.values[0], ast.Constant) and str(name.values[0].value).startswith("ntmlib.")
    return isinstance(name, ast.Constant) or (isinstance(name, ast.Subscript) and ast.unparse(name.value).isupper())


def forbidden_calls(source: str, *, library: bool) -> list[str]:
    """Name every line that loads code with data, evaluates text or draws from a process-global generator.

    In the library a torch draw must also name its generator. Outside it, a test that shows what goes wrong without
    the rule may say so with a trailing ``# on purpose: why``.
    """
    tree = ast.parse(source)
    excused = {number for number, line in enumerate(source.splitlines(), 1) if "# on purpose: " in line}
    known = dotted_names(tree)
    found = []

    def note(node: ast.AST, what: str) -> None:
        if library or node.lineno not in excused:
            found.append(f"line {node.lineno}: {what}")

    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.split(".")[0] in RUNS_CODE_ON_LOAD:
                    note(node, f"imports {name}")
        if not isinstance(node, ast.Call):
            continue
        written = ast.unparse(node.func)
        first, *rest = written.split(".")
        name = ".".join([known.get(first, first), *rest])
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        owner, _, method = name.rpartition(".")
        if name in FORBIDDEN_CALLS:
            note(node, f"{name}: {FORBIDDEN_CALLS[name]}")
        if name in IMPORTS_BY_NAME and not (node.args and is_closed(node.args[0])):
            note(node, f"{name} of a name that is not written there: whoever writes the file decides what runs")
        if "allow_pickle" in keywords and ast.unparse(keywords["allow_pickle"]) != "False":
            note(node, f"{name} with allow_pickle")
        if owner == "numpy.random" and method not in NUMPY_PRIVATE:
            note(node, f"{name} draws from numpy's global generator")
        if owner == "random" and first in known and method not in PYTHON_PRIVATE:
            note(node, f"{name} draws from Python's global generator")
        draws = (owner == "torch" and method in TORCH_DRAWS) or (owner and method in IN_PLACE_DRAWS)
        if library and draws and "generator" not in keywords:
            note(node, f"{name} without generator=")
    return found


def python_of_notebook(text: str) -> str:
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    lines = "\n".join("".join(cell["source"]) for cell in cells).splitlines()
    return "\n".join("pass" if line.startswith(("%", "!")) else line for line in lines)


def test_nothing_loads_code_or_draws_globally():
    found, seen = [], 0
    for folder in ("ntmlib", "tests", "notebooks", "benchmarks"):
        for path in sorted([*(ROOT / folder).rglob("*.py"), *(ROOT / folder).glob("*.ipynb")]):
            text = path.read_text("utf-8")
            source = python_of_notebook(text) if path.suffix == ".ipynb" else text
            found += [
                f"{path.relative_to(ROOT)}, {problem}"
                for problem in forbidden_calls(source, library=folder == "ntmlib")
            ]
            seen += 1
    assert seen > 5
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "from torch import save\nsave({}, 'x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "eval('1')",
        "exec('1')",
        "import yaml\nyaml.load('a')",
        "import importlib\nimportlib.import_module(config['model'])",
        "from importlib import import_module as load\nload(name)",
        "__import__(name)",
        "__import__(f'{name}.engines')",
        "import importlib\nimportlib.import_module(state['_HOMES'])",
        "import pydoc\npydoc.locate(config['model'])",
        "import numpy as np\nnp.random.seed(1)",
        "import random\nrandom.seed(1)",
        "import torch\ntorch.seed()",
        "import torch\ntorch.manual_seed(1)",
        "import torch as t\nt.randn(3)",
        "import torch\ntorch.randn(3, device='cpu')",
        "weights.uniform_(-1, 1)",
        "from torch import nn\nnn.init.xavier_uniform_(weights)",
        "import numpy as np\nnp.random.rand(3)",
        "from numpy.random import seed\nseed(1)",
        "import random\nrandom.shuffle([1])",
        "from random import shuffle\nshuffle([1])",
    ],
)
def test_a_forbidden_call_is_caught(source):
    assert len(forbidden_calls(source, library=True)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.randn(3, generator=torch.Generator().manual_seed(1))",
        "weights.uniform_(-1, 1, generator=generator)",
        "import numpy as np\nnp.random.default_rng(1).normal(size=3)",
        "import random\nrandom.Random(1).shuffle([1])",
        "import importlib\nimportlib.import_module('ntmlib.training')",
        "__import__(f'ntmlib.engines.{engine}')",
        "__import__(_HOMES[name])",
        "machine.eval()\nregex.exec('a')\nsafetensors.torch.load(data)",
    ],
)
def test_its_private_relative_is_not(source):
    assert forbidden_calls(source, library=True) == []


def test_a_test_may_break_the_rule_on_purpose_but_the_library_may_not():
    source = "import random\nrandom.random()  # on purpose: shows that nobody listens"
    assert forbidden_calls(source, library=False) == []
    assert len(forbidden_calls(source, library=True)) == 1
