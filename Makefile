# One word per job. Everything is set up on first use inside this repository (.venv/, build/).
# A Python with ROS wheels if there is one, else 3.14, which has the library and the command alone.
PYTHON ?= $(shell for minors in "11 12 13" 14; do for p in python3 python3.12 python3.11 python3.13 python3.14; do \
	command -v $$p >/dev/null 2>&1 && $$p -c "import sys; sys.exit('%d' % sys.version_info[1] not in '$$minors'.split())" \
	2>/dev/null && echo $$p && exit; done; done)
SETUP = "$(or $(PYTHON),python3)" tools/setup_env.py
RUN = tools/env.sh
CLOUD ?=
UP ?=
OUT ?= out
MINUTES ?= 120
WORKERS ?= 2
# DDS sometimes loses the first message between processes that have just met: only such waits are tried once more.
PYTEST = $(RUN) python -m pytest -q -n $(WORKERS) --dist worksteal --reruns 1 --only-rerun "waited [0-9.]+ s for"

.PHONY: demo test test-fast evaluate bench soak lint format setup setup-ros setup-tests clean

demo: setup-ros ## the real node on a generated room, or on CLOUD=<file> (UP=-y: its up axis); pictures in out/
	$(RUN) python examples/demo.py --out "$(OUT)" $(if $(CLOUD),--cloud "$(CLOUD)") $(if $(UP),--up="$(UP)")

test: setup-tests lint ## all tests, over real DDS on this machine only, in WORKERS (2) processes
	$(PYTEST) test

test-fast: setup-tests lint ## the tests that need neither processes of their own nor ROS nor more than two seconds
	$(PYTEST) -m "not slow and not process and not ros" test

evaluate: setup ## the figures of docs/demo_weights.md: 200 generated rooms that the demo weights never saw
	$(RUN) python -m benchmarks.evaluate_rooms -n 200 --per-class --json $(OUT)/evaluation.json

bench: setup ## every stage beside what its arithmetic needs, on this machine (docs/benchmarks.md)
	$(RUN) python -m benchmarks.bench

soak: setup-ros ## the node on a growing, looping map for MINUTES (120), with queries: does it stay as it is?
	$(RUN) python -m benchmarks.soak --minutes $(MINUTES)

lint: setup ## style of code, as ruff sees it
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: setup ## let ruff write the style
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

setup: ## the command spaceformer and its packages; ROS where there are wheels for this Python
	@$(SETUP)

setup-ros: ## the same, and a sentence where ROS wheels are missing
	@$(SETUP) --ros

setup-tests: ## also the large packages that only tests need
	@$(SETUP) --ros --tests

clean: ## remove what setup and the demo made
	rm -rf .venv build out
