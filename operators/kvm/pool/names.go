package pool

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"slipway.dev/api/v1alpha1"
)

// suffixAlphabet is that of generated names in Kubernetes: without vowels and
// look-alikes, so that no words come out.
const (
	suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789"
	suffixLength   = 5
)

// Names returns names for count new Machines. They look random and are not: the
// same pool with the same Machines always gets the same names, so that an
// operator that was killed after a creation, or does not see it yet, tries to
// create that very Machine again, and the API server refuses.
func Names(pool string, uid types.UID, taken sets.Set[string], count int) []string {
	var names []string
	for slot := uint64(0); len(names) < count; slot++ {
		name := pool + "-" + suffix(uid, slot)
		if !taken.Has(name) {
			names = append(names, name)
		}
	}
	return names
}

func suffix(uid types.UID, slot uint64) string {
	hash := sha256.New()
	hash.Write([]byte(uid))
	hash.Write(binary.BigEndian.AppendUint64(nil, slot))
	letters := make([]byte, suffixLength)
	for i, b := range hash.Sum(nil)[:suffixLength] {
		letters[i] = suffixAlphabet[int(b)%len(suffixAlphabet)]
	}
	return string(letters)
}

// Hash is equal for templates that make equal Machines.
func Hash(template v1alpha1.MachineSpec) (string, error) {
	// JSON sorts maps and leaves out empty fields, so that a field which a
	// later release adds replaces no Machine until somebody sets it.
	encoded, err := json.Marshal(template)
	if err != nil {
		return "", fmt.Errorf("encode template: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8]), nil
}
