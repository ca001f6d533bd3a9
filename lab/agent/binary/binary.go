// Package binary embeds the agent's programs, so that lab is a single file. make build
// cross-compiles one for each architecture that engines run on.
package binary

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"runtimelab/lab/fault"
)

// programs contains only a README in a fresh clone, so that the package compiles before make build.
//
//go:embed programs
var programs embed.FS

// Built returns the architectures, named as by Go, that lab has an agent for. There is none in a
// fresh clone.
func Built() (archs []string) {
	files, _ := fs.Glob(programs, "programs/agent-linux-*") // the only error is a bad pattern
	for _, file := range files {
		archs = append(archs, strings.TrimPrefix(file, "programs/agent-linux-"))
	}
	return archs
}

// ForArch returns the agent's program for an architecture, named as by Go or by the kernel. The
// error is a *fault.Error if lab has no agent for it.
func ForArch(arch string) ([]byte, error) {
	names := map[string]string{"amd64": "amd64", "x86_64": "amd64", "arm64": "arm64", "aarch64": "arm64"}
	name, known := names[arch]
	if !known {
		return nil, &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("the engine's architecture is %s, for which the lab has no agent", arch),
			Hint: "Use an engine on amd64 or arm64.",
		}
	}
	program, err := programs.ReadFile("programs/agent-linux-" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{
			Code: fault.ExitFailed,
			Err:  fmt.Errorf("this lab was built without its agent for %s", name),
			Hint: "Build it with: make build",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the agent for %s: %w", name, err)
	}
	return program, nil
}
