# Start with `make run` and `make test`. They require Python 3.11 or later, make, and git.

BIN := .venv/bin
PACKAGES := zcc certificates systemupdates administrators notifications devices audit console zac zman wire pki faults
TEMPLATES = $(shell git ls-files --cached --others --exclude-standard 'templates/*.html')
# On a slow disk, creating and deleting a file takes milliseconds, and the tests do it a million times.
MEMORY := $(shell df -m --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 8192 { print "/dev/shm" }')
PYTEST = $(if $(MEMORY),TMPDIR=$(MEMORY)) $(BIN)/python -m pytest
# For more parallel tests: make test WORKERS=8
WORKERS ?= 2
# One of the long scenarios, another one each day. To repeat it: make test ROTATION=123
ROTATION ?= $(shell date +%-j)

# With bytecode files, the processes of a test zone start with 16 s instead of 40 s of CPU time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test check lint types architecture templates sqlite postgresql pooled scenarios bench \
	setup setup-run tools packages console-package audit lowest newest release clean

help:
	@echo "make run        start a demo zone in the foreground (Ctrl-C stops it)"
	@echo "make test       run all tests and one of the long scenarios, on SQLite and PostgreSQL"
	@echo "make check      run linters, type checks, import contracts, and template checks"
	@echo "make scenarios  run the scenario and fault-injection tests"
	@echo "make pooled     run database tests through PgBouncer"
	@echo "make packages   build the packages of the agent and of zman in dist/"
	@echo "make audit      report known vulnerabilities of the packages in uv.lock"
	@echo "make lowest     run the fast tests with the lowest allowed versions of the packages"
	@echo "make newest     run the fast tests with the newest allowed versions of the packages"
	@echo "make release    build all files of a release in dist/, with SBOM and digests"
	@echo "make console-package  build the Debian package of the console in dist/"
	@echo "make bench      run the benchmarks and write bench/results.json"
	@echo "make setup      install the packages from uv.lock into .venv"
	@echo "make clean      delete the demo zone (var/)"

setup:
	@scripts/setup

setup-run:
	@scripts/setup --demo

run: setup-run
	@exec $(BIN)/python -m zcc.runtime.launcher

test:
	@# Two at the same time, because each check uses one processor.
	@$(MAKE) --no-print-directory --output-sync=target -j 2 check tools
	@$(MAKE) --no-print-directory sqlite postgresql

check: lint types architecture templates

lint types architecture templates: setup

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# vermin mistakes bytes.decode for str.decode.
	$(BIN)/vermin -q --no-tips -t=3.8- --violations --exclude str.decode wire zac faults
	@# In addition to the security rules of ruff.
	$(BIN)/bandit -q -c pyproject.toml -r $(PACKAGES)
	git ls-files -z | xargs -0 $(BIN)/codespell
	$(BIN)/deptry --no-ansi .
	scripts/uv lock --check --quiet

types:
	$(BIN)/mypy $(PACKAGES) tests

architecture:
	$(BIN)/lint-imports

templates:
	$(BIN)/djade --check --target-version 5.2 $(TEMPLATES)
	$(BIN)/djhtml --check $(TEMPLATES)
	$(BIN)/djlint --quiet --lint $(TEMPLATES)

tools: setup
	@scripts/test-tools

sqlite: tools
	@ZCC_ROTATION=$(ROTATION) $(BIN)/python -m tests.scenarios.rotation
	@echo "To repeat this choice: make test ROTATION=$(ROTATION)"
	ZCC_ROTATION=$(ROTATION) $(PYTEST) -n $(WORKERS) --dist worksteal -m "not long or rotating"

# Repeat tests on PostgreSQL, except those of the SQLite file, and of rights and headers, which do not
# depend on the database. tests/conftest.py selects the tests that use the database (D-290).
postgresql: tools
	ZCC_TEST_DATABASE=postgresql $(PYTEST) -n $(WORKERS) --dist worksteal -m "not long and not scenario and not browser" \
		tests/certificates tests/systemupdates tests/administrators tests/notifications tests/devices tests/audit tests/console tests/zcc \
		--ignore tests/zcc/runtime/test_database_file.py \
		--ignore tests/console/access --ignore tests/console/requests

# Before a release: tests that keep a cursor or lock rows, through PgBouncer with transaction pooling.
# make test runs tests/zcc/runtime/test_pooler.py.
pooled: tools
	ZCC_TEST_DATABASE=pgbouncer $(PYTEST) -n $(WORKERS) -m "not long and not scenario and not browser" \
		tests/audit tests/zcc/rows tests/devices/registration tests/certificates/authority \
		tests/certificates/issuance tests/certificates/progress tests/certificates/operations \
		tests/systemupdates/assignments tests/administrators/login

scenarios: tools
	@# What cannot be installed is reported. The scenarios that need it are skipped, and name the reason.
	-@scripts/test-tools containers
	$(PYTEST) -v -n $(WORKERS) --dist worksteal -m "scenario or long"

bench: tools
	$(BIN)/python -m bench

# The console offers the packages in dist/ at /zenworks-setup/.
packages: setup
	$(BIN)/python -m systemupdates.downloads.packages

# Needs access to pypi.org, so it is not part of make test.
audit:
	@scripts/audit

lowest: tools
	@scripts/resolution lowest

newest: tools
	@scripts/resolution newest

release: setup
	@$(BIN)/python -m systemupdates.downloads.release

# Downloads wheels of the Python packages for each supported Python.
console-package: setup
	$(BIN)/python -m zcc.installation.package

clean:
	rm -rf var
