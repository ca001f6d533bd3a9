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

// A child of a lab that was killed would go on making a base that nobody takes. The
// kernel takes the end of the thread that started it for that of the process.
func TestAChildEndsWithWhoStartedIt(t *testing.T) {
	child := exec.Command("sleep", "60")
	child.SysProcAttr = childAttributes()
	started := make(chan error)
	var start func()
	start = func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if unix.Gettid() == os.Getpid() {
			go start() // the first thread never ends
			<-t.Context().Done()
			return
		}
		started <- child.Start()
	}
	go start()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(20*time.Second, func() { _ = child.Process.Signal(unix.SIGTERM) })
	defer overdue.Stop()
	_ = child.Wait() // how it ended is what its state says
	if status := child.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != unix.SIGKILL {
		t.Errorf("the child ended with %v", child.ProcessState)
	}
}
