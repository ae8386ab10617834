package etcd_test

import (
	"slices"
	"testing"

	"slipway.dev/kit/golden"
	"slipway.dev/operators/cluster/controlplane/controlplanetest"
	"slipway.dev/operators/cluster/controlplane/etcd"
)

func TestObjects(t *testing.T) {
	tenant := controlplanetest.Tenant()
	golden.Objects(t, "single", etcd.Service(tenant), etcd.ClientService(tenant), etcd.Claims(tenant)[0], etcd.StatefulSet(tenant))

	tenant.Spec.ControlPlane.Etcd.Replicas = 3
	tenant.Spec.ControlPlane.Etcd.StorageClassName = new("fast")
	if claims := etcd.Claims(tenant); len(claims) != 3 {
		t.Fatalf("%d claims for 3 members", len(claims))
	}
	golden.Objects(t, "three", etcd.ClientService(tenant), etcd.Claims(tenant)[2], etcd.StatefulSet(tenant))
}

func TestMembersKnowEachOther(t *testing.T) {
	tenant := controlplanetest.Tenant()
	tenant.Spec.ControlPlane.Etcd.Replicas = 3
	command := etcd.StatefulSet(tenant).Spec.Template.Spec.Containers[0].Command
	want := "--initial-cluster=etcd-0=https://etcd-0.etcd.tenant-demo-2f3c1a5e.svc:2380," +
		"etcd-1=https://etcd-1.etcd.tenant-demo-2f3c1a5e.svc:2380,etcd-2=https://etcd-2.etcd.tenant-demo-2f3c1a5e.svc:2380"
	if !slices.Contains(command, want) {
		t.Errorf("no argument %s in %q", want, command)
	}
}
