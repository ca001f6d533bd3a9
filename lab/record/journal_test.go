package record

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// fullDisk is a file of at most capacity bytes.
type fullDisk struct {
	content  []byte
	capacity int
	noSync   bool // whether Sync fails
}

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.capacity-len(d.content))
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

func TestAFullDiskKeepsCompleteRecords(t *testing.T) {
	disk := &fullDisk{capacity: 12}
	j := newJournal(disk, "results/x/trials.csv")
	if err := j.append([]byte("header\n")); err != nil {
		t.Fatal(err)
	}
	err := j.append([]byte("too long a row\n"))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "results/x/trials.csv") {
		t.Errorf("got %v, want ENOSPC and the file's name", err)
	}
	if err := j.append([]byte("row\n")); err != nil { // a shorter record still fits
		t.Fatal(err)
	}
	if got := string(disk.content); got != "header\nrow\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestARecordThatCannotBeSyncedIsRemoved(t *testing.T) {
	disk := &fullDisk{capacity: 100}
	j := newJournal(disk, "trials.csv")
	_ = j.append([]byte("a\n"))
	disk.noSync = true
	if err := j.append([]byte("b\n")); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want EIO", err)
	}
	if got := string(disk.content); got != "a\n" {
		t.Errorf("the file holds %q", got)
	}
}
