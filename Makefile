#? xds-bridge: a control plane for Envoy without Kubernetes.
#?
#? Usage: make TARGET. Each target sets up what it needs into .cache/ first (Python packages by hash, Envoy, Consul, libfaketime, Prometheus, Chromium).
#?

PYTHON ?= python3
VENV := .cache/venv/bin
# For tests that wait for real parts. The event loop's debug mode, in which the fast ones run, would take a third of the machine.
WAITING := $(VENV)/pytest -n 2 --dist loadfile -o asyncio_debug=false

.DEFAULT_GOAL := help
.PHONY: help run test chaos soak check bench build release docs screenshots clean lock setup-run setup-test setup-bench
MAKEFLAGS += --no-print-directory
# Each worker of the tests, and each process that a test starts, would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

help:
	@sed -n 's/^#? \{0,1\}//p' Makefile
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1 \2/p' Makefile | awk '{printf "  %s %-11s", $$1, $$2; $$1 = $$2 = ""; print}'

run: setup-run ## start everything on this machine with a real Envoy; Ctrl-C ends it (ARGS=--once: a story that checks itself)
	@$(VENV)/xds-bridge demo --directory .cache/demo $(ARGS)

test: check ## all tests, with a real Consul and a real Envoy
	$(WAITING) tests/soak tests/deploy tests/integration tests/chaos

chaos: setup-test ## every fault of tests/chaos, TIMES times in a row (1 by default); ends with the first that fails
	@for pass in $$(seq $(or $(TIMES),1)); do echo "pass $$pass"; $(WAITING) --quiet tests/chaos || exit; done

soak: setup-test ## faults and changes at random for HOURS (1 by default), of a new story or that of SEED; prints what grows by the hour
	@SOAK_HOURS=$(or $(HOURS),1) SOAK_SEED=$(SEED) $(VENV)/pytest -s tests/soak

check: setup-test ## formatting, lint, types, imports, and the fast tests (no Envoy): before each commit
	$(VENV)/ruff format --check --quiet .
	$(VENV)/ruff check --quiet .
	$(VENV)/mypy --no-error-summary
	$(VENV)/lint-imports --no-logo --cache-dir .cache/import-linter
	$(VENV)/pytest -n 3 --dist worksteal tests/unit tests/property tests/conformance

bench: setup-bench ## measure; prints numbers, judges only those that have a budget, and fails in the end if one is missed
	@missed=; for script in $(sort $(wildcard tests/benchmark/bench_*.py)); do \
		echo "== $$script"; PYTHONPATH=tests $(VENV)/python "$$script" || missed="$$missed $$script"; \
	done; test -z "$$missed" || { echo "failed, or missed a budget:$$missed"; exit 1; }

build: setup-test ## the wheel and the source distribution in dist/, tried in a clean virtual environment
	$(VENV)/python -m scripts.package

release: setup-test ## check that this commit is a release, with all tests; leaves in dist/ what is to be published
	$(VENV)/python -m scripts.release ready
	$(MAKE) test build
	$(VENV)/python -m scripts.release parts

docs: setup-test ## the documentation as a site in .cache/site; writes anew what pages say of commands and keys
	$(VENV)/python -m scripts.commands
	$(VENV)/python -m scripts.configuration
	NO_MKDOCS_2_WARNING=1 $(VENV)/mkdocs build

screenshots: setup-test ## take the pictures of the status page anew into docs/images/, of a real bridge in a real browser
	@PYTHONPATH=tests $(VENV)/python -m scripts.screenshots

clean: ## remove all that set-up, tools and builds made
	rm -rf .cache build dist ./*.egg-info .coverage .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

lock: setup-test ## resolve the dependencies anew into requirements/ (needs uv, which it fetches)
	$(VENV)/python -m scripts.lock

setup-run:
	@$(PYTHON) -m scripts.prepare run

setup-test:
	@$(PYTHON) -m scripts.prepare test

setup-bench:
	@$(PYTHON) -m scripts.prepare bench
