package attack

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"runtimelab/lab/nonblock"
)

// pollCycle is taken when the runtime's poller has next looked at all that it
// watches: an eventfd tells of each writing once (eventfd(2), EPOLLET of
// epoll(7)), also where nobody ever reads it.
type pollCycle struct {
	file      *os.File
	raw       syscall.RawConn
	step      func(fd uintptr) bool
	signalled bool
	err       error
}

func newPollCycle() (*pollCycle, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making what the generator polls by: %w", err)
	}
	t := &pollCycle{file: os.NewFile(uintptr(fd), "eventfd")}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("making what the generator polls by: %w", err), t.file.Close())
	}
	t.step = t.signalOrWait
	return t, nil
}

// wait waits for the turn, and reports whether it came: false after the end.
func (t *pollCycle) wait() bool {
	t.signalled = false
	return t.raw.Read(t.step) == nil && t.err == nil
}

var eventfdUnit = []byte{1, 0, 0, 0, 0, 0, 0, 0} // an eventfd's unit

// signalOrWait writes when the poller first calls it, and is called again when the
// poller has seen that.
func (t *pollCycle) signalOrWait(fd uintptr) bool {
	if t.signalled {
		return true
	}
	t.signalled = true
	_, t.err = nonblock.Write(fd, eventfdUnit)
	return t.err != nil
}

func (t *pollCycle) stop() { _ = t.file.Close() } // nothing was to be kept
