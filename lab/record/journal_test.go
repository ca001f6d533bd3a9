package record

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// fullDisk is a file that takes so many bytes and no more.
type fullDisk struct {
	content []byte
	room    int
	noSync  bool
}

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room-len(d.content))
	d.content = append(d.content, b[:n]...)
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (d *fullDisk) Sync() error {
	if d.noSync {
		return syscall.EIO
	}
	return nil
}

func (d *fullDisk) Truncate(size int64) error {
	d.content = d.content[:size]
	return nil
}

func (d *fullDisk) Close() error { return nil }

func TestAFullDiskLosesNothingThatWasWritten(t *testing.T) {
	disk := &fullDisk{room: 12}
	j := newJournal(disk, "results/x/trials.csv")
	if err := j.append([]byte("header\n")); err != nil {
		t.Fatal(err)
	}
	err := j.append([]byte("too long a row\n"))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "results/x/trials.csv") {
		t.Errorf("got %v, want no space left and the file's name", err)
	}
	if err := j.append([]byte("row\n")); err != nil { // room came back
		t.Fatal(err)
	}
	if got := string(disk.content); got != "header\nrow\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestARecordThatCannotBeSyncedIsNotKept(t *testing.T) {
	disk := &fullDisk{room: 100}
	j := newJournal(disk, "trials.csv")
	_ = j.append([]byte("a\n"))
	disk.noSync = true
	if err := j.append([]byte("b\n")); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v", err)
	}
	if got := string(disk.content); got != "a\n" {
		t.Errorf("the file holds %q", got)
	}
}
