package main

import (
	"errors"
	"maps"
	"testing"
	"time"

	"slipway.dev/e2e/audit"
)

func TestWrites(t *testing.T) {
	from := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	request := func(after time.Duration, verb, resource string) audit.Request {
		return audit.Request{
			User: "system:serviceaccount:slipway-system:dns-operator", Verb: verb, Resource: resource,
			Namespace: "n", Name: "o", Received: from.Add(after),
		}
	}
	requests := func(yield func(audit.Request, error) bool) {
		for _, r := range []audit.Request{
			request(-time.Second, "patch", "tenantdnses/status"), // before
			request(time.Second, "patch", "tenantdnses/status"),
			request(2*time.Second, "patch", "tenantdnses/status"),
			request(3*time.Second, "create", "events"),
			request(4*time.Second, "update", "leases"),
			request(5*time.Second, "list", "pods"),
			request(2*time.Minute, "delete", "pods"), // after
		} {
			if !yield(r, nil) {
				return
			}
		}
	}
	got, err := writes(requests, from, from.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"dns-operator: patch tenantdnses/status n/o": 2, "dns-operator: create events n/o": 1}
	if !maps.Equal(got, want) {
		t.Errorf("writes %v, want %v", got, want)
	}
}

func TestWritesAreNotCountedInABrokenLog(t *testing.T) {
	broken := errors.New("broken")
	_, err := writes(func(yield func(audit.Request, error) bool) { yield(audit.Request{}, broken) }, time.Time{}, time.Now())
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}
