# make demo: every step on the synthetic collection; make test: lint, types, tests;
# make test-slow: the slow tests: walks over many files, kills, clusters;
# make test PYTHON=python3.13 VENV=.venv-3.13: the same with another Python, in its own environment;
# make test-lowest: the tests with the lowest versions that pyproject.toml allows;
# make coverage: the tests, and the lines of the package that none of them runs; at least 90 %;
# make mutants: changes in splits, evaluation, comparison and frontend that no test detects; hours;
# make docs: the documentation as a site; open site/index.html;
# make bench: the speed of backbeat beside the code that the paper builds on;
# make release: the wheel and the source archive in dist/, checked, installed and tested in a clean environment;
# make audit: known vulnerabilities of the pinned versions (needs a network);
# make train-default FEATURES=...: the installed models, from log-mel maps of GTZAN.
# Each first creates what it needs: a virtual environment in .venv with the versions of constraints.txt.

PYTHON ?= python3
VENV := .venv
CONSTRAINTS := constraints.txt
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)

FEATURES ?= gtzan.features

.PHONY: demo test test-slow test-lowest lint audit types unit coverage mutants docs bench \
	release train-default clean

demo: $(VENV)/.train
	$(BIN)/backbeat demo --out demo

test: lint types unit

# The lowest versions of the packages in pyproject.toml, the newest of their own dependencies. Some have no
# wheels for Python 3.13: make test-lowest PYTHON=python3.11.
test-lowest:
	$(MAKE) unit test-slow VENV=.venv-lowest CONSTRAINTS=constraints-lowest.txt

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml src tools benchmarks

# Not a part of `make test`, since it needs the network. Strict: it fails if a package cannot be looked up.
audit: $(VENV)/bin/python
	$(VENV)/bin/python -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement $(CONSTRAINTS)

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/pytest --numprocesses auto --dist loadfile -m "not slow"

test-slow: $(VENV)/.dev
	$(BIN)/pytest --numprocesses auto --dist loadfile -m slow

coverage: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses auto --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Not in the extra `dev`: no test needs it. It works in mutants/, and continues where it stopped.
mutants: $(VENV)/.dev
	$(INSTALL) 'mutmut==3.8.1'
	OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "backbeat needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "venv is missing; on Debian or Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.train: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	$(INSTALL) --editable '.[train]'
	@touch $@

$(VENV)/.docs: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	$(INSTALL) --editable '.[docs]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	$(INSTALL) --editable '.[dev]'
	@touch $@

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/speed.py --json bench.json

# Builds both archives, checks them with twine, and classifies a song with the installed wheel.
release:
	rm -rf dist build/release
	$(PYTHON) -m venv build/release/tools
	build/release/tools/bin/python -m pip install --quiet --disable-pip-version-check build==1.6.1 twine==7.0.0
	build/release/tools/bin/python -m build --outdir dist
	build/release/tools/bin/twine check --strict dist/*
	$(PYTHON) -m venv build/release/installed
	build/release/installed/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $(CONSTRAINTS) dist/*.whl
	cd build/release && installed/bin/backbeat data jam -o songs --per-genre 1
	cd build/release && installed/bin/backbeat classify songs/jazz
	@echo "dist/ is ready to upload"

train-default: $(VENV)/.train
	$(BIN)/python tools/train_default.py $(FEATURES) --work train-default \
		--out src/backbeat/bundle/shipped

clean:
	rm -rf $(VENV) .venv-* dist build demo site train-default mutants .mypy_cache .pytest_cache .ruff_cache
