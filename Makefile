# make demo      show what a recorded client exchanged: its messages, verified, and its results
# make test      run the tests, on both implementations
# make lint      ruff, strict mypy, stubtest
# make sanitize  the tests on an extension with the address and undefined-behaviour sanitizers
# make bench     compare with the peers, in one run
# make dist      build sdist and wheel, check what they hold, and test the one against the other
# make clean
#
# PYTHON chooses the interpreter, VENV where its environment is made; nothing else on the machine is touched.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := setup.py pyproject.toml README.md $(shell find eventstream -name '*.py' -o -name '*.py[xdi]' -o -name '*.[ch]' ! -name _native.c)

.PHONY: demo test test-reference lint sanitize bench dist clean

demo: $(VENV)/installed
	$(BIN)/python -m eventstream tests/captures/amazon-transcribe-0.6.4.request.bin \
		tests/captures/amazon-transcribe-0.6.4.response.bin
	$(BIN)/python examples/recorded.py

test: $(VENV)/installed
	$(BIN)/pytest $(PYTEST_OPTIONS)

# The whole package on the reference, as on a machine without a compiler.
test-reference: $(VENV)/installed
	EVENTSTREAM_PURE_PYTHON=1 $(BIN)/pytest $(PYTEST_OPTIONS)

lint: $(VENV)/installed $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	cd tests && "$(abspath $(BIN))/stubtest" eventstream._native --allowlist stubtest-allowlist.txt

sanitize: $(VENV)/installed
	tests/sanitize.sh $(BIN)/python $(PYTEST_OPTIONS)

bench: $(VENV)/installed $(VENV)/bench
	$(BIN)/python -m benchmarks

dist: $(VENV)/installed
	tests/dist.sh $(BIN)/python

clean:
	rm -rf .venv* .cache build dist *.egg-info eventstream/*.egg-info eventstream/_native.c eventstream/*.so

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/tools: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --group build --group test
	touch $@

$(VENV)/installed: $(VENV)/tools $(SOURCES)
	$(BIN)/python -m pip install --quiet --no-build-isolation --force-reinstall --no-deps .
	touch $@

$(VENV)/lint $(VENV)/bench: $(VENV)/tools
	$(BIN)/python -m pip install --quiet --group $(notdir $@)
	touch $@
