package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

// rawDir is the folder of the hits of attacks, if a run keeps them.
const rawDir = "raw"

// AddHits writes the hits of a sample's attack to a new file under raw/ and returns its path. It
// writes Vegeta's results in Vegeta's encoding, for `vegeta report` and `vegeta plot`. read calls
// its argument with the hits in chunks. The file appears under its name only when it is complete.
func (r *Run) AddHits(s lab.Sample, read func(each func([]lab.Hit) error) error) (path string, err error) {
	path = filepath.Join(r.dir, rawDir, hitsFileName(s))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("creating the folder of raw hits: %w", err)
	}
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)),
		renameio.WithPermissions(0o644))
	if err != nil {
		return "", fmt.Errorf("writing raw hits: %w", err)
	}
	sum, size := sha256.New(), byteCounter(0)
	if err = writeHits(io.MultiWriter(f, sum, &size), s, read); err == nil {
		err = f.CloseAtomicallyReplace()
	}
	if err != nil {
		return "", fmt.Errorf("writing raw hits to %s: %w", path, errors.Join(err, f.Cleanup()))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hits == nil {
		r.hits = make(map[string]FileSum)
	}
	r.hits[rawDir+"/"+hitsFileName(s)] = FileSum{Bytes: int64(size), SHA256: hex.EncodeToString(sum.Sum(nil))}
	return path, nil
}

// byteCounter counts the bytes that are written to it.
type byteCounter int64

// Write counts the bytes of b.
func (c *byteCounter) Write(b []byte) (int, error) {
	*c += byteCounter(len(b))
	return len(b), nil
}

// hitsFileName returns a name that is unique for every attack of a run, because a phase's name is
// unique in its scenario.
func hitsFileName(s lab.Sample) string {
	return fmt.Sprintf("%s_%s_c%d_b%d_a%d_%s.bin", tagPart(s.Scenario.Name), tagPart(s.Variant.ID()),
		s.Trial.Cores, s.Trial.Block, s.Trial.Attempt, tagPart(s.Phase.ID()))
}

// writeHits writes the hits that read delivers to f.
func writeHits(f io.Writer, s lab.Sample, read func(each func([]lab.Hit) error) error) error {
	encode := vegeta.NewEncoder(f)
	name := s.Scenario.Name + " " + s.Variant.ID()
	requests := s.Scenario.RequestsOf(s.Phase)
	return read(func(hits []lab.Hit) error {
		for _, h := range hits {
			result := vegeta.Result{
				Attack: name, Seq: h.Seq, Code: uint16(h.Status), Timestamp: h.SentAt, Latency: h.Latency,
				BytesIn: uint64(h.BytesIn), Error: h.Error,
			}
			if h.TargetIndex >= 0 && h.TargetIndex < len(requests) {
				request := requests[h.TargetIndex]
				result.Method, result.URL, result.BytesOut = request.Method, request.Path, uint64(len(request.Body))
			}
			if err := encode(&result); err != nil {
				return err
			}
		}
		return nil
	})
}
