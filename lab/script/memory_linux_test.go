package script

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Only the kernel can stop a single step of the interpreter that takes too much memory.
func TestTheKernelLimitsTheMemoryOfTheEvaluator(t *testing.T) {
	evaluator := exec.Command(os.Args[0])
	evaluator.Env = []string{evaluatorEnv + "=yes"}
	in, err := evaluator.StdinPipe() // the evaluator waits for its task while this is open
	if err != nil {
		t.Fatal(err)
	}
	if err := evaluator.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		_ = evaluator.Wait() // it fails, because it has got no task
	}()
	want := fmt.Sprintf("%d", maxProcessMemory)
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", evaluator.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(limits)) {
			values, found := strings.CutPrefix(line, "Max data size")
			if f := strings.Fields(values); found && f[0] == want && f[1] == want {
				return
			}
		}
	}
	t.Errorf("the evaluator may take more than %s bytes", want)
}
