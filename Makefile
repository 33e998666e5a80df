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
setup: ## installs what the machine lacks, and says what it does
	@$T/setup.sh

##
## The helpers for this machine: dynamic, against Debian's shared libraries
##
.PHONY: build
build: setup ## builds the helpers for this machine (SANITIZE=1: with ASan and UBSan, and the unit tests)
	@$(MAKE) -j$J -f $T/helpers.mk build

##
## The Lambda artifacts
##
.PHONY: dist layers publish
dist: setup ## builds the Lambda artifacts (ARCH=x86_64, arm64 or all)
	@$T/dist.sh $(ARCHES)

layers: setup ## builds the layers alone (RUNNER_VERSION=18.x.y: GitLab's release of gitlab-runner)
	@$(if $(RUNNER_VERSION),layers/gitlab-runner/release.sh '$(RUNNER_VERSION)')
	@$T/dist.sh --layers $(ARCHES)

PREFIX ?= runlet/
publish: setup ## puts what `make dist` made into S3 under its hash (BUCKET=name, PREFIX=runlet/)
	@$(PYTHON) $T/publish.py '$(BUCKET)' '$(PREFIX)'

##
## Try, test, measure
##
.PHONY: demo localcloud test lint format fuzz bench docs clean
demo: setup ## runs a real .gitlab-ci.yml in the local cloud
	@$(MAKE) build
	@$T/dist.sh x86_64
	@$(PYTHON) -m localcloud demo

localcloud: setup ## keeps the local cloud up in the foreground
	@$(MAKE) build
	@$T/dist.sh x86_64
	@$(PYTHON) -m localcloud up

# Most tests wait for something, so more of them run side by side than there are cores.
PYTEST_ARGS ?= -n 4 --dist loadfile
test: setup ## runs every test and the linters; the last line says how many passed
	@$(MAKE) build
	@$(MAKE) build SANITIZE=1
	@$T/dist.sh x86_64 arm64
	@$(PYTEST) -q tests $(PYTEST_ARGS)

lint: setup ## runs the linters
	@$(MAKE) build
	@$(PYTEST) -q tests/lint

format: setup ## formats C, Python and HCL in place
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i
	@build/venv/bin/ruff check --quiet --fix-only --select I --config tests/pyproject.toml tests helpers
	@build/venv/bin/ruff format --quiet --config tests/pyproject.toml tests helpers
	@$$($T/terraform.sh) fmt -recursive

fuzz: setup ## runs each fuzz target for FUZZ_SECONDS (60)
	@$(MAKE) -j$J -f $T/helpers.mk fuzz

bench: setup ## compares the helpers with named peers
	@$(MAKE) build
	@$T/dist.sh x86_64
	@$T/bench.sh

docs: setup ## regenerates the tables of the Terraform modules' READMEs
	@$(PYTHON) $T/terraform-docs.py

clean: ## removes build/ and dist/
	@rm -rf build dist
