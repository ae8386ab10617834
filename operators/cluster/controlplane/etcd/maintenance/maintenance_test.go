package maintenance_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/operators/cluster/controlplane/etcd/maintenance"
)

var now = time.Unix(100_000, 0)

// member with a quota of 1000 bytes.
func member(name string, size, inUse int64, changes ...func(*maintenance.Member)) maintenance.Member {
	m := maintenance.Member{Name: name, Size: size, InUse: inUse, Quota: 1000, Revision: 7}
	for _, change := range changes {
		change(&m)
	}
	return m
}

func leader(m *maintenance.Member)  { m.Leader = true }
func noSpace(m *maintenance.Member) { m.NoSpace = true }
func corrupt(m *maintenance.Member) { m.Corrupt = true }
func silent(m *maintenance.Member)  { m.Problem = "does not answer" }
func ahead(m *maintenance.Member)   { m.Revision = 9 }

func defragmented(ago time.Duration) func(*maintenance.Member) {
	return func(m *maintenance.Member) { m.Defragmented = now.Add(-ago) }
}

func freed(revision int64) func(*maintenance.Member) {
	return func(m *maintenance.Member) { m.Freed = revision }
}

func TestPlan(t *testing.T) {
	nothing := maintenance.Action{}
	defragment := func(name string) maintenance.Action {
		return maintenance.Action{Kind: maintenance.Defragment, Member: name}
	}
	drop := func(name string, revision int64) maintenance.Action {
		return maintenance.Action{Kind: maintenance.Defragment, Member: name, Revision: revision}
	}
	for what, test := range map[string]struct {
		members []maintenance.Member
		want    maintenance.Action
	}{
		"no members":                                 {nil, nothing},
		"a member without a quota":                   {[]maintenance.Member{{Name: "a", Size: 900}}, nothing},
		"an empty store":                             {[]maintenance.Member{member("a", 10, 10, leader)}, nothing},
		"much is free of a small store":              {[]maintenance.Member{member("a", 799, 10, leader)}, nothing},
		"little is free of a large store":            {[]maintenance.Member{member("a", 950, 851, leader)}, nothing},
		"much is free of a large store":              {[]maintenance.Member{member("a", 800, 700, leader)}, defragment("a")},
		"it was defragmented just now":               {[]maintenance.Member{member("a", 800, 700, leader, defragmented(time.Hour-1))}, nothing},
		"it was defragmented a while ago":            {[]maintenance.Member{member("a", 800, 700, leader, defragmented(time.Hour))}, defragment("a")},
		"followers go before the leader":             {[]maintenance.Member{member("a", 900, 10, leader), member("c", 900, 10), member("b", 900, 10)}, defragment("b")},
		"the leader when followers are done":         {[]maintenance.Member{member("a", 900, 10, leader), member("c", 10, 10), member("b", 10, 10)}, defragment("a")},
		"the other member while one rests":           {[]maintenance.Member{member("a", 900, 10, defragmented(0)), member("b", 900, 10, leader)}, defragment("b")},
		"nobody while one does not answer":           {[]maintenance.Member{member("a", 900, 10), member("b", 0, 0, silent), member("c", 900, 10, leader)}, nothing},
		"nobody while a database is damaged":         {[]maintenance.Member{member("a", 900, 10, corrupt, noSpace)}, nothing},
		"full: history is dropped, and what it took": {[]maintenance.Member{member("a", 1000, 990, noSpace, leader)}, drop("a", 7)},
		"full: of the furthest revision":             {[]maintenance.Member{member("a", 1000, 990, noSpace, leader), member("b", 1000, 990, ahead)}, drop("b", 9)},
		"full: nothing was deleted since":            {[]maintenance.Member{member("a", 1000, 990, noSpace, leader, defragmented(time.Hour), freed(7))}, nothing},
		"full: something was deleted just now":       {[]maintenance.Member{member("a", 1000, 990, noSpace, leader, defragmented(0), freed(6))}, drop("a", 7)},
		"full: the other one may free some":          {[]maintenance.Member{member("a", 1000, 990, noSpace, leader), member("b", 1000, 990, freed(7))}, drop("a", 7)},
		"full: room is made without any rest":        {[]maintenance.Member{member("a", 1000, 850, noSpace, leader, defragmented(0), freed(7))}, drop("a", 7)},
		"full: followers go before":                  {[]maintenance.Member{member("a", 1000, 10, noSpace, leader), member("b", 1000, 10, noSpace)}, drop("b", 7)},
		"full: the alarm stays until all are":        {[]maintenance.Member{member("a", 1000, 10, noSpace, leader), member("b", 10, 10, noSpace)}, drop("a", 7)},
		"full: the alarm stays without one":          {[]maintenance.Member{member("a", 10, 10, noSpace, leader), member("b", 0, 0, silent)}, nothing},
		"there is room again":                        {[]maintenance.Member{member("a", 950, 850, noSpace, leader), member("b", 10, 10)}, maintenance.Action{Kind: maintenance.Disarm, Member: "b"}},
	} {
		t.Run(what, func(t *testing.T) {
			if diff := cmp.Diff(test.want, maintenance.Decide(test.members, now)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
