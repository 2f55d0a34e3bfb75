# Every target works on a fresh machine with Python 3.11 or newer: it makes .venv and installs the hashed requirements first.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' monitor/__init__.py)
BASE ?= docker.io/library/python:3.11-slim
BUILD ?= buildah bud --layers --format oci

.PHONY: help demo run test check static format torture torture-sources torture-delivery torture-processes places mutants conformance conformance-bounded bench lock wheel image image-check sbom clean
help:           ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 18

.venv/made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/made requirements/run.txt requirements/build.txt pyproject.toml
	$(BIN)/pip install --quiet --require-hashes -r requirements/run.txt -r requirements/build.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/run requirements/dev.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

demo: .venv/run ## the main job on real data, with nothing configured: make demo [ARGS=--once]
	@$(BIN)/monitor demo $(ARGS)

run: .venv/run  ## the service, on ./config.toml or on defaults
	@$(BIN)/monitor run $(ARGS)

test: .venv/dev ## all tests
	$(BIN)/pytest -n auto $(ARGS)

check: static test ## what CI runs: format, lint, types, import contracts, tests (make -j2 check: beside each other)

static: .venv/dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev ## format and sort
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: .venv/dev ## the benchmarks, each against its limit or peer
	$(BIN)/python -m benchmarks $(ARGS)

torture: .venv/dev ## the long kill and fault runs (minutes)
	MONITOR_TORTURE=1 $(BIN)/pytest -n auto tests/torture tests/subscribers/test_told_once.py \
		tests/storage/test_killed_conversion.py tests/record/test_log.py $(ARGS)

torture-sources: .venv/dev ## two hundred invented publishers, with a score; a table beside version 0.1.0; 20,000 odd documents of each format; a list of 150,000 (half an hour)
	MONITOR_TORTURE=1 $(BIN)/pytest -n auto tests/sources/test_fuzzed.py tests/bot/test_hostile_updates.py \
		tests/torture/test_large_list.py $(ARGS)
	MONITOR_TORTURE=1 $(BIN)/pytest tests/trust $(ARGS)

torture-delivery: .venv/dev ## kills, hostile relays, cut databases and crashes at every await (up to an hour)
	MONITOR_TORTURE=1 $(BIN)/pytest -n auto --durations=60 tests/subscribers/test_lives.py tests/torture/test_delivery.py tests/torture/test_outages.py \
		tests/torture/test_clocked_weeks.py tests/torture/test_processes.py::test_a_second_signal_ends_a_worker_whose_relay_hangs \
		tests/outbox/test_crashes.py tests/outbox/test_killed_writers.py tests/outbox/test_waves.py tests/outbox/test_relays.py \
		tests/outbox/test_failures.py tests/outbox/test_attempts.py tests/outbox/test_clock.py tests/subscribers/test_told_once.py \
		tests/subscribers/test_interleavings.py $(ARGS)

torture-processes: .venv/dev ## workers killed, frozen and copied, half-open requests (tens of minutes)
	MONITOR_TORTURE=1 $(BIN)/pytest -n auto tests/torture/test_processes.py tests/torture/test_killed_senders.py \
		tests/storage/test_killed_conversion.py tests/polling/test_concurrent_polls.py tests/web/test_connections.py \
		tests/torture/test_half_open.py tests/cli/test_supervisor.py tests/cli/test_outgoing.py $(ARGS)

places: .venv/dev ## rebuild the table of places and report what changed: make places ARGS="--postal FILE --counties FILE --places FILE --names FILE"
	$(BIN)/python -m tools.build_gazetteer build --report $(ARGS)

mutants: .venv/dev ## change one token at a time and see whether a test notices (tens of minutes)
	$(BIN)/python -m tools.mutants $(ARGS)

.venv/conformance: .venv/dev requirements/conformance.txt
	$(PYTHON) -m venv .venv/conformance-env
	.venv/conformance-env/bin/pip install --quiet --require-hashes -r requirements/conformance.txt
	@touch $@

conformance: .venv/conformance ## programs of strangers read the data and the API: make conformance [ARGS=postgresql or a URL]
	$(BIN)/python -m tools.conformance .venv/conformance-env $(ARGS)

conformance-bounded: .venv/conformance ## the same within a minute, as in CI
	$(BIN)/python -m tools.conformance .venv/conformance-env --bounded

wheel: .venv/dev ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

image: ## the container image map-monitor, equal byte for byte for equal sources and base: make image [BASE=...@sha256:...]
	$(BUILD) --timestamp "$$(git log -1 --format=%ct)" --build-arg BASE="$(BASE)" --build-arg REVISION="$$(git rev-parse HEAD)" \
		--build-arg VERSION="$(VERSION)" -t map-monitor $(ARGS) .

image-check: ## build the image twice, compare the two, measure them, and play the demo in it (needs buildah; minutes)
	$(PYTHON) -m tools.check_image "$(BASE)" $(ARGS)

.venv/sbom: .venv/made requirements/sbom.txt
	$(PYTHON) -m venv .venv/sbom-env
	.venv/sbom-env/bin/pip install --quiet --require-hashes -r requirements/sbom.txt
	@touch $@

sbom: .venv/sbom ## what is in the program, as CycloneDX, from the locks: dist/map-monitor-VERSION.cdx.json
	@mkdir -p dist
	@sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > dist/sbom-pyproject.toml
	.venv/sbom-env/bin/cyclonedx-py requirements --output-reproducible --pyproject dist/sbom-pyproject.toml \
		-o dist/map-monitor-$(VERSION).cdx.json requirements/run.txt
	@rm dist/sbom-pyproject.toml

lock: ## resolve the requirements again (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/run.txt pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements/run.txt -o requirements/build.txt requirements/build.in
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements/run.txt -c requirements/build.txt --extra dev -o requirements/dev.txt pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/conformance.txt requirements/conformance.in
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/sbom.txt requirements/sbom.in

clean:         ## remove what was made
	rm -rf .venv build dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
