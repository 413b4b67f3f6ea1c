# Needs make and Python 3.11, 3.12 or 3.13, nothing else: the first target that wants packages
# installs them into .venv (tools/install.sh), later calls find them there.

SCALE  ?= smoke
DATA   ?=
SEEDS  ?= 0
EXPERIMENTS ?=
DATA_ROOT ?=
GPUS   ?=
JOBS   ?= all
PYTHON ?=

PY   := .venv/bin/python
VENV := .venv/.installed

# A PYTHONPATH left over from another project would be searched before .venv.
unexport PYTHONPATH PYTHONHOME

# The rules of the Snakefile and the kernels of notebooks find the same programs as this file.
export PATH := $(CURDIR)/.venv/bin:$(or $(PATH),/usr/local/bin:/usr/bin:/bin)

# The stamp holds the folder it was made in: a moved or copied checkout installs afresh.
ifneq ($(shell $(PY) -c pass 2>/dev/null && cat $(VENV) 2>/dev/null),$(CURDIR))
$(VENV): FORCE
endif

.PHONY: help reproduce test lint mutants format lab demo book lock clean FORCE

help: ## this list
	@echo "make TARGET [VARIABLE=VALUE ...]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
	@echo "Variables of reproduce: SCALE=smoke|laptop|gpu|paper, SEEDS=0,1,2,"
	@echo "EXPERIMENTS=names or groups of 'aotgan list' (aotgan,ablations,classical), GPUS=number of GPUs,"
	@echo "DATA=image set or folder of photographs, DATA_ROOT=folder of the named image sets,"
	@echo "JOBS=cores to use (all)."
	@echo "PYTHON=interpreter to make .venv with."

reproduce: $(VENV) ## every table and figure at SCALE (smoke: a check of the pipeline, minutes)
	.venv/bin/snakemake --cores $(JOBS) $(if $(GPUS),--resources gpu=$(GPUS)) --config scale=$(SCALE) seeds=$(SEEDS) \
	  $(if $(EXPERIMENTS),experiments=$(EXPERIMENTS)) $(if $(DATA),"data=$(DATA)") $(if $(DATA_ROOT),"data_root=$(DATA_ROOT)") $(if $(GPUS),gpus=$(GPUS))

test: lint ## style, types, unit tests with coverage, every notebook
	@sh tools/browser.sh
	OMP_NUM_THREADS=1 $(PY) -m pytest tests -m "not notebook" -n 2 --dist worksteal --cov --cov-report=term
	OMP_NUM_THREADS=1 $(PY) -m pytest tests -m notebook
ifneq ($(wildcard notebooks/*.ipynb),)
	OMP_NUM_THREADS=1 $(PY) -m pytest notebooks --nbval-lax --nbval-cell-timeout=300 -n 2 --dist loadscope
endif

lint: $(VENV) ## style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

mutants: $(VENV) ## change single operators of the maths and see the tests fail (an hour; ARGS="-n 20")
	OMP_NUM_THREADS=1 $(PY) tools/mutants.py $(ARGS)

format: $(VENV) ## lay out the code and sort its imports
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lab: $(VENV) ## open JupyterLab on the notebooks
	$(PY) -m jupyterlab notebooks $(ARGS)

demo: $(VENV) ## open the mask painter as a page without code
	JUPYTER_PATH=tools $(PY) -m voila notebooks/18_draw_a_mask.ipynb --Voila.config_file_paths=tools/voila $(ARGS)

book: $(VENV) ## build the notebooks and the package's reference as a site, build/book
	$(PY) -m sphinx -W --keep-going -q -j auto -c docs -d build/doctrees . build/book
	@echo "Open build/book/index.html in a browser; it needs no server and no connection."

lock: $(VENV) ## remake requirements.lock from pyproject.toml (UPGRADE=1: with the newest versions)
	$(PY) -m uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --fork-strategy fewest --no-annotate --custom-compile-command "make lock" --quiet $(if $(UPGRADE),--upgrade) --output-file requirements.lock

clean: ## remove caches and build leftovers; .venv and runs/ stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov build dist *.egg-info
	find aotgan tests tools notebooks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV): requirements.lock pyproject.toml tools/install.sh
	@sh tools/install.sh "$(PYTHON)"
