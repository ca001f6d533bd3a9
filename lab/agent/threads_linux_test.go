package agent

import (
	"os"
	"runtime"
	"testing"
	"time"

	"runtimelab/lab/serve"
)

func TestProcessTimeIncludesThreadsThatHaveEnded(t *testing.T) {
	m := ThisMachine()
	if m.processTime == nil {
		t.Fatal("processTime is nil on Linux")
	}
	before, err := m.processTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var used time.Duration
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		began, _ := m.threadTime()
		serve.Work(CanaryIterations / 5)
		ended, _ := m.threadTime()
		used = ended - began
	}()
	<-done
	after, err := m.processTime(os.Getpid())
	if err != nil || used <= 0 || after-before < used {
		t.Errorf("a thread that has ended used %v; the process used %v, error %v", used, after-before, err)
	}
	if _, err := m.processTime(1 << 22); err == nil {
		t.Error("a missing process has a clock")
	}
}
