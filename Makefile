# Sotto: `make chat` to talk, `make test` to test. Everything else is beside the point.
# Everything that is made here lies in .venv and .venv-fuzz (the environments), .cache (what fuzzing
# found) and .sotto (the local relay's data).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
FUZZ := .venv-fuzz
SECONDS ?= 20
PEERS := tests/interop
export SOTTO_DATA ?= $(CURDIR)/.sotto/relay

.PHONY: help chat stop test interop demo check guards fuzz lock bench bench-mls bench-relay clean format

help:
	@echo "make chat       make the environment, start a relay here if none runs, open the client"
	@echo "make stop       end the relay that make chat started"
	@echo "make test       make the environment, run everything that this machine can run"
	@echo "make interop    groups of crypto.mls and ts-mls together: 20 sessions of 200 epochs (needs Node.js)"
	@echo "make demo       the main job without a terminal: a conversation, what the relay stored, kick, ban"
	@echo "make check      format, lint, types, imports"
	@echo "make guards     take each guard out in turn: its attack test must then fail"
	@echo "make fuzz       hostile bytes for every decoder and for a group, SECONDS=$(SECONDS) each"
	@echo "make bench      measure; prints numbers"
	@echo "make bench-mls  our MLS beside other libraries, installed into bench/.peers"
	@echo "make bench-relay  our relay beside chat servers and brokers, those that are installed"
	@echo "make lock       every requirements file anew from pyproject.toml"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] < (3,15))' || { echo "Sotto needs Python 3.11 to 3.14; say which with: make PYTHON=python3.12 chat"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv is missing; on Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }

$(RUNTIME): requirements.txt | $(VENV)/bin/python
	@echo "Making the environment (once, about half a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt | $(RUNTIME)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

chat: $(RUNTIME)
	@$(BIN)/python -m ui.local chat

stop: $(RUNTIME)
	@$(BIN)/python -m ui.local stop

demo: $(RUNTIME)
	@$(BIN)/python -m tests.demo

test: $(DEV)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile

# npm fetches what package-lock.json names, by hash, once. Without Node.js, or with no way to the
# registry, there is nothing to run against; any other failure of npm is one.
interop: $(DEV)
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then \
		echo "interop: skipped: Node.js and npm are not installed"; \
	elif [ $(PEERS)/node_modules/.package-lock.json -nt $(PEERS)/package-lock.json ] || \
		npm ci --prefix $(PEERS) --loglevel=error --no-audit --no-fund; then \
		$(BIN)/python -m pytest -q -n 2 $(PEERS); \
	elif npm ping --loglevel=silent >/dev/null; then \
		echo "interop: npm ci failed" >&2; exit 1; \
	else echo "interop: skipped: the npm registry is out of reach"; fi

guards: $(DEV)
	@$(BIN)/python -m tests.guards --unit

# In an environment of its own, since the fuzzer has no packages for some Pythons and systems.
$(FUZZ)/.ready: requirements-fuzz.txt | $(VENV)/bin/python
	@$(PYTHON) -m venv $(FUZZ)
	@$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary atheris -r requirements-fuzz.txt
	@touch $@

fuzz: $(VENV)/bin/python
	@if $(MAKE) --quiet --no-print-directory $(FUZZ)/.ready; then \
	  for target in decoders process; do \
	    $(FUZZ)/bin/python -m tests.fuzz.run $$target -max_total_time=$(SECONDS) -timeout=20 -verbosity=0 -print_final_stats=1 || exit 1; \
	  done; \
	else echo "make fuzz: skipped, atheris cannot be installed for this Python and system"; fi

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV)
	@$(BIN)/python -m bench

bench-mls: $(DEV)
	@$(BIN)/python -m bench.mls

bench-relay: $(DEV)
	@$(BIN)/python -m bench.relay

lock: $(DEV)
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 -q pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 -q pyproject.toml --group dev -o requirements-dev.txt
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 -q -c requirements.txt pyproject.toml --group fuzz -o requirements-fuzz.txt

clean:
	rm -rf $(VENV) $(FUZZ) bench/.peers .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
