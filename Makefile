# `make run` and `make test` need nothing but Python (3.11 or later) and pip: they make .venv and install there.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# No byte code at installation: most of it is never imported, and Python writes what is.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q

# What is not compiled at installation must be kept once it is, else each of many processes compiles it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test coverage lint format bench docs clean
.DELETE_ON_ERROR:

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'

run: $(VENV)/.installed ## set up and run the main job on the sample collection
	$(BIN)/imagemill run quickstart

test: lint ## set up, then lint, types, import contracts and all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

coverage: $(VENV)/.installed-dev ## all tests once more, twice as slow, with the lines and branches that they reach
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov

lint: $(VENV)/.installed-dev ## formatting, lint, import contracts, types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.installed-dev ## images per second against the peers
	$(BIN)/python benchmarks/throughput.py

docs: $(VENV)/.installed-dev ## write what is made from the code
	$(BIN)/python docs/make_operations.py
	$(BIN)/imagemill schema > docs/pipelines.schema.json

clean: ## remove the environment, the caches and the results
	rm -rf $(VENV) results build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*

# The stamps: an installation is repeated only when pyproject.toml has changed.
$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	@echo "installing imagemill into $(VENV) ..."
	@$(PIP) install --no-compile -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/pip
	@echo "installing imagemill and its development tools into $(VENV) ..."
	@$(PIP) install --no-compile -e '.[dev]'
	@touch $@ $(VENV)/.installed

# Debian splits venv's pip off into python3-venv; where it is missing, the pip that there is installs one.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "imagemill needs Python 3.11 or later (make PYTHON=python3.12 ...)")'
	@$(PYTHON) -m venv --clear $(VENV) > /dev/null 2>&1 \
	|| { $(PYTHON) -m venv --clear --without-pip $(VENV) \
	&& $(PYTHON) -m pip --disable-pip-version-check -q --python $(BIN)/python install pip; } \
	|| { rm -rf $(VENV); echo "no virtual environment could be made: apt install python3-venv, or pip 22.3 or later" >&2; exit 1; }
