package record

import (
	"bytes"
	"errors"
	"fmt"
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
	return fmt.Sprintf("%s/%s/c%d/b%d/a%d/%s/%s", tagPart(s.Scenario.Name), tagPart(s.Variant.ID()),
		s.Trial.Cores, s.Trial.Block, s.Trial.Attempt, tagPart(s.Phase.ID()), kind)
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
