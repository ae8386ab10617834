# Slipway's everyday commands; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# A recipe is one script: its traps and variables hold to its end.
.ONESHELL:

# The sandbox that `make up` keeps, and where its kubeconfigs are.
NAME ?= slipway
DATA ?= build/sandbox
# The example that `make up` submits.
EXAMPLE ?= examples/demo.yaml

SANDBOX := build/bin/sandbox
CACHE := $(or $(SLIPWAY_CACHE),$(HOME)/.cache/slipway)
MODULES := api bench e2e guest kit operators/cert operators/cluster operators/dns operators/kvm operators/network sandbox
# Modules with tests that need no sandbox.
TESTED := $(filter-out e2e,$(MODULES)) e2e/audit
CHARTS := $(wildcard charts/*-operator)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

## The sandbox ---------------------------------------------------------------

.PHONY: $(SANDBOX)
$(SANDBOX):
	@go build -o $@ ./sandbox

.PHONY: components
components: $(SANDBOX) ## install what is needed and build every component and image
	$(SANDBOX) build

.PHONY: up
up: components ## bring up the sandbox with Slipway and the example tenant
	$(SANDBOX) up --name $(NAME) --data-dir $(DATA)
	$(SANDBOX) deploy --name $(NAME)
	$(SANDBOX) tenant create --name $(NAME) --file $(EXAMPLE)

.PHONY: down
down: $(SANDBOX) ## leave nothing: no process, mount, namespace, link, cgroup or data (KEEP=1 keeps the data)
	$(SANDBOX) down --name $(NAME) $(if $(KEEP),--keep-data)

# A sandbox named after the target, which the environment tells of. It goes away whatever the outcome and leaves nothing.
define own-sandbox
trap 'status=$$?; $(SANDBOX) down --name $@ && $(SANDBOX) verify-clean --name $@ --data-dir build/$@ || status=1; exit $$status' EXIT
$(SANDBOX) up --name $@ --data-dir build/$@
$(SANDBOX) deploy --name $@
while read -r variable; do export "$$variable"; done < <($(SANDBOX) e2e-environment --name $@)
endef

.PHONY: bench
bench: components ## measure speed, memory and bad neighbours, on a sandbox of its own (ONLY=speed, settled, dead or hostile)
	$(own-sandbox)
	go run ./bench $(if $(ONLY),-only $(ONLY))

## Tests ---------------------------------------------------------------------

.PHONY: test
test: components lint verify unit e2e ## everything that CI runs

.PHONY: unit
unit: ## pure code, reconcilers against a real API server, networking in namespaces
	go test $(TESTED:%=./%/...) ./e2e/audit/...
	cd sandbox/components/local-storage && GOWORK=off go test ./...

.PHONY: lint
lint: build/tools/golangci-lint $(SANDBOX) ## the linters, with the layer rules
	$(SANDBOX) build --images=false helm
	build/tools/golangci-lint run $(MODULES:%=./%/...)
	$(CACHE)/bin/helm dependency build charts/slipway
	for chart in $(CHARTS) charts/slipway; do $(CACHE)/bin/helm lint --quiet $$chart; done

.PHONY: verify
verify: ## generated files and go.mod files are up to date
	$(MAKE) --no-print-directory generate
	git diff --exit-code -- api charts/slipway/crds
	for module in $(MODULES); do (cd $$module && GOWORK=off go mod tidy -diff); done

# Which stories, as a regular expression.
RUN ?= .

.PHONY: e2e
e2e: $(SANDBOX) ## the user stories, each against the real thing, on a sandbox of its own
	$(own-sandbox)
	go test -v -count=1 -timeout 60m -run '$(RUN)' ./e2e

## Development ---------------------------------------------------------------

.PHONY: generate
generate: build/tools/controller-gen ## regenerate deep copies, apply configurations and CRDs
	build/tools/controller-gen object applyconfiguration crd paths=./api/v1alpha1/... output:crd:artifacts:config=charts/slipway/crds

build/tools/controller-gen: tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o ../$@ sigs.k8s.io/controller-tools/cmd/controller-gen

build/tools/golangci-lint: tools/lint/go.mod tools/lint/go.sum tools/lint/main.go
	cd tools/lint && GOWORK=off go build -o ../../$@ .
