package e2e

// Test images, as the sandbox's registry names them.
const (
	agnhostImage         = "agnhost:v1.36.3"
	sampleAPIServerImage = "sample-apiserver:v0.36.3"
	etcdImage            = "etcd:v3.7.3"
)
