package record

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// NewID returns an id for a run with this start, such as 20261123T231501Z-ab12. Ids sort by start.
// The random suffix distinguishes runs of the same second.
func NewID(at time.Time) string {
	suffix := make([]byte, 2)
	rand.Read(suffix) // never fails: crypto/rand aborts the process instead
	return at.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(suffix)
}

// HostID returns a short hash of parts, which identify a machine. It begins with a letter that
// begins no number, so that type inference never reads it as a number.
func HostID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = io.WriteString(h, fmt.Sprintf("%d:%s", len(p), p)) // writing to a hash never fails
	}
	return "h" + hex.EncodeToString(h.Sum(nil))[:10]
}
