# Everything here also works on a fresh clone: each command makes .venv and installs what it needs first.
# Another Python: make PYTHON=python3.12 test

PYTHON ?= python3
SHELL := /bin/sh
.DEFAULT_GOAL := help
# The tools for the page's JavaScript and CSS; the file is written by npm.
NODE_TOOLS := $(if $(shell command -v npm 2>/dev/null),node_modules/.package-lock.json)
.PHONY: help demo test lint check clean

help:
	@echo "make demo    protect three photos; the contact sheet and verdicts go to demo/"
	@echo "make test    run the tests and print the coverage"
	@echo "make lint    ruff, mypy and the layers contract; Biome and TypeScript for the page where npm is installed"
	@echo "make check   lint, then test"
	@echo "make clean   delete .venv, node_modules and the tools' caches, nothing else"

demo: .venv/ready-all
	@.venv/bin/python scripts/demo.py --out demo

test: .venv/ready-test
	@scripts/test

lint: .venv/ready-dev $(NODE_TOOLS)
	@scripts/lint

check: .venv/ready-dev $(NODE_TOOLS)
	@scripts/check

clean:
	rm -rf .venv node_modules .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(wildcard src tests scripts benchmarks) -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamps are newer than pyproject.toml when nothing is to be done.
.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "recessive needs Python 3.11 or newer, and $(PYTHON) is not: name one, as in make PYTHON=python3.12 test" >&2; \
	  exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo "no virtual environment could be made: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@touch $@

.venv/ready-%: pyproject.toml .venv/created
	@echo "Installing recessive[$*] into .venv; the first time takes some minutes."
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

node_modules/.package-lock.json: package-lock.json .npmrc
	@echo "Installing the tools for JavaScript and CSS into node_modules."
	@npm ci --loglevel=error >/dev/null
	@touch $@
