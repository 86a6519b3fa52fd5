# Two commands: `make demo` and `make test`. Everything lives in .venv; nothing is fetched twice.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install demo check test chaos bench lock clean
.DELETE_ON_ERROR:

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
		|| { echo "make: Python 3.11 to 3.13 is needed; name one with PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "make: Python's venv module is missing (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the locked dependencies into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	@$(BIN)/pipeline demo $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo --config pyproject.toml
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/pytest -q -n auto tests/unit

# The chaos tests want the machine for themselves; of the others, each of two processes has a stack of its own.
test: $(STAMP)
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo --config pyproject.toml
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/pytest tests/chaos
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/contract tests/integration tests/unit

# The long forms: 20 seeds of the engine's campaign (two minutes each on a quiet machine), then 10,000 dead letters of
# six causes, sent again while worker and replayer are killed.
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos.campaign --seeds 20 $(ARGS)
	@$(BIN)/python -m tests.chaos.dead_letter_campaign

# The engine beside its peers; `make bench ARGS=--quick` takes less than ten minutes. See benchmarks/engines/README.md.
bench: $(STAMP)
	@$(BIN)/python -m benchmarks.engines $(ARGS)

lock:
	@$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --extra devstack --extra test --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet --output-file requirements.lock

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache out
