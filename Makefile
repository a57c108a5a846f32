# `make run` starts the service, `make test` runs the tests, `make check` format, lint and types.
# `make secret` writes a key into .env; `make interop` tries the wheel, and clients by generators;
# `make lowest` tries the oldest versions that are allowed.
# `make fuzz` sends requests made from the OpenAPI document for half an hour, or FUZZ_SECONDS.
# Each sets up its own virtual environment first, from nothing.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

FUZZ_SECONDS ?= 1800

.PHONY: run secret test interop lowest fuzz check format bench clean

run: $(VENV)/run.stamp
	$(BIN)/python app.py

# Once: a key that is there stays. The file is nobody else's to read.
secret: $(VENV)/run.stamp
	@if grep -qs '^JWT_SECRET_KEY=.' .env; then echo ".env has a JWT_SECRET_KEY already, which stays." >&2; \
	else key=$$($(BIN)/python -m falcon_auth secret) && umask 077 && echo "JWT_SECRET_KEY=$$key" >> .env; fi

test: $(VENV)/dev.stamp
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# What installs other people's tools: packages into fresh environments, generators of clients.
interop: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m slow $(ARGS)

# What meets a library most: bodies, tokens, hashes, stores, the server.
LOWEST := $(VENV)-lowest
LOWEST_TESTS := tests/accounts/test_login.py tests/api tests/sessions tests/keys/test_keys.py \
	tests/verifier tests/passwords/test_password_checking.py tests/stores/test_store_contract.py \
	tests/server/test_server.py
lowest: $(LOWEST)/stamp
	$(LOWEST)/bin/python -m pytest -q --ignore tests/api/test_openapi.py --ignore tests/api/test_client_authentication.py $(LOWEST_TESTS) $(ARGS)

fuzz: $(VENV)/dev.stamp
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/attacks/test_fuzz.py -p no:randomly --timeout=0 -s $(ARGS)

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
	rm -rf $(VENV) $(LOWEST) benchmarks/peers/*/.venv *.egg-info build .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

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

$(LOWEST)/stamp: pyproject.toml requirements-dev.txt .ci/lowest_versions.py
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) .ci/lowest_versions.py > $(LOWEST)/constraints.txt
	grep -E '^(pytest-|hypothesis|selenium|pyyaml|aiosmtpd|standardwebhooks)' requirements-dev.txt > $(LOWEST)/tests.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint $(LOWEST)/constraints.txt --requirement $(LOWEST)/tests.txt --editable '.[all]'
	@touch $@

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
