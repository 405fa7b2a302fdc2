# The two commands to know: `make run` and `make test`. They need Python 3.11 or newer, make, git.

BIN := .venv/bin
ROOMS := zcc certificates systemupdates administrators notifications devices audit console zac zman wire pki faults
TEMPLATES = $(shell git ls-files --cached --others --exclude-standard 'templates/*.html')
PYTEST = $(BIN)/python -m pytest
# Two cores are enough; more may be asked for: make test WORKERS=8
WORKERS ?= 2

# Every start of a process would compile Django anew where the environment forbids bytecode: a zone
# of the tests comes up with 16 s of CPU instead of 40.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test check lint types architecture templates sqlite postgresql scenarios bench \
	setup setup-run tools clean

help:
	@echo "make run        an embedded zone in the foreground, until Ctrl-C"
	@echo "make test       everything but the long scenarios, on SQLite and PostgreSQL"
	@echo "make check      lint, types, import contracts, templates"
	@echo "make scenarios  the whole scenario and fault suite"
	@echo "make bench      the benchmarks: a table, and bench/results.json"
	@echo "make setup      the packages of uv.lock in .venv"
	@echo "make clean      remove the state of the embedded zone (var/)"

setup:
	@scripts/setup

setup-run:
	@scripts/setup --no-dev

run: setup-run
	@exec $(BIN)/python -m zcc.runtime.launcher

test: check sqlite postgresql

check: setup lint types architecture templates

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# The names of bytes and str methods confuse it: str.decode is bytes.decode here.
	$(BIN)/vermin -q --no-tips -t=3.8- --violations --exclude str.decode wire zac faults
	@# ruff holds bandit's rules one by one; this is a second look.
	$(BIN)/bandit -q -c pyproject.toml -r $(ROOMS)
	scripts/uv lock --check --quiet

types:
	$(BIN)/mypy $(ROOMS) tests

architecture:
	$(BIN)/lint-imports

templates:
	$(BIN)/djade --check --target-version 5.2 $(TEMPLATES)
	$(BIN)/djhtml --check $(TEMPLATES)
	$(BIN)/djlint --quiet --lint $(TEMPLATES)

tools: setup
	@scripts/test-tools

sqlite: tools
	$(PYTEST) -n $(WORKERS) -m "not long"

# The tests that touch the database once more, on the database of production.
postgresql: tools
	ZCC_TEST_DATABASE=postgresql $(PYTEST) -n $(WORKERS) -m "not long and not scenario and not browser" \
		tests/certificates tests/systemupdates tests/administrators tests/notifications tests/devices tests/audit tests/console tests/zcc

scenarios: tools
	$(PYTEST) -n $(WORKERS) --dist worksteal -m "scenario or long"

bench: tools
	$(BIN)/python -m bench

clean:
	rm -rf var
