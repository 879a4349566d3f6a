# The two commands: make demo, make test. Each makes its own virtual environment in .venv, from Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-ray quick soak check lint types docs bench bench-scale bench-serving bench-accuracy bench-other-data bench-next wheel clean

# Load MovieLens 100K, train the article's model and the default, and compare their similar movies.
demo: $(VENV)/.demo
	$(BIN)/embrec demo

# By two processes, each on a PostgreSQL of its own. In their own order the files of unit tests are the last, and those are
# short. By default the files with few tests would be, some of which take a minute, and one process would end long before.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The test suite, but for the fits on Ray.
test: $(VENV)/.test
	$(PYTEST) -m "not ray"

# The fits on Ray, which is started and stopped for most tests.
test-ray: $(VENV)/.test
	$(PYTEST) -m ray

# The quick tests, in about a minute: without a server, a browser or a download, and none that takes over five seconds.
quick: $(VENV)/.test
	$(PYTEST) -m "not (slow or server or browser or docker or ray or movielens)"

# Sixteen clients at once while runs come and go, every answer checked; ten minutes.
soak: $(VENV)/.test
	$(BIN)/python tests/reliability/soak.py 10

# Everything that continuous integration checks before the tests.
check: lint types

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python .ci/prose.py

types: $(VENV)/.dev
	$(BIN)/mypy

# The documentation as a site, in build/docs; a warning is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet docs build/docs

# Measure trainings and searches of titles by this build beside the one of the targets; writes docs/benchmarks.md. Takes 20
# minutes, and the whole history of the repository.
bench: $(VENV)/.bench
	$(BIN)/python tests/benchmarks/run.py small

# The same for loads, trainings and answers with a million users and 20 million ratings; takes 40 minutes, 20 GB of memory
# and 40 GB of disk.
bench-scale: $(VENV)/.bench
	$(BIN)/python tests/benchmarks/run.py scale

# The same for answers from catalogues up to a million movies; takes 15 minutes, 10 GB of memory and 20 GB of disk.
bench-serving: $(VENV)/.bench
	$(BIN)/python tests/benchmarks/run.py serving

# Measure accuracy beside other libraries on MovieLens 100K; writes docs/accuracy.md. Takes half an hour.
bench-accuracy: $(VENV)/.bench $(VENV)-lenskit/.made $(VENV)-lightfm/.made
	$(BIN)/python tests/benchmarks/accuracy.py

# The same on other data; writes docs/accuracy-elsewhere.md. DATA is a list of files that embrec load takes, or of names in
# tests/benchmarks/public_sets.py. The two by default take an hour.
DATA ?= filmtrust epinions
bench-other-data: $(VENV)/.bench $(VENV)-lenskit/.made $(VENV)-lightfm/.made
	$(BIN)/python tests/benchmarks/other_data.py $(DATA)

# Measure what comes next beside peers; writes docs/next.md. Takes an hour. EMBREC_SEQUENCES is the folder of the S3-Rec
# paper's files; without it MovieLens 100K alone is measured.
bench-next: $(VENV)/.bench
	$(BIN)/python tests/benchmarks/next.py

# Peers with needs of their own live apart. LightFM's own setup.py fails under today's pip; this is its version 1.17
# with another, and takes a C compiler.
$(VENV)-lenskit/.made: REQUIREMENT := lenskit==2025.8.1
$(VENV)-lightfm/.made: REQUIREMENT := rectools-lightfm==1.17.3
$(VENV)-lenskit/.made $(VENV)-lightfm/.made: %/.made:
	$(PYTHON) -m venv $*
	$*/bin/python -m pip install --quiet '$(REQUIREMENT)'
	touch $@

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# An installation compiles the kernels, and so is made anew when they change.
BUILT := pyproject.toml $(wildcard embrec/kernels/*.[ch]) embrec/kernels/build.py

$(VENV)/.demo: $(BUILT) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $@

$(VENV)/.test $(VENV)/.dev $(VENV)/.docs $(VENV)/.bench: $(VENV)/.%: $(BUILT) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
