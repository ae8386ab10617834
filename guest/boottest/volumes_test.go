package boottest

import (
	"context"
	"net"
	"testing"

	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-billy/v5/util"
	nfs "github.com/willscott/go-nfs"
	"github.com/willscott/go-nfs/helpers"
)

// shared is a pod with an NFS volume.
const shared = `apiVersion: v1
kind: PersistentVolume
metadata: {name: shared}
spec:
  capacity: {storage: 1Mi}
  accessModes: [ReadWriteMany]
  storageClassName: shared
  # The server has no port mapper and no lock manager.
  mountOptions: [vers=3, tcp, nolock, port=2049, mountport=2049]
  nfs: {server: ` + gateway + `, path: /}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: shared
  resources: {requests: {storage: 1Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: shared}
spec:
  nodeName: ` + machineName + `
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
  - name: shared
    image: ` + agnhost + `
    imagePullPolicy: Never
    command: [/tools/busybox, sleep, "86400"]
    volumeMounts: [{name: tools, mountPath: /tools, readOnly: true}, {name: shared, mountPath: /shared}]
  volumes:
  - {name: tools, hostPath: {path: /usr/bin}}
  - {name: shared, persistentVolumeClaim: {claimName: shared}}
`

func checkNFSVolume(ctx context.Context, t *testing.T, plane *controlPlane) {
	t.Helper()
	files := memfs.New()
	if err := util.WriteFile(files, "greeting", []byte("from afar"), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "2049"))
	if err != nil {
		t.Fatal(err)
	}
	const handles = 64
	go func() { _ = nfs.Serve(listener, helpers.NewCachingHandler(helpers.NewNullAuthHandler(files), handles)) }()
	t.Cleanup(func() { listener.Close() })

	plane.kubectl(ctx, "create", "-f", plane.write("shared.yaml", shared))
	plane.kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=2m", "pod/shared")
	if got := plane.kubectl(ctx, "exec", "shared", "--", "/tools/busybox", "cat", "/shared/greeting"); got != "from afar" {
		t.Errorf("a file of an NFS volume is %q", got)
	}
	// Nothing is left of the mount when the server goes.
	plane.kubectl(ctx, "delete", "pod/shared", "--timeout=1m")
}
