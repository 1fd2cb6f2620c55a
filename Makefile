# Every target makes its own .venv/ first, where there is none yet.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
RUNS ?=
TABLES ?=
VIDEOS ?=
RUN ?=
PAGE ?=
BELIEVE ?=
CLAIMS ?=
VARIANTS ?=
STRESS ?=
REPORT ?=
WEB := attn_ppo/interpret/show/web
PYTEST := $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder
DASHBOARD ?=
AGGREGATES ?=
SYNC ?=
BENCH ?=
GPU ?=
TORTURE ?=

.PHONY: help setup demo status figures tables claims variants report videos page believe stress dashboard aggregates sync page-build page-check bench gpu-check torture test test-fast lint clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(READY)  ## a working .venv/ with all that is pinned in constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is too old; Python 3.11 or newer: make PYTHON=python3.12 setup" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)  ## sweep two games over two lambdas for a few minutes, draw the figures
	$(BIN)/python -m attn_ppo.train -m experiment=smoke name=demo
	$(BIN)/python -m analysis.figures runs/demo
	@echo 'to see what the agents look at: make page RUN=runs/demo PAGE="--steps 150", or make videos RUNS=runs/demo'

status: $(READY)  ## state and progress of the runs in RUNS=runs/<name>, by default in all of runs/
	@$(BIN)/python -m attn_ppo.status $(or $(RUNS),$(RUN))

figures: $(READY)  ## figures and score table of RUNS=runs/<name>, by default the newest
	$(BIN)/python -m analysis.figures $(or $(RUNS),$(RUN))

tables: $(READY)  ## runs and curves of RUNS=runs/<name>, by default the newest, as CSV and Parquet; TABLES=<options>
	$(BIN)/python -m analysis.tables $(or $(RUNS),$(RUN)) $(TABLES)

claims: $(READY)  ## up to which lambda nothing is lost in RUNS=runs/<name>, by default the newest; CLAIMS=<options>
	$(BIN)/python -m analysis.claims $(or $(RUNS),$(RUN)) $(CLAIMS)

variants: $(READY)  ## how far other settings than lambda score apart in RUNS=runs/<name>, by default the newest; VARIANTS=<options>
	$(BIN)/python -m analysis.variants $(or $(RUNS),$(RUN)) $(VARIANTS)

report: $(READY)  ## one offline page that answers the question of RUNS=runs/<name>, by default the newest; REPORT=<options>
	$(BIN)/python -m analysis.report $(or $(RUNS),$(RUN)) $(REPORT)

videos: $(READY)  ## videos of the agents of RUNS=runs/<name>, by default the newest; VIDEOS=<options>
	$(BIN)/python -m analysis.videos $(or $(RUNS),$(RUN)) $(VIDEOS)

page: $(READY)  ## an offline page to explore RUN=<folder of a run, of several, or of a sweep>; PAGE=<options>
	$(BIN)/python -m analysis.page $(or $(RUN),$(RUNS)) $(PAGE)

believe: $(READY)  ## where attention of RUNS=runs/<name> lies, and whether it says what agents act on; BELIEVE=<options>
	$(BIN)/python -m analysis.believe $(or $(RUNS),$(RUN)) $(BELIEVE)

stress: $(READY)  ## let the agents of RUNS=runs/<name>, by default the newest, play changed games; STRESS=<options>
	$(BIN)/python -m analysis.stress $(or $(RUNS),$(RUN)) $(STRESS)

dashboard: $(READY)  ## a workspace on W&B of RUNS=runs/<name> or wandb:entity/project; DASHBOARD=<options>
	$(BIN)/python -m analysis.dashboard $(or $(RUNS),$(RUN)) $(DASHBOARD)

aggregates: $(READY)  ## upload the means of RUNS=runs/<name> as a run on W&B; AGGREGATES=<options>
	$(BIN)/python -m analysis.aggregates $(or $(RUNS),$(RUN)) $(AGGREGATES)

sync: $(READY)  ## upload what W&B recorded offline of RUNS=runs/<name>, by default of all of runs/; SYNC=<options>
	$(BIN)/python -m analysis.sync $(or $(RUNS),$(RUN)) $(SYNC)

page-build: $(WEB)/node_modules  ## rebuild the front ends of page and report from their TypeScript (needs Node.js 20)
	npm --prefix $(WEB) run build

page-check: $(WEB)/node_modules  ## check that the shipped front ends are those that their source builds
	npm --prefix $(WEB) run check

$(WEB)/node_modules: $(WEB)/package-lock.json
	npm --prefix $(WEB) ci --no-audit --no-fund
	@touch $@

bench: $(READY)  ## speed compared with other trainers on this machine, about ten minutes; BENCH=<options>
	$(BIN)/python -m bench $(BENCH)

gpu-check: $(READY)  ## whether this machine's GPU computes rightly, and how fast, within eleven minutes; GPU=<options>
	$(BIN)/python -m bench.gpu_check $(GPU)

torture: $(READY)  ## inject faults into runs and count what is lost; TORTURE=--short
	$(BIN)/python tests/torture.py $(TORTURE)

test: $(READY)  ## all tests, three files at a time: many wait
	$(PYTEST)

test-fast: $(READY)  ## the fast tests, which still reach every part of the code
	$(PYTEST) -m "not slow"

lint: $(READY)  ## ruff and pyright, both clean
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:  ## removes .venv/ and caches, never runs/
	rm -rf .venv .pytest_cache .ruff_cache
