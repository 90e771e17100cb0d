# ember's targets. `make help` lists them; each does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BUN := $(CURDIR)/scripts/bun
export EMBER_BUILD_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ember-build

.PHONY: fuzz test-kernel-build sbom deb vz vsock-device test-kvm test-vz docs help setup guest net net-all build build-all build-lib demo test test-quick lint format bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: node_modules/.package-lock.json ## Install the system and npm packages that are missing
	@scripts/setup

vsock-device: ## Build the vsock device that guests of the tests' Firecracker double have (once, with cargo)
	@command -v cargo >/dev/null && scripts/vhost-device-vsock >/dev/null || echo "no cargo: tests of Firecracker's double are skipped"

# Not `npm ci`: it refuses a lock file without the packages of platforms that a registry does not have.
node_modules/.package-lock.json: package.json package-lock.json
	@echo "installing npm packages"
	@npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

guest: setup ## Build the guest binary for both architectures
	@$(MAKE) --no-print-directory -s -C guest build

net: setup ## Build the user network's process for this host
	@$(MAKE) --no-print-directory -s -C net host

net-all: setup ## Build it for all four systems
	@$(MAKE) --no-print-directory -s -C net build

build: guest net ## Build this host's executable: dist/ember
	@$(BUN) scripts/build.ts host

build-all: guest net-all ## Build all four executables: dist/ember-{linux,darwin}-{x64,arm64}
	@$(BUN) scripts/build.ts all

build-lib: guest net-all ## Build the npm package: dist/npm
	@$(BUN) scripts/build-lib.ts

sbom: guest net-all ## List what is compiled in: dist/ember.cdx.json (CycloneDX)
	@$(BUN) scripts/sbom.ts

deb: build-all sbom ## Build the Debian packages: dist/ember_VERSION_{amd64,arm64}.deb
	@scripts/package deb amd64 && scripts/package deb arm64

demo: build ## Show what ember does, on this machine
	@scripts/demo

vz: setup ## Build ember-vz; on Linux, for the tests, with QEMU in place of Apple's framework
	@scripts/vz build >/dev/null

test: build build-lib vsock-device vz ## Run every check and test
	@$(BUN) scripts/build.ts macos-test
	@$(BUN) scripts/test.ts

test-vz: build vz ## Run the tests of macOS's drivers and of ember-vz (on Linux: as root, with Debian's Swift, set up once)
	scripts/vz test
	$(BUN) scripts/build.ts macos-test
	EMBER_REQUIRE=vz,apfs test/macos/run $(BUN) test --conditions=darwin --timeout=600000 ./test/macos

test-quick: guest net vsock-device ## Run the checks and the tests that boot no guest
	@$(BUN) scripts/test.ts --quick

test-kernel-build: build ## Build a kernel from the distribution's source, boot it and try containers' needs (EMBER_JOBS=N; a quarter of an hour)
	@$(BUN) test --timeout=600000 test/kernel-build

fuzz: setup ## Feed the readers of strangers' bytes with noise, about a minute each; what breaks one is kept for later tests
	@for target in tar manifest disk; do $(BUN) scripts/fuzz.ts $$target 60 || exit 1; done
	@$(MAKE) --no-print-directory -C net fuzz

test-kvm: build ## Run the Firecracker suite on this host's own firecracker, jailer and KVM, as root
	@EMBER_FIRECRACKER=host EMBER_REQUIRE=kvm $(BUN) test --timeout=600000 test/e2e/firecracker

lint: setup ## Check types, format and style
	@$(BUN) scripts/test.ts --lint

docs: setup ## Write docs/cli.md and docs/errors.md from the sources
	@$(BUN) scripts/docs.ts

format: setup ## Format the sources
	@node_modules/.bin/biome check --write . && gofmt -w guest net

bench: build ## Measure, against OpenSSH and bare QEMU
	@$(BUN) bench/main.ts

clean: ## Remove what was built (not the caches)
	rm -rf dist node_modules
