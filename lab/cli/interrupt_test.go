package cli

import (
	"context"
	"errors"
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
		if code != lab.ExitInterrupted {
			t.Errorf("lab %v exits with %d\n%s%s", args, code, stdout, stderr)
		}
	}
	ctx, interrupt = context.WithCancelCause(t.Context())
	engine.asked = func() { interrupt(ErrInterrupted) }
	if code, stdout, stderr := labRun(ctx, "doctor", "--root",
		filepath.Join("..", "..")); code != lab.ExitInterrupted || stdout != "" {
		t.Errorf("lab doctor, in the middle of its checks, exits with %d\n%s%s", code, stdout, stderr)
	}
}

// unheard is a context whose end shows only to who asks, as where select has taken
// the other of two cases.
type unheard struct{ context.Context }

func (unheard) Done() <-chan struct{} { return nil }

// An interruption that comes together with what was worked for counts.
func TestInterruptionWinsOverAResult(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(ErrInterrupted)
	if _, err := interruptible(unheard{ctx}, func() (int, error) { return 1, nil }); !errors.Is(err,
		ErrInterrupted) {
		t.Errorf("error %v", err)
	}
}
