package record

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/HdrHistogram/hdrhistogram-go"

	"runtimelab/lab"
)

// histogramLog writes histograms.hlog in HdrHistogram's log format, version 1.3, with V2 compressed
// histograms of nanoseconds. Times are in seconds after the base time in the header. The third
// column is the maximum in milliseconds.
type histogramLog struct {
	j    *journal
	base time.Time
}

// createHistogramLog creates the file with its header.
func createHistogramLog(path string, startedAt time.Time) (*histogramLog, error) {
	j, err := createJournal(path)
	if err != nil {
		return nil, err
	}
	// The header holds whole seconds only.
	l := &histogramLog{j: j, base: startedAt.Truncate(time.Second)}
	var b bytes.Buffer
	w := hdrhistogram.NewHistogramLogWriter(&b)
	ms := l.base.UnixMilli()
	err = errors.Join(w.OutputLogFormatVersion(), w.OutputStartTime(ms), w.OutputBaseTime(ms), w.OutputLegend())
	if err == nil {
		err = j.append(b.Bytes())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("writing the header of %s: %w", path, err), j.close())
	}
	return l, nil
}

// add writes the histograms of a sample. A tag has the form
// json/node-single/c1/b1/a1/steady/corrected: scenario, variant, CPUs, block, attempt, phase and
// kind. The kind "failed" is the latency of failed requests; the others are of successful ones.
func (l *histogramLog) add(s lab.Sample) error {
	if s.Measured == nil {
		return nil
	}
	var b bytes.Buffer
	var errs []error
	for _, h := range []struct {
		kind    string
		latency *lab.Latency
	}{
		{"corrected", s.Measured.Attack.Corrected},
		{"raw", s.Measured.Attack.Raw},
		{"send_lag", s.Measured.Attack.SendLag},
		{"first_byte", s.Measured.Attack.FirstByte},
		{"failed", s.Measured.Attack.Failures},
	} {
		if h.latency == nil || len(h.latency.HDR) == 0 {
			continue
		}
		if err := l.write(&b, s, h.kind, h.latency.HDR); err != nil {
			errs = append(errs, fmt.Errorf("writing histogram %s to %s: %w", tag(s, h.kind), l.j.path, err))
		}
	}
	if b.Len() > 0 {
		errs = append(errs, l.j.append(b.Bytes()))
	}
	return errors.Join(errs...)
}

// write appends one interval with an encoded histogram to b.
func (l *histogramLog) write(b *bytes.Buffer, s lab.Sample, kind string, encoded []byte) error {
	h, err := hdrhistogram.Decode(encoded)
	if err != nil {
		return err
	}
	// The log has no negative times. If the clock was set back, the interval starts at 0.
	start := max(s.StartedAt.UnixMilli(), l.base.UnixMilli())
	h.SetTag(tag(s, kind))
	h.SetStartTimeMs(start)
	h.SetEndTimeMs(start + s.Measured.Attack.Elapsed.Milliseconds())
	w := hdrhistogram.NewHistogramLogWriter(b)
	w.SetBaseTime(l.base.UnixMilli())
	return w.OutputIntervalHistogram(h)
}

// tag returns the tag of a histogram, which is unique within the log.
func tag(s lab.Sample, kind string) string {
	trial := s.Trial.ID()
	trial.Scenario, trial.Variant = s.Scenario.Name, s.Variant.ID()
	return phaseTag(trial, s.Phase.ID()) + "/" + kind
}

// phaseTag returns what the tags of a phase's histograms begin with.
func phaseTag(trial lab.TrialID, phase string) string {
	return fmt.Sprintf("%s/%s/c%d/b%d/a%d/%s", tagPart(trial.Scenario), tagPart(trial.Variant),
		trial.Cores, trial.Block, trial.Attempt, tagPart(phase))
}

// Histogram is one histogram of a phase, read back. Its values are nanoseconds.
type Histogram struct {
	Trial lab.TrialID
	Phase string
	Kind  string // "corrected", "raw", "send_lag", "first_byte" or "failed"
	*hdrhistogram.Histogram
}

// EachHistogram calls each for every histogram of the kinds in histograms.hlog that belongs to one row,
// and returns how many belong to none, or to several whose names differ only in characters that tags
// replace. Histograms of other kinds are not decoded, which takes most of the time.
func (r *StoredRun) EachHistogram(kinds []string, each func(Histogram) error) (skipped int, err error) {
	phases := make(map[string][]Histogram) // without the histogram, by tag
	for _, row := range r.Rows {
		h := Histogram{Trial: row.TrialID(), Phase: row.Text("phase")}
		key := phaseTag(h.Trial, h.Phase)
		phases[key] = append(phases[key], h)
	}
	in, err := r.open(HistogramsFile)
	if err != nil || in == nil {
		return 0, err
	}
	defer in.Close()
	in.keep = func(line []byte) bool {
		tag, _, tagged := bytes.Cut(line, []byte{','})
		kind := tag[bytes.LastIndexByte(tag, '/')+1:]
		return !tagged || line[0] == '#' || slices.Contains(kinds, string(kind))
	}
	log := hdrhistogram.NewHistogramLogReader(in)
	for {
		histogram, err := log.NextIntervalHistogram()
		if err != nil {
			return skipped, fmt.Errorf("reading %s: %w", filepath.Join(r.Dir, HistogramsFile), err)
		}
		if histogram == nil {
			return skipped, nil
		}
		at := max(0, strings.LastIndexByte(histogram.Tag(), '/'))
		found := phases[histogram.Tag()[:at]]
		if len(found) != 1 {
			skipped++
			continue
		}
		h := found[0]
		h.Kind, h.Histogram = histogram.Tag()[at+1:], histogram
		if err := each(h); err != nil {
			return skipped, err
		}
	}
}

// tagPart returns a part of a tag or of a file name. It replaces commas, spaces and slashes, which
// end or divide them.
func tagPart(part string) string {
	return strings.Map(func(r rune) rune {
		if r == ',' || r == '/' || unicode.IsSpace(r) {
			return '-'
		}
		return r
	}, part)
}
