package build

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestHashFollowsContent(t *testing.T) {
	base := Component{Name: "x", Module: "example.com/x", Binaries: map[string]string{"x": "example.com/x"}}
	tests := []struct {
		name   string
		change func(folder string, c *Component, patched *bool)
		same   bool
	}{
		{"nothing", func(string, *Component, *bool) {}, true},
		{"a pin", func(folder string, _ *Component, _ *bool) { write(t, folder+"/go.mod", "module y") }, false},
		{"a new file", func(folder string, _ *Component, _ *bool) { write(t, folder+"/sub/main.go", "package main") }, false},
		{"a test", func(folder string, _ *Component, _ *bool) { write(t, folder+"/x_test.go", "package x") }, true},
		{"a tag", func(_ string, c *Component, _ *bool) { c.Tags = []string{"seccomp"} }, false},
		{"cgo", func(_ string, c *Component, _ *bool) { c.CGO = true }, false},
		{"the patch", func(_ string, _ *Component, patched *bool) { *patched = true }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			folder, c, patched := t.TempDir(), base, false
			write(t, folder+"/go.mod", "module x")
			before, err := c.hash(folder, patched)
			if err != nil {
				t.Fatal(err)
			}
			test.change(folder, &c, &patched)
			after, err := c.hash(folder, patched)
			if err != nil {
				t.Fatal(err)
			}
			if (before == after) != test.same {
				t.Errorf("hash before %s, after %s", before, after)
			}
		})
	}
}

func TestHashKnowsWhereContentIs(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	write(t, one+"/a", "x")
	write(t, two+"/b", "x")
	c := Component{Name: "x"}
	first, err := c.hash(one, false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.hash(two, false)
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("the name of a file does not count")
	}
}

func TestOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "components", "x-1")
	fail := func(tmp string) error {
		write(t, tmp+"/half", "")
		return errors.New("interrupted")
	}
	if _, err := once(dir, fail); err == nil {
		t.Fatal("the error of a failed build is lost")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("a failed build left a result")
	}
	fill := func(tmp string) error {
		write(t, tmp+"/x", "content")
		return nil
	}
	for i, want := range []bool{true, false} {
		fresh, err := once(dir, fill)
		if err != nil || fresh != want {
			t.Errorf("call %d: fresh %v, %v", i, fresh, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".tmp-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestOnceRunsOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x-1")
	started, finish := make(chan struct{}), make(chan struct{})
	first, second := make(chan bool), make(chan bool)
	go func() {
		fresh, _ := once(dir, func(string) error { close(started); <-finish; return nil })
		first <- fresh
	}()
	<-started
	go func() {
		fresh, _ := once(dir, func(string) error { return errors.New("built twice") })
		second <- fresh
	}()
	close(finish)
	if fresh := <-first; !fresh {
		t.Error("the first caller did not build")
	}
	if fresh := <-second; fresh {
		t.Error("the second caller built again")
	}
}

func TestPrune(t *testing.T) {
	b := &Builder{Cache: t.TempDir()}
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{"components/used-1", "components/old-1", "images/.tmp-1", "images/new-1"} {
		dir := filepath.Join(b.Cache, name)
		write(t, dir+"/x", "content")
		if name == "images/new-1" {
			continue
		}
		if err := os.Chtimes(dir, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if fresh, err := once(filepath.Join(b.Cache, "components/used-1"), nil); fresh || err != nil {
		t.Fatalf("built again: %v", err)
	}
	if err := b.Prune(time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(b.Cache, "*", "*-1"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(b.Cache, "components/used-1"), filepath.Join(b.Cache, "images/new-1")}
	if !slices.Equal(left, want) {
		t.Errorf("left: %v, want %v", left, want)
	}
}

func TestLinkReplaces(t *testing.T) {
	b := &Builder{Cache: t.TempDir()}
	for _, version := range []string{"1", "2", "2"} {
		target := filepath.Join(b.Cache, "components", "x-"+version, "x")
		write(t, target, version)
		if err := b.link("x", target); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(b.Cache, "bin", "x")); err != nil || string(got) != version {
			t.Errorf("bin/x is %q, %v; want %s", got, err, version)
		}
	}
}
