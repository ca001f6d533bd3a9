package agent

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"
)

// Orphans are waited for without a reading: they count against the server's limit of processes.
func TestOrphansAreWaitedForWhenTheyEnd(t *testing.T) {
	waited := make(chan bool, 1)
	o := &orphans{waitForOne: func() (time.Duration, bool) {
		select {
		case waited <- true:
		default:
		}
		return 0, false
	}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { o.watch(ctx); close(ended) }()
	deadline := time.After(10 * time.Second)
	for again := true; again; { // the signal may come before watch is ready for it
		if err := syscall.Kill(os.Getpid(), syscall.SIGCHLD); err != nil {
			t.Fatal(err)
		}
		select {
		case <-waited:
			again = false
		case <-deadline:
			t.Fatal("nobody waits for orphans")
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	<-ended
}
