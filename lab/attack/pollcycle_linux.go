package attack

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"runtimelab/lab/nonblock"
)

// pollCycle waits for one cycle of Go's network poller: it writes to an eventfd and continues when
// the poller reports that write. An eventfd reports each write once, even if nothing reads it
// (eventfd(2), EPOLLET in epoll(7)).
type pollCycle struct {
	file      *os.File
	raw       syscall.RawConn
	step      func(fd uintptr) bool
	signalled bool
	err       error
}

// newPollCycle returns a pollCycle. Its owner must call stop.
func newPollCycle() (*pollCycle, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating the eventfd of the generator's poller: %w", err)
	}
	c := &pollCycle{file: os.NewFile(uintptr(fd), "eventfd")}
	if c.raw, err = c.file.SyscallConn(); err != nil {
		err = fmt.Errorf("creating the eventfd of the generator's poller: %w", err)
		return nil, errors.Join(err, c.file.Close())
	}
	c.step = c.signalOrWait
	return c, nil
}

// wait waits for the end of the next cycle and returns true. It returns false after stop.
func (c *pollCycle) wait() bool {
	c.signalled = false
	return c.raw.Read(c.step) == nil && c.err == nil
}

// eventfdUnit is a value that an eventfd can add to its counter: 1 in little-endian order.
var eventfdUnit = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// signalOrWait writes to the eventfd at its first call. The poller calls it again when it has seen
// that write.
func (c *pollCycle) signalOrWait(fd uintptr) bool {
	if c.signalled {
		return true
	}
	c.signalled = true
	_, c.err = nonblock.Write(fd, eventfdUnit)
	return c.err != nil
}

func (c *pollCycle) stop() { _ = c.file.Close() } // an eventfd has nothing to flush
