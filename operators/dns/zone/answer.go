package zone

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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

// Missing says, for the first record that the answers do not fulfil, what is
// missing; it is empty when all are served exactly. Answers are by record name.
func Missing(records []Record, answers map[string]Answer) string {
	for _, record := range records {
		switch answer := answers[record.Name]; {
		case answer.Err != nil:
			return fmt.Sprintf("%s: %v", record.Name, answer.Err)
		case !answer.Target.Equal(record.Target):
			return fmt.Sprintf("%s: has %s, shall have %s", record.Name, answer.Target, record.Target)
		}
	}
	return ""
}

// Remaining says which name is still answered for, or may be; it is empty when
// none is.
func Remaining(answers map[string]Answer) string {
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		switch answer := answers[name]; {
		case answer.Err != nil:
			return fmt.Sprintf("%s: %v", name, answer.Err)
		case !answer.Target.Empty():
			return fmt.Sprintf("%s: still has %s", name, answer.Target)
		}
	}
	return ""
}
