package attack

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"runtimelab/lab"
)

// hitsPerChunk is the number of hits in one gob message: a message costs gob more than the hits in
// it.
const hitsPerChunk = 1024

// hitStream is where the recorders of an attack write their hits.
type hitStream struct {
	mu       sync.Mutex // taken for each chunk, not for each hit
	buffered *bufio.Writer
	out      *gob.Encoder
	count    int64
	err      error
}

func (s *hitStream) write(hits []lab.Hit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count += int64(len(hits))
	if s.err == nil {
		s.err = s.out.Encode(hits)
	}
}

// hitWriter writes hits in chunks, so that memory does not grow with the attack. Each recorder has its
// own.
type hitWriter struct {
	stream *hitStream
	hits   []lab.Hit
}

func newHitWriter(out io.Writer) *hitWriter {
	b := bufio.NewWriterSize(out, 64<<10)
	return newHitWriterTo(&hitStream{buffered: b, out: gob.NewEncoder(b)})
}

// newHitWriterTo returns a writer to a stream that other writers use, too.
func newHitWriterTo(s *hitStream) *hitWriter {
	return &hitWriter{stream: s, hits: make([]lab.Hit, 0, hitsPerChunk)}
}

func (w *hitWriter) add(h lab.Hit) {
	if w.hits = append(w.hits, h); len(w.hits) == hitsPerChunk {
		w.flush()
	}
}

// flush writes the hits that are not written yet.
func (w *hitWriter) flush() {
	if len(w.hits) > 0 {
		w.stream.write(w.hits)
	}
	w.hits = w.hits[:0]
}

// finish writes the remaining hits and returns the number of all hits of the stream. The stream's other
// writers must have been flushed.
func (w *hitWriter) finish() (int64, error) {
	w.flush()
	s := w.stream
	if s.err == nil {
		s.err = s.buffered.Flush()
	}
	if s.err != nil {
		return 0, fmt.Errorf("writing the hits of an attack: %w", s.err)
	}
	return s.count, nil
}

// ReadHits calls each with the hits that Run kept, chunk by chunk, in the order in which they
// ended. The chunks of several event loops alternate. It does not reuse a chunk, so each may keep it.
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
