# Two commands matter: `make lab` opens the course, `make test` runs every check.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt Makefile
DIR ?=

# The strict comparison of notebooks starts with no progress and touches nobody's settings.
SANDBOXED = folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	export TMPDIR="$$folder" IPYTHONDIR="$$folder/ipython" \
	JUPYTER_CONFIG_DIR="$$folder/config" JUPYTER_DATA_DIR="$$folder/data" \
	JUPYTER_RUNTIME_DIR="$$folder/runtime" MPLCONFIGDIR="$$folder/matplotlib" \
	HYPOTHESIS_STORAGE_DIRECTORY="$$folder/hypothesis" &&

NBVAL := -m pytest -n 2 --dist loadfile -p tests.nbval_history --nbval --nbval-current-env \
	--nbval-cell-timeout 60 --nbval-sanitize-with tests/nbval.ini

# Lessons that use a KEM run again over each further library that is here: the same outputs.
KEM_NOTEBOOKS = $$(grep -lE 'kem|pqxdh|triple_ratchet' notebooks/[0-9]*.ipynb solutions/*.ipynb)
KEM_LIBRARIES = $$($(BIN)/python -c "from x3dhlab import kem; \
	print(*list(dict.fromkeys(name for _, name in kem.available()))[1:])")

.PHONY: help lab ready test test-full notebooks clean

help:
	@echo "make lab        open the course in JupyterLab (creates .venv on the first run)"
	@echo "make test       run every check (creates .venv on the first run)"
	@echo "make test-full  the same, then the long counts"
	@echo "make notebooks  generate the exercises, run the lessons and solutions in place"
	@echo "make clean      remove .venv and everything that can be made again"

lab: $(VENV)/lab.stamp
	@$(BIN)/x3dhlab lab $(DIR)

# For a dev container: install, and open nothing.
ready: $(VENV)/lab.stamp

# Each line creates what is missing: a virtual environment, then the packages, at tested versions.

$(VENV)/python.stamp:
	@.ci/venv "$(VENV)" "$(PYTHON)"
	@touch $@

$(VENV)/lab.stamp: $(VENV)/python.stamp $(INPUTS)
	@echo "Installing the course (once; about 450 MB) ..."
	@.ci/install "$(VENV)" .
	@touch $@

$(VENV)/test.stamp: $(VENV)/python.stamp $(INPUTS)
	@echo "Installing the course and its test tools (once) ..."
	@.ci/install "$(VENV)" ".[test]"
	@touch $@ $(VENV)/lab.stamp

test: $(VENV)/test.stamp
	@echo "[1/6] style: ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "[2/6] rooms: import contracts"
	@$(BIN)/lint-imports
	@echo "[3/6] unit, vector, property and interop tests"
	@$(BIN)/python -m pytest -n 2 -m "not browser and not full" --ignore=tests/test_notebooks.py
	@echo "[4/6] exercises and solutions are pairs"
	@$(BIN)/python -m x3dhlab.authoring --check
	@$(BIN)/python -m pytest tests/test_notebooks.py
	@echo "[5/6] notebooks give the saved outputs again"
	@$(SANDBOXED) $(BIN)/python $(NBVAL) notebooks solutions
	@for library in $(KEM_LIBRARIES); do \
		echo "      and again, with X3DHLAB_KEM=$$library"; \
		( $(SANDBOXED) X3DHLAB_KEM=$$library $(BIN)/python $(NBVAL) $(KEM_NOTEBOOKS) ) \
			|| exit 1; \
	done
	@echo "[6/6] browser: JupyterLab in Chromium"
	@if .ci/chromium >/dev/null; then \
		$(BIN)/python -m pytest -n 2 --dist loadfile -m "browser and not full"; \
	else \
		echo "Skipped: there is no Chromium here. .ci/run installs it."; \
	fi
	@echo "All checks passed."

# nbgrader brings extensions of JupyterLab, so it lives in an environment of its own.
$(VENV)/nbgrader.stamp: $(VENV)/test.stamp
	@echo "Installing nbgrader beside the course (once) ..."
	@.ci/venv "$(VENV)/nbgrader" "$(PYTHON)"
	@.ci/install "$(VENV)/nbgrader" . nbgrader
	@touch $@

# JupyterHub changes how servers start, so it lives apart too; its proxy comes from npm.
$(VENV)/hub.stamp: $(VENV)/python.stamp $(INPUTS)
	@echo "Installing JupyterHub beside the course (once) ..."
	@.ci/venv "$(VENV)/hub" "$(PYTHON)"
	@.ci/install "$(VENV)/hub" . jupyterhub==6.1.1
	@if command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix "$(VENV)/hub" \
			configurable-http-proxy@5.3.0; \
	else \
		echo "There is no npm here, so the test of the hub will be skipped."; \
	fi
	@touch $@

test-full: test $(VENV)/nbgrader.stamp $(VENV)/hub.stamp
	@echo "[full] the long counts"
	@$(BIN)/python -m pytest -n 2 -m full

notebooks: $(VENV)/test.stamp
	@$(BIN)/python -m x3dhlab.authoring

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
