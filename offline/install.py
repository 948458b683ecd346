"""Install the NTM workbook from this folder, without a network: ``python3 install.py [--to FOLDER]``.

Everything is looked at before anything is made: is this the Python and the computer that the folder is for, is there
room, did every file survive the stick? Then a virtual environment is made from the wheels alone, the notebooks are
copied beside it, and ``ntm doctor`` says whether all of it works. Doing it again goes on where it stopped, and never
touches a notebook that is there already.

This file runs on the laptop's own Python, which may be too old for anything else here.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DONE, FAILED, REFUSED = 0, 1, 2
OURS = ".ntm-workbook"  # in a folder of ours, written first
STAMP = ".installed"  # in the environment, written last
SPARE_BYTES = 500 * 1000 * 1000  # compiled files, checkpoints, pages
# JupyterLab otherwise asks everybody in the room whether it may fetch news, and looks for updates.
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
WINDOWS = platform.system() == "Windows"


def read_bundle():
    """What this folder is for."""
    with open(os.path.join(HERE, "bundle.json"), encoding="utf-8") as file:
        return json.load(file)


def problems_of_computer(bundle):
    """Why this Python or this computer is not what the wheels are for; empty when it is."""
    python = "{}.{}".format(*sys.version_info)
    wanted = "this folder is for {implementation} {python} on {system} {machine}".format(**bundle)
    made_there = "or make another with `make offline-bundle` on a computer like this one"
    problems = []
    if (platform.python_implementation(), python) != (bundle["implementation"], bundle["python"]):
        mine = f"{platform.python_implementation()} {python}"
        remedy = "run install.py with Python {python}".format(**bundle)
        problems.append(f"{wanted}, but {sys.executable} is {mine}; {remedy}, {made_there}")
    if (platform.system(), platform.machine()) != (bundle["system"], bundle["machine"]):
        here = f"{platform.system()} {platform.machine()}"
        problems.append(f"{wanted}, but this computer is {here}; take the folder for it, {made_there}")
    elif bundle["glibc"]:
        name, version = platform.libc_ver()
        if name != "glibc" or numbers(version) < numbers(bundle["glibc"]):
            found = f"{name} {version}" if name else "none"
            problems.append("the wheels need glibc {} or newer; found {}".format(bundle["glibc"], found))
    try:
        __import__("ensurepip")
        __import__("venv")
    except ImportError:
        package = f"python{python}-venv"
        problems.append(f"this Python cannot make environments; install its package {package} first")
    return problems


def problems_of_target(target, bundle):
    """Why the workbook cannot be installed into a folder; empty when it can."""
    if os.path.isdir(target):
        if os.listdir(target) and not os.path.exists(os.path.join(target, OURS)):
            return [f"--to must be a new folder, an empty one, or one of an earlier installation; got {target}"]
    elif os.path.lexists(target):
        return [f"--to must be a folder; {target} is a file"]
    parent = target
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    if not os.access(parent, os.W_OK | os.X_OK):
        return [f"--to must be a folder that can be written to; {parent} cannot"]
    need, free = bundle["unpacked_bytes"] + SPARE_BYTES, shutil.disk_usage(parent).free
    if free < need:
        return [f"{need / 1e9:.1f} GB are needed in {parent}; {free / 1e9:.1f} GB are free"]
    return []


def damaged_files(bundle):
    """Files that are missing, or are not what they were when the folder was made."""
    damaged = []
    for name, wanted in bundle["files"].items():
        digest = hashlib.sha256()
        try:
            with open(os.path.join(HERE, *name.split("/")), "rb") as file:
                for block in iter(lambda file=file: file.read(1 << 20), b""):
                    digest.update(block)
        except OSError:
            damaged.append(name)
            continue
        if digest.hexdigest() != wanted:
            damaged.append(name)
    return damaged


def make_environment(target):
    """Make a virtual environment from the wheels alone, unless there is a whole one; return its Python."""
    environment = os.path.join(target, ".venv")
    python = os.path.join(environment, "Scripts" if WINDOWS else "bin", "python.exe" if WINDOWS else "python")
    with open(os.path.join(HERE, "requirements.txt"), "rb") as file:
        key = hashlib.sha256(file.read()).hexdigest()
    stamp = os.path.join(environment, STAMP)
    if os.path.isfile(stamp):
        with open(stamp, encoding="ascii") as file:
            if file.read() == key:
                return python
    shutil.rmtree(environment, ignore_errors=True)
    run([sys.executable, "-m", "venv", environment])
    pip = [python, "-m", "pip", "--isolated", "--disable-pip-version-check"]
    offline = ["--no-index", "--find-links", os.path.join(HERE, "wheels"), "--no-cache-dir"]
    locked = ["--no-deps", "--require-hashes", "-r", os.path.join(HERE, "requirements.txt")]
    run([*pip, "install", "--quiet", *offline, *locked])
    run([*pip, "check"])
    settings = os.path.join(environment, "share", "jupyter", "lab", "settings")
    os.makedirs(settings, exist_ok=True)
    with open(os.path.join(settings, "overrides.json"), "w", encoding="ascii") as file:
        json.dump(QUIET, file, indent=1)
    with open(stamp, "w", encoding="ascii") as file:
        file.write(key)
    return python


def copy_workbook(target):
    """Copy notebooks, data and pages; a file that is there already may hold somebody's answers, and stays."""
    source = os.path.join(HERE, "workbook")
    for folder, _, files in os.walk(source):
        there = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        os.makedirs(there, exist_ok=True)
        for name in files:
            if not os.path.exists(os.path.join(there, name)):
                shutil.copyfile(os.path.join(folder, name), os.path.join(there, name))
    first = os.path.join("workshop", "01-architecture.ipynb")
    if WINDOWS:
        lines = ["@echo off", 'cd /d "%~dp0"', "set JUPYTER_PREFER_ENV_PATH=1"]
        lines.append(f".venv\\Scripts\\python -m jupyter lab {first} %*")
        name = "start.bat"
    else:
        lines = ["#!/bin/sh", 'cd "$(dirname "$0")" || exit 1', "export JUPYTER_PREFER_ENV_PATH=1"]
        lines.append(f'exec .venv/bin/python -m jupyter lab {first} "$@"')
        name = "start.sh"
    with open(os.path.join(target, name), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    os.chmod(os.path.join(target, name), 0o755)
    return name


def run(command, **options):
    """Run a step, away from whatever Python and pip settings this computer has; a failure ends the installation."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    done = subprocess.call(command, env=dict(kept, PIP_CONFIG_FILE=os.devnull), **options)
    if done:
        raise SystemExit("install: failed (status {}): {}".format(done, " ".join(command[:5])))


def main():
    """Check, install, copy, examine."""
    parser = argparse.ArgumentParser(description="Install the NTM workbook from this folder, without a network.")
    home = os.path.join(os.path.expanduser("~"), "ntm-workbook")
    parser.add_argument("--to", default=home, metavar="FOLDER", help="where to install it (default: %(default)s)")
    parser.add_argument("--fits", action="store_true", help="only say whether this is the right Python and computer")
    given = parser.parse_args()
    target = os.path.abspath(given.to)
    try:
        bundle = read_bundle()
    except (OSError, ValueError) as error:
        print(f"install: refused: bundle.json cannot be read ({error}); copy the folder again", file=sys.stderr)
        return REFUSED
    problems = problems_of_computer(bundle)
    if not given.fits:
        problems += problems_of_target(target, bundle)
    if not problems and not given.fits:
        print("1/4: is every file whole?")
        damaged = damaged_files(bundle)
        if damaged:
            more = f" and {len(damaged) - 1} more" if damaged[1:] else ""
            problems.append(f"{damaged[0]}{more} is missing or damaged; copy the folder again")
    for problem in problems:
        print(f"install: refused: {problem}", file=sys.stderr)
    if problems or given.fits:
        return REFUSED if problems else DONE
    started = time.time()
    print("2/4: environment in {} (a minute or two)".format(os.path.join(target, ".venv")), flush=True)
    os.makedirs(target, exist_ok=True)
    with open(os.path.join(target, OURS), "a", encoding="ascii"):
        pass
    python = make_environment(target)
    print("3/4: notebooks, data, pages", flush=True)
    start = copy_workbook(target)
    print("4/4: ntm doctor; the fast engine is compiled for this computer first", flush=True)
    run([python, "-m", "ntmlib", "doctor", "--compile"], cwd=target)
    print(f"installed in {time.time() - started:.0f} s. To begin: {os.path.join(target, start)}")
    return DONE


def numbers(version):
    """A version as numbers that can be compared."""
    return [int(part) for part in version.split(".") if part.isdigit()]


if __name__ == "__main__":
    sys.exit(main())
