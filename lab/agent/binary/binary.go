// Package binary holds the agent's programs, cross-built by make build for
// every architecture that engines run on, so that lab is one file.
package binary

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"runtimelab/lab"
)

// A fresh clone holds the folder's README only, so that it compiles before the
// programs are built.
//
//go:embed programs
var programs embed.FS

// ForArch is the agent for an engine's architecture, in Go's name for it or the
// kernel's. It is a *lab.Fault when lab was built without it.
func ForArch(arch string) ([]byte, error) {
	names := map[string]string{"amd64": "amd64", "x86_64": "amd64", "arm64": "arm64", "aarch64": "arm64"}
	name, known := names[arch]
	if !known {
		return nil, &lab.Fault{
			Code: lab.ExitFailed,
			Err:  fmt.Errorf("there is no agent for an engine on %s", arch),
			Hint: "Use an engine on amd64 or arm64.",
		}
	}
	program, err := programs.ReadFile("programs/agent-linux-" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &lab.Fault{
			Code: lab.ExitFailed,
			Err:  fmt.Errorf("this lab was built without its agent for %s", name),
			Hint: "Build it with: make build",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the agent for %s: %w", name, err)
	}
	return program, nil
}
