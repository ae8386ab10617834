// Package state keeps what a running sandbox consists of, so that another
// invocation can find it, use it and end it. It lives below /run: like the
// processes, it does not outlast the machine's uptime.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

const directory = "/run/slipway-sandbox"

// State describes one sandbox.
type State struct {
	Name string `json:"name"`
	// Nodes is the number of nodes.
	Nodes int `json:"nodes"`
	// DataDir holds what survives the sandbox: an absolute path.
	DataDir string `json:"dataDir"`
	// Programs identifies the programs that the sandbox was started with.
	Programs string `json:"programs"`
	// Loopback is the address on the host at which the sandbox is reached.
	Loopback netip.Addr `json:"loopback"`
	// Processes lists what was started on the host, the first processes of the machines among them.
	Processes []Process `json:"processes"`
}

// Add records a process.
func (s *State) Add(p Process) { s.Processes = append(s.Processes, p) }

// Process returns the recorded process of that name.
func (s *State) Process(name string) (Process, bool) {
	i := slices.IndexFunc(s.Processes, func(p Process) bool { return p.Name == name })
	if i < 0 {
		return Process{}, false
	}
	return s.Processes[i], true
}

// AllAlive tells whether every recorded process still runs.
func (s *State) AllAlive() bool {
	return !slices.ContainsFunc(s.Processes, func(p Process) bool { return !p.Alive() })
}

// Entry is a sandbox's place in the directory, held against other invocations.
type Entry struct {
	path string
	lock *os.File
}

// Lock waits until no other invocation works on the sandbox and holds it until Close.
func Lock(name string) (*Entry, error) {
	path := filepath.Join(directory, name)
	for {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
		dir, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
			return nil, fmt.Errorf("locking sandbox %s: %w", name, err)
		}
		// Whoever held it before may have removed the folder we waited for.
		if same(dir, path) {
			return &Entry{path: path, lock: dir}, nil
		}
		_ = dir.Close()
	}
}

func same(dir *os.File, path string) bool {
	held, err := dir.Stat()
	if err != nil {
		return false
	}
	current, err := os.Stat(path)
	return err == nil && os.SameFile(held, current)
}

// Close lets other invocations work on the sandbox.
func (e *Entry) Close() error { return e.lock.Close() }

// Path returns the path of a file beside the state, for what lives as long.
func (e *Entry) Path(name string) string { return filepath.Join(e.path, name) }

// Save stores s at once or not at all.
func (e *Entry) Save(s *State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := e.Path(".state.json")
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, e.Path("state.json"))
}

// Load returns the stored state, or nil if there is none.
func (e *Entry) Load() (*State, error) { return load(e.Path("state.json")) }

// Remove forgets the sandbox.
func (e *Entry) Remove() error {
	if err := os.RemoveAll(e.path); err != nil {
		return err
	}
	// Another sandbox's entry keeps the folder.
	if err := unix.Rmdir(directory); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// Read returns the state of a sandbox without waiting for its lock, or nil if there is none.
func Read(name string) (*State, error) {
	return load(filepath.Join(directory, name, "state.json"))
}

// Exists tells whether anything is recorded about a sandbox, complete or not.
func Exists(name string) bool {
	_, err := os.Stat(filepath.Join(directory, name))
	return err == nil
}

// Any tells whether anything is recorded about any sandbox.
func Any() bool {
	entries, err := os.ReadDir(directory)
	return err == nil && len(entries) > 0
}

func load(path string) (*State, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}
