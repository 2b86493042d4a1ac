# Each target makes its own .venv when there is none; nothing else is needed than make and Python >= 3.11 with venv.
# Settings: PYTHON=python3.12 (which interpreter), JOBS=4 (tests side by side), PYTEST_ARGS="tests/grid -x" (more for pytest).

.DELETE_ON_ERROR:
.PHONY: demo test test-slow lint bench docs qgis clean help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
OK := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
CANDIDATES := python3 python3.11 python3.12 python3.13 python3.14 python
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(OK)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

help:  ## what there is
	@echo "make demo   a land-cover map of the sample scene, and what differs from an earlier one, in demo/"
	@echo "make test   the tests, without the slow ones (make test-slow runs those)"
	@echo "make lint   ruff, formatting, mypy"
	@echo "make docs   the documentation as pages to read, in docs/_build/html"
	@echo "make qgis   the plugin for QGIS as dist/geoseg_processing.zip, for Install from ZIP"
	@echo "make bench  measurements, JSON in bench/results/"
	@echo "make clean  removes .venv, caches and demo/"

demo: $(STAMP)  ## the whole way on the sample scene
	$(BIN)/geoseg demo demo --overwrite

test: $(STAMP)
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: $(STAMP)
	$(PYTEST) -m slow $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m bench

qgis:
	rm -rf qgis/geoseg_processing/__pycache__ && mkdir -p dist && cd qgis && $(PYTHON) -m zipfile -c ../dist/geoseg_processing.zip geoseg_processing/

docs: $(STAMP)  ## pages that need no network; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

# Remade from nothing when pyproject.toml changes, so that what is installed is what it says.
$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "geoseg needs Python >= 3.11 with venv and ensurepip;" \
	  "on Debian or Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis dist bench/results docs/_build docs/reference
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
