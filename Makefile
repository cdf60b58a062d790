# `make demo`, `make test` and `make check` each set up what they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# A folder with another RabbitMQ, from tools/make_broker4.sh
BROKER_ROOT ?= $(QUORATE_TEST_BROKER_ROOT)
# How many processes share the tests: 0 is this one alone, which --pdb needs
WORKERS ?= auto
# Tests, drills and the demo start hundreds of processes: without this each would compile all of it
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv broker check test fuzz chaos spin model mutants demo bench clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(INSTALLED)  ## Create .venv with everything that demo, tests and checks need

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON). Install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) -V), and Quorate needs 3.11 or newer. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) can't make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

check: venv  ## Run all static checks: style, types, layers, sizes
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	MYPYPATH=benchmarks $(BIN)/mypy benchmarks/*.py
	$(BIN)/lint-imports
	$(BIN)/python tools/check_functions.py

broker:  ## Install RabbitMQ for the tests, on Debian and Ubuntu; starts no server
	@test -n "$(BROKER_ROOT)" || tools/install_broker.sh

test: venv broker  ## Run the tests; ARGS="-k name" chooses, BROKER_ROOT=folder has another RabbitMQ
	QUORATE_TEST_BROKER_ROOT="$(BROKER_ROOT)" $(BIN)/pytest \
	  -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: venv  ## Fuzz every decoder with atheris; minutes; ARGS="--target roster --seconds 30"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(ARGS)

chaos: venv  ## Run 500 simulated histories and a canary, which must fail; ARGS="--seed 500" others
	$(BIN)/quorate chaos --seeds 500 --json --canary $(ARGS)

spin:
	@tools/install_spin.sh

model: venv spin  ## Search every state of the vote and release rule with Spin, which it installs; minutes
	$(BIN)/python -m models

mutants: venv  ## Plant bugs in copies of the code, one at a time: who catches each? Minutes; ARGS="--only NAME"
	$(BIN)/python -m mutants $(ARGS)

demo: venv  ## Train on digits with five owners, losing a trainer and a share-holder on the way
	$(BIN)/quorate demo $(ARGS)

bench: venv  ## Measure kernels, masks and whole rounds: tables, JSON and pictures in bench/; minutes; ARGS="lengths" fewer
	@mkdir -p bench
	$(BIN)/python benchmarks/kernels.py --json bench/kernels.json
	$(BIN)/python benchmarks/masked.py --json bench/masked.json
	$(BIN)/python benchmarks/rounds.py --json bench/rounds.json --plots bench --only $(or $(ARGS),lengths trainers)

clean:  ## Remove .venv and all that was generated, but no run's checkpoints
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find actors benchmarks examples infra models mutants protocols quorate_pytest tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
