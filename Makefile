# Everything runs in .venv, built from the lock files with every hash checked. A second run skips the set-up.
# Another Python: make PYTHON=/path/to/python3.12 demo

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test test-crash test-failover strace postgresql pdf-tools node softhsm lint format bench lock clean

BIN := .venv/bin
PYTHON ?=
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.11 python3.12 python3.13 python3.14 python3)
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1 $(BIN)/python -m pip
PIP_COMPILE := --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras \
	--no-header --no-annotate --all-build-deps --allow-unsafe --quiet
LOCK_BIN := .venv/lock-tools/bin
LOCK_TOOL := pip-tools==7.6.2

help:
	@echo 'make demo    set up, then sell a holding on simulated venues'
	@echo 'make test    set up, then run every check and every test'
	@echo 'make test-crash  kill the process at every write and every call, fail the disk at each: about an hour'
	@echo 'make test-failover  three workers, 300 parent orders: kill, freeze, cut off, restart: about half an hour'
	@echo 'make lint    ruff, mypy and the import contracts only'
	@echo 'make format  rewrite the code in the house format'
	@echo 'make bench   run the benchmarks'
	@echo 'make lock    resolve the dependencies afresh into both lock files'
	@echo 'make clean   remove .venv and all caches'

demo: .venv/ready-to-run
	@$(BIN)/executor demo

test: .venv/ready-to-test strace postgresql pdf-tools node softhsm
	@echo '== format: ruff format --check'
	@$(BIN)/ruff format --check --quiet . || { echo 'run: make format'; exit 1; }
	@echo '== lint: ruff check'
	@$(BIN)/ruff check --quiet .
	@echo '== types: mypy --strict'
	@$(BIN)/mypy --no-error-summary
	@echo '== arrows: import contracts'
	@$(BIN)/lint-imports --no-logo
	@echo '== pages made from code: docs/generate.py --check'
	@$(BIN)/python docs/generate.py --check
	@echo '== tests: pytest'
	@$(BIN)/pytest

# make test runs a fixed sample of these points; this runs each that an undisturbed run has.
test-crash: .venv/ready-to-test strace
	@echo '== counting the points of an undisturbed run'
	@counted=$$($(BIN)/python -m tests.crash.points) && CRASH_POINTS="$$counted" $(BIN)/pytest tests/crash

# make test hands a few parent orders to the workers; this, hundreds. What it measured is printed at the end.
FAILOVER_PARENTS ?= 300
test-failover: .venv/ready-to-test postgresql
	@FAILOVER_PARENTS=$(FAILOVER_PARENTS) $(BIN)/pytest tests/failover -n 0

lint: .venv/ready-to-test
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: .venv/ready-to-test
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

bench: .venv/ready-to-test
	@$(BIN)/python -m benchmarks

# The resolver lives apart, so that .venv holds what the locks say and nothing else. The second lock is bound to the
# first: what is tested is what runs.
lock: | $(BIN)/python
	@$(BIN)/python -m venv .venv/lock-tools
	@$(LOCK_BIN)/python -m pip install --quiet --disable-pip-version-check '$(LOCK_TOOL)'
	@$(LOCK_BIN)/pip-compile $(PIP_COMPILE) --output-file requirements.lock pyproject.toml
	@$(LOCK_BIN)/pip-compile $(PIP_COMPILE) --constraint requirements.lock --extra dev \
		--output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -type d -name __pycache__ -prune -exec rm -rf {} +

# --- set-up ---------------------------------------------------------------------------------------------------------

.venv/ready-to-run: requirements.lock pyproject.toml | $(BIN)/python
	@echo 'Setting up .venv from requirements.lock: about a minute, once.'
	@$(PIP) install --quiet --require-hashes --requirement requirements.lock
	@$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

# The crash tests need it. Without it they are skipped, and the test run says so.
strace:
	@command -v strace >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing strace, for the crash tests.'; \
		(apt-get update -qq && apt-get install -y -qq strace) >/dev/null && exit 0; \
	fi; \
	echo 'strace is missing: the crash tests will be SKIPPED. On Debian or Ubuntu: apt-get install strace' >&2

# The journal's tests start one of their own from its programs. Without it they are skipped, and the test run says so.
# At run level 1 the package's own server is not started.
postgresql:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && exit 0; \
	command -v postgres >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing PostgreSQL, for the tests of the journal on it.'; \
		(apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends postgresql) >/dev/null && exit 0; \
	fi; \
	echo 'PostgreSQL is missing: its tests will be SKIPPED. On Debian or Ubuntu: apt-get install postgresql' >&2

# A report as PDF needs fonts and libraries that are no Python packages; its tests read it with poppler. Without them
# these tests are skipped, and the test run says so.
pdf-tools:
	@command -v pdftotext >/dev/null && ls /usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc >/dev/null 2>&1 && \
		ldconfig -p | grep -q libharfbuzz-subset && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing fonts and PDF tools, for the tests of the report.'; \
		(apt-get update -qq && apt-get install -y -qq --no-install-recommends fonts-noto-cjk fontconfig \
			libpangoft2-1.0-0 libharfbuzz-subset0 poppler-utils) >/dev/null && exit 0; \
	fi; \
	echo 'PDF tools are missing: tests of the report will be SKIPPED. On Debian or Ubuntu: apt-get install' \
		'fonts-noto-cjk fontconfig libpangoft2-1.0-0 libharfbuzz-subset0 poppler-utils' >&2

# The record's second verifier is JavaScript. Without it nothing compares verify.py with another implementation.
node:
	@command -v node >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing Node.js, for the second verifier of the record.'; \
		(apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs) >/dev/null && exit 0; \
	fi; \
	echo 'Node.js is missing: the second verifier will be SKIPPED. On Debian or Ubuntu: apt-get install nodejs' >&2

# A PKCS#11 device in software, for the tests of a record key that never leaves its device.
softhsm:
	@command -v softhsm2-util >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing SoftHSM, for the tests of a key in a device.'; \
		(apt-get update -qq && apt-get install -y -qq --no-install-recommends softhsm2) >/dev/null && exit 0; \
	fi; \
	echo 'SoftHSM is missing: the tests of a key in a device will be SKIPPED. On Debian or Ubuntu:' \
		'apt-get install softhsm2' >&2

# The development lock holds all that the run-time lock holds, so it makes both ready.
.venv/ready-to-test: requirements-dev.lock requirements.lock pyproject.toml | $(BIN)/python
	@echo 'Setting up .venv from requirements-dev.lock: a minute or two, once.'
	@$(PIP) install --quiet --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@touch .venv/ready-to-run $@

$(BIN)/python:
	@found=''; \
	for python in $(PYTHONS); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		found="$$python"; \
		if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then "$$python" -m venv --clear .venv && exit 0; fi; \
	done; \
	if [ -n "$$found" ]; then \
		package=$$("$$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		echo "$$found has no venv module. On Debian or Ubuntu: apt-get install python3-venv (or $$package)." >&2; \
	else \
		echo 'Python 3.11 or later is needed and none was found. On Debian or Ubuntu:' \
			'apt-get install python3 python3-venv. If it is elsewhere: make PYTHON=/path/to/python3 ...' >&2; \
	fi; exit 1
