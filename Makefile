# `make help` lists what there is. Everything that a target needs and lacks is installed by `setup`.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# One debug build serves the unit tests and, as the program under test, the end-to-end tests: a second one in release
# mode would double the time on two cores. `make test CONFIGURATION=release` runs them optimised.
CONFIGURATION ?= debug
TEST_OPTIONS ?=
STRICT := --explicit-target-dependency-import-check error
TESTABLE := $(if $(filter release,$(CONFIGURATION)),-Xswiftc -enable-testing)
SWIFT_SOURCES := Package.swift Sources Tests $(wildcard benchmarks/Package.swift benchmarks/Sources)

.PHONY: help setup build lint test demo bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what is missing: Debian packages, a mongod and an SDK
	@.ci/setup.sh

build: setup ## build cairn in release mode
	swift build -c release --product cairn $(STRICT)

lint: ## check the formatting of all Swift sources
	swift format lint --strict --recursive $(SWIFT_SOURCES)

test: setup lint ## lint, build (warnings and undeclared imports are errors), run all tests
	swift build --build-tests -c $(CONFIGURATION) $(TESTABLE) $(STRICT)
	CAIRN_MONGOD="$$(.ci/mongod.sh)" CAIRN_AZURE_SDK="$$(.ci/azure-sdk.sh)" \
		.ci/test.sh -c $(CONFIGURATION) $(TESTABLE) $(TEST_OPTIONS)

demo: build ## back a throwaway server up, restore it into another, prove both equal
	swift build -c release --product fixture $(STRICT)
	CAIRN_MONGOD="$$(.ci/mongod.sh)" .ci/demo.sh

bench: build ## the engine's benchmarks, cairn beside mongodump, restic, borg and rclone, and over a network
	@.ci/setup.sh --bench
	swift build -c release --product fixture $(STRICT)
	swift run -c release --package-path benchmarks pipeline
	swift run -c release --package-path benchmarks fold
	benchmarks/columns
	swift build -c release --package-path benchmarks --product snapshots
	CAIRN_MONGOD="$$(.ci/mongod.sh)" benchmarks/compare
	CAIRN_MONGOD="$$(.ci/mongod.sh)" benchmarks/replicate
	CAIRN_MONGOD="$$(.ci/mongod.sh)" benchmarks/tailing
	CAIRN_MONGOD="$$(.ci/mongod.sh)" benchmarks/remote --output benchmarks/RESULTS.md

clean: ## remove what was built; the cached mongod and SDK stay
	rm -rf .build benchmarks/.build
