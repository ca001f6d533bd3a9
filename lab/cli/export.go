package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

type exportCommand struct {
	Benchfmt bool   `help:"The Go benchmark format, which benchstat reads: a line for each row of trials.csv that is valid."`
	Name     string `arg:"" name:"run" optional:"" help:"The run: its id under results/, or its folder. Default: the newest."`
}

// Run prints a run in another format, and starts nothing.
func (c *exportCommand) Run(a *app) error {
	if !c.Benchfmt {
		return &lab.Fault{Code: lab.ExitUsage, Err: errors.New("exporting: no format was named"), Hint: "formats: --benchfmt, the Go benchmark format, for benchstat"}
	}
	dir, err := record.Resolve(a.results(), c.Name)
	if err != nil {
		return err
	}
	if _, err := record.ReadInfo(dir); err != nil { // refuses other schemas
		return err
	}
	path := filepath.Join(dir, record.TrialsFile)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	defer f.Close()
	left, err := exportBenchfmt(a.Out, f)
	if err != nil {
		return fmt.Errorf("exporting %s: %w", path, err)
	}
	if left > 0 {
		a.say("%s left out: what is no valid figure, or a bound, is none that benchstat could judge", plural(left, "row", "rows"))
	}
	return nil
}

// exportBenchfmt writes the valid rows of a trials.csv as Go benchmark results,
// and returns how many it left out. https://golang.org/design/14313-benchmark-format
func exportBenchfmt(out io.Writer, in io.Reader) (left int, err error) {
	rows, err := record.NewRows(in)
	if err != nil {
		return 0, err
	}
	w := benchfmt.NewWriter(out)
	for _, m := range exported() {
		unit := &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: m.Name, Key: "better"}, OrigUnit: m.Name, Value: string(m.Better)}
		if err := w.Write(unit); err != nil {
			return 0, err
		}
	}
	header := rows.Header()
	cells := make([]string, len(header))
	err = rows.Each(header, func(row [][]byte) error {
		for i, cell := range row {
			cells[i] = string(cell)
		}
		parsed, err := metric.ParseRow(header, cells)
		if err != nil {
			return err
		}
		result, ok := benchmarkOf(parsed)
		if !ok {
			left++
			return nil
		}
		return w.Write(result)
	})
	return left, err
}

// exported are the metrics that benchmarks have.
func exported() []metric.Metric { return compare.All().Metrics() }

// configuration is the columns by which benchstat keeps results apart: what they
// differ in is not of the same thing. The run is not one of them, for two runs are
// what it is to compare.
var configuration = []string{"host_id", "scenario_sha256", "parameters", "runtime_version", "content_sha256", "base_origin"}

// benchmarkOf is a row as a benchmark's result: false for one that is not valid.
func benchmarkOf(row metric.Row) (*benchfmt.Result, bool) {
	requests, ok := row.Int("requests")
	if !ok || requests <= 0 || lab.Validity(row.Text("validity")) != lab.Valid {
		return nil, false
	}
	result := &benchfmt.Result{Name: benchmarkName(row), Iters: int(requests)}
	for _, name := range configuration {
		if value := row.Text(name); value != "" {
			// Keys begin with a lower-case letter and have no upper-case one: columns are like that.
			result.Config = append(result.Config, benchfmt.Config{Key: name, Value: []byte(value), File: true})
		}
	}
	for _, m := range exported() {
		if value, ok := row.Float(m.Name); ok {
			result.Values = append(result.Values, benchfmt.Value{Value: value, Unit: m.Name})
		}
	}
	return result, len(result.Values) > 0
}

// benchmarkName is what tells the trials of one thing from those of another:
// Json/variant=node_single/phase=peak/cpus=1. The CPUs come last, for a number
// after a dash at the end would be taken for GOMAXPROCS.
func benchmarkName(row metric.Row) benchfmt.Name {
	cpus, _ := row.Int("server_cpus")
	first, size := utf8.DecodeRuneInString(row.Text("scenario"))
	return fmt.Appendf(nil, "%c%s/variant=%s/phase=%s/cpus=%d", unicode.ToUpper(first), word(row.Text("scenario")[size:]),
		word(row.Text("variant")), word(row.Text("phase")), cpus)
}

// word keeps text from being read as parts of a benchmark's name.
func word(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, text)
}
