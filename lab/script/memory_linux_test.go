package script

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The kernel keeps the evaluating process within its memory: what a script takes
// in one step, nothing else could.
func TestTheKernelLimitsTheEvaluator(t *testing.T) {
	evaluator := exec.Command(os.Args[0])
	evaluator.Env = []string{evaluatorEnv + "=yes"}
	in, err := evaluator.StdinPipe() // it waits for its task for as long as this is open
	if err != nil {
		t.Fatal(err)
	}
	if err := evaluator.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = evaluator.Wait() // it was told nothing, and complains
	}()
	want := fmt.Sprintf("%d", maxProcessMemory)
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", evaluator.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(limits)) {
			if f := strings.Fields(strings.TrimPrefix(line, "Max data size")); strings.HasPrefix(line,
				"Max data size") && f[0] == want && f[1] == want {
				return
			}
		}
	}
	t.Errorf("the evaluator may take more than %s bytes", want)
}
