.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
PIP_ARGS ?=   # such as an index of torch builds for an older card
ARGS ?=       # passed on: make train ARGS="adapter=none"
JOBS ?= 2     # processes that test; each keeps to one thread
READY := $(VENV)/.ready

.PHONY: help install train test test-slow test-browser check format models pictures ablation ablation-quick clean

help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(READY) ## Create .venv and install the project with its tools

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "$(PYTHON) is $$($(PYTHON) --version); 3.10 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: install ## Set up, then train AIM on the embedded data set (ARGS="..." for more)
	$(VENV)/bin/python src/train.py $(ARGS)

test: install ## Set up, then run the tests (ARGS="--seed 1": other draws, another order)
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

test-slow: install ## The tests that take minutes
	$(VENV)/bin/python -m pytest -m 'slow and not gpu and not network and not browser' -n $(JOBS) --dist worksteal $(ARGS)

test-browser: install ## The tests of pages, in a headless Chromium (Debian: chromium, chromium-driver)
	$(VENV)/bin/python -m pytest -m browser $(ARGS)

check: install ## Lint, format check, types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

format: install ## Format and fix what can be fixed
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

models: install ## Write docs/models.md, the table of every experiment
	$(VENV)/bin/python src/models.py

pictures: install ## Draw docs/pictures, the figures of the README
	$(VENV)/bin/python docs/pictures.py

# in one folder, whatever LOG_DIR says
ABLATION := logs/sweeps/ablation_crowded
SWEEP = OMP_NUM_THREADS=1 $(VENV)/bin/python src/train.py -m logger=csv \
	hydra/launcher=joblib hydra.launcher.n_jobs=$(JOBS) hydra.sweep.dir=$(ABLATION)
# status 1 says that a job failed: what follows is made all the same; any other, as that of Ctrl-C, ends it
GO_ON = || { failed=$$?; [ $$failed -eq 1 ] || exit $$failed; }
REPORT = $(VENV)/bin/python src/report.py $(ABLATION) --out logs/ablation.html && exit $$failed

# the comparison has AIM at its usual ratio, 0.25
ablation: install ## All methods and AIM's bottlenecks on the moving shapes in a crowd, three seeds (goes on where it stopped)
	failed=0; \
	$(SWEEP) hparams_search=ablation seed=0,1,2 $(GO_ON); \
	$(SWEEP) experiment=moving_shapes_crowded adapter.ratio=0.0625,0.125,0.5 seed=0,1,2 $(GO_ON); \
	$(REPORT)

ablation-quick: install ## All methods, one seed
	failed=0; \
	$(SWEEP) hparams_search=ablation seed=0 $(GO_ON); \
	$(REPORT)

clean: ## Remove what was built, cached or rendered; runs in logs/ stay
	rm -rf $(VENV) data/moving_shapes .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
