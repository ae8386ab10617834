package cloudinit

import (
	"fmt"
	"strings"
)

// ParseEnvironment reads a file of NAME=value lines as systemd's EnvironmentFile= does, so that the same file serves
// stock images: blank lines and those that begin with # or ; are left out, and a value may stand in quotes.
func ParseEnvironment(data []byte) (map[string]string, error) {
	variables := map[string]string{}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d: want NAME=value", i+1)
		}
		value = strings.TrimSpace(value)
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') {
			if value[len(value)-1] != value[0] {
				return nil, fmt.Errorf("line %d: a quote is not closed", i+1)
			}
			value = value[1 : len(value)-1]
		}
		variables[name] = value
	}
	return variables, nil
}

// SplitArguments splits a command line at white space, as systemd does with an unquoted $VARIABLE; single and double
// quotes keep white space together.
func SplitArguments(line string) ([]string, error) {
	var args []string
	var current strings.Builder
	var quote rune
	inside := false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			current.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inside = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inside {
				args = append(args, current.String())
				current.Reset()
				inside = false
			}
		default:
			current.WriteRune(r)
			inside = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is not closed: %s", line)
	}
	if inside {
		args = append(args, current.String())
	}
	return args, nil
}
