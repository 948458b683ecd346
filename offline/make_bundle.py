"""Put all that a laptop without a network needs into one folder: ``make offline-bundle``.

The folder holds wheels for the Python and the platform it is made with, the notebooks and the students' copies of them,
the data, the pages of ``ntm report`` if there are any, and an installer that asks no index. What is installed is what
requirements.lock names, without the tools of development, each wheel under its checksum.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FORMAT = 1
INSTALLER = ("install.py", "install.sh", "install.bat", "START-HERE.txt")
LIBRARY = ("ntmlib", "data/text", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
WORKBOOK = ("notebooks", "data", "docs", "README.md", "LICENSE")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.egg-info")


class BundleError(Exception):
    """The bundle cannot be made here; the message says why, and what to do."""


def needed() -> set[str]:
    """Names of all packages that ntmlib needs to run here, as pyproject.toml has them now.

    Raises:
        BundleError: one of them is not installed.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(Requirement(text).name), "") for text in project["dependencies"]]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            raise BundleError(f"{name} is not installed here, but ntmlib needs it; run make setup first") from None
        for requirement in map(Requirement, requirements):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), extra) for extra in ("", *requirement.extras)]
    return {name for name, _ in found}


def locked(lock: str, names: Iterable[str]) -> list[str]:
    """The entries of a lock, with their checksums, that belong to some packages and to this Python and platform.

    Raises:
        BundleError: a package has none.
    """
    entries: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        requirement = Requirement(entry.split("--hash")[0].replace("\\", " ").strip())
        if requirement.marker is None or requirement.marker.evaluate():
            entries[canonicalize_name(requirement.name)] = entry
    missing = sorted(set(names) - set(entries))
    if missing:
        raise BundleError(f"requirements.lock has no entry for {', '.join(missing)} on this platform")
    return [entries[name] for name in sorted(names)]


def refuse_cuda(names: Iterable[str]) -> None:
    """Refuse torch's CUDA build, which brings gigabytes along that the lock does not know.

    Raises:
        BundleError: the torch installed here is that build.
    """
    brought = sorted(name for name in names if name.startswith(("nvidia-", "cuda-")) or name == "triton")
    if brought:
        raise BundleError(
            f"torch {metadata.version('torch')} is a CUDA build ({brought[0]} and others come with it): gigabytes, and "
            "of no use on most laptops. Take the CPU build: make clean, then make offline-bundle "
            'TORCH_PIP_ARGS="--index-url <the index for CPU that pytorch.org names>"'
        )


def fetch_wheels(wheels: Path, entries: list[str], torch_pip_args: list[str]) -> None:
    """Download a wheel for each entry of the lock, and for the build of torch that is installed here."""
    lock = wheels.parent / "locked.txt"
    lock.write_text("\n".join(entries) + "\n", encoding="utf-8")
    download = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(wheels)]
    _pip(*download, "--require-hashes", "-r", str(lock))
    lock.unlink()
    _pip(*download, *torch_pip_args, f"torch=={metadata.version('torch')}")


def build_library(wheels: Path) -> None:
    """Build the wheel of ntmlib from a copy of its sources, so that no earlier build leaks into it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in LIBRARY:
            _copy(ROOT / name, Path(folder) / name)
        _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), folder)


def requirements_of(wheels: Path, entries: list[str]) -> str:
    """The lock's entries, then the wheels it does not know (torch, ntmlib), with their own checksums."""
    known = {canonicalize_name(re.split(r"[=;\s]", entry, maxsplit=1)[0]) for entry in entries}
    others = [
        f"{name}=={version} \\\n    --hash=sha256:{_sha256(file)}"
        for file in sorted(wheels.glob("*.whl"))
        for name, version in [file.name.split("-")[:2]]
        if canonicalize_name(name) not in known
    ]
    return "\n".join([*entries, *others]) + "\n"


def add_workbook(target: Path) -> None:
    """Copy what is read and run: notebooks, students' copies, data, texts, and the pages if they were made."""
    for name in WORKBOOK:
        _copy(ROOT / name, target / name)
    build = [sys.executable, "-m", "ntmlib", "exercises", "build"]
    _run([*build, "--notebooks", str(ROOT / "notebooks"), "--out", str(target / "workshop")])
    pages = [page for page in (ROOT / "reports").glob("*.html") if ".failed." not in page.name]
    for page in pages:
        _copy(page, target / "reports" / page.name)
    found = f"{len(pages)} pages of reports" if pages else "no reports: make report first, if you want pages to print"
    print(f"bundle: {found}", flush=True)


def describe(bundle: Path) -> dict[str, object]:
    """What the installer has to know: for which Python and platform this is, how large, every file's checksum."""
    wheels = sorted((bundle / "wheels").glob("*.whl"))
    unpacked = sum(part.file_size for wheel in wheels for part in zipfile.ZipFile(wheel).infolist())
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    return {
        "format": FORMAT,
        "version": metadata.version("ntmlib"),
        "python": "{}.{}".format(*sys.version_info),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "glibc": _glibc(wheel.name for wheel in wheels),
        "unpacked_bytes": unpacked + sum(path.stat().st_size for path in (bundle / "workbook").rglob("*")),
        "files": {path.relative_to(bundle).as_posix(): _sha256(path) for path in files},
    }


def assemble(bundle: Path, entries: list[str]) -> None:
    """Add to the wheels everything else; the list of files comes last."""
    (bundle / "requirements.txt").write_text(requirements_of(bundle / "wheels", entries), encoding="utf-8")
    add_workbook(bundle / "workbook")
    for name in INSTALLER:
        _copy(ROOT / "offline" / name, bundle / name)
    content = json.dumps(describe(bundle), indent=1, ensure_ascii=False)
    (bundle / "bundle.json").write_text(content + "\n", encoding="utf-8")


def make_bundle(out: Path, torch_pip_args: list[str]) -> Path:
    """Make the folder, and give it its name once it is whole.

    Raises:
        BundleError: it cannot be made here.
    """
    names = needed()
    refuse_cuda(names)
    entries = locked((ROOT / "requirements.lock").read_text("utf-8"), names - {"torch"})
    tags = f"python{sys.version_info[0]}.{sys.version_info[1]}-{platform.system()}-{platform.machine()}"
    final = out / f"ntm-workshop-{metadata.version('ntmlib')}-{tags}".lower()
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=out))
    try:
        bundle = work / "bundle"
        (bundle / "wheels").mkdir(parents=True)
        print(f"bundle 1/3: {len(entries) + 1} wheels from the index (torch is the large one)", flush=True)
        fetch_wheels(bundle / "wheels", entries, torch_pip_args)
        print("bundle 2/3: the library, as a wheel", flush=True)
        build_library(bundle / "wheels")
        print("bundle 3/3: notebooks, students' copies, data, installer", flush=True)
        assemble(bundle, entries)
        if final.exists():
            final.rename(work / "old")
        bundle.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def _glibc(names: Iterable[str]) -> str:
    """The oldest glibc on which all of some wheels run, such as "2.28"; empty where they do not ask for one."""

    def versions(name: str) -> Iterator[tuple[int, int]]:
        if "manylinux2014" in name:
            yield 2, 17
        yield from ((int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)", name))

    asked = [min(found) for name in names if (found := list(versions(name)))]
    return "{}.{}".format(*max(asked)) if asked else ""


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=LEFT_OUT)
    else:
        shutil.copyfile(source, target)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pip(*arguments: str) -> None:
    _run([sys.executable, "-m", "pip", *arguments])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    if done.returncode:
        raise BundleError(f"this ended with status {done.returncode}: {' '.join(command[:6])} ...")


def main() -> int:
    """Read the command line, make the bundle, say where it is."""
    parser = argparse.ArgumentParser(description="Make a folder from which laptops install without a network.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to put it into (default: dist)")
    parser.add_argument("--torch-pip-args", default="", help="options of pip for the download of torch, in one text")
    given = parser.parse_args()
    try:
        made = make_bundle(given.out, given.torch_pip_args.split())
    except BundleError as error:
        print(f"offline-bundle: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    print(f"{made}: {size / 1e6:.0f} MB, for Python {sys.version_info[0]}.{sys.version_info[1]} on {platform.system()}")
    print("Copy the folder to a stick; START-HERE.txt in it says how to install from it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
