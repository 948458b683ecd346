"""Packaging: the lock, the conda environment and the committed files agree with pyproject.toml."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = {name: (ROOT / name).read_text("utf-8") for name in ("requirements.lock", "requirements-cluster.lock")}
NOT_OURS = {".git", ".venv", "reports", "runs", "build", "dist", "__pycache__", ".hypothesis"}


def project_files():
    for folder, folders, files in os.walk(ROOT):
        at_root = Path(folder) == ROOT
        folders[:] = [
            name for name in folders if name not in NOT_OURS or (name == "runs" and not at_root and "data" in folder)
        ]
        folders[:] = [name for name in folders if not name.endswith(("_cache", ".egg-info", "_checkpoints"))]
        yield from (Path(folder) / name for name in files)


# --- the lock ----------------------------------------------------------------------------------------------------


def locked(lock="requirements.lock"):
    """Return a lock's requirements, each with the number of its hashes."""
    entries = LOCKS[lock].replace("\\\n", " ").splitlines()
    return [(Requirement(entry.split("--hash")[0]), entry.count("--hash=sha256:")) for entry in entries if entry]


@pytest.mark.parametrize(("lock", "least"), [("requirements.lock", 80), ("requirements-cluster.lock", 10)])
def test_every_locked_package_is_exact_and_hashed(lock, least):
    assert len(locked(lock)) > least
    assert [str(requirement) for requirement, hashes in locked(lock) if not hashes] == []
    inexact = [req for req, _ in locked(lock) if not re.fullmatch("==[^,*]+", str(req.specifier))]
    assert inexact == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_host_no_path_and_no_torch(lock):
    assert re.findall(r"^.*(?:://|--index|--extra|--find|@ |\bfile:).*$", LOCKS[lock], re.MULTILINE) == []
    names = {canonicalize_name(requirement.name) for requirement, _ in locked(lock)}
    assert {name for name in names if name in {"torch", "triton"} or name.startswith(("nvidia", "cuda"))} == set()


def test_lock_meets_every_requirement_of_the_project():
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    versions = {}
    for requirement, _ in locked():
        versions.setdefault(canonicalize_name(requirement.name), []).append(str(requirement.specifier)[2:])
    for requirement in map(Requirement, wanted):
        if requirement.name != "torch":
            assert all(
                requirement.specifier.contains(version) for version in versions[canonicalize_name(requirement.name)]
            )


def test_the_cluster_lock_meets_its_extra_and_agrees_with_the_other_lock():
    versions = {}
    for requirement, _ in locked():
        versions.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    cluster = {
        canonicalize_name(requirement.name): requirement for requirement, _ in locked("requirements-cluster.lock")
    }
    for wanted in map(Requirement, PROJECT["project"]["optional-dependencies"]["cluster"]):
        assert wanted.specifier.contains(str(cluster[canonicalize_name(wanted.name)].specifier)[2:])
    shared = cluster.keys() & versions.keys()
    assert len(shared) > 5
    assert {name for name in shared if str(cluster[name].specifier) not in versions[name]} == set()


def test_requirements_of_the_project_are_lower_bounds_only():
    wanted = list(PROJECT["project"]["dependencies"])
    wanted += [text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra]
    assert [text for text in wanted if not re.fullmatch(r"[a-z0-9-]+>=[\d.]+", text)] == []


def test_what_only_the_benchmark_looks_at_is_neither_locked_nor_needed():
    names = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["optional-dependencies"]["bench"]}
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    assert names == {"dnc"}
    assert names & {canonicalize_name(Requirement(text).name) for text in wanted} == set()
    assert names & {canonicalize_name(requirement.name) for requirement, _ in locked()} == set()


def test_torch_is_pinned_in_exactly_one_place_and_that_one_is_installed():
    import torch

    names = [
        "Makefile",
        "pyproject.toml",
        "requirements.lock",
        "environment.yml",
        "README.md",
        "CONTRIBUTING.md",
        ".ci/run",
    ]
    texts = {name: (ROOT / name).read_text("utf-8") for name in names if (ROOT / name).exists()}
    pins = [(name, pin) for name, text in texts.items() for pin in re.findall(r"torch\s*==\s*([\d.]+)", text)]
    assert pins == [("Makefile", torch.__version__.split("+")[0])]


def test_every_package_ntmlib_imports_is_declared():
    declared = {Requirement(text).name for text in PROJECT["project"]["dependencies"]}
    imported = set()
    for path in (ROOT / "ntmlib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"ntmlib"}
    foreign -= {"triton"}  # torch's CUDA build brings it along, and only an engine for CUDA uses it
    declared |= {Requirement(text).name for text in PROJECT["project"]["optional-dependencies"]["cluster"]}
    sold_as = {"PIL": "pillow"}  # the few packages whose import name differs
    assert {canonicalize_name(sold_as.get(name, name)) for name in foreign} - declared == set()


def test_version_is_the_same_in_both_places():
    import ntmlib

    assert ntmlib.__version__ == PROJECT["project"]["version"]


# --- conda -------------------------------------------------------------------------------------------------------


def environment_differences(text, project):
    """Say in what environment.yml departs from pyproject.toml; an empty list means they agree."""
    environment, differences = yaml.safe_load(text), []
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    by_pip = [line for entry in environment["dependencies"] if isinstance(entry, dict) for line in entry["pip"]]
    bounds = {Requirement(line).name: Requirement(line).specifier for line in plain}
    declared = {Requirement(line).name: Requirement(line).specifier for line in project["dependencies"]}
    declared |= {"python": Requirement("python" + project["requires-python"]).specifier, "pip": ""}
    if environment["channels"] != ["conda-forge"]:
        differences.append(f"channels {environment['channels']}")
    if by_pip != ["-e .[dev]"]:  # the extra `bench` is for those who ask for it
        differences.append(f"pip entries {by_pip}")
    if "://" in text:
        differences.append("a URL")
    differences += [f"{name} is missing" for name in ("python", "pip") if name not in bounds]
    differences += [
        f"{name}{bound}" for name, bound in bounds.items() if str(bound) != str(declared.get(name, "undeclared"))
    ]
    return differences


def test_environment_agrees_with_the_project():
    assert environment_differences((ROOT / "environment.yml").read_text("utf-8"), PROJECT["project"]) == []


@pytest.mark.parametrize(
    ("good", "planted"),
    [
        ("python>=3.11", "python>=3.10"),
        ("python>=3.11", "python>=3.11,<3.13"),
        ("- python>=3.11\n  ", ""),
        ("- conda-forge", "- defaults"),
        ("- conda-forge", "- conda-forge\n  - nvidia"),
        ("-e .[dev]", "-e ."),
        ("-e .[dev]", "ntmlib[dev]"),
        ("-e .[dev]", "-e .[bench,dev]"),
        ("-e .[dev]", "-e .[dev]\n      - einops==0.8.0"),
        ("  - pip\n", "  - pip\n  - numpy>=1.0\n"),
        ("  - pip\n", "  - pip\n  - scipy\n"),
        ("name: ntm", "name: ntm  # https://example.org"),
    ],
)
def test_a_planted_difference_of_the_environment_is_named(good, planted):
    text = (ROOT / "environment.yml").read_text("utf-8")
    assert good in text
    assert len(environment_differences(text.replace(good, planted), PROJECT["project"])) == 1


# --- what is committed -------------------------------------------------------------------------------------------


def notebook_stains(notebook):
    """Say what of a run, or of an editor, was left in a notebook."""
    stains = []
    for number, cell in enumerate(notebook["cells"]):
        if cell.get("outputs") or cell.get("execution_count") is not None:
            stains.append(f"cell {number} was saved after a run")
        left = {name: value for name, value in cell["metadata"].items() if name != "tags"}
        if left != ({"jupyter": {"source_hidden": True}} if "BEGIN SOLUTION" in "".join(cell["source"]) else {}):
            stains.append(f"cell {number} carries metadata {left}")
    if set(notebook["metadata"]) - {"kernelspec", "language_info", "title"}:
        stains.append(f"notebook metadata {sorted(notebook['metadata'])}")
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        stains.append("kernel is not python3")
    if sum("parameters" in cell["metadata"].get("tags", []) for cell in notebook["cells"]) != 1:
        stains.append("no single cell tagged 'parameters'")
    return stains


def test_notebooks_are_committed_clean():
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert notebooks
    assert {
        path.name: stains for path in notebooks if (stains := notebook_stains(json.loads(path.read_text("utf-8"))))
    } == {}


@pytest.mark.parametrize(
    "stain",
    [
        lambda notebook: notebook["cells"][0].update(outputs=[{"output_type": "stream"}]),
        lambda notebook: notebook["cells"][0].update(execution_count=3),
        lambda notebook: notebook["cells"][0]["metadata"].update(papermill={}),
        lambda notebook: notebook["cells"][0]["metadata"].update(tags=[]),
        lambda notebook: notebook["cells"][0]["metadata"].update(jupyter={"source_hidden": True}),
        lambda notebook: notebook["cells"][0].update(source=["# BEGIN SOLUTION"]),
        lambda notebook: notebook["metadata"].update(widgets={}),
        lambda notebook: notebook["metadata"]["kernelspec"].update(name="venv"),
    ],
)
def test_a_stained_notebook_is_caught(stain):
    cell = {"cell_type": "code", "outputs": [], "execution_count": None, "source": ["pass"]}
    cell["metadata"] = {"tags": ["parameters"]}
    notebook = {"cells": [cell], "metadata": {"kernelspec": {"name": "python3"}}}
    assert notebook_stains(notebook) == []
    stain(notebook)
    assert len(notebook_stains(notebook)) == 1


def test_no_file_is_larger_than_two_megabytes():
    assert [str(path) for path in project_files() if path.stat().st_size > 2_000_000] == []


def test_package_data_covers_every_file_that_is_not_python():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["ntmlib"]
    shipped = {path for pattern in patterns for path in (ROOT / "ntmlib").glob(pattern)}
    present = {path for path in (ROOT / "ntmlib").rglob("*.*") if path.parent.name != "__pycache__"}
    present = {path for path in present if path.suffix != ".py"}
    assert present - shipped == set()


@pytest.mark.slow
def test_a_wheel_holds_the_whole_library_and_imports(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "ntmlib", source / "ntmlib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "data" / "text", source / "data" / "text", ignore=shutil.ignore_patterns("__pycache__"))
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(source),
    ]
    expected = {path.relative_to(source).as_posix() for path in (source / "ntmlib").rglob("*.*")}
    expected.add("ntmlib/tasks/text/shakespeare.txt")  # git has it in data/text
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    wheel = next(tmp_path.glob("ntmlib-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        assert expected - set(archive.namelist()) == set()
        archive.extractall(tmp_path / "installed")
    script = (
        "import ntmlib; print(ntmlib.__file__, ntmlib.NTM(2, 1)); "
        "from ntmlib.tasks.text import open_corpus; open_corpus('shakespeare')"
    )
    command = [sys.executable, "-c", script]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(str(tmp_path / "installed"))
