# Everything runs from a fresh clone: each target sets up what it needs.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
UPSTREAM_VENV := .venv-upstream
UPSTREAM_PY := $(UPSTREAM_VENV)/bin/python
UPSTREAM_READY := $(UPSTREAM_VENV)/.ready
NODE_READY := .cache/node/.ready
PEER := .cache/albumentations
RUNTIME_VENV := .venv-runtime
RUNTIME_PY := $(RUNTIME_VENV)/bin/python
RUNTIME_READY := $(RUNTIME_VENV)/.ready
LOWEST_VENV := .venv-lowest
LOWEST_PY := $(LOWEST_VENV)/bin/python
LOWEST_READY := $(LOWEST_VENV)/.ready
LOWEST_TESTS := config metrics postprocess weights transforms/test_operators.py transforms/test_transparency.py \
	transforms/test_compiled.py report/test_figures.py test_geometry.py test_polygon_loops.py test_shrinking.py
IN_RUNTIMES := PPOCR_FT_RUNTIME_PY=$(RUNTIME_PY) PPOCR_FT_UPSTREAM_PY=$(UPSTREAM_PY)

THREADS ?= 1
JOBS ?= 2
PYTEST := OMP_NUM_THREADS=$(THREADS) $(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup train quality style types test test-fast mutants test-upstream test-runtime test-wheel test-lowest receipts faults \
	regression real-sets models label-faults rank-table unlabelled recipe lr-check bench node faults-campaign determinism docs site keys pages configs rounding released same-record same house clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

setup: $(READY)  ## .venv with the package, paddle for the CPU and the test tools

$(READY): setup.py pyproject.toml ppocr_ft/version.py
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
		|| { echo "Python 3.10 to 3.12 is needed; say which by: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -e '.[cpu,onnx,openvino,tensorboard,visualdl,mlflow,docs,dev]'
	touch $@

train: $(READY)  ## fine-tune the released weights on the sample data set: configs/det_v4_ft.yml
	$(PY) tools/train.py -c configs/det_v4_ft.yml $(ARGS)

style: $(READY)  ## rewrite the sources in the project's style
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

quality: $(READY)  ## ruff; import-linter: each room imports only what it may
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports --no-cache

types: $(READY)  ## mypy
	$(PY) -m mypy

test: quality types  ## ruff, import-linter, mypy and all tests, two processes at a time (JOBS=2)
	$(PYTEST) $(ARGS)

test-fast: $(READY)  ## the tests that don't train, export, run whole networks, or start processes or a browser
	$(PYTEST) -m "not slow" $(ARGS)

mutants: $(READY)  ## how many small faults in the modules with numbers the tests notice
	$(PY) -m experiments.mutants $(ARGS)

test-upstream:  ## the pair inside the real PaddleOCR 2.10.0, in an environment of its own
	@if $(MAKE) --no-print-directory $(UPSTREAM_READY); then \
		OMP_NUM_THREADS=1 $(UPSTREAM_PY) -m pytest tests/upstream $(ARGS); \
	elif test -n "$$CI"; then exit 1; \
	else echo "test-upstream: skipped, since its environment can't be built (see above)"; fi

$(UPSTREAM_READY): setup.py tests/upstream/requirements.txt ppocr_ft/version.py
	$(PYTHON) -m venv --clear $(UPSTREAM_VENV)
	$(UPSTREAM_PY) -m pip install --quiet --upgrade pip
	$(UPSTREAM_PY) -m pip install --quiet -r tests/upstream/requirements.txt
	$(UPSTREAM_PY) -m pip install --quiet --no-deps -e .
	touch $@

test-runtime: $(READY)  ## an exported model in PaddleOCR 3, RapidOCR and PaddleOCR 2.10 themselves
	@if $(MAKE) --no-print-directory $(RUNTIME_READY) $(UPSTREAM_READY); then \
		$(IN_RUNTIMES) OMP_NUM_THREADS=1 $(PY) -m pytest tests/runtime $(ARGS); \
	elif test -n "$$CI"; then exit 1; \
	else echo "test-runtime: skipped, since its environments can't be built (see above)"; fi

$(RUNTIME_READY): tests/runtime/requirements.txt
	$(PYTHON) -m venv --clear $(RUNTIME_VENV)
	$(RUNTIME_PY) -m pip install --quiet --upgrade pip
	$(RUNTIME_PY) -m pip install --quiet -r tests/runtime/requirements.txt
	$(RUNTIME_PY) -m pip install --quiet --no-deps 'rapidocr>=3.10,<4'
	touch $@

node: $(NODE_READY)  ## ONNX Runtime for JavaScript, in .cache/node, for a test of docs/use_in_programs.md

$(NODE_READY):
	mkdir -p $(@D)
	npm install --prefix $(@D) --ignore-scripts --no-save --no-package-lock 'onnxruntime-node@>=1.20 <2'
	touch $@

test-wheel:  ## build the wheel, install it into an empty environment, use it from an empty folder
	PYTHON=$(PYTHON) bash .ci/test-wheel

test-lowest: $(LOWEST_READY)  ## fast tests with the lowest versions that setup.py allows (Python 3.11)
	OMP_NUM_THREADS=1 $(LOWEST_PY) -m pytest -m "not slow" $(addprefix tests/,$(LOWEST_TESTS)) $(ARGS)

$(LOWEST_READY): setup.py
	$(PYTHON) -m venv --clear $(LOWEST_VENV)
	$(LOWEST_PY) -m pip install --quiet --upgrade pip uv
	$(LOWEST_VENV)/bin/uv pip install --quiet --python $(LOWEST_PY) --resolution lowest-direct \
		-e '.[cpu,onnx,openvino,tensorboard,visualdl,mlflow,docs,dev]'
	touch $@

receipts: $(READY)  ## a run on receipts as make real-sets makes it, exported, in three runtimes
	@$(MAKE) --no-print-directory $(RUNTIME_READY) $(UPSTREAM_READY)
	$(IN_RUNTIMES) $(PY) -m experiments.receipts $(ARGS)

regression: $(READY)  ## four short trainings: the operators of 2.6.1.3, of 2.7.0.3 and ours
	OMP_NUM_THREADS=1 $(PY) -m experiments.regression.run $(ARGS)

real-sets: $(READY)  ## docs/real_sets.md: the default config on real sets, beside PaddleOCR's targets
	$(PY) -m experiments.real_sets $(ARGS)

models: $(READY)  ## docs/models.md: the released detectors that are installed, as shipped, fitted, fine-tuned
	$(PY) -m experiments.models_table $(ARGS)

label-faults: $(READY)  ## docs/check.md: planted label faults that check --model finds
	$(PY) -m experiments.label_faults $(ARGS)

rank-table: $(READY)  ## docs/rank.md: does rank put the images first on which the detector errs?
	$(PY) -m experiments.rank_table $(ARGS)

unlabelled: $(READY)  ## docs/unlabelled.md: few labelled images, with and without the others
	$(PY) -m experiments.unlabelled $(ARGS)

recipe: $(READY)  ## docs/recipe.md: the defaults by measurement, on parts of the same sets
	$(PY) -m experiments.recipe $(ARGS)

lr-check: $(READY)  ## docs/lr_check.md: the LR finder's rate against a tenth and ten times of it
	$(PY) -m experiments.lr_check $(ARGS)

docs: $(READY)  ## the pictures and tables of docs/shrink.md
	$(PY) -m experiments.shrink_pictures

site: $(READY)  ## docs/ as a site, in site/; a link that leads nowhere is an error
	$(PY) -m mkdocs build --strict

faults: $(READY)  ## every fault that users' files and reports showed, tried again: what is said now
	$(PY) -m experiments.faults $(ARGS)

faults-campaign: $(READY)  ## kills, full disks, damaged and hostile files: docs/faults_campaign.md
	$(PY) -m experiments.faults_campaign $(ARGS)

determinism: $(READY)  ## docs/determinism.md: which trainings are equal to the last bit
	$(PY) -m experiments.determinism $(ARGS)

keys: $(READY)  ## docs/keys.md and the comments of configs/*.yml, from the declarations of the keys
	$(PY) -m experiments.keys_table
	$(PY) -m experiments.shipped_configs

configs: $(READY)  ## configs/*.yml, from one template and what differs: experiments/shipped_configs.py
	$(PY) -m experiments.shipped_configs

rounding: $(READY)  ## section 8 of docs/shrink.md, where ../shared/data is present
	$(PY) -m experiments.rounding_table

released: $(READY)  ## docs/released.md: the released weights on the images of ../shared/data
	$(PY) -m experiments.released_table

pages: $(READY)  ## docs/tasks/large_pages.md: receipts in large pages, and the memory; docs/released.md: turned
	$(PY) -m experiments.pages_table $(ARGS)

bench: $(READY)  ## times beside PaddleOCR 2.10.0 and plain Paddle: pair, boxes, evaluation, reading, growth, steps
	$(PY) -m benchmarks.operators
	$(PY) -m benchmarks.postprocess
	$(PY) -m benchmarks.evaluation
	if $(MAKE) --no-print-directory $(PEER)/.ready; then \
		PYTHONPATH=$(PEER) NO_ALBUMENTATIONS_UPDATE=1 $(PY) -m benchmarks.data; else $(PY) -m benchmarks.data; fi
	OMP_NUM_THREADS=1 $(PY) -m benchmarks.growth
	OMP_NUM_THREADS=1 $(PY) -m benchmarks.solver
	$(PY) -m benchmarks.threads
	OMP_NUM_THREADS=1 $(PY) -m benchmarks.check
	$(PY) -m benchmarks.branches

$(PEER)/.ready:  # what PaddleOCR 2.10's IaaAugment calls, beside the environment
	mkdir -p $(PEER)
	$(PY) -m pip install --quiet --no-deps --target $(PEER) albumentations==1.4.10 albucore==0.0.13 \
		scikit-image scikit-learn scipy lazy_loader joblib threadpoolctl
	touch $@

same-record: $(READY)  ## before a refactoring: record what every command does
	$(PY) -m experiments.same_as_before record $(ARGS)

same: $(READY)  ## after each step of it: whether they do the same, to the last bit
	$(PY) -m experiments.same_as_before compare $(ARGS)

house: $(READY)  ## the tables of docs/architecture.md: sizes, files to touch, files of one step
	OMP_NUM_THREADS=1 $(PY) -m experiments.house

clean:  ## remove what the targets made
	rm -rf $(VENV) $(UPSTREAM_VENV) $(RUNTIME_VENV) $(LOWEST_VENV) .venv-wheel .cache build dist site *.egg-info output
