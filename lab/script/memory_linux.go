package script

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limitMemory limits the writable memory of this process (setrlimit(2), RLIMIT_DATA).
func limitMemory(bytes uint64) error {
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		return fmt.Errorf("evaluate scripts: limit their memory: %w", err)
	}
	return nil
}
