# Every target is meant to be read: what it does is its recipe, what it needs is its prerequisites.

SHELL := /bin/bash -o pipefail
MODULES := api kit operators/cluster operators/cert operators/network operators/kvm operators/dns guest sandbox e2e

build/tools/%: tools/go.mod tools/go.sum
	@mkdir -p build/tools
	cd tools && GOWORK=off go build -o ../$@ $$(GOWORK=off go list -f '{{.ImportPath}}' tool | grep "/$*$$")

.PHONY: generate
generate: ## regenerate everything that is generated
	cd api && GOWORK=off go generate ./...
