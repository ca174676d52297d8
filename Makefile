# make run    a virtual environment, the package (which builds the web client), the server, a browser
# make test   all checks and all tests, with what they need, a real browser included
# make check  formatting, lint, types, generated files
# make fuzz   messages and whole conversations that nobody would think of, FUZZ_EXAMPLES of each kind; SEED says which
# make soak   50 typists for a minute, some of whom do not behave: what it costs, and that nothing is lost
# make audit  what is known of vulnerabilities in what is installed, where the registries tell
# make bench-page   from a key press to painted colours, in a real browser on this machine
# make wire   writes the client's types of the wire anew
# Each does again only what changed since the last call. PYTHON, ARGS, PYTEST_ARGS, SOAK_ARGS and BENCH_ARGS can be
# given.

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
.PHONY: run test test-client check check-server check-client fuzz soak audit bench-page wire clean

run: $(VENV)/installed
	$(BIN)/neuroscope serve $(ARGS)

# The linters and the client's tests use one core each; pytest's processes share the files among them.
test: $(VENV)/installed-for-tests
	$(MAKE) --jobs=2 check test-client
	$(BIN)/python tests/browser/chromium.py
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile $(PYTEST_ARGS)

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

# The seed is in the command that make prints: the same one makes up the same examples.
fuzz: $(VENV)/installed-for-tests
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/fuzz -s --hypothesis-seed=$(SEED) $(PYTEST_ARGS)

soak: $(VENV)/installed-for-tests
	$(BIN)/python -m tests.soak $(SOAK_ARGS)

# Each has its say, whatever the others found.
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

# The client's types of the wire, after the server's messages changed.
wire: $(VENV)/installed-for-tests
	$(BIN)/python -m ws_server.protocol.openrpc > web_client/openrpc.json
	$(NPM) run generate

clean:
	rm -rf $(VENV) ws_server/static web_client/node_modules web_client/dist web_client/vscode/node_modules web_client/vscode/dist tests/browser/.chromium tests/browser/node_modules

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and f"Python 3.10 or newer is needed; this is {sys.version}")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'pip>=23'

# Editable, so that changed Python files need no new installation; a changed client is built again.
$(VENV)/installed: $(PACKAGING) $(CLIENT) | $(BIN)/python
	$(BIN)/python -m pip install --editable .
	@touch $@

$(VENV)/installed-for-tests: $(PACKAGING) $(CLIENT) | $(BIN)/python
	$(BIN)/python -m pip install --editable '.[test]'
	@touch $(VENV)/installed $@
