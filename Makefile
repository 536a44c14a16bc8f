# Every command is one of `python -m sandbox`, run with this checkout's own virtual environment.
SHELL := /bin/sh
PYTHON := .venv/bin/python
# On two cores three pay: a worker often waits, for its sandbox or for the next test.
WORKERS := 3
# The files that take long are those with few tests: they come first, so that no worker has one of them alone at the end.
IN_ORDER := --dist loadfile --no-loadscope-reorder
# The tests that need neither the engine nor the sandbox.
UNIT := tests/unit tests/component tests/program tests/fuzz
.DEFAULT_GOAL := help
.PHONY: bench clean clean-cache destroy down environment faults fuzz generate help lint preview release-check requirements second-cluster test test-all test-official unit up

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

# What needs the sandbox's programs has them built beside the environment, the first time.
up preview destroy second-cluster test test-all test-official: PARTS := parts
# The time that `make up` reports includes the environment.
up: export MAKE_STARTED := $(shell date +%s)

environment:
	@command -v python3 >/dev/null || { echo "Python 3.11 or newer is needed: https://www.python.org/downloads, or your system's package python3" >&2; exit 1; }
	@python3 sandbox/virtual_environment.py $(PARTS)

up: environment ## start the sandbox and deploy the dev stack to it
	@$(PYTHON) -m sandbox up

preview: environment ## show what `make up` would change
	@$(PYTHON) -m sandbox preview

destroy: environment ## destroy what `make up` deployed; the servers keep running
	@$(PYTHON) -m sandbox destroy

second-cluster: environment ## start a second cluster beside the sandbox's first: docs/sandbox.md has something to try
	@$(PYTHON) -m sandbox second-cluster

down: ## stop the servers; the next `make up` creates again what the dev stack had in AWS
	@if [ -d .sandbox ]; then $(MAKE) --no-print-directory environment && $(PYTHON) -m sandbox down; fi

clean: down ## stop the servers and remove everything that `make up` and `make test` created here
	@rm -rf .sandbox .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: environment ## remove the built programs that all clones of this user share
	@$(PYTHON) -m sandbox clean-cache

lint: environment ## check style, imports, workflows and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@.venv/bin/lint-imports --no-cache --no-logo
	@echo "  actionlint (the first time it is built: half a minute)"
	@$(PYTHON) -m sandbox.toolchains tests/actionlint tool actionlint "$(CURDIR)"/.github/workflows/*.yml
	@.venv/bin/zizmor --offline --pedantic --quiet .github
	@$(PYTHON) -m mypy components/irsa config cli/irsa_cli cli/irsa_world docs/generate program policy-pack/policy_pack sandbox tests bench __main__.py
	@for example in examples/*/__main__.py policy-pack/__main__.py; do $(PYTHON) -m mypy "$$example" || exit 1; done

unit: environment ## run the tests that need neither the engine nor the sandbox, in a minute and a half
	@$(PYTHON) -m pytest -q -n $(WORKERS) --dist worksteal $(UNIT)

fuzz: environment ## try 10,000 damaged stack files: ten minutes at most; SEED= repeats a run
	@FUZZ=all SEED=$${SEED:-$$(date +%s)} $(PYTHON) -m pytest -q -n auto --timeout=600 --session-timeout=600 tests/fuzz

faults: environment ## kill the engine 50 times, and let AWS and Kubernetes fail: 30 minutes at most; KILLS= and SEED= change it
	@$(PYTHON) -m sandbox programs
	@seed=$${SEED:-$$(date +%s)}; echo "SEED=$$seed"; \
	  FAULTS=all SEED=$$seed KILLS=$${KILLS:-50} $(PYTHON) -m pytest -q -n $(WORKERS) --timeout=1500 --session-timeout=1800 tests/all/faults

test: lint ## lint, and run the tests that protect users, those with the real engine too: in seven minutes on two idle cores
	@$(PYTHON) -m sandbox programs
	@$(PYTHON) -m pytest -n $(WORKERS) $(IN_ORDER) $(OTHERS) tests/sandbox $(UNIT)

# One run: so no worker waits for the end of the others twice.
test-all: OTHERS := tests/all
test-all: environment test ## what `make test` does, and all other tests: in a quarter of an hour on two idle cores

test-official: environment ## build the official Kubernetes plugin and YAML host, and run the sandbox's tests with them
	@OFFICIAL=built $(PYTHON) -m sandbox programs
	@OFFICIAL=built $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile -m sandbox tests/sandbox tests/all/sandbox tests/official

generate: environment ## generate the arguments, the schemas, the reference pages, AWS's actions and policies and tests/golden/mistakes.txt
	@$(PYTHON) -c "from docs.generate import arguments; arguments.FILE.write_text(arguments.text())"
	@$(PYTHON) components --schema > components/schema.json.new && mv components/schema.json.new components/schema.json
	@$(PYTHON) -m docs.generate
	@$(PYTHON) -m irsa_cli check tests/golden/mistakes.yaml > tests/golden/mistakes.txt || [ $$? -eq 1 ]

release-check: environment ## build what a release publishes, twice, and try it installed, with each Python that is here
	@.ci/release check

bench: environment ## measure it all and write bench/performance.md: a quarter of an hour on two idle cores
	@$(PYTHON) -m bench

requirements: environment ## compile requirements*.txt from the ranges in pyproject.toml
	@$(PYTHON) -m sandbox.requirements
