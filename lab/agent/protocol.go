package agent

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"time"

	"runtimelab/lab"
)

const (
	verbProbe  = "probe"
	verbAwait  = "await"
	verbCheck  = "check"
	verbAttack = "attack"
	verbRead   = "read"
	verbCanary = "canary"
)

type request struct {
	ID        int             `json:"id"`
	Verb      string          `json:"verb"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// Awaited is a server whose first correct answer is waited for.
type Awaited struct {
	BaseURL  string        `json:"base_url"`
	Target   lab.Target    `json:"target"` // an empty body takes any
	Patience time.Duration `json:"patience_ns"`
}

// piece is a part of what the last attack kept of its hits.
type piece struct {
	Offset int64  `json:"offset"`
	Bytes  []byte `json:"bytes,omitempty"` // empty at the end
}

// pieceSize is how much of a spool one reply carries.
const pieceSize = 1 << 20

type checked struct {
	BaseURL  string `json:"base_url"`
	Requests []byte `json:"requests"` // []lab.Request, packed
}

// pack makes requests small. The contract's bodies that are too large are
// megabytes of one letter: as JSON they cost a second of every run.
func pack(requests []lab.Request) ([]byte, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("packing requests: %w", err)
	}
	if err := gob.NewEncoder(z).Encode(requests); err != nil {
		return nil, fmt.Errorf("packing requests: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("packing requests: %w", err)
	}
	return packed.Bytes(), nil
}

func unpack(packed []byte) (requests []lab.Request, err error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpacking requests: %w", err)
	}
	if err := gob.NewDecoder(z).Decode(&requests); err != nil {
		return nil, fmt.Errorf("unpacking requests: %w", err)
	}
	return requests, nil
}
