package nonblock_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"runtimelab/lab/nonblock"
)

func TestPollReportsReadableDescriptors(t *testing.T) {
	a, b := socketPair(t)
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(epoll)
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, int(b),
		&unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(b)}); err != nil {
		t.Fatal(err)
	}
	events := make([]unix.EpollEvent, 8)
	if n, err := nonblock.Poll(epoll, events); n != 0 || err != nil {
		t.Errorf("%d events before anything happened, error %v", n, err)
	}
	if _, err := nonblock.Write(a, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := nonblock.Poll(epoll, events); n != 1 || err != nil || events[0].Fd != int32(b) {
		t.Errorf("%d events, the first of %d; error %v", n, events[0].Fd, err)
	}
}
