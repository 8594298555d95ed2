# The same commands for people and CI. `make run` and `make test` need nothing but Python ≥ 3.11 and a network for the first set-up.
PYTHON ?= python3
VENV   ?= .venv
HOST   ?= 127.0.0.1
PORT   ?= 8501
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# Where torch comes from: PyTorch's CPU builds, or PyPI's (with CUDA) where there is an NVIDIA GPU. Empty: whatever pip finds by itself.
TORCH_INDEX ?= $(if $(shell command -v nvidia-smi),,https://download.pytorch.org/whl/cpu)

# Processes that share the tests, whole files each.
TEST_WORKERS ?= 2

# Questions of the sweeps that ship: all of them together stay below 25 MB.
SWEEP_N     ?= 150
FACTORIAL_N ?= 100
SELECT_N    ?= 200
CONFIRM_N   ?= 500

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test fast check wheel docs notebooks bench sweeps shots image chromium

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## serve the dashboard on http://HOST:PORT (127.0.0.1:8501)
	$(BIN)/streamlit run server.py --server.address $(HOST) --server.port $(PORT)

test: $(VENV)/.dev chromium ## all tests, the browser's last and alone, each worker with a server and a browser of its own; one that fails there is tried again, twice at most, and named (CODI_SKIP_BROWSER=1 or ARGS, which go to pytest, leave those out)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --ignore=tests/browser $(ARGS)
	$(if $(CODI_SKIP_BROWSER)$(ARGS),,$(BIN)/python -m pytest tests/browser -n $(TEST_WORKERS) --dist loadfile --reruns 2 -rR)

fast: $(VENV)/.dev ## the tests that start nothing, train nothing and take no four seconds
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile -m "not slow" --ignore=tests/browser

check: $(VENV)/.dev ## lint, format, types, import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict codi_core
	$(BIN)/lint-imports

wheel: $(VENV)/.dev ## dist/codi_explorer-….whl, tried in an empty environment from another folder
	rm -rf dist $(VENV)-wheel
	$(BIN)/python -m build --wheel --no-isolation
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/pip --disable-pip-version-check install -q $(if $(TORCH_INDEX),--retries 1 --extra-index-url $(TORCH_INDEX)) dist/*.whl
	cd / && $(abspath $(VENV))-wheel/bin/codi selfcheck
	cd / && $(abspath $(VENV))-wheel/bin/codi lens --prompt "What is 2 plus 3?"
	CODI_WHEEL_VENV=$(abspath $(VENV))-wheel $(BIN)/python -m pytest -q tests/engine/test_wheel.py
	rm -rf $(VENV)-wheel

# not -q: a warning that is not shown does not fail it
docs: $(VENV)/.dev ## the site in site/, every link of it checked
	DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build

notebooks: $(VENV)/.dev ## run the notebooks, their outputs into runs/notebooks
	PYTHONPATH=$(CURDIR) $(BIN)/jupyter nbconvert --to notebook --execute --output-dir runs/notebooks notebooks/*.ipynb

bench: $(VENV)/.dev ## the numbers of docs/performance.md
	$(BIN)/python -m benchmarks

sweeps: $(VENV)/.dev ## the sweeps that ship in cache/bundled/sweeps (half an hour; interrupted, it goes on)
	$(BIN)/python -m benchmarks.grids --n $(SWEEP_N) --n-factorial $(FACTORIAL_N) --n-select $(SELECT_N) --n-confirm $(CONFIRM_N)

shots: $(VENV)/.dev chromium ## the screenshots in docs/img
	$(BIN)/python -m tests.shots

image: ## a container image named codi-explorer
	docker build -t codi-explorer .

chromium:
	@if [ -n "$(CODI_SKIP_BROWSER)" ] || command -v chromium >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y chromium && exit 0; fi; \
	echo "Chromium is missing: install a 'chromium' command (Debian: sudo apt-get install chromium), or set CODI_SKIP_BROWSER=1." >&2; exit 1

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a venv (Debian: apt-get install python3-venv)." >&2; exit 1; }

# torch alone first: the extra index is asked for this one package, and when it cannot be reached pip goes on with its own.
$(VENV)/.runtime: requirements.txt | $(BIN)/python
	$(PIP) install $(if $(TORCH_INDEX),--retries 1 --extra-index-url $(TORCH_INDEX)) --no-deps "$$(grep ^torch== requirements.txt)"
	$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-cluster.txt $(VENV)/.runtime
	$(PIP) install -r requirements-dev.txt
	@touch $@
