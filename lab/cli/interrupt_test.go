package cli

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"runtimelab/lab/fault"
)

func TestInterruptedCommandsExitWith130(t *testing.T) {
	engine := &fakeEngine{leaseState: "exited"}
	serveEngine(t, engine)
	run := filepath.Join("..", "compare", "testdata", "20261125T100000Z-00bb")
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(ErrInterrupted)
	for _, args := range [][]string{
		{"verify", run},
		{"report", run},
		{"export", "--twins", run},
		{"export", "--benchfmt", run},
		{"doctor"},
		{"clean"},
		{"clean", "--images"},
		{"check"},
		{"run", "json"},
	} {
		code, stdout, stderr := labRun(ctx, append(args, "--root", filepath.Join("..", ".."))...)
		if code != fault.ExitInterrupted {
			t.Errorf("lab %v exits with %d\n%s%s", args, code, stdout, stderr)
		}
	}
	ctx, interrupt = context.WithCancelCause(t.Context())
	engine.onList = func() { interrupt(ErrInterrupted) }
	code, stdout, stderr := labRun(ctx, "doctor", "--root", filepath.Join("..", ".."))
	if code != fault.ExitInterrupted || stdout != "" {
		t.Errorf("lab doctor, in the middle of its checks, exits with %d\n%s%s", code, stdout, stderr)
	}
}

// contextWithoutDone is a context whose Done never fires, so that select takes the other
// case.
type contextWithoutDone struct{ context.Context }

func (contextWithoutDone) Done() <-chan struct{} { return nil }

func TestInterruptionWinsOverAResult(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(ErrInterrupted)
	_, err := interruptible(contextWithoutDone{ctx}, func() (int, error) { return 1, nil })
	if !errors.Is(err, ErrInterrupted) {
		t.Errorf("error %v, want %v", err, ErrInterrupted)
	}
}
