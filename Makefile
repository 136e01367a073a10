# The front door. `make` lists what there is; CMake and Ninja do the work, in build/<preset>.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
JOBS ?= $(shell tools/jobs.sh)
PYTHON := /usr/bin/python3
PREFIX ?= /usr/local

.PHONY: help
help: ## This list
	@echo "Kiln builds container images from content, in a cluster and without one. Targets:"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' Makefile
	@echo "Missing Debian packages are installed first (as root), or named. JOBS=n limits compilers."

# Configures a preset once; afterwards ninja does so itself where something changed.
build/%/build.ninja: CMakePresets.json
	@cmake --preset $* >/dev/null
	@touch $@

.PHONY: build
build: ## Both programs, optimised: build/bin/kiln and build/bin/kiln-controller
	@tools/setup.sh build
	@$(MAKE) --no-print-directory build/release/build.ninja
	@ninja -C build/release -j$(JOBS)
	@mkdir -p build/bin
	@ln -sf ../release/bin/kiln ../release/bin/kiln-controller build/bin/

.PHONY: install
install: build ## Programs and library into PREFIX (/usr/local); DESTDIR= and COMPONENT= as usual
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(abspath $(PREFIX))" \
	  $(if $(COMPONENT),--component $(COMPONENT))

# The machine's own architecture, unless ARCH= says another: then its controller is cross-compiled.
HOST_ARCH := $(shell dpkg --print-architecture 2>/dev/null || echo amd64)
ARCH ?= $(HOST_ARCH)
IMAGE_BUILD := build/release$(if $(filter-out $(HOST_ARCH),$(ARCH)),-$(ARCH))
.PHONY: image
image: ## The controller's image, built by kiln itself: build/image; IMAGE=REF pushes it there, ARCH=arm64 is for others
	@tools/setup.sh build image
	@$(MAKE) --no-print-directory build $(if $(filter-out $(HOST_ARCH),$(ARCH)),cross)
	@tools/image/make_image.py --arch $(ARCH) --bin $(IMAGE_BUILD)/bin --kiln build/release/bin/kiln \
	  $(if $(IMAGE),--tag $(IMAGE))

.PHONY: cross
cross: ## Both programs for another processor, ARCH=arm64: build/release-arm64
	@[ $(ARCH) != $(HOST_ARCH) ] || { echo "make cross: say for which processor: ARCH=arm64" >&2; exit 2; }
	@tools/setup.sh build image cross
	@KILN_SYSROOT="$$(tools/image/sysroot.py $(ARCH))"; export KILN_SYSROOT; \
	  [ -e $(IMAGE_BUILD)/build.ninja ] || cmake -S . -B $(IMAGE_BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release \
	  -DKILN_BUILD_TESTS=OFF -DKILN_STATIC_LIBARCHIVE=ON -DCMAKE_TOOLCHAIN_FILE=$(CURDIR)/cmake/$(ARCH).cmake >/dev/null; \
	  ninja -C $(IMAGE_BUILD) -j$(JOBS)

.PHONY: manifest chart dist
manifest: ## The chart as a plain manifest and a Kustomize base: build/manifest; REPOSITORY=where the image is
	@tools/setup.sh chart
	@tools/manifest.sh build/manifest $(REPOSITORY)
	@ls -1 build/manifest/*
chart: ## The chart as a package: build/chart
	@tools/setup.sh chart
	@mkdir -p build/chart
	@"$$($(PYTHON) tests/cluster/go_tools.py helm)" package charts/kiln --destination build/chart 2>/dev/null
dist: image ## All that a release consists of, with checksums: build/dist
	@tools/setup.sh chart
	@tools/dist.sh build/dist

.PHONY: demo
demo: ## Builds, then shows a cluster that turns a ConfigMap into an image; cleans up after itself
	@tools/setup.sh build demo
	@$(MAKE) --no-print-directory build
	@$(PYTHON) tests/demo/demo.py

.PHONY: pictures
pictures: ## The pictures of docs/pictures, from a run of two minutes: what kubectl and the metrics show
	@tools/setup.sh build demo
	@$(MAKE) --no-print-directory build
	@KILN_BIN_DIR=$(CURDIR)/build/release/bin $(PYTHON) tests/demo/pictures.py

.PHONY: test
test: ## Every test: unit, integration with a real API server and registry, rules of the tree
	@tools/setup.sh build test
	@$(MAKE) --no-print-directory dev
	@$(PYTHON) tools/run_tests.py --build build/dev

.PHONY: e2e
e2e: ## A Kubernetes node that runs Kiln as pods: sites, outages, upgrades. Root only; leaves nothing behind
	@tools/setup.sh build image chart e2e
	@$(MAKE) --no-print-directory image chart
	@$(PYTHON) tests/e2e/run.py

.PHONY: instructions
instructions: ## Counts the instructions of small builds and compares with what is recorded (valgrind)
	@tools/setup.sh build test
	@$(MAKE) --no-print-directory build
	@tests/instructions/instructions.py

.PHONY: bench bench-docs
bench: ## Every measurement beside its peers and the bound, on a quiet machine: build/bench; BENCH=quick only tries
	@tools/setup.sh build bench
	@$(MAKE) --no-print-directory build
	@ninja -C build/release -j$(JOBS) bench_bound
	@tests/bench/run.py $(if $(filter quick,$(BENCH)),--quick) $(if $(ONLY),--only $(ONLY))
bench-docs: ## The figures of the last `make bench` into docs/benchmarks.md and docs/pictures
	@tests/bench/publish.py

.PHONY: dev
dev: ## Everything incl. tests, quick to compile: build/dev
	@tools/setup.sh build test
	@$(MAKE) --no-print-directory build/dev/build.ninja
	@ninja -C build/dev -j$(JOBS)

.PHONY: asan tsan
asan: ## Unit tests with AddressSanitizer and UndefinedBehaviorSanitizer: build/asan
tsan: ## Unit tests with ThreadSanitizer: build/tsan
asan tsan:
	@tools/setup.sh build test
	@$(MAKE) --no-print-directory build/$@/build.ninja
	@ninja -C build/$@ -j$(JOBS) $$(ninja -C build/$@ -t targets all | sed -n 's/^\(unit_[a-z_0-9]*\): phony$$/\1/p')
	@$(PYTHON) tools/run_tests.py --build build/$@ --label unit --no-cluster --no-python

# What runs programs long enough, and in enough ways, to be worth its time with sanitizers in them.
SANITIZED ?= tests/scenarios/test_main_job.py tests/scenarios/test_control.py tests/kubernetes
.PHONY: asan-integration tsan-integration
asan-integration: ## Integration tests and scenarios with AddressSanitizer, on real servers; SANITIZED=files of tests
tsan-integration: ## The same with ThreadSanitizer
asan-integration tsan-integration: %-integration:
	@tools/setup.sh build test
	@$(MAKE) --no-print-directory build/$*/build.ninja
	@ninja -C build/$* -j$(JOBS) kiln kiln-controller \
	  $$(ninja -C build/$* -t targets all | sed -n 's/^\(integration_[a-z_0-9]*\): phony$$/\1/p')
	@$(PYTHON) tools/run_tests.py --build build/$* --label integration --python $(SANITIZED)

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: ## Every fuzzer for FUZZ_SECONDS (60), with clang: build/fuzz. See tests/fuzz/README.md
	@tools/setup.sh build test fuzz
	@$(MAKE) --no-print-directory build/fuzz/build.ninja
	@ninja -C build/fuzz -j$(JOBS) fuzzers
	@tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --jobs $(JOBS)

.PHONY: determinism
determinism: dev ## 256 MiB of content on other processors (qemu), threads, sizes of writes: the same bytes?
	@KILN_BIN_DIR=$(CURDIR)/build/dev/bin KILN_DETERMINISM_MB=256 $(PYTHON) -m pytest -q -p no:cacheprovider \
	  --durations=5 tests/determinism/test_determinism.py

KILN_MODEL_OPERATIONS ?= 1000
.PHONY: model
model: dev ## So many (1000) random operations against a model; KILN_MODEL_SEED=n repeats a run
	@KILN_BIN_DIR=$(CURDIR)/build/dev/bin KILN_MODEL_OPERATIONS=$(KILN_MODEL_OPERATIONS) $(PYTHON) -m pytest -q \
	  -p no:cacheprovider tests/model/test_model.py

.PHONY: cluster-up cluster-down
cluster-up: ## A Kubernetes API server and a registry on this machine; tells how to use them
	@tools/setup.sh demo
	@mkdir -p build
	@tests/cluster/cluster.py up >build/cluster.env || { rm -f build/cluster.env; exit 1; }
	@echo "In your shell:  source build/cluster.env"
cluster-down: ## Ends what cluster-up started
	@tests/cluster/cluster.py down
	@rm -f build/cluster.env

.PHONY: fmt fmt-check
fmt: ## Formats all C++
	@tools/setup.sh lint
	@tools/sources.sh | xargs -r -n 40 clang-format-16 -i
fmt-check: ## Fails if some C++ is not formatted
	@tools/setup.sh lint
	@tools/sources.sh | xargs -r -n 40 clang-format-16 --dry-run --Werror

.PHONY: lint
lint: ## clang-tidy on what differs from the last commit (ALL=1: on everything), arrows, style
	@tools/setup.sh build test lint
	@tools/check_layers.py
	@tools/check_style.py
	@$(MAKE) --no-print-directory build/dev/build.ninja
	@tools/tidy.sh $(if $(ALL),--all) -j$(JOBS)

.PHONY: clean
clean: ## Removes build/
	@rm -rf build
