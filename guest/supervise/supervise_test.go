package supervise

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// There can be only one in a process.
var reaper = NewReaper(context.Background())

func newSupervisor(t *testing.T) (*Supervisor, chan string) {
	t.Helper()
	reports := make(chan string, 16)
	return &Supervisor{
		Reaper: reaper, LogDir: t.TempDir(), Report: func(format string, args ...any) { reports <- fmt.Sprintf(format, args...) },
	}, reports
}

// A service that ends is started again, and what it says is kept.
func TestRestart(t *testing.T) {
	s, reports := newSupervisor(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- s.Run(ctx, Service{Name: "once", Argv: []string{"/bin/sh", "-c", "echo hello; exit 3"}})
	}()
	for _, delay := range []string{"100ms", "200ms"} {
		want := "once ended (exit status 3), starts again in " + delay
		select {
		case got := <-reports:
			if got != want {
				t.Errorf("report %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no report")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(filepath.Join(s.LogDir, "once.log"))
	if err != nil || strings.Count(string(log), "hello\n") < 2 {
		t.Errorf("log %q, %v, want hello twice", log, err)
	}
}

// A service is asked to end, and killed if it does not.
func TestStop(t *testing.T) {
	for name, script := range map[string]string{
		"polite":   `trap 'exit 0' TERM; echo ready > "$READY"; while :; do sleep 1 & wait $!; done`,
		"stubborn": `trap '' TERM; echo ready > "$READY"; while :; do sleep 1 & wait $!; done`,
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newSupervisor(t)
			fifo := filepath.Join(t.TempDir(), "ready")
			if err := s.Reaper.Run(t.Context(), "/usr/bin/mkfifo", fifo); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() {
				ended <- s.Run(ctx, Service{Name: name, Argv: []string{"/bin/sh", "-c", script}, Env: []string{"READY=" + fifo}, Grace: 300 * time.Millisecond})
			}()
			if _, err := os.ReadFile(fifo); err != nil { // blocks until the service has set its trap
				t.Fatal(err)
			}
			stop()
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the service does not end")
			}
		})
	}
}

func TestRunReportsOutput(t *testing.T) {
	s, _ := newSupervisor(t)
	err := s.Reaper.Run(t.Context(), "/bin/sh", "-c", "echo broken >&2; exit 4")
	if err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("error %v, want status and output", err)
	}
	if err := s.Reaper.Run(t.Context(), "/nonexistent"); err == nil {
		t.Error("a missing program gives no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Reaper.Run(ctx, "/bin/sleep", "60"); err == nil || !strings.Contains(err.Error(), "SIGKILL") {
		t.Errorf("error %v, want SIGKILL", err)
	}
}

// Logs keep at most twice maxLog, the newest.
func TestLogRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	log, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1<<20-1) + "\n"
	for range maxLog>>20 + 2 {
		if _, err := log.Writer().WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	<-log.done
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil || info.Size() == 0 || info.Size() > maxLog {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
}
