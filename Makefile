# Every target makes what it needs: a virtual environment in .venv, from the Python named by PYTHON.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Told by its files: an interpreter of another version gets a fresh environment.
STAMP := $(VENV)/.installed
SERVERS := $(VENV)/.servers
# Clients of Application Insights that are not ours: one directory for all environments, whose packages they must not meet.
SDKS := .venv-other-sdks
SDK_LISTS := tests/apps_other_sdks/requirements.txt tests/apps_other_sdks/package.json

# OpenCensus's own middleware and integrations, which some applications under test use; their pins exclude current
# frameworks and libraries.
MIDDLEWARE := opencensus-ext-flask opencensus-ext-django opencensus-ext-pyramid opencensus-ext-requests \
  opencensus-ext-sqlalchemy opencensus-ext-logging opencensus-ext-threading opencensus-ext-httplib

.PHONY: help demo test lint check delivery matrix oldest bench screenshots clean

help:
	@echo "make demo    a shop of three services, traced, and its telemetry in the browser until Ctrl-C"
	@echo "make test    lint, types and all tests"
	@echo "make delivery  slow tests: what was answered arrives, under every server and at every end"
	@echo "make matrix  all tests on the oldest and the newest Python"
	@echo "make oldest  the main tests with the oldest supported frameworks"
	@echo "make screenshots  the pictures in the README, with Chromium"
	@echo "make bench   the cost of tracing beside other launchers, measured here and shown in the README"

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 8))' \
	  || { echo "autotrace needs Python 3.8 or newer with its venv module: set PYTHON" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@# setuptools warns of every editable installation, in words that a newcomer takes for a fault.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[test]'
	$(BIN)/python -m pip install --quiet --no-deps $(MIDDLEWARE)
	@$(BIN)/python -m pip install --quiet mysqlclient 2>/dev/null \
	  || echo "mysqlclient cannot be compiled here (apt-get install libmariadb-dev pkg-config): its tests are skipped"
	@touch $@

demo: $(STAMP)
	$(BIN)/autotrace demo

test: lint check

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: $(STAMP)
	$(BIN)/python -m pytest $(ARGS)

# uWSGI is compiled here. gunicorn's last release with an eventlet worker lies beside the current one.
$(SERVERS): $(STAMP)
	$(BIN)/python -m pip install --quiet daphne eventlet hypercorn uwsgi
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/gunicorn-with-eventlet 'gunicorn<26'
	@touch $@

# Without npm the stamp is missing, and the next time tries again.
$(SDKS)/.installed: $(SDK_LISTS)
	$(PYTHON) -m venv --clear $(SDKS)
	$(SDKS)/bin/python -m pip install --quiet --requirement tests/apps_other_sdks/requirements.txt
	@cp tests/apps_other_sdks/package.json $(SDKS)
	@if npm install --prefix $(SDKS) --no-package-lock --no-audit --no-fund --loglevel=error; then touch $@; \
	  else echo "npm cannot install applicationinsights here (apt-get install npm): its test is skipped"; fi

delivery: $(SERVERS) $(SDKS)/.installed
	$(BIN)/python -m pytest -m delivery $(or $(ARGS),tests/delivery)

# PYTHONS names the interpreters; what is not installed is an error, not a pass.
PYTHONS ?= python3.8 python3.13
matrix:
	@set -e; for python in $(PYTHONS); do \
	  name=$$(basename $$(dirname $$(dirname $$python)))-$$(basename $$python); \
	  echo "== $$python"; \
	  $(MAKE) --no-print-directory check PYTHON=$$python VENV=.venv-$$name; \
	done

# Flask 1.1, Django 3.2 and Pyramid 1.10. That Django streams no asynchronous bodies: WSGI only.
oldest:
	$(PYTHON) -m venv --clear .venv-oldest
	PYTHONWARNINGS=ignore .venv-oldest/bin/python -m pip install --quiet --requirement tests/oldest.txt --editable .
	.venv-oldest/bin/python -m pytest tests/test_delivery.py tests/test_exceptions.py tests/test_same_bytes.py -k "not asgi and not uvicorn"

# Without ARGS it measures in full, and writes benchmarks/results.* and their summary in the README.
bench: $(STAMP)
	$(BIN)/python -m benchmarks $(or $(ARGS),--write)

# Needs chromium and chromedriver.
screenshots: $(STAMP)
	$(BIN)/python docs/screenshots.py

clean:
	rm -rf .venv .venv-* build dist *.egg-info
