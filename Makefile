# make demo    compile the example network to int8 and compare it with float
# make bench   Octet beside ONNX Runtime and OpenVINO; QUICK=1 for minutes in place of hours
# make test    everything that is checked: lint, types, tests, lit files
# make cpus    the kernel tests as on other CPUs: AVX2, AVX-512 without VNNI, plain x86-64
# Only Python 3.11 or newer and make are needed; the rest comes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
BENCH_RESULTS := build/bench/results
JOBS ?= 2

.PHONY: cpus venv demo bench test lint types pytest lit clean

venv: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Octet needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/python examples/digits/demo.py

$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --editable '.[dev,bench]'
	touch $@

bench: $(BENCH_STAMP)
	mkdir -p build/bench
	$(BIN)/python benchmarks/peers.py $(if $(QUICK),--quick) $(BENCH_ARGS) \
		--output $(BENCH_RESULTS).json --plot $(BENCH_RESULTS).png

test: lint types pytest lit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/pyright --pythonpath $(BIN)/python

pytest: $(STAMP)
	$(BIN)/pytest -n $(JOBS)

lit: $(STAMP)
	$(BIN)/lit -q -j $(JOBS) tests/filecheck

HASWELL := +avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+popcnt,+sse4.2
SKYLAKE := $(HASWELL),+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl

cpus: $(STAMP)
	NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=$(HASWELL) $(BIN)/pytest -n $(JOBS) tests/runtime/kernels
	NUMBA_CPU_NAME=skylake-avx512 NUMBA_CPU_FEATURES=$(SKYLAKE) $(BIN)/pytest -n $(JOBS) tests/runtime/kernels
	NUMBA_CPU_NAME=generic $(BIN)/pytest -n $(JOBS) tests/runtime/kernels

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
