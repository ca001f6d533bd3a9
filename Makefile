# Runtime Lab: everything a fresh machine with Go and make needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Go is found where its installer puts it, also when no shell profile says so.
export PATH := $(PATH):/usr/local/go/bin
GO ?= go

# What is built depends on this checkout alone: not on a go.work in a folder above, nor
# on GOFLAGS of other projects, in the shell or by "go env -w".
export GOWORK := off
export GOFLAGS := -mod=readonly
export GO111MODULE := on

# smoke, quick, standard or full; ARGS goes to `lab run`: make lab PROFILE=smoke ARGS=--all
PROFILE ?= quick
ARGS ?=

GOLANGCI_VERSION := v2.15.0
AGENTS := $(addprefix lab/agent/binary/programs/agent-linux-,amd64 arm64)
AGENT_SOURCES := go.mod go.sum lab/cmd/agent/default.pgo $(wildcard $(addsuffix /*.go,lab lab/attack lab/nonblock lab/serve lab/agent lab/cmd/agent))

# Without a revision where git will not tell one, as in a checkout of another user.
VCS := $(shell git status >/dev/null 2>&1 || echo -buildvcs=false)

# $(call writable,FOLDERS) ends a recipe that could not write to one of them, and says why.
writable = for folder in $(1); do while [ ! -e "$$folder" ]; do folder=$$(dirname "$$folder"); done; \
	if [ ! -w "$$folder" ]; then \
		path=$$(cd "$$folder" && pwd) && owner=$$(ls -ld "$$folder" | awk '{ print $$3 }'); \
		mend="sudo chown -R $$(id -u) $$(printf %q "$$path")"; \
		echo "make: cannot write to $$path, which belongs to $$owner; run: $$mend" >&2; \
		exit 1; \
	fi; done
# $(call hand_back,FOLDERS) gives what root made in another user's checkout, as by
# "sudo make engine", to that user. Where root may not, nothing is lost.
hand_back = if [ "$$(id -u)" = 0 ]; then \
	chown -Rh "$$(ls -nd . | awk '{ print $$3 ":" $$4 }')" $(1) 2>/dev/null || true; fi

.PHONY: help lab calibrate test bench fuzz soak profile audit lint build engine engine-down doctor clean

help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: engine ## Measure: PROFILE=smoke (under 90 s), quick (under 15 min), standard (under an hour) or full (hours).
	@bin/lab run --profile $(PROFILE) $(ARGS)

calibrate: engine ## Measure the instrument itself on this machine (two minutes; lab does it when it has to).
	@bin/lab calibrate $(ARGS)

# One package at a time: several measure, and share the engine's two cores.
test: engine ## Run every test, those with real containers included (under 20 minutes).
	@echo "test: all packages, with real containers; under 20 minutes once images exist" >&2
	@if command -v gcc >/dev/null 2>&1; then race=-race; \
	elif [ -n "$${CI:-}" ]; then echo "test: CI needs a C compiler for the race detector: apt-get install gcc libc6-dev" >&2; exit 1; \
	else race=; echo "test: without the race detector, which needs gcc" >&2; fi; \
	$(GO) test $$race -p 1 -timeout 40m ./lab/...

# One of them: make bench BENCH=Ceiling. Ten minutes of memory: make bench BENCH=Memory LONG=10m.
# Neighbours with so many trials each: make bench BENCH=Neighbour TRIALS=40.
# Pairs of whole runs, two hours and a quarter for ten: make bench BENCH=Pairs PAIRS=10.
BENCH ?= .
export LONG ?= 1m
export TRIALS ?= 20
export PAIRS ?=

bench: engine bin/vegeta ## Measure the instrument beside wrk and vegeta, as ratios in one run (half an hour; run nothing else meanwhile).
	@echo "bench: about half an hour for all, minutes for one (BENCH=Ceiling); run nothing else meanwhile" >&2
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime 1x -timeout 200m ./lab/cli

# The public command, at the version that the generator is built on.
bin/vegeta: go.mod
	@echo "bench: building the vegeta command (a minute, once)" >&2
	@$(call writable,bin)
	@version=$$($(GO) list -m -f '{{.Version}}' github.com/tsenart/vegeta/v12); \
	GOBIN="$$PWD/bin/build" $(GO) install "github.com/tsenart/vegeta/v12@$$version"
	@mv bin/build/vegeta $@ && rmdir bin/build
	@$(call hand_back,bin)

# Every target for so long: make fuzz FUZZTIME=10m. What is found is kept in testdata/fuzz/, as tests.
FUZZTIME ?= 10m

fuzz: $(AGENTS) ## Look for input that breaks a parser, FUZZTIME for each (two hours for all at 10m).
	@failed=0; for file in $$(grep -rl '^func Fuzz' --include='*_test.go' lab); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$file); do \
			echo "fuzz: $$target of $$(dirname $$file) for $(FUZZTIME)" >&2; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file) || failed=1; \
		done; \
	done; exit $$failed

soak: engine ## Three quick runs with kill -9, Ctrl-C and restarts of the engine, each resumed to its end (an hour).
	@echo "soak: three quick runs, interrupted at random; about an hour" >&2
	@SOAK=1 $(GO) test -run '^$$' -bench Soak -benchtime 1x -timeout 3h ./lab/cli

profile: ## Profile the generator anew for the compiler (lab/cmd/agent/default.pgo; after the hot path has changed).
	@$(GO) test -run '^$$' -bench Attack -benchtime 1x -cpuprofile lab/cmd/agent/default.pgo -o /dev/null ./lab/attack
	@$(GO) tool pprof -top -nodecount 25 lab/cmd/agent/default.pgo 2>/dev/null

audit: ## Known vulnerabilities and licences of all that the lab and its applications are made of (minutes).
	@echo "audit: asking the databases of Go, npm and PyPI; a minute or two" >&2
	@$(call writable,bin)
	@failed=0; .ci/audit || failed=$$?; $(call hand_back,bin); exit $$failed

lint: $(AGENTS) bin/golangci-lint-$(GOLANGCI_VERSION) ## Check format, vet, and who imports whom (the linter builds in minutes, once).
	@unformatted=$$(gofmt -l lab); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted" >&2; exit 1; fi
	@bin/golangci-lint-$(GOLANGCI_VERSION) run ./...

bin/golangci-lint-$(GOLANGCI_VERSION):
	@echo "lint: building golangci-lint $(GOLANGCI_VERSION) (several minutes, once)" >&2
	@$(call writable,bin)
	@GOBIN="$$PWD/bin/build" $(GO) install \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/build/golangci-lint $@ && rmdir bin/build
	@$(call hand_back,bin)

build: $(AGENTS) ## Build bin/lab with the agents in it (a minute the first time).
	@$(call writable,bin)
	@mkdir -p bin && $(GO) build $(VCS) -o bin/lab ./lab/cmd/lab
	@$(call hand_back,bin)

lab/agent/binary/programs/agent-linux-%: $(AGENT_SOURCES)
	@$(call writable,$(@D))
	@echo "build: the agent for linux/$* (seconds; the first time a minute for its dependencies)" >&2
	@CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GO) build -trimpath -buildvcs=false -ldflags "-s -w" -o $@ ./lab/cmd/agent
	@$(call hand_back,$@)

engine: build ## Have a Docker engine: use the one that answers, else start or install one (root, Debian or Ubuntu).
	@bin/lab engine up

engine-down: build ## Stop the engine that `make engine` started, and no other.
	@bin/lab engine down

doctor: build ## Check this machine and its engine.
	@bin/lab doctor

clean: build ## Remove what dead runs left, images that nothing needs, and bin/.
	@bin/lab clean
	@rm -rf bin $(AGENTS)
