# SPDX-License-Identifier: Apache-2.0
# Runlet: GitLab CI jobs on AWS Lambda. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
J := $(shell nproc)
T := helpers/toolchain

PROGRAMS := $(notdir $(patsubst %/main.c,%,$(wildcard helpers/*/main.c)))
ARCH ?= all
ARCHES := $(if $(filter all,$(ARCH)),x86_64 arm64,$(ARCH))

PYTHON := build/venv/bin/python
PYTEST := $(PYTHON) -m pytest -c tests/pyproject.toml --rootdir tests
export PYTHONPATH := $(CURDIR)/tests
# For those who look for terraform or tofu: setup puts one here where the machine has none.
export PATH := $(PATH):$(CURDIR)/build/tools

.PHONY: help
help: ## lists the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

##
## The toolchain
##
.PHONY: setup
setup: ## installs what any target needs (each installs by itself what it needs alone)
	@$T/setup.sh

# What one target needs, and nothing else.
PURPOSES := for-build for-dist for-publish for-demo for-test for-bench
.PHONY: $(PURPOSES)
$(PURPOSES): for-%:
	@$T/setup.sh $*

##
## The helpers for this machine: dynamic, against Debian's shared libraries
##
.PHONY: build
build: for-build ## builds the helpers for this machine (SANITIZE=1: with ASan and UBSan, and the unit tests)
	@$(MAKE) -j$J -f $T/helpers.mk build

##
## The Lambda artifacts
##
.PHONY: dist layers publish
dist: for-dist ## builds the Lambda artifacts (ARCH=x86_64, arm64 or all)
	@$T/dist.sh $(ARCHES)

layers: for-dist ## builds the layers alone (RUNNER_VERSION=18.x.y: GitLab's release of gitlab-runner)
	@$(if $(RUNNER_VERSION),layers/gitlab-runner/release.sh '$(RUNNER_VERSION)')
	@$T/dist.sh --layers $(ARCHES)

PREFIX ?= runlet/
publish: for-publish ## puts what `make dist` made into S3 under its hash (BUCKET=name, PREFIX=runlet/)
	@$(PYTHON) $T/publish.py '$(BUCKET)' '$(PREFIX)'

##
## Try, test, measure
##
.PHONY: demo localcloud test lint format fuzz bench docs clean clean-cache
# The artifacts that examples/quick-start takes.
DEMO_PARTS := bootstrap,gitlab-runner,git
demo: for-demo ## runs a real .gitlab-ci.yml in the local cloud
	@$T/dist.sh --parts $(DEMO_PARTS) x86_64
	@$(PYTHON) -m localcloud demo

localcloud: for-demo ## keeps the local cloud up in the foreground
	@$T/dist.sh --parts $(DEMO_PARTS) x86_64
	@$(PYTHON) -m localcloud up

# Most tests wait for something, so more of them run side by side than there are cores.
PYTEST_ARGS ?= -n 4 --dist loadfile
test: for-test ## runs every test and the linters; the last line says how many passed
	@$(MAKE) build
	@$(MAKE) build SANITIZE=1
	@$T/dist.sh x86_64 arm64
	@$(PYTEST) -q tests $(PYTEST_ARGS)

lint: for-test ## runs the linters
	@$(MAKE) build
	@$(PYTEST) -q tests/lint

format: for-test ## formats C, Python and HCL in place
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i
	@build/venv/bin/ruff check --quiet --fix-only --select I --config tests/pyproject.toml tests helpers
	@build/venv/bin/ruff format --quiet --config tests/pyproject.toml tests helpers
	@$$($T/terraform.sh) fmt -recursive

fuzz: for-test ## runs each fuzz target for FUZZ_SECONDS (60)
	@$(MAKE) -j$J -f $T/helpers.mk fuzz

bench: for-bench ## compares the helpers with named peers
	@$(MAKE) build
	@$T/dist.sh x86_64
	@$T/bench.sh

docs: for-test ## regenerates the tables of the Terraform modules' READMEs
	@$(PYTHON) $T/terraform-docs.py

clean: ## removes build/ and dist/
	@rm -rf build dist

clean-cache: ## removes the cache of slow builds, which lies outside, and says what that frees
	@$T/clean-cache.sh
