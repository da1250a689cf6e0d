# One target per task. Everything is installed on first use inside this repository (.venv/, build/).
# A Python with ROS wheels if there is one, otherwise 3.14, with the library and the command only.
PYTHON ?= $(shell for minors in "11 12 13" 14; do for p in python3 python3.12 python3.11 python3.13 python3.14; do \
	command -v $$p >/dev/null 2>&1 && $$p -c "import sys; sys.exit('%d' % sys.version_info[1] not in '$$minors'.split())" \
	2>/dev/null && echo $$p && exit; done; done)
SETUP = "$(or $(PYTHON),python3)" tools/setup_env.py
RUN = tools/env.sh
CLOUD ?=
UP ?=
VIEW ?=
OUT ?= out
MINUTES ?= 120
WORKERS ?= 3 # for two cores: a third of the time tests wait for DDS and for other processes
# A thread for each process, as there are more processes than cores.
PYTEST = OMP_NUM_THREADS=1 $(RUN) python -m pytest -q -rs --dist worksteal -n

.PHONY: demo view test test-fast evaluate bench soak lint format setup setup-ros setup-tests check-cloud clean

demo: check-cloud setup-ros ## run the real node on a generated room, or on CLOUD=<file> (UP=-y: its up axis), with a page if VIEW=1; pictures in out/
	$(RUN) python examples/demo.py --out "$(OUT)" $(if $(CLOUD),--cloud "$(CLOUD)") $(if $(UP),--up="$(UP)") \
		$(if $(VIEW),--view)

check-cloud: # before anything is downloaded
	@$(if $(CLOUD),test -e "$(CLOUD)" || { echo "make: CLOUD=$(CLOUD): there is no such file or folder" >&2; exit 1; })

view: check-cloud setup ## show a generated room, or CLOUD=<file or folder> (UP=-y: its up axis), on a page in the browser
	$(if $(CLOUD),,$(RUN) spaceformer rooms --out "$(OUT)" --seed 1)
	$(RUN) spaceformer view "$(or $(CLOUD),$(OUT)/room_1.ply)" $(if $(UP),--up="$(UP)")

test: setup-tests lint ## run all tests, over real DDS on this machine only, in WORKERS (3) processes
	$(PYTEST) $(WORKERS) test

test-fast: setup-tests lint ## run the tests without ROS, without separate processes, of about a second at most, in WORKERS (3) processes
	$(PYTEST) $(WORKERS) -m "not slow and not process and not ros" test

evaluate: setup ## compute the figures of docs/demo_weights.md on 200 rooms that training did not use and 100 with unseen shapes
	$(RUN) python -m benchmarks.evaluate_rooms -n 200 --unseen 100 --per-class --json $(OUT)/evaluation.json

bench: setup ## measure every stage, compared with its arithmetic, on this machine (docs/benchmarks.md)
	$(RUN) python -m benchmarks.bench

soak: setup-ros ## run the node on a growing map for MINUTES (120), with queries: is memory constant, is anything missed?
	$(RUN) python -m benchmarks.soak --minutes $(MINUTES)

lint: setup ## check the code with ruff
	$(RUN) ruff check .
	$(RUN) ruff format --check .

format: setup ## format the code with ruff
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

setup: ## install the command spaceformer and its packages, and ROS if there are wheels for this Python
	@$(SETUP)

setup-ros: ## as setup; fail if ROS wheels are missing
	@$(SETUP) --ros

setup-tests: ## as setup-ros, with the large packages that only tests need
	@$(SETUP) --ros --tests

clean: ## remove everything that setup and the demo created
	rm -rf .venv build out
