# make demo         speech to typed results on this machine, and a look into recorded streams, in 30 lines
# make test         the tests on the native core; make test-reference those on the reference, its plain Python twin; make
#                   speech those that recognise speech. `pytest` by itself runs all of them, in one process;
#                   PYTEST_OPTIONS are options of pytest, e.g. "-n0 --pdb" to debug in one process
# make lint         ruff, strict mypy, stubtest, codespell, zizmor and schemas on what is in .github, and mypy and
#                   pyright on the Python of README and docs
# make check        the quick inner loop: lint, types, the tests of the codec and of what differs from BASE (main)
# make sanitize     the tests under sanitizers of memory, undefined behaviour, leaks, references and threads: CHECKS, or
#                   all that this machine has
# make planted      plant faults in a copy of the sources, which the checks of SECURITY.md must find: in the native code
#                   under sanitizers (FAULTS="leak ..." names some), and one for each promise (PROMISES=--quick)
# make coverage     every line and branch must be reached by the tests
# make mutation     faults are planted in MODULES (all), and their tests must find them; it takes hours
# make portability  the checksum kernels on the CPUs that this machine can emulate, and the tests on the Pythons of
#                   ARCHITECTURES (arm64 s390x i386)
# make soak         GB (20) gigabytes of good and bad streams, after which memory is as it was
# make interop      clients that are not ours against the emulator
# make browser      pages, and AWS's JavaScript client, in a real browser; needs Chromium and Node with npm
# make adapters     boto3, aiobotocore, anthropic, litellm, amazon-transcribe and smithy's client on our codec
# make conformance  ask other codecs every question on which they differ, and print the answers; needs Node with npm
# make fuzz         every fuzz target for SECONDS (60) each; needs clang-19 with its runtime, and Python 3.11 to 3.14
# make bench        compare with the peers, in one run, and write benchmarks/report
# make bench-once   run every benchmark once, without timing it
# make bench-compare  this codec against that of BASE, a revision, call by call
# make instructions count the instructions of ten calls, and fail on a rise against the committed ones; UPDATE=1 writes them
# make docs         build the documentation into build/docs
# make dist         build sdist and wheel, check what they hold, test the one against the other, and build a Cython
#                   package against the wheel
# make release-check  all of a release that needs no account: sdist, wheels for each Python here and for arm64, built twice,
#                   tested from empty folders; it lists what is still to fill in. Before that, what takes too long for
#                   each change: coverage, sanitizers, all planted faults, soak, portability
# make oss-fuzz     what OSS-Fuzz builds, built here with each sanitizer, and each of its fuzz targets started: some five minutes
# make lock         write requirements/ after a change of a dependency in pyproject.toml; what is locked stays as it is,
#                   unless UPGRADE=1 or UPGRADE="NAME ..."
# make clean
#
# PYTHON chooses the interpreter, VENV where its environment is made; nothing else on the machine is touched. The package
# is installed there as editable: Python code is used as it is here, and the extension is built again if it changed.
#
# DEPENDENCIES=locked (the default) installs the exact versions of requirements/, by their hashes, and nothing else.
# DEPENDENCIES=lowest takes the oldest versions that pyproject.toml allows, and Python 3.10, for `make test` and `make demo`;
# DEPENDENCIES=newest takes the newest ones, and the newest Python here. Each has an environment of its own.
#
# To add a dependency, name it in pyproject.toml (an extra's in the group `extras` too), and run `make lock`.

DEPENDENCIES ?= locked
BASE ?= main
SECONDS ?= 60
GB ?= 20
ARCHITECTURES ?= arm64 s390x i386
VENV ?= .venv$(patsubst %,-%,$(filter-out locked,$(DEPENDENCIES)))
BIN := $(VENV)/bin
ENVIRONMENT := DEPENDENCIES=$(DEPENDENCIES) tools/environment.sh
GROUPS := pip lock build extras tls demo http test browser lint coverage mutation adapters peers fuzz bench docs release wheels
# One process more than there are CPUs, as tests also wait, and half of the examples that CI draws of each property. Where a
# shell forbids bytecode, pytest and every program that a test starts compile all sources again: a fifth of the time. anyio
# comes with httpx, and its plugin looks at each fixture of each test.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
EVENTSTREAM_HYPOTHESIS ?= brisk
PARALLEL := PYTHONDONTWRITEBYTECODE= EVENTSTREAM_HYPOTHESIS=$(EVENTSTREAM_HYPOTHESIS) \
  $(BIN)/pytest -p no:anyio --numprocesses $(WORKERS) --dist worksteal
NATIVE := setup.py pyproject.toml $(wildcard eventstream/*.p[xy][xd] eventstream/*.h eventstream/_crc32/*)

.PHONY: demo check test test-reference speech lint sanitize planted coverage coverage-here mutation portability soak interop browser adapters adapters-here conformance fuzz bench bench-once bench-compare instructions docs dist release-check oss-fuzz lock clean

demo: $(VENV)/installed $(VENV)/demo
	@$(BIN)/python examples/live.py
	@echo
	$(BIN)/eventstream show tests/captures/amazon-transcribe-0.6.4-limit-exceeded.response.bin
	$(BIN)/eventstream check tests/captures/amazon-transcribe-0.6.4.response.bin
	@echo 'Next: your voice in a browser, $(BIN)/eventstream emulate --page --recogniser moonshine; docs/tutorial.md; examples/'

test: $(VENV)/installed $(VENV)/demo $(VENV)/http $(VENV)/test
	EVENTSTREAM_TESTED=native $(PARALLEL) -m "not speech" $(PYTEST_OPTIONS)

# The whole package on the reference, as on a machine without a compiler.
test-reference: $(VENV)/installed $(VENV)/demo $(VENV)/http $(VENV)/test
	EVENTSTREAM_PURE_PYTHON=1 $(PARALLEL) -m "not speech" $(PYTEST_OPTIONS)

speech: $(VENV)/installed $(VENV)/demo $(VENV)/test
	$(BIN)/pytest -m speech $(PYTEST_OPTIONS)

lint: $(VENV)/installed $(VENV)/demo $(VENV)/http $(VENV)/test $(VENV)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/mypy tests/test_typing.py
	$(BIN)/mypy --config-file tests/mypy.ini tests
	$(BIN)/python tools/docs/typed.py
	$(BIN)/stubtest eventstream._native --allowlist tests/stubtest-allowlist.txt
	$(BIN)/codespell
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/wish.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml

check: $(VENV)/installed $(VENV)/demo $(VENV)/http $(VENV)/test $(VENV)/lint
	$(BIN)/python tools/check.py --base $(BASE) $(PYTEST_OPTIONS:%=-- %)

sanitize: $(VENV)/installed $(VENV)/demo $(VENV)/http $(VENV)/test
	CHECKS="$(CHECKS)" tools/sanitize.sh $(BIN)/python $(PYTEST_OPTIONS)

planted: $(VENV)/installed $(VENV)/demo $(VENV)/test
	$(if $(PROMISES),,tools/planted_faults.sh $(BIN)/python $(FAULTS))
	$(if $(FAULTS),,$(BIN)/python tools/planted.py $(PROMISES))

# On the newest Python: 3.11 does not trace all lines, and smithy's codec needs 3.12.
coverage:
	$(MAKE) coverage-here VENV=$(VENV)-coverage PYTHON="$$(DEPENDENCIES=newest tools/environment.sh python)"

coverage-here: $(VENV)/installed $(VENV)/demo $(VENV)/http $(VENV)/test $(VENV)/coverage $(VENV)/peers
	tools/coverage.sh $(BIN)/python $(PYTEST_OPTIONS)

mutation: $(VENV)/installed $(VENV)/demo $(VENV)/test $(VENV)/peers $(VENV)/mutation
	PYTHONPATH=tests:tools $(BIN)/python -m mutation $(MODULES)

portability: $(VENV)/installed $(VENV)/test
	ARCHITECTURES="$(ARCHITECTURES)" tools/portability.sh $(BIN)/python $(PYTEST_OPTIONS)

soak: $(VENV)/installed $(VENV)/demo
	PYTHONPATH=tests $(BIN)/python tools/soak.py $(GB)

interop: $(VENV)/installed $(VENV)/demo $(VENV)/test
	EVENTSTREAM_INTEROP=1 $(BIN)/pytest tests/interop $(PYTEST_OPTIONS)

browser: $(VENV)/installed $(VENV)/demo $(VENV)/test $(VENV)/browser
	EVENTSTREAM_BROWSER=1 $(BIN)/pytest tests/browser $(PYTEST_OPTIONS)

# In an environment of their own: aiobotocore wants a botocore of its own.
adapters:
	$(MAKE) adapters-here VENV=$(VENV)-adapters

adapters-here: $(VENV)/installed $(VENV)/test $(VENV)/adapters
	EVENTSTREAM_ADAPTERS=1 $(BIN)/pytest tests/adapters tests/testing/test_responses.py $(PYTEST_OPTIONS)

conformance: $(VENV)/installed $(VENV)/demo $(VENV)/test $(VENV)/peers
	PYTHONPATH=tests:tools $(BIN)/python -m peers
	$(BIN)/pytest tests/peers $(PYTEST_OPTIONS)

fuzz: $(VENV)/installed $(VENV)/demo $(VENV)/fuzz
	tools/fuzz.sh $(BIN)/python $(SECONDS)

bench: $(VENV)/installed $(VENV)/demo $(VENV)/test $(VENV)/bench
	PYTHONPATH=tools $(BIN)/python -m benchmarks

bench-once: $(VENV)/installed $(VENV)/demo $(VENV)/test $(VENV)/bench
	$(BIN)/pytest benchmarks $(PYTEST_OPTIONS)

bench-compare: $(VENV)/installed
	rm -rf build/base && mkdir -p build/base
	git archive $(BASE) | tar -x -C build/base
	cd build/base && EVENTSTREAM_REQUIRE_NATIVE=1 $(abspath $(BIN))/python setup.py --quiet build_ext --inplace
	$(BIN)/python -m benchmarks.compare build/base

instructions: $(VENV)/installed
	$(BIN)/python -m benchmarks.instructions $(if $(UPDATE),--update)

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

dist: $(VENV)/installed
	tools/release/dist.sh $(BIN)/python

release-check: $(VENV)/installed $(VENV)/demo $(VENV)/http $(VENV)/test $(VENV)/release
	tools/release/long.sh $(MAKE)
	tools/release/check.sh $(BIN)/python $(PYTEST_OPTIONS)

oss-fuzz: $(VENV)/installed $(VENV)/demo $(VENV)/fuzz $(VENV)/release
	tools/oss-fuzz/check.sh $(BIN)/python

# UPGRADE=1 takes the newest versions, UPGRADE="h2 msgspec" those of these packages.
lock: $(VENV)/lock
	$(BIN)/python tools/lock.py $(if $(filter 1,$(UPGRADE)),--upgrade,$(UPGRADE:%=--upgrade-package=%))

clean:
	rm -rf .venv* .cache build dist *.egg-info eventstream/_native.c eventstream/*.so

$(BIN)/python:
	@$(ENVIRONMENT) create $(VENV) $(PYTHON)

# The dependency groups of pyproject.toml, in the versions of requirements/ or the newest. What has no wheel is built with
# the group `build`.
VERSIONS_locked := requirements/%.txt
VERSIONS_lowest := $(wildcard requirements/lowest/*.txt)
VERSIONS_newest := pyproject.toml

$(GROUPS:%=$(VENV)/%): $(VENV)/%: $(VERSIONS_$(DEPENDENCIES)) | $(BIN)/python
	@$(ENVIRONMENT) group $(VENV) $*
	@touch $@

$(VENV)/build: | $(VENV)/pip
$(filter-out $(VENV)/pip $(VENV)/build,$(GROUPS:%=$(VENV)/%)): | $(VENV)/build

$(VENV)/installed: $(VENV)/build $(NATIVE)
	@$(ENVIRONMENT) package $(VENV)
	@touch $@
