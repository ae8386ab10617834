// Package e2e holds the user stories, each against the real thing: the
// management cluster that KUBECONFIG names, with Slipway installed. These say
// what else there is, and a story that needs what is missing skips it and says so:
//
//   - E2E_NODE_COMMAND: a command before others that runs them on a management node
//   - E2E_DNS_SERVER: the authoritative server, host:port
//   - E2E_BASE_DOMAIN: the domain below which tenants have their names
//   - E2E_REGISTRY: the registry with the test images and the guest's, host:port
//   - E2E_AUDIT_LOG: the file in which the API server logs the requests of Slipway's service accounts
//
// The sandbox prints them (sandbox e2e-environment).
package e2e
