package record

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"runtimelab/lab/fault"
)

// MinDiskSpace is more than a run of all scenarios of the lab writes, without raw hits.
const MinDiskSpace = 64 << 20

// The disk space that raw hits take. A hit has about 110 bytes in Vegeta's encoding. The fastest
// servers answer 80 000 requests a second on a core. Hits of warm-ups are not kept, and these take
// almost half of a trial.
const (
	bytesPerHit   = 128
	hitsPerSecond = 40_000
)

// HitsDiskSpace estimates the bytes of the raw hits of attacks that last so long together.
func HitsDiskSpace(attacks time.Duration) uint64 {
	return uint64(attacks.Seconds() * hitsPerSecond * bytesPerHit)
}

// CheckDiskSpace returns an error unless a run's folder can be created in resultsDir, files there
// can be locked, and bytes fit on its disk. It finds before the measurement what would otherwise
// fail after an hour.
func CheckDiskSpace(resultsDir string, bytes uint64) error {
	if err := os.MkdirAll(resultsDir, 0o755); err != nil {
		return diskFault(resultsDir, err)
	}
	probe, err := os.CreateTemp(resultsDir, ".room-*")
	if err != nil {
		return diskFault(resultsDir, err)
	}
	lock := flock.New(probe.Name(), flock.SetFlag(os.O_RDWR))
	_, lockErr := lockUninterrupted(lock)
	_, err = probe.Write(make([]byte, 4096))
	err = errors.Join(err, probe.Sync(), probe.Close(), lock.Close(), os.Remove(probe.Name()))
	if err != nil {
		return diskFault(resultsDir, err)
	}
	if lockErr != nil {
		return lockFault(resultsDir, lockErr)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(resultsDir, &disk); err != nil {
		return diskFault(resultsDir, err)
	}
	free := uint64(disk.Bavail) * uint64(disk.Bsize) //nolint:unconvert // the types differ between systems
	if free < bytes {
		return diskFault(resultsDir,
			fmt.Errorf("its disk has %d MiB free, and a run may need %d MiB", free>>20, bytes>>20))
	}
	return nil
}

// diskFault returns the error of a folder into which nothing can be written.
func diskFault(dir string, err error) error {
	return &fault.Error{
		Code: fault.ExitFailed, Err: fmt.Errorf("nothing can be recorded in %s: %w", dir, err),
		Hint: cmp.Or(fault.Denied(err, dir), "make the folder writable and free disk space"),
	}
}
