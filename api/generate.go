// Package api is the root of the API module; its only content is how the generated parts are made.
package api

//go:generate make -s -C .. build/tools/controller-gen
//go:generate ../build/tools/controller-gen object applyconfiguration crd:maxDescLen=200 paths=./v1alpha1/... output:crd:artifacts:config=../charts/slipway/crds
