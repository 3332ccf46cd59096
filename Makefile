# Tierwall's targets. `make help` lists them; people and CI run the same ones.

SHELL := /bin/bash -euo pipefail
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Where images, test results and other things that can be made again go.
ARTIFACTS ?= _artifacts
# Where generated files are written; `make verify` writes them elsewhere to compare.
OUT ?= .

# Tools are pinned in a module of their own, so that what they depend on stays
# out of the product's go.mod.
TOOL := go tool -modfile=hack/tools/go.mod
TESTCLUSTER := go run ./test/cluster/cmd/testcluster

# Packages whose tests need a running test cluster; they have targets of their
# own, as have tests with the build tag e2e.
CLUSTER_TESTS := /test/(e2e|conformance)(/|$$)
list = go list ./... | grep -vE '$(CLUSTER_TESTS)'
# Those whose tests need an API server: their test programs contain envtest.
list_envtest = go list -test -f '{{$$p := .}}{{range .Deps}}{{if eq . "sigs.k8s.io/controller-runtime/pkg/envtest"}}{{$$p.ImportPath}}{{end}}{{end}}' $$($(list)) | sed -n 's/[.]test$$//p'
list_unit = $(list) | grep -vxF -f <($(list_envtest))

# Two packages at a time: the machines the project is tested on have two cores.
GO_TEST = $(TOOL) gotestsum --format pkgname --jsonfile $(ARTIFACTS)/$(1).json -- -p 2

##@ General

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Development

.PHONY: generate
generate: ## Generate the DeepCopy methods of the API types.
	$(TOOL) controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/... output:object:dir=$(OUT)/api/v1alpha1

.PHONY: manifests
manifests: ## Generate the CustomResourceDefinitions and the API reference.
	$(TOOL) controller-gen crd paths=./api/... output:crd:dir=$(OUT)/config/crd/bases
	mkdir -p $(OUT)/docs/reference
	$(TOOL) crd-ref-docs --source-path=api --config=hack/api-reference.yaml --renderer=markdown --output-path=$(OUT)/docs/reference/api.md --log-level=ERROR

.PHONY: fmt
fmt: ## Format the Go files.
	$(TOOL) golangci-lint fmt

.PHONY: lint
lint: ## Run the linters of .golangci.yml.
	$(TOOL) golangci-lint run

.PHONY: verify
verify: verify-generated verify-manifests verify-modules verify-text lint ## Check that everything generated is up to date, formatted, vetted and tidy.
	go vet -tags e2e ./...

.PHONY: verify-generated
verify-generated:
	tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	$(MAKE) --no-print-directory generate manifests OUT="$$tmp"; \
	for f in $$(cd "$$tmp" && find . -type f); do \
	  diff -u "$$f" "$$tmp/$$f" || { echo "$$f is not up to date: run 'make generate manifests'" >&2; exit 1; }; \
	done

.PHONY: verify-manifests
verify-manifests:
	for d in config/default config/crd config/crd/upstream config/samples; do \
	  $(TOOL) kustomize build "$$d" >/dev/null; \
	done

.PHONY: verify-modules
verify-modules:
	for d in . hack/tools; do (cd "$$d" && go mod tidy -diff); done

# What is committed must work on every machine: no path of the machine it was
# written on, and no download site besides what the package managers know.
.PHONY: verify-text
verify-text:
	! git grep -nIE '(^|[^a-zA-Z0-9_.-])/(work|root|home)/[a-z]' -- . ':!Makefile'
	! git grep -nIE '(^|[^a-z0-9.-])(proxy|sum|registry|deb|security|pypi)\.[a-z]+\.(org|com|net|dev)' -- .

##@ Build

# The binaries carry their version: `go version -m bin/agent`.
.PHONY: build
build: ## Build static binaries of every command into bin/.
	mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags='-s -w' -o bin/ ./cmd/...

.PHONY: images
images: build ## Write the container images of the agent and the manager as archives into _artifacts/.
	mkdir -p $(ARTIFACTS)
	for name in agent manager; do \
	  $(TESTCLUSTER) image --name "tierwall/$$name:dev" --file "/$$name=bin/$$name" --entrypoint "/$$name" --out "$(ARTIFACTS)/$$name.tar"; \
	done

# The image that is in every test pod, to measure connections from there.
.PHONY: probe
probe: | $(ARTIFACTS)
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $(ARTIFACTS)/probe ./test/story/cmd/probe
	$(TESTCLUSTER) image --name tierwall/probe:dev --file /probe=$(ARTIFACTS)/probe --entrypoint /probe --out $(ARTIFACTS)/probe.tar

.PHONY: clean
clean: ## Remove what was built; the cache of test cluster binaries stays.
	rm -rf bin $(ARTIFACTS)

##@ Test

.PHONY: debs
debs:
	hack/install-debs.sh

$(ARTIFACTS):
	mkdir -p $@

# Kernel tests skip when they may not make network namespaces. Where they are
# asked for, a skip is a failure.
.PHONY: test
test: export TIERWALL_REQUIRE_KERNEL = 1
test: debs | $(ARTIFACTS) ## Run all tests but those on a whole cluster: unit, API server and kernel tests. Needs root.
	export KUBEBUILDER_ASSETS=$${KUBEBUILDER_ASSETS:-$$($(TESTCLUSTER) binaries kube-apiserver etcd kubectl)}; \
	$(call GO_TEST,test) -count=1 -timeout 20m $$($(list))

.PHONY: test-unit
test-unit: | $(ARTIFACTS) ## Run the tests that need no API server; kernel tests run if root.
	$(call GO_TEST,test-unit) $$($(list_unit))

.PHONY: test-envtest
test-envtest: | $(ARTIFACTS) ## Run the tests against a real API server.
	export KUBEBUILDER_ASSETS=$${KUBEBUILDER_ASSETS:-$$($(TESTCLUSTER) binaries kube-apiserver etcd kubectl)}; \
	$(call GO_TEST,test-envtest) $$($(list_envtest))

# How long make fuzz goes on, and what its random states follow from: by default
# the time.
DURATION ?= 1h
SEED ?=

.PHONY: fuzz
fuzz: debs ## Compare oracle, compiler and kernel over random states for DURATION, from SEED. Needs root.
	go run ./test/differential/cmd/fuzz --duration $(DURATION) $(if $(SEED),--seed $(SEED))

.PHONY: e2e
e2e: debs images probe ## Run the end-to-end tests on a real two-node cluster. Needs root.
	TIERWALL_ARTIFACTS=$(abspath $(ARTIFACTS)) $(call GO_TEST,e2e) -p 1 -tags e2e -count=1 -timeout 40m ./test/cluster ./test/e2e/...

.PHONY: conformance
conformance: debs images ## Run upstream's conformance suite on an IPv4 and an IPv6 cluster; docs/conformance.md. Needs root.
	TIERWALL_ARTIFACTS=$(abspath $(ARTIFACTS)) $(call GO_TEST,conformance) -tags e2e -count=1 -timeout 80m ./test/conformance

# What the benchmarks of Go write is for benchstat.
.PHONY: bench
bench: build | $(ARTIFACTS) ## Measure packets, updates, the agent's size, growth: tables into _artifacts/bench.md. Needs root; takes about 15 minutes.
	export KUBEBUILDER_ASSETS=$${KUBEBUILDER_ASSETS:-$$($(TESTCLUSTER) binaries kube-apiserver etcd kubectl)}; \
	go run ./test/bench | tee $(ARTIFACTS)/bench.md; \
	go run ./test/simulation | tee $(ARTIFACTS)/simulation.md
	go test -run='^$$' -bench=. -benchmem -count=6 ./ruleset | tee $(ARTIFACTS)/bench-ruleset.txt

.PHONY: bench-small
bench-small: build | $(ARTIFACTS) ## Run every benchmark once at small size, to see that they work. Needs root.
	export KUBEBUILDER_ASSETS=$${KUBEBUILDER_ASSETS:-$$($(TESTCLUSTER) binaries kube-apiserver etcd kubectl)}; \
	go run ./test/bench --small && go run ./test/simulation --agents=2 --pods=500 --duration=2s

.PHONY: bench-report
bench-report: ## Draw figures of _artifacts/bench.md into _artifacts/.
	go run ./test/bench report

.PHONY: bench-dns
bench-dns: debs ## Measure the DNS proxy against direct queries, and 10,000 first connections. Needs root.
	go run ./test/dns/bench

##@ Demo

.PHONY: demo
demo: debs images probe ## Start a two-node Kubernetes with Tierwall and show what the samples do. Needs root.
	go run ./test/demo up --artifacts=$(ARTIFACTS)

.PHONY: demo-down
demo-down: ## Remove everything that the demo made.
	go run ./test/demo down
