package nonblock_test

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"runtimelab/lab/nonblock"
)

// socketPair returns two connected sockets in non-blocking mode.
func socketPair(t *testing.T) (a, b uintptr) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		t.Cleanup(func() { _ = syscall.Close(fd) }) // the test may have closed it
		if err := syscall.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	return uintptr(fds[0]), uintptr(fds[1])
}

func TestReadAndWriteReturnEAGAINAtOnce(t *testing.T) {
	a, b := socketPair(t)
	p := make([]byte, 1<<16)
	if n, err := nonblock.Read(a, p); n != 0 || !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("read %d bytes from an empty socket, error %v", n, err)
	}
	var err error
	written := 0
	for n := 0; err == nil; n, err = nonblock.Write(a, p) {
		written += n
	}
	if written == 0 || !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("wrote %d bytes to a socket without a reader, error %v", written, err)
	}
	read := 0
	for err = nil; err == nil; {
		var n int
		n, err = nonblock.Read(b, p)
		read += n
	}
	if read != written || !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("read %d of %d, error %v", read, written, err)
	}
}

func TestReadReturnsTheBytesWrittenAndZeroAtTheEnd(t *testing.T) {
	a, b := socketPair(t)
	if n, err := nonblock.Write(a, []byte("hello")); n != 5 || err != nil {
		t.Fatalf("wrote %d, error %v", n, err)
	}
	if err := syscall.Close(int(a)); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if n, err := nonblock.Read(b, p); !bytes.Equal(p[:n], []byte("hello")) || err != nil {
		t.Errorf("read %q, error %v", p[:n], err)
	}
	if n, err := nonblock.Read(b, p); n != 0 || err != nil {
		t.Errorf("read %d bytes after the end, error %v", n, err)
	}
	if _, err := nonblock.Write(b, p); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing to a closed peer: error %v", err)
	}
}
