package zone

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Question is the name to ask for in order to see a name's records.
func Question(name string) string {
	if below, ok := strings.CutPrefix(name, "*."); ok {
		return wildcardProbe + "." + below
	}
	return name
}

// Answer is what the authoritative server says of one name.
type Answer struct {
	// Target is empty when the name does not exist.
	Target Target
	// Err says why there is no answer.
	Err error
}

// Judge is the condition Ready of a tenant for which the server gave these
// answers, by name, and the names that it reports: a withdrawn one until the
// server answers nothing for it. done is false while something is awaited.
func (p Plan) Judge(answers map[string]Answer) (names Names, ready metav1.Condition, done bool) {
	names = p.Names
	if p.Withdrawn.API != "" {
		names.API = p.Withdrawn.API
	}
	if p.Withdrawn.Apps != "" {
		names.Apps = p.Withdrawn.Apps
	}
	problem := missing(p.Records, answers)
	if problem == "" {
		problem = Remaining(p.Withdrawn.List(), answers)
	}
	switch {
	case problem != "":
		return names, waitingForServer(problem), false
	case p.Verdict != nil:
		return p.Names, *p.Verdict, true
	}
	return p.Names, served(), true
}

// Questions are the names that the server is asked for before a plan is judged.
func (p Plan) Questions() []string {
	return append(RecordNames(p.Records), p.Withdrawn.List()...)
}

// missing says, for the first record that the answers do not fulfil, what is
// missing; it is empty when all are served exactly.
func missing(records []Record, answers map[string]Answer) string {
	for _, record := range records {
		switch answer, asked := answers[record.Name]; {
		case !asked:
			return notAsked(record.Name)
		case answer.Err != nil:
			return fmt.Sprintf("%s: %v", record.Name, answer.Err)
		case !answer.Target.Equal(record.Target):
			return fmt.Sprintf("%s: has %s, should have %s", record.Name, answer.Target, record.Target)
		}
	}
	return ""
}

// Remaining says which of the names is still answered for, or may be; it is empty
// when none is.
func Remaining(names []string, answers map[string]Answer) string {
	for _, name := range slices.Sorted(slices.Values(names)) {
		switch answer, asked := answers[name]; {
		case !asked:
			return notAsked(name)
		case answer.Err != nil:
			return fmt.Sprintf("%s: %v", name, answer.Err)
		case !answer.Target.Empty():
			return fmt.Sprintf("%s: still has %s", name, answer.Target)
		}
	}
	return ""
}

// notAsked keeps a name that nobody asked the server for from counting as gone.
func notAsked(name string) string { return name + ": the server has not been asked" }
