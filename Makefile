SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
E2E := CLUSTER_NAME=tracetrack-e2e CLUSTER_STATE_DIR=$(CURDIR)/.cache/e2e KUBECONFIG_OUT=$(CURDIR)/.cache/e2e/kubeconfig
WORKERS ?= 4
PYTEST := $(BIN)/python -m pytest
# The suites start hundreds of Python processes: each would compile all it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo demo-down test unit integration e2e e2e-down e2e-demo e2e-aside slow test-kill model failures soak bench-idle bench-app bench-operator lint format cluster cluster-down aws generate requirements packages clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## A whole TraceTrack on a kind cluster, with the address of its page at the end
	@$(BIN)/python -m tests.demo up

demo-down: $(STAMP) ## Remove what make demo made
	@$(BIN)/python -m tests.demo down

test: $(STAMP) packages ## Everything: e2e, lint and unit beside each other, then integration
	@$(MAKE) --no-print-directory -j2 beside-e2e beside-lint beside-unit && \
	  $(MAKE) --no-print-directory integration || { status=$$?; $(E2E) tests/cluster/down; exit $$status; }

beside-%: # A target beside others, its name before each of its lines
	@set -o pipefail; $(MAKE) --no-print-directory $* 2>&1 | sed -u 's/^/$* | /'

unit: $(STAMP) ## Tests without servers
	$(PYTEST) tests/unit

integration: $(STAMP) packages ## Tests on a real control plane, PostgreSQL, Redis and the emulated AWS
	$(PYTEST) tests/integration -m "not slow and not kill" -n $(WORKERS) --dist loadfile --no-loadscope-reorder

slow: $(STAMP) packages ## Tests that take minutes each: two hundred fleets
	$(PYTEST) tests/integration -m slow

test-kill: $(STAMP) packages ## The operator killed before, after and with the answer lost of every AWS call of every flow
	$(PYTEST) tests/integration/operator/kills -m kill -v -n $(WORKERS) --dist worksteal

e2e: $(STAMP) packages ## Tests on a kind cluster of their own (KEEP_CLUSTER=1 leaves it)
	@set -o pipefail; $(E2E) $(BIN)/python -m tests.demo up | grep '^TraceTrack runs'
	@KEEP_CLUSTER=1 $(MAKE) --no-print-directory -j2 beside-e2e-demo beside-e2e-aside; status=$$?; \
	  [ "$(KEEP_CLUSTER)" = 1 ] || $(MAKE) --no-print-directory e2e-down || status=1; exit $$status

e2e-down: # What make demo-down does, and that it leaves nothing
	@$(E2E) $(BIN)/python -m tests.demo down
	@left="$$(ls -A .cache/e2e 2>/dev/null; docker ps -a --format '{{.Names}}' 2>/dev/null | grep '^tracetrack-e2e')"; \
	  [ -z "$$left" ] || { echo "tests.demo down has left behind:" $$left >&2; exit 1; }

e2e-demo:
	$(PYTEST) tests/e2e -m "not aside"

e2e-aside:
	$(PYTEST) tests/e2e -m aside

model: $(STAMP) packages ## Random concurrent histories against the model, for minutes (MODEL_EXAMPLES=200)
	TRACETRACK_MODEL_EXAMPLES=$(or $(MODEL_EXAMPLES),200) TRACETRACK_MODEL_STEPS=25 $(PYTEST) tests/integration/app/test_model.py -o timeout=3600

failures: $(STAMP) packages ## Everything the app depends on failing: fail-over, full disk, clocks, hostile input
	$(PYTEST) tests/integration/app/failure tests/integration/app/test_resilience.py

soak: $(STAMP) packages ## Mixed traffic for ten minutes, each dependency killed in turn (SOAK_SECONDS=600)
	$(BIN)/python -m tests.bench.soak

bench-idle: $(STAMP) ## What the operator of the demo costs when nothing changes
	$(BIN)/python -m tests.bench.idle

bench-app: $(STAMP) packages ## The gates of the app's speed, against its baselines (20 minutes; BENCH_ARGS=--quick for 3)
	$(BIN)/python -m tests.bench.app $(BENCH_ARGS)

bench-operator: $(STAMP) packages ## The operator's gates, beside what ACK showed (40 minutes; BENCH_ARGS=--quick for 12)
	$(BIN)/python -m tests.bench.operator $(BENCH_ARGS)

lint: $(STAMP) ## ruff, mypy --strict on both packages, helm lint, generated files up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p tests.cluster -p tests.demo -p tests.bench.operator
	$(BIN)/python -m tracetrack_operator.api --check
	$(BIN)/python charts/generate.py --check
	$(BIN)/python operator/generate.py --check
	@helm="$$($(PYTHON) -m tests.cluster.commands tools helm)" && "$$helm" lint --strict charts/tracetrack-operator

format: $(STAMP) ## Put the code in its usual shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(STAMP) ## Write the CRDs, the field reference and the READMEs' tables from the code
	$(BIN)/python -m tracetrack_operator.api
	$(BIN)/python charts/generate.py
	$(BIN)/python operator/generate.py

cluster: ## A kind cluster, whatever the machine has (CLUSTER_NAME, KUBECONFIG_OUT)
	@tests/cluster/up

cluster-down: ## Remove it, and the Docker engine if it was started for it
	@tests/cluster/down

aws: $(STAMP) packages ## The emulated AWS on loopback, until interrupted
	$(BIN)/python -m tests.aws

requirements: $(STAMP) ## Pin the dependencies anew
	$(BIN)/uv pip compile -q --no-emit-index-url --universal --python-version 3.11 --extra operator -o operator/requirements.txt pyproject.toml
	$(BIN)/uv pip compile -q --no-emit-index-url --universal --python-version 3.11 --extra app -o app/requirements.txt pyproject.toml
	$(BIN)/uv pip compile -q --no-emit-index-url --universal --python-version 3.11 --extra operator --extra app --extra dev -o tests/requirements.txt pyproject.toml
	$(BIN)/uv pip compile -q --no-emit-index-url --universal --python-version 3.11 --extra bench -o tests/bench/requirements.txt pyproject.toml

packages:
	@$(PYTHON) -m tests.cluster.commands packages

$(STAMP): tests/requirements.txt pyproject.toml
	@$(PYTHON) -m tests.cluster.commands venv $(VENV)
	@touch $@

clean: ## Remove the virtual environment and what tests left
	rm -rf $(VENV) .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
