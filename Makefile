# Each target is one call of an ordinary tool; `make help` lists them. In an activated environment, call the tool itself.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo slurm-demo reproduce verify test lint bench chaos clean

help: ## show the targets of make, and those of snakemake
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo 'With an activated environment (. .venv/bin/activate), `snakemake --list-target-rules` shows the studies.'

.venv/installed: requirements.lock requirements-peers.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --requirement requirements.lock --requirement requirements-peers.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: .venv/installed ## every study, small, on scikit-learn's digits: minutes, no download
	$(BIN)/snakemake --workflow-profile profiles/demo --cores all --report results/demo/report.html --report-after-run
	@echo 'The report is results/demo/report.html'

slurm-demo: .venv/installed ## the demo through a Slurm that is started for it here (docs/cluster.md), and without: the same?
	FOOLFLOW_SLURM_DEMO=1 $(BIN)/pytest tests/slurm/test_whole_demo.py

reproduce: .venv/installed ## every study of config.yaml on MNIST, FashionMNIST and CIFAR-10: hours
	$(BIN)/snakemake --cores all --report results/report.html --report-after-run

verify: .venv/installed ## RESULTS=folder MANIFEST=file: does the folder hold what the manifest says; what differs first
	$(BIN)/python scripts/verify.py --results "$(RESULTS)" --manifest "$(MANIFEST)"

test: .venv/installed ## the tests
	$(BIN)/pytest --numprocesses 2

lint: .venv/installed ## formatting, style, types and Snakemake's own checks
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" snakefmt --check Snakefile rules && $(BIN)/snakemake --lint

bench: .venv/installed ## images per second of our attacks beside the peers': results/bench/
	$(BIN)/python -m bench

chaos: .venv/installed ## the demo, killed 30 times at random moments: is it the undisturbed one in the end
	$(BIN)/python -m tests.end_to_end.chaos --kills 30

clean: ## remove what the demo made; the environment and the full reproduction stay
	rm -rf results/demo
