# Runtime Lab: all that a new machine with Go and make needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The folder of Go's installer, which the shell profile may not add to PATH.
export PATH := $(PATH):/usr/local/go/bin
GO ?= go

# Builds depend on this checkout only: not on a go.work in a folder above, nor on GOFLAGS of
# other projects, from the shell or "go env -w".
export GOWORK := off
export GOFLAGS := -mod=readonly
export GO111MODULE := on
export GOAMD64 := v1
export GOARM64 := v8.0

# smoke, quick, standard or full; ARGS goes to `lab run`: make lab PROFILE=smoke ARGS=--all
PROFILE ?= quick
ARGS ?=

GOLANGCI_VERSION := v2.15.0
ACTIONLINT_VERSION := v1.7.12
AGENTS := $(addprefix lab/agent/binary/programs/agent-linux-,amd64 arm64)
AGENT_PACKAGES := lab $(addprefix lab/,account agent attack attack/eventloop cmd/agent crosscheck delivery expect fault message nonblock sched serve)
AGENT_SOURCES := go.mod go.sum lab/cmd/agent/default.pgo $(wildcard $(addsuffix /*.go,$(AGENT_PACKAGES)))

# The runtimes and scenarios in lab, for `lab init`.
SHIPPED := lab/shipped/archive/files.tar
# What make dist builds: OS and architecture.
DIST := linux-amd64 linux-arm64 darwin-arm64

# No revision is built in if git refuses to report it, as in a checkout of another user.
VCS := $(shell git status >/dev/null 2>&1 || echo -buildvcs=false)

# $(call writable,FOLDERS) ends a recipe if it cannot write to one of them, with the reason.
writable = for folder in $(1); do while [ ! -e "$$folder" ]; do folder=$$(dirname "$$folder"); done; \
	if [ ! -w "$$folder" ]; then \
		path=$$(cd "$$folder" && pwd) && owner=$$(ls -ld "$$folder" | awk '{ print $$3 }'); \
		fix="sudo chown -R $$(id -u) $$(printf %q "$$path")"; \
		echo "make: cannot write to $$path, which belongs to $$owner; run: $$fix" >&2; \
		exit 1; \
	fi; done
# $(call hand_back,FOLDERS) gives files that root made in another user's checkout, as with
# "sudo make engine", to that user. It ignores failures.
hand_back = if [ "$$(id -u)" = 0 ]; then \
	chown -Rh "$$(ls -nd . | awk '{ print $$3 ":" $$4 }')" $(1) 2>/dev/null || true; fi

# $(call install_programs,PROGRAM:PACKAGE ...) installs Debian packages of programs that are missing.
install_programs = missing=; for pair in $(1); do \
		command -v "$${pair%%:*}" >/dev/null 2>&1 || missing="$$missing $${pair\#\#*:}"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then \
			echo "make: install these first:$$missing" >&2; exit 1; \
		fi; \
		echo "make: installing$$missing" >&2; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	fi

.PHONY: help lab calibrate test test-report check bench fuzz soak profile audit lint build dist dist-check programs engine engine-down doctor clean FORCE

help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: engine ## Measure. PROFILE: smoke (under 90 s), quick (15 min), standard (an hour) or full (hours).
	@bin/lab run --profile $(PROFILE) $(ARGS)

calibrate: engine ## Measure the instrument itself on this machine (two minutes; make lab does it if needed).
	@bin/lab calibrate $(ARGS)

# Unit tests of several packages run side by side. Integration tests run after them, one package at a
# time: they measure on the same engine, and other work would disturb them.
test: engine ## Run all tests, with real containers too (about 25 minutes).
	@echo "test: all packages, with real containers; about 25 minutes once images exist" >&2
	@if command -v gcc >/dev/null 2>&1; then race=-race; \
	elif [ -n "$${CI:-}" ]; then echo "test: CI needs a C compiler for the race detector: apt-get install gcc libc6-dev" >&2; exit 1; \
	else race=; echo "test: no gcc, so without the race detector" >&2; fi; \
	$(GO) test $$race -skip '^TestIntegration' ./lab/... && \
	$(GO) test $$race -p 1 -timeout 40m -run '^TestIntegration' \
		$$(grep -rl '^func TestIntegration' --include='*_test.go' lab | xargs -n 1 dirname | sort -u | sed 's|^|./|')
	@# Runs on the engine in memory that the race detector makes seven times as slow: all 2,000 trials, of
	@# which it sees a quarter, and a whole standard run.
	$(GO) test -run 'TestARunWithFaultsOfEveryRoleIsComplete|TestThePageOfAStandardRun' ./lab/session

REPORT_AXE := bin/axe/node_modules/axe-core/axe.min.js

test-report: $(REPORT_AXE) ## Test the pages of runs in a headless browser (a minute; installs Debian's chromium).
	@$(call install_programs,chromium:chromium pdftotext:poppler-utils)
	@REPORT_BROWSER="$$(command -v chromium)" REPORT_AXE="$$PWD/$(REPORT_AXE)" \
		$(GO) test -count 1 -timeout 10m -run TestBrowser ./lab/page

# The accessibility checker, in the version of the lock file.
$(REPORT_AXE): lab/page/testdata/package-lock.json
	@$(call install_programs,npm:npm)
	@$(call writable,bin)
	@mkdir -p $(@D) && cp lab/page/testdata/package.json lab/page/testdata/package-lock.json bin/axe/
	@npm --prefix bin/axe ci --ignore-scripts --no-audit --no-fund --silent && touch $@
	@$(call hand_back,bin)

# One benchmark: make bench BENCH=Ceiling. Memory over ten minutes: make bench BENCH=Memory LONG=10m.
# Neighbours with more trials each: make bench BENCH=Neighbour TRIALS=40.
# The page of a standard run and of 5,000 trials, without containers: make bench BENCH=Page.
# Ten pairs of complete runs (two hours and a quarter): make bench BENCH=Pairs PAIRS=10.
# This program against an earlier one (twenty minutes): make bench BENCH=Versions OLD=<commit> PAIRS=12.
BENCH ?= .
export OLD ?=
export LONG ?= 1m
export TRIALS ?= 20
export PAIRS ?=

bench: engine bin/vegeta ## Compare the instrument with wrk and vegeta (half an hour; run nothing else meanwhile).
	@echo "bench: about half an hour for all, minutes for one (BENCH=Ceiling); run nothing else meanwhile" >&2
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime 1x -timeout 200m ./lab/cli ./lab/session

# The vegeta command, in the version that the generator is built with.
bin/vegeta: go.mod
	@echo "bench: building the vegeta command (a minute, once)" >&2
	@$(call writable,bin)
	@version=$$($(GO) list -m -f '{{.Version}}' github.com/tsenart/vegeta/v12); \
	GOBIN="$$PWD/bin/build" $(GO) install "github.com/tsenart/vegeta/v12@$$version"
	@mv bin/build/vegeta $@ && rmdir bin/build
	@$(call hand_back,bin)

# The time for each target: make fuzz FUZZTIME=10m. Inputs that fail are kept in testdata/fuzz/, as tests.
FUZZTIME ?= 10m

fuzz: $(AGENTS) ## Look for input that breaks a parser, FUZZTIME for each target (two hours at 10m).
	@failed=0; for file in $$(grep -rl '^func Fuzz' --include='*_test.go' lab); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$file); do \
			echo "fuzz: $$target of $$(dirname $$file) for $(FUZZTIME)" >&2; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file) || failed=1; \
		done; \
	done; exit $$failed

soak: engine ## Interrupt three quick runs at random, and resume each until it is done (an hour).
	@echo "soak: three quick runs, interrupted at random; about an hour" >&2
	@SOAK=1 $(GO) test -run '^$$' -bench Soak -benchtime 1x -timeout 3h ./lab/cli

profile: ## Profile the generator for the compiler, after a change of its hot path.
	@$(GO) test -run '^$$' -bench Attack -benchtime 1x -cpuprofile lab/cmd/agent/default.pgo -o /dev/null ./lab/attack
	@$(GO) tool pprof -top -nodecount 25 lab/cmd/agent/default.pgo 2>/dev/null

audit: ## List known vulnerabilities and licences of all dependencies (minutes).
	@echo "audit: querying the databases of Go, npm and PyPI; a minute or two" >&2
	@$(call writable,bin)
	@failed=0; .ci/audit || failed=$$?; $(call hand_back,bin); exit $$failed

check: lint ## Check an edit: format, lint, vet, and the unit tests, which need no engine (under a minute).
	@echo "check: the unit tests; under a minute on two cores once built" >&2
	@$(GO) test -short ./lab/...

LINTERS := bin/golangci-lint-$(GOLANGCI_VERSION) bin/actionlint-$(ACTIONLINT_VERSION)

lint: $(AGENTS) $(SHIPPED) $(LINTERS) ## Check format, vet, imports between packages, workflows (builds linters first, minutes).
	@bin/golangci-lint-$(GOLANGCI_VERSION) run ./...
	@bin/actionlint-$(ACTIONLINT_VERSION) $(wildcard .github/workflows/*.yml)

bin/golangci-lint-$(GOLANGCI_VERSION):
	@echo "lint: building golangci-lint $(GOLANGCI_VERSION) (several minutes, once)" >&2
	@$(call writable,bin)
	@GOBIN="$$PWD/bin/build" $(GO) install \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/build/golangci-lint $@ && rmdir bin/build
	@$(call hand_back,bin)

bin/actionlint-$(ACTIONLINT_VERSION):
	@echo "lint: building actionlint $(ACTIONLINT_VERSION) (seconds, once)" >&2
	@$(call writable,bin)
	@GOBIN="$$PWD/bin/build" $(GO) install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
	@mv bin/build/actionlint $@ && rmdir bin/build
	@$(call hand_back,bin)

build: $(AGENTS) $(SHIPPED) ## Build bin/lab, which contains the agents (a minute the first time).
	@$(call writable,bin)
	@mkdir -p bin && $(GO) build $(VCS) -o bin/lab ./lab/cmd/lab
	@$(call hand_back,bin)

lab/agent/binary/programs/agent-linux-%: $(AGENT_SOURCES)
	@$(call writable,$(@D))
	@echo "build: the agent for linux/$* (seconds; the first time a minute for its dependencies)" >&2
	@CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GO) build -trimpath -buildvcs=false -ldflags "-s -w" -o $@ ./lab/cmd/agent
	@$(call hand_back,$@)

# An archive of the commit has what git tracks, and neither node_modules nor what an editor leaves.
$(SHIPPED): FORCE
	@$(call writable,$(@D))
	@git -c tar.umask=0022 archive --format=tar -o $(@D)/.files.tar.new HEAD runtimes scenarios 2>/dev/null && \
		mv $(@D)/.files.tar.new $@ || { rm -f $@ $(@D)/.files.tar.new; \
		echo "build: git shows no commit here, so this lab is built without the files of lab init" >&2; }
	@$(call hand_back,$@)

# One commit and one version of Go give the same bytes: a clone has what is committed only, and its
# programs have the commit in them, but no time and no path.
dist: ## Build lab of the commit for Linux and macOS into dist/, with checksums (minutes).
	@$(call writable,dist)
	@echo "dist: lab of commit $$(git rev-parse HEAD); what is not committed is left out" >&2
	@clone=$$(mktemp -d); trap 'rm -rf "$$clone"' EXIT; \
	git clone --quiet . "$$clone/lab"; \
	$(MAKE) --no-print-directory -C "$$clone/lab" programs; \
	rm -rf dist; mv "$$clone/lab/dist" dist
	@$(call hand_back,dist)
	@cat dist/SHA256SUMS

dist-check: dist ## Build dist/ twice, and compare the checksums.
	@first=$$(cat dist/SHA256SUMS); $(MAKE) --no-print-directory dist >/dev/null; \
	diff <(echo "$$first") dist/SHA256SUMS; echo "dist-check: the same bytes twice" >&2

programs: $(AGENTS) $(SHIPPED)
	@mkdir dist; for platform in $(DIST); do \
		echo "dist: lab for $$platform" >&2; \
		CGO_ENABLED=0 GOOS=$${platform%-*} GOARCH=$${platform#*-} \
			$(GO) build -trimpath -buildvcs=true -ldflags "-s -w" -o dist/lab-$$platform ./lab/cmd/lab; \
	done
	@cd dist; if command -v sha256sum >/dev/null; then sha256sum lab-*; else shasum -a 256 lab-*; fi >SHA256SUMS

engine: build ## Use the Docker engine that answers, or start or install one (as root on Debian or Ubuntu).
	@bin/lab engine up

engine-down: build ## Stop the engine that `make engine` started, and no other.
	@bin/lab engine down

doctor: build ## Check this machine and its engine.
	@bin/lab doctor

clean: build ## Remove containers of dead runs, images that are not needed, bin/ and dist/.
	@bin/lab clean
	@rm -rf bin dist $(AGENTS) $(SHIPPED)
