package cloudinit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEnvironment(t *testing.T) {
	tests := map[string]struct {
		data string
		want map[string]string
	}{
		"empty":              {"\n# nothing\n; nor here\n", map[string]string{}},
		"bare value":         {"KUBELET_ARGS=--node-ip=10.0.0.2 --v=2\n", map[string]string{"KUBELET_ARGS": "--node-ip=10.0.0.2 --v=2"}},
		"quoted value":       {`A="x y"` + "\nB='z'\n", map[string]string{"A": "x y", "B": "z"}},
		"no value":           {"A=\n", map[string]string{"A": ""}},
		"the last one wins":  {"A=1\nA=2\n", map[string]string{"A": "2"}},
		"value with a quote": {"A=--labels=\"a=b\"\n", map[string]string{"A": `--labels="a=b"`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseEnvironment([]byte(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, bad := range []string{"A", "=x", "A B=c", `A="x`} {
		if got, err := ParseEnvironment([]byte(bad)); err == nil {
			t.Errorf("%q gives %v, want an error", bad, got)
		}
	}
}

func TestSplitArguments(t *testing.T) {
	tests := map[string]struct {
		line string
		want []string
	}{
		"nothing":            {"  ", nil},
		"words":              {" --a=1  --b\t--c\n", []string{"--a=1", "--b", "--c"}},
		"quotes":             {`--a="x y" '--b=z "q"'`, []string{"--a=x y", `--b=z "q"`}},
		"an empty argument":  {`--a ""`, []string{"--a", ""}},
		"quotes inside word": {`--labels=a="b c",d=e`, []string{"--labels=a=b c,d=e"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := SplitArguments(test.line)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if got, err := SplitArguments(`--a="x`); err == nil {
		t.Errorf("an open quote gives %q, want an error", got)
	}
}
