package image

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// If a lab is killed, its child must not go on making a base. The kernel sends the signal when the
// thread that started the child ends, so the test ends a thread instead of a process.
func TestAChildIsKilledWithItsParent(t *testing.T) {
	child := exec.Command("sleep", "60")
	child.SysProcAttr = childAttributes()
	started := make(chan error)
	var start func()
	start = func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends with the goroutine
		if unix.Gettid() == os.Getpid() {
			go start() // the main thread never ends, so try another one
			<-t.Context().Done()
			return
		}
		started <- child.Start()
	}
	go start()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(20*time.Second, func() { _ = child.Process.Signal(unix.SIGTERM) })
	defer timeout.Stop()
	_ = child.Wait() // the state below says how it ended
	if status := child.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != unix.SIGKILL {
		t.Errorf("the child ended with %v, want SIGKILL", child.ProcessState)
	}
}
