package host

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// runner runs a command with variables added to the environment, and returns its output, both
// streams together.
type runner func(ctx context.Context, env []string, name string, args ...string) (string, error)

// runCommand is the runner of this machine. The command runs in its own session, so that Ctrl-C
// reaches only the lab, which then ends the command through ctx.
func runCommand(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// lastLines returns the last lines of a text.
func lastLines(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
