# `make demo` and `make test` each set everything up first; only Python >= 3.11 is needed. `make` alone lists the targets.
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TOOLS  := $(VENV)/.installed-with-tools

# Two processes compute at once, each a file at a time and the longest first (tests/longest_files.py).
# Acceptance tests mostly wait for servers and workers, so three of them run at once, handed out one by one.
BY_FILE := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# One thread per process: two workers on two cores then do not fight, and numbers do not depend on the machine.
export OMP_NUM_THREADS ?= 1
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help demo test fast check soak bench setup clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(STAMP)  ## audit a bundled model with no server, print the findings, write demo-report.html
	$(BIN)/dyck-audit demo --out demo-report.html

test: setup  ## every test, real Redis and PostgreSQL included
	$(BY_FILE) -m "not acceptance"
	$(BIN)/python -m pytest -n 3 --dist load --maxschedchunk 1 -m acceptance

fast: setup  ## the tests that need no server, no browser and no training
	$(BY_FILE) -m "not acceptance and not slow and not browser"

check: setup  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: setup  ## the longest faults: servers away for a minute, batches under kills; prints the times to recover
	$(BIN)/python -m pytest -n 0 --timeout 900 -m soak

bench: setup  ## speed, as ratios to naive code in the same process
	$(BIN)/python -m tests.benchmarks

setup: $(TOOLS)  ## everything, the tools and libraries of the tests included

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("dyck-audit needs Python 3.11 or newer, found " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(TOOLS): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:  ## remove what the commands above made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache demo-report.html
