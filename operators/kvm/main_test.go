package main

import (
	"flag"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/operators/kvm/reconcilers/machine"
)

func TestJoinTimeout(t *testing.T) {
	for _, test := range []struct {
		args    []string
		want    time.Duration
		refused bool
	}{
		{want: 10 * time.Minute},
		{args: []string{"--join-timeout=2m"}, want: 2 * time.Minute},
		{args: []string{"--join-timeout=0s"}, refused: true},
		{args: []string{"--join-timeout=-1m"}, refused: true},
		{args: []string{"--join-timeout=soon"}, refused: true},
	} {
		var options machine.Options
		flags := flag.NewFlagSet(name, flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		bind(flags, &options)
		err := flags.Parse(test.args)
		if refused := err != nil; refused != test.refused {
			t.Errorf("%q: error %v", test.args, err)
		} else if err == nil && options.JoinTimeout != test.want {
			t.Errorf("%q: %s, want %s", test.args, options.JoinTimeout, test.want)
		}
	}
}

// TestImageDigest: a digest that is none ends the operator at its start, with a message that says what to write.
func TestImageDigest(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0f", 32)
	var options machine.Options
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	bind(flags, &options)
	if err := flags.Parse([]string{"--image-digest=guest:v1.36.3@" + digest, "--image-digest=guest:v1.36.4@" + digest}); err != nil || len(options.Digests) != 2 {
		t.Errorf("two digests are %v, %v", options.Digests, err)
	}
	if err := flags.Parse([]string{"--image-digest=guest:v1.36.3"}); err == nil || !strings.Contains(err.Error(), "write NAME:TAG@sha256:DIGEST") {
		t.Errorf("none: %v", err)
	}
}

func TestNoPrivateKeysAreCached(t *testing.T) {
	secret := &corev1.Secret{Data: map[string][]byte{
		"ca.crt": []byte("certificate"), "tls.key": []byte("private"), "kubeconfig": []byte("private"), "userdata": []byte("private"),
		"username": []byte("u"), "password": []byte("p"), "token-id": []byte("i"), "token-secret": []byte("s"),
	}}
	kept, err := trimSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(kept.(*corev1.Secret).Data))
	if want := []string{"ca.crt", "password", "token-id", "token-secret", "username"}; !slices.Equal(got, want) {
		t.Errorf("cached are %v, want %v", got, want)
	}
}
