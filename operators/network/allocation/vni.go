package allocation

import (
	"hash/fnv"
	"iter"

	"slipway.dev/operators/network/fabric"
)

// VNICandidates returns the identifiers that a network may have, in the order in
// which it should try them: what it had, then from a hash of its UID on, so that
// two networks seldom want the same, and the same network always begins with the
// same.
func VNICandidates(uid string, had *int32) iter.Seq[int32] {
	sum := fnv.New32a()
	sum.Write([]byte(uid))
	first := sum.Sum32() % fabric.MaxVNI
	return func(yield func(int32) bool) {
		if had != nil && *had >= 1 && *had <= fabric.MaxVNI && !yield(*had) {
			return
		}
		for i := range uint32(fabric.MaxVNI) {
			if !yield(int32((first+i)%fabric.MaxVNI) + 1) {
				return
			}
		}
	}
}
