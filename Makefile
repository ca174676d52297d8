# make run         make a virtual environment, install the package (which builds the web client), start the server and
#                  open a browser
# make test        run all checks and all tests, after installing what they need, a real browser included
# make test-vscode run the tests in a real Visual Studio Code, after installing one (600 MB)
# make check       formatting, lint, types, generated files
# make fuzz        random messages and conversations, FUZZ_EXAMPLES of each kind; SEED repeats a run
# make soak        50 typists for a minute, some of them misbehaving: measure the cost, check that nothing is lost
# make audit       ask the registries for known vulnerabilities in the installed packages
# make bench-page  time from a key press to painted colours, in a real browser on this machine
# make wire        generate the client's message types from the server's
# Each repeats only what changed since the last call. PYTHON, ARGS, PYTEST_ARGS, SOAK_ARGS and BENCH_ARGS are passed on.

PYTHON ?= python3
ARGS ?= --open
FUZZ_EXAMPLES ?= 20000
SEED := $(or $(SEED),$(shell date +%s))
VENV := .venv
BIN := $(VENV)/bin
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web_client

PACKAGING := pyproject.toml hatch_build.py
CLIENT := $(shell find web_client \( -name node_modules -o -name dist \) -prune -o -type f -print)

.DELETE_ON_ERROR:
.PHONY: run test test-vscode test-client check check-server check-client fuzz soak audit bench-page wire clean

run: $(VENV)/installed
	$(BIN)/neuroscope serve $(ARGS)

# The linters and the client's tests run side by side. Several pytest processes share the test files, in their order:
# those that need a browser come first and one after the other, so that each process starts one only once.
test: $(VENV)/installed-for-tests
	$(MAKE) --jobs=2 check test-client
	$(BIN)/python tests/browser/chromium.py
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-vscode: $(VENV)/installed-for-tests
	$(BIN)/python tests/browser/chromium.py
	$(BIN)/python -m tests.vscode.code_server
	$(BIN)/python -m pytest tests/vscode --vscode $(PYTEST_ARGS)

test-client: $(VENV)/installed-for-tests
	$(NPM) test

check: check-server check-client

check-server: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m ws_server.protocol.openrpc | cmp - web_client/openrpc.json || { echo 'The client has other messages than the server: make wire'; exit 1; }

check-client: $(VENV)/installed-for-tests
	$(NPM) run check

# make prints the command with the seed; the same seed gives the same examples.
fuzz: $(VENV)/installed-for-tests
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/fuzz -s --hypothesis-seed=$(SEED) $(PYTEST_ARGS)

soak: $(VENV)/installed-for-tests
	$(BIN)/python -m tests.soak $(SOAK_ARGS)

# All are asked, even if one reports something.
audit: $(VENV)/installed-for-tests
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet 'pip-audit>=2.7,<3'
	failed=0; \
	$(VENV)/audit/bin/pip-audit --skip-editable --path $(VENV)/lib/python*/site-packages || failed=1; \
	$(NPM) audit || failed=1; \
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web_client/vscode audit || failed=1; \
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix tests/browser audit || failed=1; \
	exit $$failed

bench-page: $(VENV)/installed-for-tests
	$(BIN)/python tests/browser/chromium.py
	$(BIN)/python -m tests.benchmarks.page $(BENCH_ARGS)

# To be run after the server's messages changed.
wire: $(VENV)/installed-for-tests
	$(BIN)/python -m ws_server.protocol.openrpc > web_client/openrpc.json
	$(NPM) run generate

clean:
	rm -rf $(VENV) ws_server/static web_client/node_modules web_client/dist web_client/vscode/node_modules web_client/vscode/dist tests/browser/.chromium tests/browser/node_modules tests/vscode/.code-server

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and f"Python 3.10 or newer is needed; this is {sys.version}")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'pip>=23'

# Editable: changed Python files need no new installation. A changed client is built again.
$(VENV)/installed: $(PACKAGING) $(CLIENT) | $(BIN)/python
	$(BIN)/python -m pip install --editable .
	@touch $@

$(VENV)/installed-for-tests: $(PACKAGING) $(CLIENT) | $(BIN)/python
	$(BIN)/python -m pip install --editable '.[test]'
	@touch $(VENV)/installed $@
