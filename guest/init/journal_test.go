package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Everything is on the console, and in the file from the first line to the end of the disk.
func TestJournal(t *testing.T) {
	console := &bytes.Buffer{}
	j := &journal{console: console}
	path := filepath.Join(t.TempDir(), "init.log")
	fmt.Fprintln(j, "early")
	if err := j.keep(path); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(j, "late")
	if err := j.end(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(j, "over")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "early\nlate\n"; string(file) != want {
		t.Errorf("the file has %q, want %q", file, want)
	}
	if want := "early\nlate\nover\n"; console.String() != want {
		t.Errorf("the console has %q, want %q", console, want)
	}
}
