package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/api/v1alpha1"
)

// operatorNamespace is where the charts put the operators.
const operatorNamespace = "slipway-system"

type bench struct {
	client client.WithWatch
	stats  rest.Interface
	types  *runtime.Scheme
	// auditLog is where the management cluster's API server logs the operators' requests.
	auditLog string
	// nodeCommand before another command runs it on the management node.
	nodeCommand []string
}

func newBench() (*bench, error) {
	b := &bench{
		types: runtime.NewScheme(), auditLog: os.Getenv("E2E_AUDIT_LOG"), nodeCommand: strings.Fields(os.Getenv("E2E_NODE_COMMAND")),
	}
	if b.auditLog == "" || len(b.nodeCommand) == 0 {
		return nil, errors.New("set what sandbox e2e-environment prints, E2E_AUDIT_LOG and E2E_NODE_COMMAND among it; make bench does")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, fmt.Errorf("read KUBECONFIG: %w", err)
	}
	if err := errors.Join(scheme.AddToScheme(b.types), v1alpha1.AddToScheme(b.types)); err != nil {
		return nil, err
	}
	if b.client, err = client.NewWithWatch(config, client.Options{Scheme: b.types}); err != nil {
		return nil, err
	}
	nodes, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	b.stats = nodes.CoreV1().RESTClient()
	return b, nil
}
