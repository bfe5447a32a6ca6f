# Two commands matter: `make up` (try Seawall on this machine) and `make test` (prove it).
# Everything they need is installed into .venv from the lock files; nothing else is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
ZOO := $(VENV)/.installed-zoo

# The tests start hundreds of Pythons: each would compile Seawall's sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up test check lint types unit loaded bench power sim soak zoo starter fuzz docs lock golden clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

up: $(RUNTIME)  ## Start a demo website and Seawall in front of it; Ctrl-C stops both
	@$(BIN)/seawall demo

test: lint  ## Lint, types and the whole test suite against real Envoy
	@$(MAKE) --no-print-directory -j2 types loaded
	@$(MAKE) --no-print-directory unit

check: lint types  ## Lint and types only

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

unit: $(DEV)
	$(BIN)/pytest -q -n $(or $(WORKERS),auto) --dist worksteal $(ARGS)

# Beside mypy, which needs one processor: else each process that tests compiles all tests at once.
loaded: $(DEV)
	@$(BIN)/pytest -q --collect-only $(ARGS) > /dev/null || true

bench: $(DEV)  ## Measure CPU per request, compile time, memory; prints the table of docs/performance.md
	$(BIN)/python -m bench $(ARGS)

power: $(DEV)  ## Recompute the figures of docs/judge.md; a quick look: make power ARGS='--rollouts 300 --print'
	$(BIN)/python -m tools.power $(ARGS)

sim: $(DEV)  ## Simulate fleets through chaos: make sim SEEDS=1-5000; failing seeds are kept
	$(BIN)/python -m seawall.testing.sim.run --seeds $(or $(SEEDS),1-2000) --keep tests/sim/kept.txt

soak: $(DEV)  ## Random deeds and kills on a real edge under load: make soak SECONDS=600 SEED=7
	$(BIN)/python -m tools.soak --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1) $(ARGS)

zoo: $(ZOO)  ## Make labelled traffic with real clients and report on it; all of it: make zoo ARGS=--full
	$(BIN)/python -m zoo $(ARGS)

starter: $(DEV)  ## Train the starter model from a folder of the zoo: make starter DATA=zoo-data/A
	$(BIN)/seawall bots train --records $(DATA)/records.ndjson --sessions $(DATA)/sessions.tsv \
	  --name starter-$$(date -u +%F) --without identity --without path-depth --without query-length \
	  --without referer --without cache-control --out src/seawall/bots/data/starter.json $(ARGS)

fuzz: $(DEV)  ## Fuzz the site-file loader for longer than the tests do
	$(BIN)/pytest -q tests/site -m fuzz --hypothesis-profile=long $(ARGS)

docs: $(DEV)  ## Rewrite the generated pages of docs/
	$(BIN)/python -m tools.docs

golden: $(DEV)  ## Rewrite the compiler's golden files after a wanted change
	$(BIN)/pytest -q tests/compiler/test_golden.py --update-golden

lock: $(DEV)  ## Resolve the newest allowed dependencies into the lock files
	$(BIN)/python -m pip install -q pip-tools
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -o requirements.lock --extra build pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -o requirements-dev.lock -c requirements.lock --extra build --extra dev pyproject.toml

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Seawall needs Python 3.11 or newer; say PYTHON=/path/to/it"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment. On Debian: apt install python3-venv"; rm -rf $(VENV); exit 2; }

$(RUNTIME): $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "Installing Seawall into $(VENV) (once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Of the tools' modules the tests load a part: that part is compiled when it is first loaded.
$(DEV): $(RUNTIME) requirements-dev.lock
	@echo "Installing the test tools into $(VENV) (once) ..."
	@$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The clients have an interpreter of their own: several want other versions than Seawall's tests do.
$(ZOO): $(DEV) requirements-zoo.txt
	@echo "Installing the zoo's clients into $(VENV)/zoo (once) ..."
	@$(BIN)/python -m venv $(VENV)/zoo/python
	@URLLIB3_NO_OVERRIDE=1 $(VENV)/zoo/python/bin/python -m pip install -q --disable-pip-version-check -r requirements-zoo.txt
	@touch $@
