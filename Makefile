# Two commands need no reading: make paint, make test. Each sets up .venv when it is missing or out of date.
VENV   ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# More words for pip install, for example another index that has smaller builds of torch.
PIP_ARGS ?=
# Folder with the data sets, as docs/training.md lays it out; for make bench.
DATA ?= data
TARGET ?=
# More words for the command: make paint ARGS="--robot xarm6 --gui"
ARGS ?=

# torch and OpenCV with more threads than cores are two to five times slower.
export OMP_NUM_THREADS ?= 1

.PHONY: help setup paint test check format bench pictures clean
.DEFAULT_GOAL := help

help: ## these lines
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(VENV)/.ready ## the environment in .venv, compiled code warmed

paint: $(VENV)/.ready ## paint TARGET (an image) in STROKES strokes on the simulated arm
	@$(VENV)/bin/spiral-paint "$(or $(TARGET),examples/cat.png)" $(if $(STROKES),--strokes $(STROKES)) $(ARGS)

test: $(VENV)/.ready ## all tests
	@$(VENV)/bin/python -m pytest

check: $(VENV)/.ready ## format, lint and types, changing nothing
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

format: $(VENV)/.ready ## format and mend what ruff can mend
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.ready ## figures beside their references; DATA is a folder with mnist/ in it
	@# As modules: with a script's own folder first on the path, benchmarks/planner.py would hide planner/.
	@$(VENV)/bin/python -m benchmarks.canvas
	@$(VENV)/bin/python -m benchmarks.planner --data "$(DATA)"
	@$(VENV)/bin/python -m benchmarks.arm
	@$(VENV)/bin/python -m benchmarks.engines --data "$(DATA)"
	@$(VENV)/bin/python -m benchmarks.training --data "$(DATA)" --seconds 60

pictures: $(VENV)/.ready ## paint the pictures in docs/pictures anew
	@$(VENV)/bin/python docs/pictures.py $(ARGS)

clean: ## remove the environment and everything built; paintings in out/ stay
	rm -rf $(VENV) build install log *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: setup.py setup.cfg pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "make: Python 3.11 not found ('$(PYTHON)' is not one); install it or name it: make PYTHON=/path/to/python3.11"; exit 2; } >&2
	"$(PYTHON)" -m venv $(VENV)
	@# In pip's default editable mode a working directory with a folder planner/ or sim/ hides ours; compat does not.
	$(VENV)/bin/python -m pip install --quiet $(PIP_ARGS) --constraint constraints.txt \
	  --config-settings editable_mode=compat --editable '.[sim,train,cluster,dev]'
	@echo "compiling the paint engine and the search (once)"
	@rm -rf $(VENV)/warm
	@$(VENV)/bin/spiral-paint examples/cat.png --model none --strokes 2 --no-film --out $(VENV)/warm >/dev/null
	@rm -rf $(VENV)/warm
	@touch $@
