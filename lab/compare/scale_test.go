package compare_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"runtimelab/lab/compare"
	"runtimelab/lab/metric"
)

// largeFile generates the text of a trials.csv: 50 variants of 4 scenarios with two phases each,
// block after block. Every column has a value as long as those that the lab writes.
type largeFile struct {
	runID string
	rows  int

	columns []metric.Metric
	next    int
	random  *rand.Rand
	buffer  []byte
	pending []byte // part of buffer that is not read yet
}

func newLargeFile(runID string, rows int, seed uint64) *largeFile {
	return &largeFile{
		runID: runID, rows: rows, columns: metric.Table(), random: rand.New(rand.NewPCG(seed, 0)),
		pending: []byte(strings.Join(metric.Header(), ",") + "\n"),
	}
}

func (l *largeFile) Read(b []byte) (int, error) {
	if len(l.pending) == 0 {
		if l.next == l.rows {
			return 0, io.EOF
		}
		l.buffer = l.row(l.buffer[:0])
		l.pending = l.buffer
		l.next++
	}
	n := copy(b, l.pending)
	l.pending = l.pending[n:]
	return n, nil
}

func (l *largeFile) row(b []byte) []byte {
	phase, variant, scenario, block := l.next%2, l.next/2%50, l.next/100%4, l.next/400+1
	for i, m := range l.columns {
		if i > 0 {
			b = append(b, ',')
		}
		switch m.Name {
		case "run_id":
			b = append(b, l.runID...)
		case "host_id":
			b = append(b, "h0000000001"...)
		case "scenario":
			b = strconv.AppendInt(append(b, "json-"...), int64(scenario), 10)
		case "scenario_sha256", "content_sha256", "image_id":
			b = append(b, "0240531517d09db41c1ffba1013986b0500b58bf9dc2982eff41241b9ccdd041"...)
		case "variant":
			b = strconv.AppendInt(append(b, "python/threads-"...), int64(variant), 10)
		case "base_origin":
			b = append(b, `"debian forky: python3 3.14.7-3, python3-venv 3.14.7-3, python3-pip 26.2.2+dfsg-1"`...)
		case "block":
			b = strconv.AppendInt(b, int64(block), 10)
		case "phase":
			b = append(b, [...]string{"peak", "steady-50%"}[phase]...)
		case "phase_kind":
			b = append(b, [...]string{"peak", "steady"}[phase]...)
		case "schema_version":
			b = strconv.AppendInt(b, metric.SchemaVersion, 10)
		case "validity":
			b = append(b, "valid"...)
		case "offered_rps", "deadline_ms":
			b = append(b, "2.000"...)
		case "connections", "server_cpus", "attempt":
			b = append(b, '2')
		case "validity_reason":
		default:
			switch m.Kind {
			case metric.Float:
				b = strconv.AppendFloat(b, 1000*(1+l.random.Float64()), 'f', m.Decimals, 64)
			case metric.Integer:
				b = strconv.AppendInt(b, int64(l.random.IntN(1000)), 10)
			default:
				b = append(b, "true"...)
			}
		}
	}
	return append(b, '\n')
}

func (l *largeFile) source() compare.Source {
	return compare.Source{Label: l.runID, Open: func() (io.ReadCloser, error) { return io.NopCloser(l), nil }}
}

func TestMemoryDoesNotGrowWithRows(t *testing.T) {
	allocated := func(rows int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		runs, err := compare.Read(context.Background(), []compare.Source{newLargeFile("a", rows, 1).source()},
			compare.DefaultMetrics())
		if err != nil {
			t.Fatal(err)
		}
		if runs[0].Rows != rows {
			t.Fatalf("%d rows, want %d", runs[0].Rows, rows)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	// All allocations, collected or not, grow by less than a byte for each row.
	if few, many := allocated(2_000), allocated(40_000); many > few+38_000 {
		t.Errorf("%d bytes for 2 000 rows, %d for 40 000", few, many)
	}
}

// BenchmarkCompareAMillionRows compares two files with every column. Run it with
// go test ./lab/compare -run '^$' -bench Million -benchtime 1x
func BenchmarkCompareAMillionRows(b *testing.B) {
	const rows = 1_000_000
	dir := b.TempDir()
	var sources []compare.Source
	for i, id := range []string{"a", "b"} {
		path := filepath.Join(dir, id+".csv")
		if err := writeLargeFile(path, newLargeFile(id, rows, uint64(i))); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%s: %d MiB", path, info.Size()>>20)
		open := func() (io.ReadCloser, error) { return os.Open(path) }
		sources = append(sources, compare.Source{Label: id, Open: open})
	}
	resetPeakMemory()
	b.ResetTimer()
	start, cpuBefore := time.Now(), cpuSeconds()
	for b.Loop() {
		runs, err := compare.Read(context.Background(), sources, compare.DefaultMetrics())
		if err != nil {
			b.Fatal(err)
		}
		if c := compare.Compare(runs[0], runs[1], compare.DefaultThreshold); len(c.Lines) != 200*11 {
			b.Fatalf("%d lines", len(c.Lines))
		}
	}
	b.ReportMetric(time.Since(start).Seconds()/float64(b.N), "s/compare")
	b.ReportMetric((cpuSeconds()-cpuBefore)/float64(b.N), "cpu-s/compare") // varies least on a busy machine
	if mib, ok := peakMiB(); ok {
		b.ReportMetric(mib, "MiB-peak")
	}
}

func writeLargeFile(path string, l *largeFile) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := io.Copy(w, l); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func cpuSeconds() float64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// resetPeakMemory resets the peak memory of the process that Linux reports.
func resetPeakMemory() {
	runtime.GC()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200) // other systems do not report it
}

// peakMiB returns the peak memory of the process, or false if the kernel does not report it.
func peakMiB() (mib float64, ok bool) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return 0, false
	}
	return kib / 1024, true
}
