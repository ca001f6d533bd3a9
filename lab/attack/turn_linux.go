package attack

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"runtimelab/lab/nonblock"
)

// turn is taken when the runtime's poller has next looked at all that it
// watches: an eventfd tells of each writing once (eventfd(2), EPOLLET of
// epoll(7)), also where nobody ever reads it.
type turn struct {
	file *os.File
	raw  syscall.RawConn
	step func(fd uintptr) bool
	told bool
	err  error
}

func newTurn() (*turn, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making what the generator polls by: %w", err)
	}
	t := &turn{file: os.NewFile(uintptr(fd), "eventfd")}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("making what the generator polls by: %w", err), t.file.Close())
	}
	t.step = t.tellOrTake
	return t, nil
}

// take waits for the turn, and reports whether it came: false after the end.
func (t *turn) take() bool {
	t.told = false
	return t.raw.Read(t.step) == nil && t.err == nil
}

var one = []byte{1, 0, 0, 0, 0, 0, 0, 0} // an eventfd's unit

// tellOrTake writes when the poller first calls it, and is called again when the
// poller has seen that.
func (t *turn) tellOrTake(fd uintptr) bool {
	if t.told {
		return true
	}
	t.told = true
	_, t.err = nonblock.Write(fd, one)
	return t.err != nil
}

func (t *turn) end() { _ = t.file.Close() } // nothing was to be kept
