package netnstest

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"testing"
)

// Process starts a process in a namespace, which ends with the test, and gives
// the path of the namespace that it holds.
func Process(t testing.TB, path string) string {
	t.Helper()
	command := exec.Command("cat")
	start(t, path, command)
	return fmt.Sprintf("/proc/%d/ns/net", command.Process.Pid)
}

// TakeTable makes an nftables table that nobody else can change, as one that has
// an owner, until release is called or the test ends.
func TakeTable(t testing.TB, path, family, name string) (release func()) {
	t.Helper()
	command := exec.Command("nft", "-i")
	output, err := command.StdoutPipe()
	must(t, err)
	input, end := start(t, path, command)
	_, err = fmt.Fprintf(input, "add table %s %s { flags owner; }\nlist tables\n", family, name)
	must(t, err)
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil || line != "table "+family+" "+name+"\n" {
		t.Fatalf("take table %s %s: %q, %v", family, name, line, err)
	}
	return end
}

// start starts a command that lives until its input is closed.
func start(t testing.TB, path string, command *exec.Cmd) (input io.Writer, end func()) {
	t.Helper()
	writer, err := command.StdinPipe()
	must(t, err)
	must(t, Do(path, command.Start))
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		must(t, writer.Close())
		must(t, command.Wait())
	}
	t.Cleanup(end)
	return writer, end
}
