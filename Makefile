# `make run` starts the service, `make test` runs the tests, `make check` format, lint and types.
# `make fuzz` sends requests made from the OpenAPI document for half an hour, or FUZZ_SECONDS.
# Each sets up its own virtual environment first, from nothing.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

FUZZ_SECONDS ?= 1800

.PHONY: run test fuzz check format bench clean

run: $(VENV)/run.stamp
	$(BIN)/python app.py

test: $(VENV)/dev.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

fuzz: $(VENV)/dev.stamp
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/test_fuzz.py -p no:randomly --timeout=0 -s $(ARGS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/detect-secrets-hook --baseline .secrets.baseline $$(git ls-files)

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs wrk (Debian: apt install wrk) and ten quiet minutes; ARGS=--quick shows that it works.
bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) benchmarks/peers/*/.venv *.egg-info build .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# The project itself is installed too, from where it stands: pytest finds its plugin that way.
$(VENV)/dev.stamp: requirements.txt requirements-dev.txt pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@ $(VENV)/run.stamp

PEERS := benchmarks/peers
$(VENV)/bench.stamp: requirements.txt benchmarks/requirements.txt $(wildcard $(PEERS)/*/requirements.txt) | $(BIN)/python
	@command -v wrk >/dev/null || { echo "wrk is needed to make the load: install it (Debian: apt install wrk)." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	for peer in fastapi_app fastapi_users_app; do \
		$(PYTHON) -m venv $(PEERS)/$$peer/.venv && \
		$(PEERS)/$$peer/.venv/bin/python -m pip install --quiet --disable-pip-version-check \
			-r $(PEERS)/$$peer/requirements.txt || exit 1; \
	done
	@touch $@
