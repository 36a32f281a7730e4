# SPDX-License-Identifier: Apache-2.0
# The front door. `make demo` sets up and shows the program at work; `make check` passes all tests.

BUILD ?= build
JOBS ?= $(shell nproc)

.PHONY: all setup build demo check bench compare walk lint fuzz static clean

all: build

setup:
	@tools/setup

$(BUILD)/build.ninja:
	meson setup $(BUILD) --buildtype=release -Doptimization=2 -Dtests=false

build: $(BUILD)/build.ninja
	ninja -C $(BUILD) -j $(JOBS)

demo: setup build
	/usr/bin/python3 tests/lab/demo.py --agent $(BUILD)/kube-router

check: setup
	@/usr/bin/python3 tools/check

lint: setup
	@/usr/bin/python3 tools/check --only lint,tidy

bench: setup
	@/usr/bin/python3 tools/bench

# REFERENCE is the Go kube-router's program; see docs/compare.md
compare: build
	@/usr/bin/python3 tools/compare --reference "$(REFERENCE)" --agent $(BUILD)/kube-router

# All steps of the user's guide with REFERENCE; where the kernel lacks ip_vs, in the guest kernel
walk: setup
	@tools/setup guest
	/usr/bin/python3 tests/lab/demo.py --name walk --kernel auto --agent "$(REFERENCE)" \
		--run-router=true --run-firewall=true --run-service-proxy=true

# FUZZ_SECONDS for each target
fuzz: setup
	@/usr/bin/python3 tools/fuzz --seconds $${FUZZ_SECONDS:-60}

static: setup
	meson setup build-static --buildtype=release -Doptimization=2 -Dtests=false -Dstatic=true --reconfigure
	ninja -C build-static -j $(JOBS)

clean:
	rm -rf $(BUILD) build-*
