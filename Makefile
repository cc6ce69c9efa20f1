# Every target leaves the command at .venv/bin/postmuster. `make` alone shows this list.
# A long run shows how far it is; what is already done is not done again.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PEOPLE ?= 5000
SEED ?= 1
OUT ?= demo-out
RELAY ?=
PYTHON ?=
TESTS ?= tests
UPGRADE ?=
SIGN ?= openssl
RUNS ?= 200
SECONDS ?= 600

BIN := .venv/bin

# The first Python that is new enough and can run; PYTHON= names another.
define find_python
	for candidate in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11; do \
	  if [[ -n "$$candidate" ]] && "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	  then python="$$candidate"; break; fi; done; \
	if [[ -z "$${python:-}" ]]; then \
	  echo "No Python 3.11 or later was found; install one (Debian: apt-get install python3 python3-venv) and run make again." >&2; \
	  exit 1; fi
endef

.PHONY: help setup ready-demo ready-dev demo chaos-send chaos-read stop-drill fuzz test test-fast lint check up bench bench-send corpus docs-figures clean-data lock fmt

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1|\2/' | column -t -s '|'

setup: ready-dev ## Make .venv with everything, for developing

ready-demo:
	@$(find_python); "$$python" tools/bootstrap.py demo

ready-dev:
	@$(find_python); "$$python" tools/bootstrap.py dev

demo: ready-demo ## Run a whole muster with a simulated organisation: PEOPLE= SEED= OUT= RELAY=
	@"$(BIN)/postmuster" demo --people "$(PEOPLE)" --seed "$(SEED)" --out "$(OUT)" $(if $(RELAY),--relay "$(RELAY)")

up: ready-demo ## Start the database and the workers, and stay
	@"$(BIN)/postmuster" up

bench: ready-demo ## Measure everything, with the yardsticks beside
	@"$(BIN)/postmuster" bench all

# PEOPLE has another default here: several sizes; 3000000 takes its time and is best measured once, alone.
bench-send: ready-demo ## Measure sending beside its yardsticks: PEOPLE="2000 20000 200000" SIGN="openssl ed25519 none"
	@"$(BIN)/postmuster" bench send-all --signers "$(SIGN)" \
	  --sizes "$(if $(filter file,$(origin PEOPLE)),2000 20000 200000,$(PEOPLE))"

# PEOPLE and SEED as elsewhere; a run that fails is told with the seed by which `bench chaos --only` plays it again.
chaos-send: ready-demo ## Kill, cut, freeze and restart while notices are sent; the books must balance: RUNS= SEED= PEOPLE=400
	@"$(BIN)/postmuster" bench chaos --runs "$(RUNS)" --seed "$(SEED)" \
	  --people "$(if $(filter file,$(origin PEOPLE)),400,$(PEOPLE))"

chaos-read: ready-demo ## Kill, freeze and restart while replies come in; nothing lost, nothing twice: RUNS=100 SEED= PEOPLE=200
	@"$(BIN)/postmuster" bench chaos-read --runs "$(if $(filter file,$(origin RUNS)),100,$(RUNS))" --seed "$(SEED)" \
	  --people "$(if $(filter file,$(origin PEOPLE)),200,$(PEOPLE))"

stop-drill: ready-demo ## Stop notices in the middle of their way, and measure how long that takes: RUNS=50 SEED=
	@"$(BIN)/postmuster" bench drill --runs "$(if $(filter file,$(origin RUNS)),50,$(RUNS))" --seed "$(SEED)"

test: ready-dev ## Run every test: TESTS=path narrows it
	@"$(BIN)/python" -m pytest $(TESTS)

test-fast: ready-dev ## Run the tests without the long walks
	@"$(BIN)/python" -m pytest -m "not slow" $(TESTS)

lint: ready-dev ## Check style, types and the layers of the house
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/mypy"
	@"$(BIN)/lint-imports" --config .importlinter

check: lint test ## What has to pass before a change goes in: lint and test

fmt: ready-dev ## Write the code in the house's style
	@"$(BIN)/ruff" check --fix .
	@"$(BIN)/ruff" format .

fuzz: ready-dev ## Fuzz every public reader of mail and text: SECONDS=600 in all
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.txt
	@"$(BIN)/python" fuzz/run.py --seconds "$(SECONDS)"

corpus: ready-dev ## Read the corpora of mail and print what was right and wrong
	@"$(BIN)/postmuster" bench corpus

docs-figures: ready-dev ## Draw the figures of the documentation again
	@"$(BIN)/postmuster" bench figures
	@"$(BIN)/python" tools/show_demo.py

clean-data: ready-demo ## Stop our own database server and remove var/ and demo-out/
	@"$(BIN)/python" -m postmuster.runtime.postgres remove var demo-out

lock: ready-dev ## Write the lock files again from pyproject.toml: UPGRADE=1 takes newer versions
	@"$(BIN)/python" -m pip install --quiet --require-hashes -r requirements/lock.txt
	@tools/lock.sh $(if $(UPGRADE),--upgrade)
