package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

// rawDir holds the hits of attacks, where they were asked for.
const rawDir = "raw"

// AddHits writes the hits of a sample's attack, which read hands over in
// chunks, to a file of its own under raw/: Vegeta's results in Vegeta's own
// encoding, for `vegeta report` and `vegeta plot`. The file appears when it is
// whole. It returns the file's path.
func (r *Run) AddHits(s lab.Sample, read func(each func([]lab.Hit) error) error) (path string, err error) {
	path = filepath.Join(r.dir, rawDir, hitsFileName(s))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("creating the folder of hits: %w", err)
	}
	f, err := os.Create(path + ".part")
	if err != nil {
		return "", fmt.Errorf("keeping hits: %w", err)
	}
	sum, counted := sha256.New(), byteCounter(0)
	err = writeHits(io.MultiWriter(f, sum, &counted), s, read)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("keeping hits in %s: %w", path, errors.Join(err, ignoreMissing(os.Remove(f.Name()))))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hits == nil {
		r.hits = make(map[string]FileSum)
	}
	r.hits[rawDir+"/"+hitsFileName(s)] = FileSum{Bytes: int64(counted), SHA256: hex.EncodeToString(sum.Sum(nil))}
	return path, nil
}

// byteCounter counts the bytes that are written to it.
type byteCounter int64

func (c *byteCounter) Write(b []byte) (int, error) {
	*c += byteCounter(len(b))
	return len(b), nil
}

// hitsFileName tells every attack of a run apart: a phase's name is unique in its
// scenario.
func hitsFileName(s lab.Sample) string {
	return fmt.Sprintf("%s_%s_c%d_b%d_a%d_%s.bin",
		tagPart(s.Scenario.Name), tagPart(s.Variant.ID()), s.Trial.Cores, s.Trial.Block, s.Trial.Attempt, tagPart(s.Phase.ID()))
}

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
