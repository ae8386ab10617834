package etcd

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"slipway.dev/operators/cluster/controlplane"
)

const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30

	// largestDatabase is what etcd recommends at most (etcd.io/docs/v3.6/dev-guide/limit).
	largestDatabase = 8 * gibibyte
	// largestLog is what is set aside for the log at most.
	largestLog = gibibyte
	// LargestStorage is the size in bytes of a volume beyond which etcd makes no use of it.
	LargestStorage = 2*largestDatabase + largestLog

	// snapshotCount is how many writes the log on disk holds: with writes of the
	// largest size, 1.5 MiB, it takes 375 MiB and the 64 MiB segments before and after.
	snapshotCount = 250
	// largestWrite is etcd's limit of one request.
	largestWrite = 3 * mebibyte / 2
	// compactionInterval is how many writes apart etcd drops what it keeps of
	// the log in memory (memorySnapshotCount of etcdserver v3.7).
	compactionInterval = 100
)

// quota is the size in bytes of the database at which etcd refuses writes. The
// volume holds it twice: defragmentation writes a copy beside it, and so does a
// member that is sent a snapshot. A store that cannot be defragmented when it is
// full stays full. Beside them there is room for the log.
func quota(storage resource.Quantity) int64 {
	log := min(max(storage.Value()/4, 256*mebibyte), largestLog)
	return min((storage.Value()-log)/2, largestDatabase)
}

// catchUpEntries is how many entries of the log a member keeps in memory for
// another that is slower; with etcd's 5000, a tenant who writes large objects
// fills gigabytes. A slower one is sent a snapshot. A sole member has nobody to
// keep them for; none at all would mean the default.
func catchUpEntries(t controlplane.Tenant) int64 {
	if t.Spec.ControlPlane.Etcd.Replicas == 1 {
		return 1
	}
	return 250
}

// resources let the whole database stay in memory, and beside it the log and
// what etcd works with.
func resources(t controlplane.Tenant) controlplane.Resources {
	log := (catchUpEntries(t) + compactionInterval) * largestWrite
	return t.Resources(controlplane.Etcd).WithMemoryLimit(quota(t.Spec.ControlPlane.Etcd.Storage) + log + 384*mebibyte)
}
