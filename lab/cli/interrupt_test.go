package cli

import (
	"context"
	"path/filepath"
	"testing"

	"runtimelab/lab"
)

// Ctrl-C is neither a failure nor what a check of the machine finds.
func TestAnInterruptedCommandSaysSo(t *testing.T) {
	engine := &pretendEngine{lease: "exited"}
	use(t, engine)
	run := filepath.Join("..", "compare", "testdata", "20261125T100000Z-00bb")
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(ErrInterrupted)
	for _, args := range [][]string{
		{"verify", run}, {"report", run}, {"export", "--twins", run}, {"export", "--benchfmt", run},
		{"doctor"}, {"clean"}, {"clean", "--images"}, {"check"}, {"run", "json"},
	} {
		code, stdout, stderr := labRun(ctx, append(args, "--root", filepath.Join("..", ".."))...)
		if code != lab.ExitInterrupted {
			t.Errorf("lab %v exits with %d\n%s%s", args, code, stdout, stderr)
		}
	}
	ctx, interrupt = context.WithCancelCause(t.Context())
	engine.asked = func() { interrupt(ErrInterrupted) }
	if code, stdout, stderr := labRun(ctx, "doctor", "--root", filepath.Join("..", "..")); code != lab.ExitInterrupted || stdout != "" {
		t.Errorf("lab doctor, in the middle of its checks, exits with %d\n%s%s", code, stdout, stderr)
	}
}
