# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make ingest [SRC=dir] [DEST=dir] [CLIENTS=3] [METHOD=copy] [RUN=dir] [ARGS="--check"]
#   make index SRC=dir INDEX=dir [ARGS="--check"]
#                  a new generation of an index of a tree: what is there, for queries
#   make commands BIN=dir
#                  ingest-find, parallelcp and the others, each as one file in a folder
#   make test      all tests that can run here; says what it left out
#   make lint      all checkers
#   make long      the tests that take minutes: runs that meet, that are killed and gone on with, that
#                  copy while they scan; calibrate, timers, another family's packages
#   make matrix    the local tests under every supported ansible-core, and the newest Python
#   make bench     the benchmarks
#   make simulate [HOSTS=1000] [FILES=1000000000] [SPLIT=round_robin] [SEED=1]
#                  a fleet on the real planner and dispatch, with a simulated clock: how near it comes
#                  to what its hosts could do at best
#   make attack [MINUTES=60] [SEED=n]
#                  runs that are killed, changed under, led astray and doubled at random (as root)
#   make attack-tier [MINUTES=10] [SEED=n]
#                  moves files between two disks under the hands of those who use them (as root)
#   make lab [CLIENTS=2] [NODES=3] [NODE_MBIT=0] [CLIENT_MBIT=0] [DELAY_US=0]
#                  an NFS cluster and client VMs on this machine, and an ingest on them (as root)
#   make lab-bench what the method gains over NFS, measured in the lab; PARTS= names some (as root)
#   make bench-lab [FILES=0] [LARGE=10] [ROUNDS=1]
#                  cp, rsync, fpsync, rclone, the article's script and ours, side by side in the lab;
#                  writes docs/benchmarks.md (as root)
#   make lab-setup installs the Debian packages that the lab needs
#   make variables writes docs/variables.md from the roles' argument specs
#   make clean     removes what the others made, but no run

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The first Python here that runs ansible-core; PYTHON= chooses another.
PYTHON := $(or $(PYTHON),$(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3))

# As the user wrote them: a $ in a name is no make variable, and none passes through a shell.
override SRC := $(value SRC)
override DEST := $(value DEST)
override CLIENTS := $(value CLIENTS)
override METHOD := $(value METHOD)
override RUN := $(value RUN)
override INDEX := $(value INDEX)
override BIN := $(value BIN)
override ARGS := $(value ARGS)
export SRC DEST CLIENTS METHOD RUN INDEX BIN ARGS

help:
	@sed -n 's/^#   //p' Makefile

ingest: .venv/ready
	@.venv/bin/python tests/tools/ingest.py

index: .venv/ready
	@.venv/bin/python tests/tools/index.py

commands: .venv/ready
	@.venv/bin/python tests/tools/commands.py

test: .venv/ready-test
	@.venv/bin/python tests/tools/run_tests.py $(TESTS)

lint: .venv/ready-test .venv/ready-lint .venv-importer/ready
	@.venv/bin/python tests/tools/run_lint.py

long: .venv/ready-test
	@.venv/bin/python tests/tools/run_tests.py --long

matrix: .venv/ready-test
	@.venv/bin/python tests/tools/run_matrix.py

bench: .venv/ready-test
	@.venv/bin/python -m tests.benchmarks

simulate: .venv/ready-test
	@.venv/bin/python -m tests.simulation $(if $(HOSTS),--hosts $(HOSTS)) \
	  $(if $(FILES),--files $(FILES)) $(if $(SPLIT),--split $(SPLIT)) $(if $(SEED),--seed $(SEED))

attack: .venv/ready-test
	@.venv/bin/python -m tests.attack --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

attack-tier: .venv/ready-test
	@.venv/bin/python -m tests.attack_tier --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

# CLIENTS is empty above unless it was given.
lab: .venv/ready .collections/ansible_collections/ansible/posix
	@NODES='$(NODES)' NODE_MBIT='$(NODE_MBIT)' CLIENT_MBIT='$(CLIENT_MBIT)' DELAY_US='$(DELAY_US)' \
	  .venv/bin/python tests/lab/lab.py run

lab-bench: .venv/ready .collections/ansible_collections/ansible/posix
	@.venv/bin/python tests/lab/bench.py $(PARTS)

bench-lab: .venv/ready .collections/ansible_collections/ansible/posix
	@.venv/bin/python tests/lab/peers.py --files $(or $(FILES),0) --large $(or $(LARGE),10) \
	  --rounds $(or $(ROUNDS),1)

lab-setup:
	@$(PYTHON) tests/lab/lab.py setup

.collections/ansible_collections/ansible/posix: .venv/ready
	@echo "set-up: ansible.posix into .collections (once)"
	@.venv/bin/python tests/tools/posix.py .collections

variables: .venv/ready
	@.venv/bin/python tests/tools/variables.py

setup: .venv/ready-test .venv/ready-lint .venv-importer/ready

.venv/ready: requirements.txt tests/tools/setup.py
	@echo "set-up: ansible-core into .venv (once)"
	@$(PYTHON) tests/tools/setup.py .venv requirements.txt
	@touch $@

.venv/ready-test: requirements-test.txt .venv/ready
	@echo "set-up: the tests' packages into .venv (once)"
	@$(PYTHON) tests/tools/setup.py .venv requirements.txt requirements-test.txt
	@touch $@

.venv/ready-lint: requirements-lint.txt .venv/ready
	@echo "set-up: the checkers into .venv (once)"
	@$(PYTHON) tests/tools/setup.py .venv requirements.txt requirements-lint.txt
	@touch $@

# Its packages and those of the other checkers exclude each other.
.venv-importer/ready: requirements-importer.txt
	@echo "set-up: Galaxy's importer into .venv-importer (once)"
	@$(PYTHON) tests/tools/setup.py .venv-importer requirements-importer.txt
	@touch $@

clean:
	rm -rf .venv .venv-* .cache .collections collections .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output

.PHONY: help ingest index commands test long lint matrix bench simulate attack attack-tier lab lab-bench bench-lab lab-setup variables setup clean
