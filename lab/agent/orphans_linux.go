package agent

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newOrphans returns nil if another process is the first of this namespace: children of this one are
// then those that it started itself.
func newOrphans() *orphans {
	if os.Getpid() != agentPID {
		return nil
	}
	return &orphans{ended: endedChild, wait: waitForChild}
}

// childInfo is siginfo_t of 64-bit Linux as waitid(2) fills it: x/sys keeps its fields to itself.
type childInfo struct {
	_   [4]int32 // signal, error, code, padding
	pid int32
	_   [27]int32
}

// endedChild returns a child that has ended, and leaves it as it is.
func endedChild() (pid int, found bool) {
	var info childInfo
	err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)),
		unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return int(info.pid), err == nil && info.pid > 0
}

// waitForChild waits for a child that has ended.
func waitForChild(pid int) (used time.Duration, ok bool) {
	var u unix.Rusage
	waited, err := unix.Wait4(pid, nil, unix.WNOHANG, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err == nil && waited == pid
}
