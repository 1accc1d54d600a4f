# The index of commands. Each makes .venv by itself; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.DEFAULT_GOAL := help
.PHONY: help demo test lab bench notebooks docs page clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed  ## the main job: one chat over TCP and over UDP, captured live, taken apart layer by layer
	@$(BIN)/netlab demo

test: .venv/.dev  ## lint, types, contracts and tests; with CI=true the slow tests too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n auto

lab: .venv/.lab  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir notebooks

bench: .venv/.bench  ## the benchmarks, each printing ratios against its peers
	$(BIN)/python benchmarks/packets.py
	$(BIN)/python benchmarks/fanout.py
	$(BIN)/python benchmarks/storm.py
	$(BIN)/python benchmarks/cluster.py
	$(BIN)/python benchmarks/simulator.py
	$(BIN)/python benchmarks/dumbbell.py
	$(BIN)/python benchmarks/padhye.py --kernel
	$(BIN)/python benchmarks/reliable.py
	$(BIN)/python benchmarks/testbed.py
	$(BIN)/python benchmarks/capture.py

notebooks: .venv/.lab .venv/.dev  ## run the notebooks, and write their outputs
	$(BIN)/python -m tests.course.run_notebooks

docs: .venv/.dev  ## the pictures of README.md and docs/, drawn anew
	$(BIN)/python -m docs.make_pictures

page: .venv/.installed  ## netlab/web/static/built: the page's colours, and its bench as the notebooks' widget (needs npm)
	$(BIN)/python page/build.py

clean:  ## remove .venv and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# One stamp for each set of packages, remade when pyproject.toml or the pinned versions change.
.venv/bin/python:
	@echo "making .venv with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "netlab needs Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "no venv module: on Debian and Ubuntu, apt-get install python3-venv" >&2; rm -rf .venv; exit 1; }

.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing netlab and what it needs (about half a minute)"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

.venv/.dev .venv/.lab .venv/.bench: .venv/.%: .venv/.installed
	@echo "installing the tools for: $*"
	@$(PIP) install --constraint constraints.txt --editable '.[$*]'
	@touch $@
