package binary

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"runtimelab/lab/fault"
)

// An agent that is missing is an error that says how to build it.
func TestForArchAcceptsBothNamesOfAnArchitecture(t *testing.T) {
	for goName, kernelName := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		one, err := ForArch(goName)
		other, sameErr := ForArch(kernelName)
		if (err == nil) != (sameErr == nil) || !bytes.Equal(one, other) {
			t.Errorf("%s and %s are different programs", goName, kernelName)
		}
		var userErr *fault.Error
		if err != nil && (!errors.As(err, &userErr) || userErr.Hint != "Build it with: make build") {
			t.Errorf("error %v does not say what to do", err)
		}
	}
}

func TestForArchRefusesOtherArchitectures(t *testing.T) {
	if _, err := ForArch("riscv64"); err == nil {
		t.Error("ForArch returned an agent for riscv64")
	}
}

func TestBuiltNamesTheArchitecturesThatHaveAnAgent(t *testing.T) {
	built := Built()
	for _, arch := range []string{"amd64", "arm64"} {
		if _, err := ForArch(arch); (err == nil) != slices.Contains(built, arch) {
			t.Errorf("ForArch(%q) returns the error %v, Built %q", arch, err, built)
		}
	}
}
