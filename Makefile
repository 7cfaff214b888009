# Each target is one call of an ordinary tool; `make help` lists them. In an activated environment, call the tool itself.
PYTHON ?= python3
BIN := .venv/bin
TARGETS ?= demo
ARGS ?= # more arguments for the tool: make reproduce ARGS=-n
report = $(if $(filter -n --dry-run,$(ARGS)),,--report $(1) --report-after-run) # a dry run makes nothing to report

.DEFAULT_GOAL := help
.PHONY: help demo slurm-demo reproduce verify test lint bench chaos clean

help: ## list the targets of make; `snakemake --list-target-rules` lists the studies
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo 'In an activated environment (. .venv/bin/activate), `snakemake --list-target-rules` lists the studies.'

.venv/installed: requirements.lock requirements-peers.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --requirement requirements.lock --requirement requirements-peers.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: .venv/installed ## every study, small, on scikit-learn's digits: minutes, no download
	$(BIN)/snakemake --workflow-profile profiles/demo --cores all $(call report,results/demo/report.html) $(ARGS)
	@echo 'The page is results/demo/index.html'

slurm-demo: .venv/installed ## compare the demo through a Slurm started for it here with the demo without (docs/cluster.md)
	FOOLFLOW_SLURM_DEMO="$(TARGETS)" $(BIN)/pytest tests/slurm/test_whole_demo.py $(ARGS)

reproduce: .venv/installed ## every study of config.yaml on MNIST, FashionMNIST and CIFAR-10: hours
	$(BIN)/snakemake --cores all $(call report,results/report.html) $(ARGS)
	@echo 'The page is results/index.html'

verify: .venv/installed ## RESULTS=folder: what did other code produce? with MANIFEST=file: is it that run, what differs first?
	$(BIN)/python scripts verify --results "$(RESULTS)" --manifest "$(MANIFEST)"

test: .venv/installed ## the tests
	$(BIN)/pytest --numprocesses 2 --durations 20 $(ARGS)

lint: .venv/installed ## formatting, style, types and Snakemake's own checks
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" snakefmt --check Snakefile rules profiles && $(BIN)/snakemake --lint

bench: .venv/installed ## images per second of our attacks next to the peers': results/bench/
	$(BIN)/python -m bench $(ARGS)

chaos: .venv/installed ## kill the demo 30 times at random moments; does it end like an undisturbed one?
	$(BIN)/python -m tests.end_to_end.chaos --kills 30 $(ARGS)

clean: ## remove what the demo made; the environment and the full reproduction stay
	rm -rf results/demo
