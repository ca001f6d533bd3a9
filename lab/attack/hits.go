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

// hitsPerChunk is the number of hits in one gob message: a message costs gob more than the hits in
// it.
const hitsPerChunk = 1024

// hitWriter writes hits in chunks, so that memory does not grow with the attack.
type hitWriter struct {
	buffered *bufio.Writer
	out      *gob.Encoder
	hits     []lab.Hit
	count    int64
	err      error
}

func newHitWriter(out io.Writer) *hitWriter {
	b := bufio.NewWriterSize(out, 64<<10)
	return &hitWriter{buffered: b, out: gob.NewEncoder(b), hits: make([]lab.Hit, 0, hitsPerChunk)}
}

func (w *hitWriter) add(h lab.Hit) {
	w.count++
	if w.hits = append(w.hits, h); len(w.hits) == hitsPerChunk {
		w.write()
	}
}

func (w *hitWriter) write() {
	if w.err == nil {
		w.err = w.out.Encode(w.hits)
	}
	w.hits = w.hits[:0]
}

// finish writes the remaining hits and returns the number of all hits.
func (w *hitWriter) finish() (int64, error) {
	if len(w.hits) > 0 {
		w.write()
	}
	if w.err == nil {
		w.err = w.buffered.Flush()
	}
	if w.err != nil {
		return 0, fmt.Errorf("writing the hits of an attack: %w", w.err)
	}
	return w.count, nil
}

// ReadHits calls each with the hits that Run kept, chunk by chunk, in the order in which they
// ended. It does not reuse a chunk, so each may keep it.
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
