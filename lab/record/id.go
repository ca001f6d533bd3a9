package record

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// NewID names a run that starts at a moment: 20261123T231501Z-ab12. Names sort
// by start; the random suffix tells runs of the same second apart.
func NewID(at time.Time) string {
	suffix := make([]byte, 2)
	rand.Read(suffix) // never fails: crypto/rand ends the process instead
	return at.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(suffix)
}

// HostID is a short hash of what identifies a machine, in the order given. It
// begins with a letter that no number begins with, so that type inference
// cannot take it for one.
func HostID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = io.WriteString(h, fmt.Sprintf("%d:%s", len(p), p)) // a hash takes everything
	}
	return "h" + hex.EncodeToString(h.Sum(nil))[:10]
}
