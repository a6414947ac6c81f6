# Everything a fresh Debian or Ubuntu machine with Python 3.11+ needs, in two commands:
#   make demo    install, run the tour's job and open JupyterLab on it (OPEN=0: do not open)
#   make test    install and run every test this machine can run
# Both say what they do; a second call re-uses what is there.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OPEN ?= 1
PYTEST := $(BIN)/python -m pytest
# In a process of their own, which like a new kernel has not imported TensorFlow.
QUICK := $(PYTEST) tests/test_*.py
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help env docs dist jupyverse hub5 test-lab test-hub5 test-hub5-cluster test-ui chromium demo test test-unit test-gang test-cluster plan cluster cluster-down cluster-build lint types imports bench clean

help:  ## say what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

env: $(STAMP)  ## make the environment in .venv

$(STAMP): pyproject.toml tests/constraints.txt
	@echo "== Making the Python environment in $(VENV) (TensorFlow is large: a minute or two the first time)"
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed; set PYTHON="'
	@test -f jupyter_kf/labextension/static/style.js || command -v node >/dev/null || \
		{ echo "   Node 20 or newer is needed to build the JupyterLab side: apt install nodejs"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c tests/constraints.txt -e '.[dev]'
	@touch $@

demo: env  ## run the tour's job on real digits, then open JupyterLab on it
	@echo "== Running the tour's job: a %%kf cell trains on 2 replicas, compared with one process"
	@$(BIN)/python examples/run_tour.py
ifneq ($(OPEN),0)
	@echo "== Opening JupyterLab on the tour notebook (end it with Ctrl-C)"
	@$(BIN)/jupyter lab --YDocExtension.disable_rtc=True examples/tour.ipynb
endif

test: plan env chromium jupyverse hub5 test-lab cluster-build lint types imports  ## run every test this machine can run
	@echo "== Running the tests"
	@status=0; $(QUICK) || status=1; $(HUB5) || status=1; $(PYTEST) --ignore-glob='tests/test_*.py' || status=1; exit $$status

plan:
	@echo "== This makes the environments (4 minutes), installs Chromium, builds a throw-away Kubernetes (12 minutes) and"
	@echo "   runs all tests (50 minutes); times are of the first run on 2 cores, the second re-uses what was made."

test-lab: env  ## check the JupyterLab side: style, types, unit tests
	@echo "== Checking the JupyterLab side"
	@cd labextension && export PATH="$(abspath $(BIN)):$$PATH" && test -d node_modules || jlpm install --silent
	@cd labextension && export PATH="$(abspath $(BIN)):$$PATH" && jlpm lint && jlpm test

test-ui: env chromium  ## run the tests in a real browser
	@$(PYTEST) tests/ui

chromium:
	@command -v chromium >/dev/null || { echo "== Installing Chromium from Debian's packages for the browser tests"; \
		apt-get install -y -qq chromium >/dev/null 2>&1 || echo "   It could not be installed; the browser tests are left out."; }

# jupyverse brings a JupyterLab of its own, which must not lie over ours.
jupyverse: $(VENV)/jupyverse/.installed
$(VENV)/jupyverse/.installed: $(STAMP) tests/constraints-jupyverse.txt
	@echo "== Making a second environment for the test in jupyverse"
	@$(PYTHON) -m venv $(VENV)/jupyverse
	@$(VENV)/jupyverse/bin/python -m pip install --quiet --disable-pip-version-check \
		-c tests/constraints-jupyverse.txt 'jupyverse[jupyterlab,noauth]' -e '.[jupyverse]'
	@touch $@

# The oldest JupyterHub and KubeSpawner that are supported; what traitlets says of that KubeSpawner is its own affair.
HUB5 := $(VENV)/hub5/bin/python -m pytest -W default:metadata:DeprecationWarning tests/test_hub_*.py
hub5: $(VENV)/hub5/.installed
$(VENV)/hub5/.installed: $(STAMP) tests/constraints-hub5.txt
	@echo "== Making a third environment for the tests with JupyterHub 5.5 and KubeSpawner 7.0"
	@$(PYTHON) -m venv $(VENV)/hub5
	@$(VENV)/hub5/bin/python -m pip install --quiet --disable-pip-version-check \
		-c tests/constraints-hub5.txt -e '.[hub]' pytest pytest-asyncio pytest-timeout hypothesis
	@touch $@

test-hub5: hub5  ## run the hub's quick tests with JupyterHub 5.5 and KubeSpawner 7.0
	@$(HUB5)

test-hub5-cluster: hub5 cluster-build  ## run the tests of a hub on a real Kubernetes with that JupyterHub
	@JUPYTER_KF_TEST_HUB=$(abspath $(VENV)/hub5/bin/python) $(PYTEST) tests/cluster/test_kubernetes_hub.py

test-unit: env  ## run the quick tests: no notebook, no training
	@$(QUICK) -q

test-gang: env  ## run the tests with real replicas
	@$(PYTEST) tests/gang tests/jobs tests/kernel

# A throw-away Kubernetes for the tests; tests/cluster/README.md says how it is made.
THROWAWAY := PYTHONPATH=tests/cluster $(BIN)/python -m throwaway

cluster-build: env
	@echo "== Preparing a throw-away Kubernetes (the first time: Debian packages and a build of 7 minutes on 2 cores)"
	@$(THROWAWAY) prepare || echo "   The tests that need it are left out."

cluster: cluster-build  ## start a Kubernetes of your own that stays until make cluster-down
	@$(THROWAWAY) up --nodes 2 --device nvidia.com/gpu=4 --device google.com/tpu=4

cluster-down:  ## end it, without leaving anything
	@$(THROWAWAY) down

test-cluster: cluster-build  ## run the tests on a real Kubernetes
	@$(PYTEST) tests/cluster

docs: env  ## build the documentation in docs/_build/html; warnings are errors
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "== Open docs/_build/html/index.html"

dist: env  ## make a release of the last commit in dist/ and look at it from all sides
	@rm -rf dist
	@$(BIN)/python -m tests.distribution dist

lint: env
	@echo "== Checking style"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: env
	@echo "== Checking types"
	@$(BIN)/mypy

imports: env
	@echo "== Checking who imports whom"
	@$(BIN)/lint-imports

bench: env  ## run the benchmarks, one after the other
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:  ## remove the environment and all caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
