# Every target makes the environment it needs: with uv where that is on the PATH, else with venv and pip.
# Stamps in .venv say what is installed, so that a second run starts at once.

PYTHON ?= python3
export UV_PYTHON_DOWNLOADS = never
export UV_COMPILE_BYTECODE = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# Many tests wait for workers and stand-ins: one process more than two cores have keeps them busy.
PROCESSES ?= 3
CODE = store jobs console web tests bench docs
PINS = pyproject.toml constraints.txt

.PHONY: help demo browser test quick check reference pictures

help:
	@echo 'make demo    open the console on made-up members, against stand-ins for PassKit, Apple and Google'
	@echo 'make browser open your own console in a browser, on this machine only'
	@echo 'make test    run all tests (brings its own Postgres and Valkey)'
	@echo 'make quick   run all tests but the slow ones: about half the time'
	@echo 'make check   lint, format, types, import contracts'
	@echo 'make reference, make pictures   write the guide\''s pages of keys and settings, and its pictures, anew'
	@echo
	@echo 'PYTHON=...   the Python to build .venv with (3.11 or later; now: $(PYTHON))'

demo: .venv/.demo
	.venv/bin/passbell demo

browser: .venv/.browser
	.venv/bin/passbell console --web

quick: .venv/.test
	.venv/bin/python -m pytest -n $(PROCESSES) --dist worksteal -m 'not slow'

test: .venv/.test
	.venv/bin/python -m pytest -n $(PROCESSES) --dist worksteal

check: .venv/.test
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/mypy $(CODE)
	.venv/bin/lint-imports

reference: .venv/.test
	.venv/bin/python -m docs.make_reference

pictures: .venv/.test
	.venv/bin/python -m docs.make_pictures

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'passbell needs Python 3.11 or later, and "$(PYTHON)" is not: say make PYTHON=/path/to/python3' >&2; exit 1; }
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv; \
	else $(PYTHON) -m venv .venv; fi
	@touch $@

.venv/.demo: EXTRAS =
.venv/.browser: EXTRAS = [browser]
.venv/.test: EXTRAS = [postgres,redis,test]
.venv/.demo .venv/.browser .venv/.test: .venv/.made $(PINS)
	@echo 'installing passbell$(EXTRAS) into .venv'
	@if command -v uv >/dev/null; then \
	  uv pip install --quiet --python .venv/bin/python -c constraints.txt -e '.$(EXTRAS)'; \
	else .venv/bin/python -m pip install --quiet -c constraints.txt -e '.$(EXTRAS)'; fi
	@touch $@
