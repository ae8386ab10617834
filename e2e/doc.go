// Package e2e holds the user stories, each against the real thing: the
// management cluster that KUBECONFIG names, with Slipway installed.
package e2e
