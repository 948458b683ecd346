"""`make offline-bundle` and its installer, for real but for the wheels: three stand-ins of a kilobyte each."""

import ast
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPECIFICATION = importlib.util.spec_from_file_location("make_bundle", ROOT / "offline" / "make_bundle.py")
make_bundle = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(make_bundle)

DOCTOR = "import os, sys\nopen('doctor.txt', 'w').write(f'{sys.argv[1:]} {sys.prefix}')\n"


def write_wheel(folder, name, version, files):
    """Write a wheel that pip installs."""
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of a small workbook: one notebook, a file of data, one page, a locked package, torch, ntmlib."""
    folder = tmp_path_factory.mktemp("a folder")  # with a space in its name, as sticks have
    root = folder / "checkout"
    for name in ("notebooks", "docs", "data/runs", "reports"):
        (root / name).mkdir(parents=True)
    shutil.copytree(ROOT / "offline", root / "offline")
    shutil.copy(ROOT / "notebooks" / "02-addressing.ipynb", root / "notebooks")
    for name in ("docs/page.md", "data/runs/kept.csv", "README.md", "LICENSE", "reports/index.html"):
        (root / name).write_text(name)
    (root / "reports" / "03-copy.failed.html").write_text("failed")
    checksum = write_wheel(folder, "einops", "0.8.2", {"einops.py": ""})
    (root / "requirements.lock").write_text(
        f"einops==0.8.2 \\\n    --hash=sha256:{checksum}\nruff==0.1 --hash=sha256:0\n"
    )

    def fetch(wheels, entries, torch_pip_args):
        shutil.copy(folder / "einops-0.8.2-py3-none-any.whl", wheels)
        write_wheel(wheels, "torch", "2.13.0+cpu", {"torch.py": f"asked = {torch_pip_args}"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_bundle, "ROOT", root)
        patch.setattr(make_bundle, "needed", lambda: {"einops", "torch"})
        patch.setattr(make_bundle, "fetch_wheels", fetch)
        library = {"ntmlib/__init__.py": "", "ntmlib/__main__.py": DOCTOR}
        patch.setattr(make_bundle, "build_library", lambda wheels: write_wheel(wheels, "ntmlib", "0.1.0", library))
        patch.setenv("PYTHONPATH", str(ROOT))
        old = make_bundle.make_bundle(folder / "dist", [])
        (old / "left-over").touch()
        return make_bundle.make_bundle(folder / "dist", ["--index-url", "there"])


def install(bundle, target, *options, home=None):
    """Run the installer as a student does, in a world in which any index would be an error."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home or target.parent), "PYTHONPATH": str(ROOT)}
    environment |= {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_REQUIRE_VIRTUALENV": "1"}
    command = [sys.executable, str(bundle / "install.py"), "--to", str(target), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def installed(bundle, tmp_path_factory):
    """Where the bundle was installed to, after an installation that had been killed, and an answer to an exercise."""
    target = tmp_path_factory.mktemp("home") / "ntm workbook"
    (target / ".venv").mkdir(parents=True)
    (target / ".ntm-workbook").touch()
    (target / ".venv" / "half-made").touch()
    (target / "workshop").mkdir()
    (target / "workshop" / "02-addressing.ipynb").write_text("my answers")
    done = install(bundle, target)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


# --- what is in it -----------------------------------------------------------------------------------------------


def test_a_bundle_takes_what_the_workbook_needs_and_no_tool_of_development():
    names = make_bundle.needed()
    assert {"torch", "numba", "jupyterlab", "ipykernel", "pooch", "rfc3987-syntax"} <= names
    assert names & {"pytest", "mypy", "ruff", "playwright", "hypothesis", "beartype", "ray", "html5lib"} == set()
    entries = make_bundle.locked((ROOT / "requirements.lock").read_text("utf-8"), names - {"torch"})
    assert len(entries) == len(names) - 1
    assert all("--hash=sha256:" in entry for entry in entries)


def test_a_package_that_the_lock_does_not_know_is_named():
    with pytest.raises(make_bundle.BundleError, match=r"requirements\.lock has no entry for flask on this platform"):
        make_bundle.locked("einops==0.8.2 --hash=sha256:0\nflask==1 ; python_version < '3' --hash=sha256:0", {"flask"})


def test_the_cuda_build_is_refused_with_a_way_out():
    with pytest.raises(make_bundle.BundleError, match=r"CUDA build \(nvidia-nccl .*TORCH_PIP_ARGS"):
        make_bundle.refuse_cuda({"torch", "nvidia-nccl"})


def test_a_bundle_lists_its_files_with_their_checksums(bundle):
    listed = json.loads((bundle / "bundle.json").read_text("utf-8"))
    there = {path.relative_to(bundle).as_posix(): path for path in bundle.rglob("*") if path.is_file()}
    del there["bundle.json"]
    assert listed["files"] == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items()}
    assert {"install.sh", "install.bat", "START-HERE.txt", "workbook/reports/index.html"} <= there.keys()
    assert not {"left-over", "workbook/reports/03-copy.failed.html"} & there.keys()
    assert "BEGIN SOLUTION" in there["workbook/notebooks/02-addressing.ipynb"].read_text("utf-8")
    assert "BEGIN SOLUTION" not in there["workbook/workshop/02-addressing.ipynb"].read_text("utf-8")


def test_every_wheel_is_required_under_its_checksum(bundle):
    required = (bundle / "requirements.txt").read_text("utf-8")
    assert [line.split()[0] for line in required.splitlines() if "==" in line] == [
        "einops==0.8.2",
        "ntmlib==0.1.0",
        "torch==2.13.0+cpu",
    ]
    for wheel in (bundle / "wheels").iterdir():
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() in required


def test_a_bundle_says_in_its_name_what_it_is_for(bundle):
    assert bundle.name.startswith(f"ntm-workshop-0.1.0-python{sys.version_info[0]}.{sys.version_info[1]}-")
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


@pytest.mark.parametrize(
    ("names", "glibc"),
    [
        (
            [
                "a-1-cp311-cp311-manylinux_2_28_x86_64.whl",
                "b-1-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            ],
            "2.28",
        ),
        (["c-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"], "2.27"),
        (["d-1-py3-none-any.whl", "e-1-cp311-cp311-macosx_11_0_arm64.whl"], ""),
    ],
)
def test_the_oldest_glibc_is_that_of_the_most_demanding_wheel(names, glibc):
    assert make_bundle._glibc(names) == glibc


# --- installing --------------------------------------------------------------------------------------------------


def test_an_installation_has_exactly_the_wheels_and_the_doctor_saw_it(bundle, installed):
    python = installed / ".venv" / "bin" / "python"
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, timeout=600)
    packages = {package["name"]: package["version"] for package in json.loads(listed.stdout)}
    assert {name: packages.get(name) for name in ("einops", "ntmlib", "torch")} == {
        "einops": "0.8.2",
        "ntmlib": "0.1.0",
        "torch": "2.13.0+cpu",
    }
    assert (installed / "doctor.txt").read_text() == f"['doctor', '--compile'] {installed / '.venv'}"
    assert not (installed / ".venv" / "half-made").exists()


def test_an_installation_has_the_workbook_and_a_way_to_start_it(installed):
    for name in ("notebooks/02-addressing.ipynb", "data/runs/kept.csv", "docs/page.md", "reports/index.html"):
        assert (installed / name).is_file()
    assert os.access(installed / "start.sh", os.X_OK)
    assert "jupyter lab workshop/01-architecture.ipynb" in (installed / "start.sh").read_text()
    assert [path.name for path in installed.parent.iterdir()] == [installed.name]  # nothing else in that home


def test_jupyterlab_asks_nobody_for_news_and_looks_for_no_updates(installed):
    settings = installed / ".venv" / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    told = json.loads(settings.read_text())["@jupyterlab/apputils-extension:notification"]
    lab = Path(sys.prefix, "share", "jupyter", "lab", "schemas", "@jupyterlab", "apputils-extension")
    known = json.loads((lab / "notification.json").read_text("utf-8"))["properties"]
    assert told == {"fetchNews": "false", "checkForUpdates": False}
    assert "false" in [choice["const"] for choice in known["fetchNews"]["oneOf"]]
    assert known["checkForUpdates"]["type"] == "boolean"


def test_answers_are_kept_and_a_second_installation_makes_no_environment(bundle, installed):
    (installed / ".venv" / "still-there").touch()
    assert install(bundle, installed).returncode == 0
    assert (installed / "workshop" / "02-addressing.ipynb").read_text() == "my answers"
    assert (installed / ".venv" / "still-there").exists()


@pytest.fixture
def broken(bundle, tmp_path):
    """A copy of the bundle, and a function that changes what its bundle.json says."""
    copy = tmp_path / "stick"
    shutil.copytree(bundle, copy)

    def change(**changed):
        told = json.loads((copy / "bundle.json").read_text("utf-8"))
        (copy / "bundle.json").write_text(json.dumps(told | changed))
        return copy

    return change


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"python": "3.99"}, "is for CPython 3.99 on"),
        ({"implementation": "PyPy"}, "is for PyPy"),
        ({"machine": "vax"}, "but this computer is"),
        ({"system": "Plan9"}, "take the folder for it, or make another with `make offline-bundle`"),
        ({"glibc": "9.99"}, "the wheels need glibc 9.99 or newer; found"),
        ({"unpacked_bytes": 10**18}, "GB are needed in"),
        ({"files": {"wheels/gone.whl": "0"}}, "wheels/gone.whl is missing or damaged; copy the folder again"),
    ],
)
def test_a_bundle_for_something_else_is_refused_and_nothing_is_made(broken, tmp_path, changed, said):
    refused = install(broken(**changed), tmp_path / "there")
    assert refused.returncode == 2
    assert refused.stderr.startswith("install: refused: ")
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "there").exists()


def test_a_flipped_bit_is_found_before_anything_is_made(broken, tmp_path):
    stick = broken()
    wheel = stick / "wheels" / "torch-2.13.0+cpu-py3-none-any.whl"
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.write_bytes(content)
    refused = install(stick, tmp_path / "there")
    assert refused.returncode == 2
    assert "torch-2.13.0+cpu-py3-none-any.whl is missing or damaged" in refused.stderr
    assert not (tmp_path / "there").exists()


def test_folders_of_other_things_are_left_alone(bundle, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".venv").mkdir()
    (tmp_path / "file").touch()
    for name, said in (("mine", "must be a new folder"), ("file", "is a file")):
        refused = install(bundle, tmp_path / name)
        assert (refused.returncode, said in refused.stderr) == (2, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [".venv"]


def test_an_unreadable_list_of_files_is_refused(broken, tmp_path):
    stick = broken()
    (stick / "bundle.json").write_text("{")
    refused = install(stick, tmp_path / "there")
    assert (refused.returncode, "bundle.json cannot be read" in refused.stderr) == (2, True)


def shell(bundle, path, **environment):
    command = ["/bin/sh", str(bundle / "install.sh"), "--fits"]
    environment |= {"PATH": f"{path}:/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def test_the_shell_script_takes_the_first_python_that_fits(bundle, tmp_path):
    for name, body in (("old", "exit 1"), ("new", f'echo new python; exec {sys.executable} "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    chosen = shell(bundle, tmp_path, PYTHON="missing old new")
    assert (chosen.returncode, chosen.stdout) == (0, "new python\n")


def test_the_shell_script_lets_a_python_that_does_not_fit_say_why(broken, tmp_path):
    refused = shell(broken(python="3.99"), tmp_path, PYTHON=sys.executable)
    assert refused.returncode == 2
    assert "is for CPython 3.99" in refused.stderr
    nothing = shell(broken(), tmp_path, PYTHON="missing")
    assert (nothing.returncode, "there is no Python on this computer" in nothing.stderr) == (1, True)


def test_an_old_python_can_read_the_installer():
    ast.parse((ROOT / "offline" / "install.py").read_text("utf-8"), feature_version=(3, 6))
