# One word per job. Everything is set up on first use inside this repository (.venv/, build/).
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3,11),(3,12),(3,13)))' \
	2>/dev/null && echo $$p && break; done || true)
RUN = tools/env.sh
CLOUD ?=
OUT ?= out
MINUTES ?= 120

.PHONY: demo test evaluate bench soak lint format setup clean

demo: setup ## the real node on a generated room, or on CLOUD=<file.ply|pcd|npz>; pictures in out/
	$(RUN) python examples/demo.py --out $(OUT) $(if $(CLOUD),--cloud $(CLOUD))

test: setup lint ## all tests, over real DDS on this machine only
	$(RUN) python -m pytest -q test

evaluate: setup ## the figures of docs/demo_weights.md: 200 generated rooms that the demo weights never saw
	$(RUN) python -m benchmarks.evaluate_rooms -n 200 --per-class --json $(OUT)/evaluation.json

bench: setup ## every stage beside what its arithmetic needs, on this machine (docs/benchmarks.md)
	$(RUN) python -m benchmarks.bench

soak: setup ## the node on a growing, looping map for MINUTES (120), with queries: does it stay as it is?
	$(RUN) python -m benchmarks.soak --minutes $(MINUTES)

lint: setup ## style of code, as ruff sees it
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: setup ## let ruff write the style
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

setup: ## everything the other jobs need
	@$(or $(PYTHON),python3) tools/setup_env.py

clean: ## remove what setup and the demo made
	rm -rf .venv build out
