package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"runtimelab/lab"
)

// lockFile is the file in a run's folder that its writer locks.
const lockFile = ".lock"

// flock is the system's, but for tests.
var flock = unix.Flock

// Free returns an error if the run in dir cannot be added to, because another lab
// writes it or its file system grants no locks.
func Free(dir string) error {
	lock, err := lockRun(dir)
	if err != nil {
		return err
	}
	return lock.Close()
}

// lockRun keeps a second lab from writing into a run's folder. The lock ends with the
// process that holds it, however that ends. It is on a file that is open for writing:
// NFS and SMB lock neither a folder nor a file that is open for reading only.
func lockRun(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	// A stranger's folder may hold a link to any file, which would be made.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, &lab.Fault{
			Code: lab.ExitFailed, Err: fmt.Errorf("locking %s: %w", dir, err),
			Hint: lab.Denied(err, dir),
		}
	}
	err = lock(f)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &lab.Fault{
			Code: lab.ExitFailed, Err: fmt.Errorf("%s is being written by another lab", dir),
			Hint: "wait until it has ended, or stop it",
		}
	} else {
		err = noLocks(dir, err)
	}
	return nil, errors.Join(err, f.Close())
}

// lock locks a file, or returns EWOULDBLOCK where another has locked it.
func lock(f *os.File) error {
	for {
		if err := flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func noLocks(dir string, err error) error {
	return &lab.Fault{
		Code: lab.ExitFailed,
		Err:  fmt.Errorf("nothing can be recorded in %s: its file system grants no lock: %w", dir, err),
		Hint: "mount it with locks (NFS: lockd on the server), or put results/ on another file system",
	}
}
