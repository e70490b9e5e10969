# make search   install into .venv and search where a ResNet on digits should have its skips
# make test     install the development tools as well and run the tests
# make check    format, lint, types, import contracts
#
# Flags pass through: make search ARGS="--trials 8 --name quick"
#                     make test ARGS="-n 0 tests/nas"   in one process
# Another Python:     make search PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# A file's tests share what they make, so that each file stays in one process. Files start in the
# order of their names, which has the long ones (contracts, end_to_end) first.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help search test check format clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed '/^$$/q'

search: $(VENV)/.installed
	$(BIN)/nas search $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV)

# The virtual environment is made once; a failed attempt is removed, so that the next starts anew.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, got: $$($(PYTHON) --version 2>&1)."; \
	  echo "Name one that is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Each stamp stands for a finished installation; both are made anew when a requirement changes.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.installed $@
