# Two commands matter: `make report` runs the notebooks and writes reports/index.html, `make test` checks everything.
# Both set up .venv first when needed. `make help` lists the rest.

PYTHON ?= python3

# The one place that pins torch. It stays outside requirements.lock because each platform needs another build of the
# same version. What pip picks by default: Linux the CUDA build (large; runs without a GPU too), macOS and Windows the
# CPU build. For the small CPU build on Linux let pip see the index that pytorch.org's "Get started" page names:
#     make setup TORCH_PIP_ARGS="--index-url <that index>"
TORCH := torch==2.13.0
TORCH_PIP_ARGS ?=

# What torch's CUDA build for Linux brings along, and the CPU build does not: the language the cuda engine is written in.
# Its interpreter runs the engine's tests where there is no GPU; nothing else needs it there.
TRITON := triton==3.7.1

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

# The stamp is the last thing set-up writes, so a set-up that was interrupted has none and is redone from nothing. Its
# name carries a checksum of what was installed and where: after a change, or in a moved folder, it is redone too.
SETUP_KEY := $(shell { cat pyproject.toml requirements.lock Makefile 2>/dev/null; pwd; } | cksum | cut -d ' ' -f 1)
STAMP := $(VENV)/.ntm-setup-$(SETUP_KEY)

# Empty when $(PYTHON) will do, otherwise the reason it will not.
python_problem = $(shell $(PYTHON) -c "import sys; v = sys.version_info; \
	print('' if v >= (3, 11) else '$(PYTHON) is Python %d.%d' % (v[0], v[1]))" 2>/dev/null || echo "$(PYTHON) does not run")

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Notebooks must run on this environment's kernel, whatever kernels the user has registered elsewhere.
export JUPYTER_PREFER_ENV_PATH := 1
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup triton cluster report test lint check lab offline-bundle lock clean

help:
	@echo "make report   run every notebook, write reports/index.html   (ARGS='03-copy --preset paper' and the like)"
	@echo "make test     check everything: lint, types, tests, notebooks, pages in a browser"
	@echo "make check    the fast part of it, about a minute"
	@echo "make lab      open JupyterLab on the first notebook"
	@echo "make setup    only make the environment in $(VENV)            (PYTHON=/path/to/python3.11 or newer)"
	@echo "make triton   let make test include the cuda engine on a computer without a GPU (adds 700 MB to $(VENV))"
	@echo "make cluster  install Ray, for sweeps on more than one computer   (ntm sweep FILE --engine ray, adds 260 MB)"
	@echo "make offline-bundle  a folder in dist/ from which laptops like this one install without a network (400 MB)"
	@echo "make lock     resolve the two locks anew (needs uv)"
	@echo "make clean    remove $(VENV), reports, caches and build products"

setup: $(STAMP)

$(STAMP):
	$(if $(python_problem),$(error The workbook needs Python 3.11 or newer, but $(strip $(python_problem)); \
	try make PYTHON=/path/to/a/newer/python3))
	@rm -rf $(VENV)
	@echo "setup 1/5: virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "setup 2/5: $(TORCH) (the large one; it may take minutes)"
	@$(BIN)/python -m pip install --quiet $(TORCH_PIP_ARGS) $(TORCH)
	@echo "setup 3/5: everything else, exact versions, checked against requirements.lock"
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	@echo "setup 4/5: ntmlib itself, editable"
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@echo "setup 5/5: do all versions agree?"
	@$(BIN)/python -m pip check
	@touch $@

triton: setup
	@$(BIN)/python -m pip install --quiet --no-deps $(TRITON)

cluster: setup
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-cluster.lock

report: setup
	@$(BIN)/ntm report $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Whole files go to one worker, so that a machine trained once in a file is trained once; heavy files start first
# (tests/conftest.py orders them). pytest comes last: its closing line is the last line.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: lint
	$(PYTEST) $(ARGS)

check: lint
	$(PYTEST) -m "not slow and not browser and not notebooks" $(ARGS)

lab: setup
	$(BIN)/jupyter lab notebooks/01-architecture.ipynb

# For a room without a network: docs/workshop.md. `make report` first puts the pages into it, too.
offline-bundle: setup
	@$(BIN)/python offline/make_bundle.py --torch-pip-args="$(TORCH_PIP_ARGS)" $(ARGS)

# torch itself is left out, and so are the CUDA libraries its Linux build names: both come with `pip install torch`.
# Telling uv torch's remaining needs keeps those locked. One resolution covers every platform and Python >= 3.11.
UV ?= uv
define TORCH_METADATA
[[dependency-metadata]]
name = "torch"
requires-dist = ["filelock", "fsspec", "jinja2", "networkx", "setuptools", "sympy", "typing-extensions"]
endef
export TORCH_METADATA

# The second lock is the first one's for Ray: what both have is the same version in both.
LOCK_OPTIONS := --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-annotate --no-header --no-emit-package torch --quiet

lock:
	@config=$$(mktemp) && trap 'rm -f "$$config"' EXIT && printf '%s\n' "$$TORCH_METADATA" > "$$config" && \
	$(UV) --config-file "$$config" pip compile pyproject.toml --extra dev $(LOCK_OPTIONS) -o requirements.lock && \
	sed -n 's/^cluster = \["\(.*\)"\]$$/\1/p' pyproject.toml | \
	$(UV) pip compile - -c requirements.lock $(LOCK_OPTIONS) -o requirements-cluster.lock
	@for lock in requirements.lock requirements-cluster.lock; do echo "$$lock: $$(grep -c == $$lock) packages"; done

clean:
	rm -rf $(VENV) reports build dist ntmlib.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name .git -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +
