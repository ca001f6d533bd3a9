package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
	"runtimelab/lab/verdict"
)

type exportCommand struct {
	Benchfmt bool     `help:"The Go benchmark format, which benchstat reads: a line for each row of trials.csv that is valid." xor:"format"`
	Twins    bool     `help:"What arms that do not differ had in each block (the A/A controls of runs), for lab simulate." xor:"format"`
	Names    []string `arg:"" name:"run" optional:"" help:"Runs: their ids under results/, or their folders. Default: the newest."`
}

// Run prints runs in another format, and starts nothing.
func (c *exportCommand) Run(a *app) error {
	dirs, err := c.dirs(a)
	switch {
	case !c.Benchfmt && !c.Twins:
		return &lab.Fault{
			Code: lab.ExitUsage, Err: errors.New("exporting: no format was named"),
			Hint: "formats: --benchfmt, the Go benchmark format, for benchstat; --twins, pair,block,a,b, for lab " +
				"simulate",
		}
	case err != nil:
		return err
	case c.Twins:
		return exportTwins(a, dirs)
	case len(dirs) > 1:
		return &lab.Fault{
			Code: lab.ExitUsage,
			Err:  fmt.Errorf("exporting: %d runs in one benchmark file would be taken for one", len(dirs)),
			Hint: "write a file for each run, and give benchstat all of them",
		}
	}
	return benchmarks(a, dirs[0])
}

// dirs are the folders of the runs that are to be exported.
func (c *exportCommand) dirs(a *app) (dirs []string, err error) {
	names := c.Names
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		dir, err := record.ResolveRun(a.results(), name)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// benchmarks prints one run as Go benchmarks.
func benchmarks(a *app, dir string) error {
	if _, err := record.ReadInfo(dir); err != nil { // refuses other schemas
		return err
	}
	path := filepath.Join(dir, record.TrialsFile)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	defer f.Close()
	left, doubts, err := exportBenchfmt(a.ctx, a.Out, f)
	if err != nil {
		return fmt.Errorf("exporting %s: %w", path, err)
	}
	for _, doubt := range doubts {
		a.messagef("doubt: %s", doubt)
	}
	if left > 0 {
		a.messagef("%s left out: what is no valid figure, or a bound, is none that benchstat could judge",
			plural(left, "row", "rows"))
	}
	return nil
}

// exportTwins prints the A/A controls of runs as a recording.
func exportTwins(a *app, dirs []string) error {
	var all stat.Recording
	runs := map[string][]string{} // by what was measured in them
	for _, dir := range dirs {
		run, err := interruptible(a.ctx, func() (*record.StoredRun, error) { return record.Read(dir) })
		if err != nil {
			return err
		}
		for _, doubt := range run.Doubts {
			a.messagef("doubt: %s: %s", run.Info.RunID, doubt)
		}
		before := len(all.Pairs)
		for _, c := range run.Info.Plan.Controls {
			h := c.Hypothesis
			if h.Scenario == lab.ReferenceScenario {
				continue // those two differ
			}
			if twins := verdict.ArmValues(h, run.Rows); len(twins.A) > 0 {
				all.Pairs = append(all.Pairs, twins)
				what := fmt.Sprintf("%s of %s and %s, %s on host %s", h.Metric, h.Numerator, h.Denominator, h.Scenario,
					run.Info.Host.ID)
				runs[what] = append(runs[what], run.Info.RunID)
			}
		}
		if len(all.Pairs) == before {
			a.messagef("%s left out: no block of it has a valid trial of both arms of an A/A control", run.Info.RunID)
		}
	}
	if len(all.Pairs) == 0 {
		return &lab.Fault{
			Code: lab.ExitFailed, Err: errors.New("exporting: no run has arms that do not differ"),
			Hint: "smoke measures none: make lab PROFILE=quick",
		}
	}
	all.Origin = recordingOrigin(runs)
	return all.Write(a.Out)
}

// recordingOrigin says in few words what a recording is of.
func recordingOrigin(runs map[string][]string) string {
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(runs)) {
		ids := runs[what]
		text := what + ": run " + ids[0]
		if len(ids) > 1 {
			text = fmt.Sprintf("%s: %d runs, %s to %s", what, len(ids), slices.Min(ids), slices.Max(ids))
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

// exportBenchfmt writes the valid rows of a trials.csv as Go benchmark results,
// and returns how many it left out, and what it could not read. https://golang.org/design/14313-benchmark-format
func exportBenchfmt(ctx context.Context, out io.Writer, in io.Reader) (left int, doubts []string, err error) {
	rows, err := record.NewRowReader(in)
	if err != nil {
		return 0, nil, err
	}
	w := benchfmt.NewWriter(out)
	for _, m := range exportedMetrics() {
		unit := &benchfmt.UnitMetadata{
			UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: m.Name, Key: "better"},
			OrigUnit:        m.Name, Value: string(m.Better),
		}
		if err := w.Write(unit); err != nil {
			return 0, nil, err
		}
	}
	header := rows.Header()
	cells := make([]string, len(header))
	checked := false
	err = rows.Each(header, func(row [][]byte) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !checked { // after the schema, which says what the columns are
			if err := rows.Require(slices.Concat(record.Structure(), benchConfigColumns)...); err != nil {
				return err
			}
			checked = true
		}
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
	return left, rows.Doubts(), err
}

// exportedMetrics are the metrics that benchmarks have.
func exportedMetrics() []metric.Metric { return compare.AllMetrics().Metrics() }

// benchConfigColumns is the columns by which benchstat keeps results apart: what they
// differ in is not of the same thing. The run is not one of them, for two runs are
// what it is to compare.
var benchConfigColumns = []string{
	"host_id", "scenario_sha256", "parameters", "runtime_version",
	"content_sha256", "base_origin",
}

// benchmarkOf is a row as a benchmark's result: false for one that is not valid.
func benchmarkOf(row metric.Row) (*benchfmt.Result, bool) {
	requests, ok := row.Int("requests")
	if !ok || requests <= 0 || lab.Validity(row.Text("validity")) != lab.Valid {
		return nil, false
	}
	result := &benchfmt.Result{Name: benchmarkName(row), Iters: int(requests)}
	for _, name := range benchConfigColumns {
		if value := row.Text(name); value != "" {
			// Keys begin with a lower-case letter and have no upper-case one: columns are like that.
			result.Config = append(result.Config, benchfmt.Config{Key: name, Value: []byte(value), File: true})
		}
	}
	for _, m := range exportedMetrics() {
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
	return fmt.Appendf(nil, "%c%s/variant=%s/phase=%s/cpus=%d", unicode.ToUpper(first),
		escapeNamePart(row.Text("scenario")[size:]),
		escapeNamePart(row.Text("variant")), escapeNamePart(row.Text("phase")), cpus)
}

// escapeNamePart keeps text from being read as parts of a benchmark's name.
func escapeNamePart(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, text)
}
