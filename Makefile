# Every target sets up what it needs: a virtual environment in .venv, everything else from the package index.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CONFIG ?= default
BOARD ?=
FLOW ?= vivado
N ?= 10000
# the first Python that is new enough; or name yours: make sim PYTHON=/opt/python3.12/bin/python3
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
VTA := .venv/bin/vta
PYTEST := .venv/bin/python -m pytest

.PHONY: help
help:  ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: check-tools
check-tools:
	@missing=; for p in g++ make perl; do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
		echo "missing:$$missing; on Debian or Ubuntu: apt-get install$$missing" >&2; exit 1; fi
	@if [ -z "$(PYTHON)" ]; then \
		echo "missing: Python 3.10 or newer; name yours: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "missing: Python's venv; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }

.venv/ready: pyproject.toml | check-tools
	@echo "setting up .venv (once, about a minute)"
	@rm -f $@; [ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@rm -rf build/editor; mkdir -p build/editor/vta      # the packages as one tree, for editors: see [tool.pyright]
	@ln -s "$$PWD"/vta/* "$$PWD"/{hw,compiler,runtime,sim} build/editor/vta/
	@touch $@

.PHONY: sim
sim: .venv/ready  ## run a 3x3 convolution on the RTL and compare it with numpy
	@$(VTA) sim --config $(CONFIG)

.PHONY: test
test: .venv/ready  ## run all tests but the slow ones
	@$(PYTEST) -m "not slow" -n auto --maxprocesses 8

.PHONY: test-all
test-all: .venv/ready  ## run all tests
	@$(PYTEST) -n auto --maxprocesses 8

.PHONY: fuzz
fuzz: .venv/ready  ## run N random programs (10000) on functional simulator and RTL, all configurations
	@$(VTA) fuzz --config all --count $(N) --jobs $$(nproc) --coverage $(if $(SEED),--seed $(SEED))

.PHONY: formal
formal: .venv/ready  ## prove properties of the RTL (docs/proofs.md)
	@$(VTA) prove

.PHONY: area
area: .venv/ready  ## measure the area of configurations with Yosys, into docs/area.md (half an hour)
	@$(VTA) area --all --write docs/area.md

.PHONY: timing
timing: .venv/ready  ## estimate the clock, place and route on an ECP5, into docs/timing.md (half an hour)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[timing]'
	@$(VTA) timing --all --write docs/timing.md

.PHONY: lint
lint: .venv/ready  ## check the style of the Python code
	@.venv/bin/ruff check .

# folder of vector files to measure as well: make bench VECTORS=...
VECTORS ?= $(VTA_VECTORS)
.PHONY: bench
bench: .venv/ready  ## measure cycles of real layers on the RTL, into docs/performance.md
	@$(VTA) bench --config $(CONFIG) --write docs/performance.md --roofline docs/pictures/roofline.svg \
		$(if $(VECTORS),--vectors $(VECTORS))

.PHONY: verilog
verilog: .venv/ready  ## write the accelerator as build/CONFIG/vta.v
	@$(VTA) verilog --config $(CONFIG) --out build/$(CONFIG)/vta.v

.PHONY: ip
ip: .venv/ready  ## write the IP packages of all boards to build/ip
	@$(VTA) ip --all

.PHONY: bitstream
bitstream: .venv/ready  ## build the bitstream for BOARD=... with Vivado, or with open tools: FLOW=ecp5 BOARD=ecpix-5
	@$(if $(filter ecp5,$(FLOW)),.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[ecp5]')
	@$(VTA) bitstream --flow $(FLOW) $(if $(BOARD),--board $(BOARD))

.PHONY: clean
clean:  ## remove .venv and everything built here (compiled simulators stay in ~/.cache/vta)
	rm -rf .venv build .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
