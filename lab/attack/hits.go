package attack

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"

	"runtimelab/lab"
)

// hitsPerChunk is how many hits are written and read at once: gob spends most on a
// message, not on what is in it.
const hitsPerChunk = 1024

// hitWriter writes hits as they come, in chunks, so that memory does not grow.
type hitWriter struct {
	buffered *bufio.Writer
	out      *gob.Encoder
	hits     []lab.Hit
	count    int64
	err      error
}

func newHitWriter(w io.Writer) *hitWriter {
	b := bufio.NewWriterSize(w, 64<<10)
	return &hitWriter{buffered: b, out: gob.NewEncoder(b), hits: make([]lab.Hit, 0, hitsPerChunk)}
}

func (k *hitWriter) add(h lab.Hit) {
	k.count++
	if k.hits = append(k.hits, h); len(k.hits) == hitsPerChunk {
		k.write()
	}
}

func (k *hitWriter) write() {
	if k.err == nil {
		k.err = k.out.Encode(k.hits)
	}
	k.hits = k.hits[:0]
}

// finish writes the rest and returns how many hits there are.
func (k *hitWriter) finish() (int64, error) {
	if len(k.hits) > 0 {
		k.write()
	}
	if k.err == nil {
		k.err = k.buffered.Flush()
	}
	if k.err != nil {
		return 0, fmt.Errorf("keeping the hits: %w", k.err)
	}
	return k.count, nil
}

// ReadHits hands the hits that Run kept to each, a chunk at a time, in the
// order in which they ended. A chunk is each's to keep.
func ReadHits(r io.Reader, each func([]lab.Hit) error) error {
	in := gob.NewDecoder(bufio.NewReader(r))
	for {
		var hits []lab.Hit
		err := in.Decode(&hits)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the hits of an attack: %w", err)
		}
		if err := each(slices.Clip(hits)); err != nil {
			return err
		}
	}
}
