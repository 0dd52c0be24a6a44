# `make help` lists the targets. Needs only make and Python 3.11 or newer: everything else is installed into .venv.

PYTHON ?=
PORT   ?= 8000

VENV := .venv
RUN  := $(VENV)/bin/python
# The environment is up to date when the stamp of this content, at this place, exists (an editable install knows its folder).
STAMP := $(VENV)/.ready-$(shell { cat requirements.txt pyproject.toml tools/make_venv.sh; pwd; } | cksum | tr ' ' -)

CHAPTERS     := $(wildcard notebooks/[0-9][0-9]_*.ipynb)
CELL_TIMEOUT := 600
# What trains, builds or starts other programs: make check leaves it to make test.
SLOW_TESTS   := $(patsubst %,tests/test_%.py,build_book cli distributed experiments finetune_command finetuning grading \
                grading_batch grading_mishaps grading_references grading_walls keep_executed live look_command looking notebooks \
                training widgets zoo)
# What looks at the built book.
BOOK_TESTS   := tests/test_book.py tests/test_browser.py tests/test_live_figures.py

# Tests and chapters run side by side, as many as this process may use cores, at most four: a chapter takes up to 2.5 GB.
# One thread each, which does more in the same time than two threads one after the other. (nproc would obey OMP_NUM_THREADS.)
CORES := $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
JOBS  ?= $(shell echo $$(( $(CORES) < 4 ? $(CORES) : 4 )))
OMP_NUM_THREADS ?= 1
export OMP_NUM_THREADS
export PYDEVD_DISABLE_FILE_VALIDATION := 1

.PHONY: help bench setup book test check lint check-package check-notebooks check-book notebooks colab serve clean

help:
	@echo "make book       build the executed book into _build/html (warnings and failing cells stop it)"
	@echo "make test       lint, type check, test the package, the notebooks and the built book"
	@echo "make check      lint, type check and the fast tests: what to run before each commit"
	@echo "make notebooks  run the chapters in place, store their text outputs, write notebooks/colab"
	@echo "make bench      run the benchmarks and write their page of the book"
	@echo "make colab      run notebooks/colab with the versions that Colab ships (needs Python 3.13)"
	@echo "make serve      build the book and show it at http://localhost:$(PORT)  (PORT=…)"
	@echo "make setup      only set up .venv  (PYTHON=… names the interpreter for a new one)"
	@echo "make clean      remove what was built (keeps .venv)"
	@echo "JOBS=…          how many tests or chapters run side by side (here: $(JOBS))"

setup: $(STAMP)

$(STAMP):
	@sh tools/make_venv.sh $(VENV) $@ $(PYTHON)

book: $(STAMP)
	@$(RUN) -m tools.build_book --jobs $(JOBS)

# One after the other even under -j: the steps share the processor, and the last reads what the book step wrote.
test: $(STAMP)
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory check-package
	@$(MAKE) --no-print-directory check-notebooks
	@$(MAKE) --no-print-directory check-book

check: lint
	$(RUN) -m pytest -q -n $(JOBS) --dist loadfile $(addprefix --ignore ,$(SLOW_TESTS) $(BOOK_TESTS))

lint: $(STAMP)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

check-package: $(STAMP)
	$(RUN) -m pytest -q -n $(JOBS) --dist loadfile $(addprefix --ignore ,$(BOOK_TESTS))

# The book takes from here what has passed, so that a chapter runs once.
check-notebooks: $(STAMP)
	$(RUN) -m pytest -q -p tools.keep_executed -n $(JOBS) --dist loadfile --nbval --nbval-current-env \
	    --nbval-cell-timeout $(CELL_TIMEOUT) --nbval-sanitize-with tools/nbval_sanitize.cfg $(CHAPTERS)

check-book: book
	$(RUN) -m pytest -q -n $(JOBS) --dist loadgroup $(BOOK_TESTS)

notebooks: $(STAMP)
	$(RUN) -m tools.notebooks $(CHAPTERS)
	$(RUN) -m tools.colab

bench: $(STAMP)
	env -u OMP_NUM_THREADS $(RUN) -m tests.benchmarks

colab: $(STAMP)
	$(RUN) -m tools.run_colab

serve: book
	$(RUN) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

clean:
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache
