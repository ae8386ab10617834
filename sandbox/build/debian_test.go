package build

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestWithoutServices(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	failure := errors.New("no such package")
	err := withoutServices(policy, func() error {
		if info, err := os.Stat(policy); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("the policy cannot be executed: %v, %v", info, err)
		}
		var refused *exec.ExitError
		if err := exec.Command("sh", policy, "named", "start").Run(); !errors.As(err, &refused) || refused.ExitCode() != 101 {
			t.Errorf("the policy says %v, want exit status 101", err)
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Errorf("error %v, want the installation's", err)
	}
	if _, err := os.Stat(policy); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the policy is left: %v", err)
	}
}

func TestWithoutServicesKeepsAPolicy(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	if err := os.WriteFile(policy, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	installed := false
	if err := withoutServices(policy, func() error { installed = true; return nil }); err != nil || !installed {
		t.Errorf("installed: %t, %v", installed, err)
	}
	if got, err := os.ReadFile(policy); err != nil || string(got) != "mine" {
		t.Errorf("the policy is %q, %v", got, err)
	}
}

// TestWithoutServicesAfterAKill: what a killed installation left is not taken for the owner's.
func TestWithoutServicesAfterAKill(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	if err := os.WriteFile(policy, []byte(noServices), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := withoutServices(policy, func() error { return nil }); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(policy); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the policy is left: %v", err)
	}
}
