package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/e2e/audit"
)

func collect(t *testing.T, requests func(func(audit.Request, error) bool)) (all []audit.Request) {
	t.Helper()
	for request, err := range requests {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, request)
	}
	return all
}

const allowed = `"annotations":{"authorization.k8s.io/decision":"allow"}`

func TestRead(t *testing.T) {
	for name, test := range map[string]struct {
		log  string
		want []audit.Request
	}{
		"patch of a status": {
			`{"stage":"ResponseComplete","verb":"patch","user":{"username":"u"},"responseStatus":{"code":200},` +
				`"objectRef":{"resource":"machines","subresource":"status","namespace":"n","name":"m","apiGroup":"slipway.dev"},` +
				`"requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z",` + allowed + "}\n",
			[]audit.Request{{
				User: "u", Verb: "patch", Group: "slipway.dev", Resource: "machines/status", Namespace: "n", Name: "m",
				Received: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
			}},
		},
		"patch that creates": {
			`{"stage":"ResponseComplete","verb":"patch","responseStatus":{"code":201},"objectRef":{"resource":"pods"},` + allowed + "}\n",
			[]audit.Request{{Verb: "patch", Implied: "create", Resource: "pods"}},
		},
		"create implies nothing": {
			`{"stage":"ResponseComplete","verb":"create","responseStatus":{"code":201},"objectRef":{"resource":"pods"},` + allowed + "}\n",
			[]audit.Request{{Verb: "create", Resource: "pods"}},
		},
		"watch that begins and ends": {
			`{"stage":"ResponseStarted","verb":"watch","requestURI":"/api/v1/pods?watch=true","objectRef":{"resource":"pods"},` + allowed + "}\n" +
				`{"stage":"ResponseComplete","verb":"watch","requestURI":"/api/v1/pods?watch=true","objectRef":{"resource":"pods"},` + allowed + "}\n",
			[]audit.Request{{Verb: "watch", Resource: "pods"}},
		},
		"watch that begins with what there is": {
			`{"stage":"ResponseStarted","verb":"watch","requestURI":"/api/v1/pods?sendInitialEvents=true&watch=true","objectRef":{"resource":"pods"},` + allowed + "}\n",
			[]audit.Request{{Verb: "watch", Implied: "list", Resource: "pods"}},
		},
		"forbidden": {
			`{"stage":"ResponseComplete","verb":"get","objectRef":{"resource":"pods"},"annotations":{"authorization.k8s.io/decision":"forbid"}}` + "\n",
			nil,
		},
		"not about an object": {
			`{"stage":"ResponseComplete","verb":"get","requestURI":"/api",` + allowed + "}\n",
			nil,
		},
		"line that is being written": {
			`{"stage":"ResponseComplete","verb":"get","objectRef":{"resource":"pods"},` + allowed + "}\n" + `{"stage":"Respo`,
			[]audit.Request{{Verb: "get", Resource: "pods"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, collect(t, audit.Read(strings.NewReader(test.log)))); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadNamesTheLineThatIsNoEvent(t *testing.T) {
	var failed error
	for _, err := range audit.Read(strings.NewReader("nonsense\n{}\n")) {
		failed = err
	}
	if failed == nil || !strings.Contains(failed.Error(), "nonsense") {
		t.Errorf("error %v, want one that names the line", failed)
	}
}

func TestOpenReadsFullFilesFirst(t *testing.T) {
	folder := t.TempDir()
	for file, resource := range map[string]string{
		"audit.log": "c", "audit-2026-01-01T00-00-00.000.log": "a", "audit-2026-01-02T00-00-00.000.log": "b", "other.log": "x",
	} {
		line := `{"stage":"ResponseComplete","objectRef":{"resource":"` + resource + `"},` + allowed + "}\n"
		if err := os.WriteFile(filepath.Join(folder, file), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, request := range collect(t, audit.Open(filepath.Join(folder, "audit.log"))) {
		got = append(got, request.Resource)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
