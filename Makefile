# Everything here needs only Python 3.11+ and make; the virtual environment is made in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup dev demo test lint clean

help:
	@echo "make demo   install what this machine can run, then: flows run quickstart"
	@echo "make test   install with test tools, then lint, type check and all tests that need no GPU"
	@echo "make lint   ruff and mypy alone"
	@echo "make clean  remove .venv and caches (runs/ stays)"

setup:
	@$(PYTHON) scripts/setup_env.py

dev:
	@$(PYTHON) scripts/setup_env.py --dev

demo: setup
	@$(BIN)/flows run quickstart

lint: dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

test: lint
	@$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
