# What a newcomer runs. `make` alone lists it.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kafkatrigger
UV_VERSION := 0.13.8
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
PYTHON := .venv/bin/python
KINDS := kafkatriggers transformations

.DEFAULT_GOAL := help
.PHONY: help demo demo-local test check check-generated generate mutants soak bench cluster-up cluster-down clean venv

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

demo: venv ## the example on a real cluster with a real Kafka, from nothing; leaves the cluster up
	@$(PYTHON) -m examples.rul.demo

demo-local: venv ## the same example without a cluster
	@$(PYTHON) -m examples.rul.demo_local

test: venv ## all tests: static, unit, integration, e2e
	@$(PYTHON) -m tests.run

check: venv ## the static part: format, lint, types, import rules, generated files, chart
	@$(PYTHON) -m tests.run static

generate: venv ## write what is generated from the models: the CRDs, here and in the chart, and the reference
	@for kind in $(KINDS); do \
		$(PYTHON) -m kafkatrigger.api.crd $$kind > crds/$$kind.yaml && \
		$(PYTHON) -m kafkatrigger.api.crd $$kind --chart > charts/kafkatrigger/templates/crd-$$kind.yaml || exit 1; \
	done
	@$(PYTHON) -m kafkatrigger.api.crd --values-schema charts/kafkatrigger/values.schema.json > .values.schema.json
	@mv .values.schema.json charts/kafkatrigger/values.schema.json
	@$(PYTHON) docs/generate.py

check-generated: venv
	@for kind in $(KINDS); do \
		$(PYTHON) -m kafkatrigger.api.crd $$kind | diff - crds/$$kind.yaml && \
		$(PYTHON) -m kafkatrigger.api.crd $$kind --chart | diff - charts/kafkatrigger/templates/crd-$$kind.yaml || exit 1; \
	done
	@$(PYTHON) -m kafkatrigger.api.crd --values-schema charts/kafkatrigger/values.schema.json \
		| diff - charts/kafkatrigger/values.schema.json
	@$(PYTHON) docs/generate.py --check

mutants: venv ## remove the lines that keep the delivery's promises, one at a time: a test has to notice each
	@$(PYTHON) -m tests.mutants

soak: venv ## hours of kills at random moments: nothing lost, nothing twice, nothing out of order; ARGS=--help
	@$(PYTHON) -m tests.soak $(ARGS)

bench: venv .venv-bench/.synced ## measure the data path beside others; CASE=name for one case, ARGS=--list names them
	@$(PYTHON) -m benchmarks $(addprefix --case ,$(CASE)) $(ARGS)

cluster-up: ## bring up the local cluster with Kafka and the project's images; repairs what was killed
	@python3 -m tests.cluster all

cluster-down: ## end the local cluster; what was built stays cached
	@python3 -m tests.cluster down

clean: ## end the local cluster and remove all that was built, the caches included
	@python3 -m tests.cluster clean
	@rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

venv: .venv/.synced

.venv/.synced: pyproject.toml uv.lock | $(UV)
	@echo "installing the locked Python packages into .venv"
	@$(UV) sync --quiet --frozen
	@touch $@

.venv-bench/.synced: benchmarks/programs/pyproject.toml benchmarks/programs/uv.lock | $(UV)
	@echo "installing what the benchmarks compare with into .venv-bench"
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-bench $(UV) sync --quiet --frozen --project benchmarks/programs
	@touch $@

$(UV):
	@echo "installing uv $(UV_VERSION), once"
	@python3 -c 'import ensurepip' 2> /dev/null || (apt-get -q update && apt-get install -q -y python3-venv) > /dev/null
	@python3 -m venv $(CACHE)/uv-$(UV_VERSION)
	@$(CACHE)/uv-$(UV_VERSION)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
