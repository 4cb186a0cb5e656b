# Needs python3.11 with venv, and make; installs the rest by name and hash into .venv.
PY ?= python3.11
V := .venv
BIN := $(V)/bin

# Compiled modules are kept: every process that the tests start would compile them again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test check docs bench bench-quick lint types clean

run: $(V)/.base
	$(BIN)/integra run --demo

test: $(V)/.dev lint types
	$(BIN)/python tests/chromium.py
	$(if $(wildcard /dev/shm),PYTEST_DEBUG_TEMPROOT=/dev/shm) $(BIN)/python -m pytest -q -rs -n 2

check: $(V)/.base
	$(BIN)/integra check

# Pages that are written from the content.
docs: $(V)/.base
	$(BIN)/python -m content.quality.competency_table > docs/competencies.new
	mv docs/competencies.new docs/competencies.md

# Every target beside its peers (a quarter of an hour, on a machine that does nothing else), into docs/benchmarks.md.
bench: $(V)/.dev
	$(BIN)/python -m bench --write

bench-quick: $(V)/.dev
	$(BIN)/python -m bench --quick

lint: $(V)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(V)/.dev
	$(BIN)/mypy

$(BIN)/python:
	$(PY) -m venv $(V)

# --no-build-isolation: the build tool comes from the same hash-locked list.
$(V)/.base: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	touch $@

$(V)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	touch $@ $(V)/.base

clean:
	rm -rf $(V) build *.egg-info
