// Package image names container images, by digest where digests are given: a
// tag can be moved in its registry, and what is restarted then runs something else.
package image

import (
	"errors"
	"fmt"
	"regexp"
)

// Digests of images, by NAME:TAG without a registry. Where any is given, an
// image without one is not used.
type Digests map[string]string

// entry is an image with tag and digest, in the syntax of the OCI distribution
// specification v1.1. SHA-256 is the algorithm that every registry has.
var entry = regexp.MustCompile(`^([a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*)*:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127})@(sha256:[0-9a-f]{64})$`)

// Add reads NAME:TAG@sha256:DIGEST. It serves as a flag that can be repeated.
func (d *Digests) Add(text string) error {
	parts := entry.FindStringSubmatch(text)
	if parts == nil {
		return errors.New("write NAME:TAG@sha256:DIGEST, without a registry and with a digest of 64 hexadecimal digits in lower case")
	}
	image, digest := parts[1], parts[2]
	if known, found := (*d)[image]; found && known != digest {
		return fmt.Errorf("%s has another digest already, %s", image, known)
	}
	if *d == nil {
		*d = Digests{}
	}
	(*d)[image] = digest
	return nil
}

// Reference is the full name of the image NAME:TAG at a registry.
func (d Digests) Reference(registry, image string) (string, error) {
	if len(d) == 0 {
		return registry + "/" + image, nil
	}
	digest, found := d[image]
	if !found {
		return "", fmt.Errorf("image %s has no digest in global.image.digests of the chart", image)
	}
	return registry + "/" + image + "@" + digest, nil
}
