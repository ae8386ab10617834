// Package maintenance decides what is done for a tenant's etcd that fills up.
//
// It does what etcd says (etcd.io/docs/v3.6/op-guide/maintenance, Space quota):
// compact, defragment, disarm the alarm; and it keeps the rules of
// github.com/ahrtr/etcd-defrag: nothing while a member is unhealthy, but for the
// alarm, one member at a time, the leader last.
package maintenance

import (
	"slices"
	"strings"
	"time"
)

// Shares of the quota in percent.
const (
	// Near is from where on a database that is in use is said to be nearly full,
	// and one of that size looked at for what defragmentation would bring.
	Near = 80
	// NoLongerNear is below Near, so that a store about there is not said to be
	// nearly full with every other look.
	NoLongerNear = 75
	// Ample is how much may be in use for defragmentation to make room: it fills
	// pages to nine tenths (defragdb of etcd's backend.go), and so may leave a
	// database that is larger by a ninth than what was in use.
	Ample = 85
	// room is the size up to which writes are let in again. etcd's quota is one of
	// the size, whatever is in use of it.
	room = 95
	// worthwhile is how much must be free for a defragmentation without need: a
	// member answers nobody meanwhile.
	worthwhile = 10
)

// rest of a member between two defragmentations without need. What is written
// between two compactions comes and goes: without a rest, a member would be
// defragmented after each.
const rest = time.Hour

// Member is one member of etcd as it describes itself.
type Member struct {
	// Name of its pod.
	Name string
	// Problem says why nothing below is known, or why it does not count; empty when all is well.
	Problem string
	Leader  bool
	// NoSpace and Corrupt are alarms that some member has raised.
	NoSpace, Corrupt bool
	// Size of the database, what of it is in use, and the size from which on writes are refused, in bytes.
	Size, InUse, Quota int64
	// Revision of the last write.
	Revision int64
	// Defragmented is when that was last begun; zero when it is not known.
	Defragmented time.Time
	// Freed is the revision below which history was last dropped and its space
	// given back; zero when it is not known.
	Freed int64
}

// InUsePercent is how much of the quota is in use.
func (m Member) InUsePercent() int64 { return percent(m.InUse, m.Quota) }

func percent(size, quota int64) int64 {
	if quota <= 0 {
		return 0
	}
	return size * 100 / quota
}

// Kind of an Action.
type Kind string

// What can be done.
const (
	Nothing    Kind = ""
	Defragment Kind = "Defragment"
	Disarm     Kind = "Disarm"
)

// Action is what is to be done now. What comes next is decided on another look.
type Action struct {
	Kind Kind
	// Member that is asked to.
	Member string
	// Revision below which history is dropped before; zero when it is not.
	Revision int64
}

// Decide says what is to be done for the members, all of which must be given.
func Decide(members []Member, now time.Time) Action {
	unfit := func(m Member) bool { return m.Problem != "" || m.Corrupt }
	if len(members) == 0 || slices.ContainsFunc(members, unfit) {
		return Action{}
	}
	members = leaderLast(members)
	if slices.ContainsFunc(members, func(m Member) bool { return m.NoSpace }) {
		return makeRoom(members)
	}
	for _, m := range members {
		if percent(m.Size, m.Quota) >= Near && percent(m.Size-m.InUse, m.Quota) >= worthwhile && now.Sub(m.Defragmented) >= rest {
			return Action{Kind: Defragment, Member: m.Name}
		}
	}
	return Action{}
}

// makeRoom is what is to be done while etcd refuses writes. The API server cannot
// compact now: it writes when it does (compact of k8s.io/apiserver's etcd3).
//
// What a full database says is in use is out of date: that is counted when etcd
// begins to write, and when it defragments. A revision that moved on says more: it
// can only be of something that was deleted.
func makeRoom(members []Member) Action {
	var revision int64
	for _, m := range members {
		revision = max(revision, m.Revision)
	}
	full := false
	for _, m := range members {
		if percent(m.Size, m.Quota) <= room {
			continue
		}
		full = true
		if m.InUsePercent() <= Ample || m.Revision > m.Freed {
			return Action{Kind: Defragment, Member: m.Name, Revision: revision}
		}
	}
	if full {
		return Action{}
	}
	return Action{Kind: Disarm, Member: members[0].Name}
}

// leaderLast sorts by name, and the leader to the end.
func leaderLast(members []Member) []Member {
	return slices.SortedFunc(slices.Values(members), func(a, b Member) int {
		switch {
		case a.Leader == b.Leader:
			return strings.Compare(a.Name, b.Name)
		case a.Leader:
			return 1
		default:
			return -1
		}
	})
}
