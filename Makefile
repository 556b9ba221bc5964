# Weir's chores. `make help` lists them.

GO        ?= go
FUZZTIME  ?= 10s
BENCH     ?= .
BENCHTIME ?= 1s
SOAK      ?= 1h

# What bench-peers measures and how often. As they are here it takes about 45
# minutes on two cores that nobody else uses, with DURATION=1s about 30, and
# writes docs/benchmarks.md; anything less is printed. ROUNDS=1 DURATION=1s takes
# seven minutes. The storm has twice ROUNDS rounds, and the overload takes six
# times ROUNDS times DURATION. On a virtual machine PATIENCE more goes into what was
# measured while other machines had the processors.
ROWS     ?= .
PEERS    ?= .
MICRO    ?= .
ROUNDS   ?= 5
DURATION ?= 2s
PATIENCE ?= 20m

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION)
TARGETS := linux/arm64 linux/arm darwin/arm64

.DEFAULT_GOAL := build
.PHONY: build demo test race soak lint fuzz bench bench-peers e2e kubernetes cross clean help

build: ## build bin/weir
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/weir ./cmd/weir

demo: build ## build, then run the demonstration
	bin/weir demo

test: ## run the tests
	$(GO) test ./...

race: ## run the tests under the race detector
	$(GO) test -race ./...

soak: ## simulate Clients on several loops, from random seeds, for SOAK (1h)
	$(GO) test ./engine -run '^TestSimulationSoak$$' -v -timeout 0 -soak $(SOAK)

lint: bin/golangci-lint ## run the linters at their pinned versions
	bin/golangci-lint run ./...
	bin/staticcheck -tags e2e ./...
	cd bench/peers && ../../bin/golangci-lint run ./... && ../../bin/staticcheck ./...

# The linters are a module of their own, so that what they depend on is no
# dependency of Weir. One build makes both.
bin/golangci-lint: .ci/lint/go.mod .ci/lint/go.sum
	$(GO) build -C .ci/lint -o $(CURDIR)/bin/ tool
	@touch $@

fuzz: ## run every fuzz target for FUZZTIME (10s) each
	FUZZTIME=$(FUZZTIME) .ci/fuzz

bench: ## run the benchmarks that match BENCH (.), for BENCHTIME (1s) each
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

bench-peers: build ## measure Weir beside other brokers, ROUNDS (5) times for DURATION (2s), and write docs/benchmarks.md
	$(GO) run -C bench/peers ./cmd/bench-peers -rows '$(ROWS)' -peers '$(PEERS)' -micro '$(MICRO)' -rounds $(ROUNDS) -duration $(DURATION) -patience $(PATIENCE)

e2e: ## play the tutorial with step, mosquitto's clients and node, which must be on PATH
	$(GO) test -tags e2e -count=1 ./cmd/weir/...

kubernetes: ## build the kube-apiserver that some tests need, which takes minutes once
	@mkdir -p bin
	ln -sfn "$$(.ci/kubernetes/build)" bin/kubernetes

cross: ## compile for the other platforms of a gateway
	@set -e; for target in $(TARGETS); do \
		echo "$(GO) build ./... for $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build ./...; \
	done

clean: ## remove what was built
	rm -rf bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
