package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"runtimelab/lab/fault"
)

// lockFile is the file in a run's folder that its writer locks.
const lockFile = ".lock"

// flock is unix.Flock; tests replace it.
var flock = unix.Flock

// CheckUnlocked returns an error if the run in dir cannot be resumed now, because another lab
// writes it or its file system supports no locks.
func CheckUnlocked(dir string) error {
	lock, err := lockRun(dir)
	if err != nil {
		return err
	}
	return lock.Close()
}

// lockRun locks a run's folder, so that no second lab writes into it. The lock ends with its
// process, even if that is killed. The locked file is open for writing, because NFS and SMB lock
// neither folders nor files that are open for reading only.
func lockRun(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	// Do not follow links: a folder from elsewhere could point to any file, which would be created.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("locking %s: %w", dir, err),
			Hint: fault.Denied(err, dir),
		}
	}
	err = lock(f)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("%s is being written by another lab", dir),
			Hint: "wait until that lab has ended, or stop it",
		}
	} else {
		err = lockFault(dir, err)
	}
	return nil, errors.Join(err, f.Close())
}

// lock locks a file, or returns EWOULDBLOCK if another process has locked it.
func lock(f *os.File) error {
	for {
		if err := flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// lockFault returns the error of a folder in which files cannot be locked.
func lockFault(dir string, err error) error {
	return &fault.Error{
		Code: fault.ExitFailed,
		Err:  fmt.Errorf("nothing can be recorded in %s: its file system supports no locks: %w", dir, err),
		Hint: "mount it with locks (NFS: lockd on the server), or put results/ on another file system",
	}
}
