package attack

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runtimelab/lab"
)

// endlessAttack and a URL are the arguments that make this program a generator that polls on one CPU
// until the end of its input.
const endlessAttack = "endless-attack"

func attackUntilEndOfInput(url string) {
	runtime.GOMAXPROCS(1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	a := attackOn(url, lab.Steady)
	a.Generator, a.Rate, a.Duration = lab.EventLoop, constantRate(1000), time.Hour
	if _, err := Run(ctx, a, nil, nil); !errors.Is(err, context.Canceled) {
		panic(err)
	}
}

// A loop that polls takes all of its CPU. The agent's other goroutines must run beside it.
func TestAPollingAttackOnOneCPUEndsWithItsInput(t *testing.T) {
	var hits atomic.Int64
	url := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		hello(w, r)
	})
	generator := exec.Command(os.Args[0], endlessAttack, url)
	generator.Stderr = os.Stderr
	input, err := generator.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	startOnOneCPU(t, generator)
	ended := make(chan error, 1)
	go func() { ended <- generator.Wait() }()
	limit := time.After(30 * time.Second)
	for hits.Load() == 0 {
		select {
		case err := <-ended:
			t.Fatalf("the generator ended before it was told to: %v", err)
		case <-limit:
			t.Fatal("the generator sends nothing")
		case <-time.After(time.Millisecond):
		}
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	closed := time.Now()
	select {
	case err := <-ended:
		t.Logf("the generator ended %v after its input, error %v", time.Since(closed), err)
		if err != nil {
			t.Error(err)
		}
	case <-limit:
		_ = generator.Process.Kill()
		t.Error("the generator does not end with its input")
	}
}

// startOnOneCPU starts a command that may use one CPU only.
func startOnOneCPU(t *testing.T, command *exec.Cmd) {
	t.Helper()
	runtime.LockOSThread() // a child has the affinity of the thread that starts it
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &all) }()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
}
