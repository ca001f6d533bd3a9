package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"runtimelab/lab/fault"
)

// lockFile is the file in a run's folder that its writer locks.
const lockFile = ".lock"

// tryLock is flock's TryLock; tests replace it.
var tryLock = (*flock.Flock).TryLock

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
func lockRun(dir string) (*flock.Flock, error) {
	// Do not follow links: a folder from elsewhere could point to any file, which would be created.
	lock := flock.New(filepath.Join(dir, lockFile),
		flock.SetFlag(os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW), flock.SetPermissions(0o644))
	held, err := lockUninterrupted(lock)
	switch notOpened := (*fs.PathError)(nil); {
	case errors.As(err, &notOpened):
		return nil, &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("locking %s: %w", dir, err),
			Hint: fault.Denied(err, dir),
		}
	case err != nil:
		return nil, lockFault(dir, err)
	case !held:
		return nil, &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("%s is being written by another lab", dir),
			Hint: "wait until that lab has ended, or stop it",
		}
	}
	return lock, nil
}

// lockUninterrupted locks a file and reports whether it did: another process may hold the lock.
// It tries again after a signal, which interrupts a lock on some network file systems.
func lockUninterrupted(f *flock.Flock) (held bool, err error) {
	for {
		if held, err = tryLock(f); !errors.Is(err, unix.EINTR) {
			return held, err
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
