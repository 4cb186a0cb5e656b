# Needs make and one of these Pythons with venv; installs the rest by name and hash into .venv.
PY ?= python3.13 python3.12 python3.11
V := .venv
BIN := $(V)/bin
PEERS := $(V)/peers

# The first that runs and has what is needed: a name may be found that starts nothing, as pyenv's do.
NEEDED := import ensurepip, sqlite3, ssl, sys, venv; assert sys.version_info >= (3, 11); print(sys.executable)
PYTHON = $(firstword $(foreach name,$(PY),$(shell $(name) -c '$(NEEDED)' 2>/dev/null)))
MISSING := Integra needs Python 3.11, 3.12 or 3.13 with venv, SQLite and TLS (Debian: apt-get install python3-venv)

PIP := $(BIN)/python -m pip --disable-pip-version-check
# --no-build-isolation: the build tool comes from the same hash-locked list.
PACKAGE := $(PIP) install -q --no-index --no-deps --no-build-isolation -e .
PYTEST = $(if $(wildcard /dev/shm),PYTEST_DEBUG_TEMPROOT=/dev/shm) $(BIN)/python -m $(if $(COVERAGE),coverage run -m) pytest -q -n 2
HEAVY := browser or postgres or process or server or hypothesis or slow or long
COVERED = $(if $(COVERAGE),$(BIN)/coverage combine -q && $(BIN)/coverage report)

# Compiled modules are kept: every process that the tests start would compile them again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-fast check coverage fix lint types docs bench bench-quick mutants peers lock clean

run: $(V)/.base
	$(BIN)/integra run --demo

# Without a cache mypy takes a minute of one processor: beside the tests, so that the other one does not wait.
TYPES_BESIDE := $(if $(wildcard .mypy_cache),true,$(BIN)/mypy)

# With COVERAGE=1 coverage is measured and checked, too.
test: $(V)/.dev $(PEERS)/.installed lint $(if $(wildcard .mypy_cache),types)
	$(BIN)/python tests/chromium.py
	@$(TYPES_BESIDE) >$(V)/types.txt & types=$$!; $(PYTEST) -rs; tests=$$?; \
	wait $$types; types=$$?; cat $(V)/types.txt; exit $$((tests | types))
	$(COVERED)

# The tests of each package that start nothing and take half a minute together.
test-fast: $(V)/.dev
	$(PYTEST) -m "not ($(HEAVY))" tests/content tests/handlers tests/storage tests/bot

# All tests, and the lines of the product that they run; fails below the share in pyproject.toml.
coverage: COVERAGE := 1
coverage: $(V)/.dev $(PEERS)/.installed
	$(BIN)/python tests/chromium.py
	$(PYTEST)
	$(COVERED)

check: $(V)/.base
	$(BIN)/integra check

fix: $(V)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(V)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(V)/.dev
	$(BIN)/mypy

# Pages that are written from the content.
docs: $(V)/.base
	$(BIN)/python -m content.quality.competency_table > docs/competencies.new
	mv docs/competencies.new docs/competencies.md

# Every target beside its peers (a quarter of an hour, on a machine that does nothing else), into docs/benchmarks.md.
bench: $(V)/.dev $(PEERS)/.installed
	$(BIN)/python -m bench --write

bench-quick: $(V)/.dev $(PEERS)/.installed
	$(BIN)/python -m bench --quick

# Change the whole product in 250 places, one at a time, and print what no test sees; SEED=2 draws others.
SEED ?= 1
MINUTES ?= 30
mutants: $(V)/.dev $(PEERS)/.installed
	$(BIN)/python -m bench.mutants --seed $(SEED) --minutes $(MINUTES)

$(BIN)/python:
	@$(if $(PYTHON),,echo '$(MISSING); tried: $(PY)' >&2; exit 1)
	$(PYTHON) -m venv $(V)

$(V)/.base: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install -q --require-hashes -r requirements.lock
	$(PACKAGE)
	touch $@

$(V)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP) install -q --require-hashes -r requirements-dev.lock
	$(PACKAGE)
	touch $@ $(V)/.base

# Programs that ours is compared with, in an environment of their own: they cap libraries that ours uses.
peers: $(PEERS)/.installed

$(PEERS)/.installed: requirements-peers.lock | $(BIN)/python
	$(BIN)/python -m venv --without-pip $(PEERS)
	$(PIP) --python $(PEERS)/bin/python install -q --no-compile --require-hashes -r requirements-peers.lock
	touch $@

# All locks at the newest versions that pyproject.toml allows, for every Python and system that it declares.
LOCK := $(V)/lock/bin/uv pip compile -q pyproject.toml --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate
lock: | $(BIN)/python
	$(BIN)/python -m venv $(V)/lock
	$(V)/lock/bin/python -m pip install -q --disable-pip-version-check --upgrade uv
	$(LOCK) --extra postgres --extra xlsx --group build -o requirements.lock
	$(LOCK) --extra postgres --extra xlsx --group build --group dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) --group peers -o requirements-peers.lock

clean:
	rm -rf $(V) .coverage build *.egg-info
