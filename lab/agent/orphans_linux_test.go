package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Orphans are waited for without a reading: they count against the server's limit of processes.
func TestOrphansAreWaitedForWhenTheyEnd(t *testing.T) {
	waited := make(chan bool, 1)
	o := &orphans{ended: func() (int, bool) {
		select {
		case waited <- true:
		default:
		}
		return 0, false
	}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { o.watch(ctx, nil); close(ended) }()
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

// A child that has ended stays as it is until it is waited for: its service is asked for before.
func TestAChildThatHasEndedIsWaitedForOnce(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^$")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid, found := 0, false
	for deadline := time.Now().Add(30 * time.Second); !found; pid, found = endedChild() {
		if time.Now().After(deadline) {
			t.Fatal("the child does not end")
		}
		time.Sleep(time.Millisecond)
	}
	again, stillThere := endedChild()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if pid != child.Process.Pid || !stillThere || again != pid || !strings.Contains(string(stat), ") Z ") {
		t.Errorf("child %d: found %d, then %d (%v), in state %q, %v", child.Process.Pid, pid, again, stillThere,
			stat, err)
	}
	if used, ok := waitForChild(pid); !ok || used <= 0 {
		t.Errorf("it used %v, waited for: %v", used, ok)
	}
	if pid, found := endedChild(); found {
		t.Errorf("child %d is found after it was waited for", pid)
	}
}
