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
	"runtimelab/lab/archive"
	"runtimelab/lab/compare"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
	"runtimelab/lab/verdict"
)

type exportCommand struct {
	Benchfmt bool     `help:"${export_benchfmt_help}" xor:"format"`
	Twins    bool     `help:"${export_twins_help}" xor:"format"`
	Names    []string `arg:"" name:"run" optional:"" help:"${export_runs_help}"`
}

// Run prints runs in another format. It needs no engine.
func (c *exportCommand) Run(a *app) error {
	dirs, err := c.dirs(a)
	switch {
	case !c.Benchfmt && !c.Twins:
		return &fault.Error{
			Code: fault.ExitUsage, Err: errors.New("exporting: no format was named"),
			Hint: "formats: --benchfmt (the Go benchmark format, for benchstat), " +
				"--twins (pair,block,a,b, for lab simulate)",
		}
	case err != nil:
		return err
	case c.Twins:
		return exportTwins(a, dirs)
	case len(dirs) > 1:
		return &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("exporting: benchstat would read %d runs in one file as one run", len(dirs)),
			Hint: "write a file for each run, and give all of them to benchstat",
		}
	}
	return exportBenchmarks(a, dirs[0])
}

// dirs returns the folders of the runs to export: the newest run if none is named.
func (c *exportCommand) dirs(a *app) (dirs []string, err error) {
	names := c.Names
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		dir, err := archive.Resolve(a.resultsFolder(), name)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// exportBenchmarks prints one run in the Go benchmark format.
func exportBenchmarks(a *app, dir string) error {
	if _, err := record.ReadInfo(dir); err != nil { // an error for other schema versions
		return err
	}
	path := filepath.Join(dir, record.TrialsFile)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	defer f.Close()
	skipped, doubts, err := exportBenchfmt(a.ctx, a.Out, f)
	if err != nil {
		return fmt.Errorf("exporting %s: %w", path, err)
	}
	for _, doubt := range doubts {
		a.messagef("doubt: %s", doubt)
	}
	if skipped > 0 {
		a.messagef("%s left out: only valid rows can be exported to benchstat",
			message.Count(skipped, "row", "rows"))
	}
	return nil
}

// exportTwins prints the A/A controls of runs as a recording for lab simulate.
func exportTwins(a *app, dirs []string) error {
	var all stat.Recording
	runs := map[string][]string{} // ids of runs by the description of a pair
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
				continue // the reference servers differ on purpose
			}
			if twins := verdict.ArmValues(h, run.Rows); len(twins.A) > 0 {
				all.Pairs = append(all.Pairs, twins)
				pair := fmt.Sprintf("%s of %s and %s, %s on host %s",
					h.Metric, h.Numerator, h.Denominator, h.Scenario, run.Info.Host.ID)
				runs[pair] = append(runs[pair], run.Info.RunID)
			}
		}
		if len(all.Pairs) == before {
			a.messagef("%s left out: none of its blocks has valid trials of both arms of an A/A control",
				run.Info.RunID)
		}
	}
	if len(all.Pairs) == 0 {
		return &fault.Error{
			Code: fault.ExitFailed, Err: errors.New("exporting: no run has an A/A control"),
			Hint: "smoke has none; run: make lab PROFILE=quick",
		}
	}
	all.Origin = recordingOrigin(runs)
	return all.Write(a.Out)
}

// recordingOrigin describes the origin of a recording, a line for each pair, from the
// ids of runs by pair.
func recordingOrigin(runs map[string][]string) string {
	var lines []string
	for _, pair := range slices.Sorted(maps.Keys(runs)) {
		ids := runs[pair]
		text := pair + ": run " + ids[0]
		if len(ids) > 1 {
			text = fmt.Sprintf("%s: %d runs, %s to %s", pair, len(ids), slices.Min(ids), slices.Max(ids))
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

// exportBenchfmt writes the valid rows of a trials.csv as Go benchmark results
// (https://golang.org/design/14313-benchmark-format). It returns how many rows it
// skipped, and doubts about rows that it could not read.
func exportBenchfmt(
	ctx context.Context, out io.Writer, in io.Reader,
) (skipped int, doubts []string, err error) {
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
	required := slices.Concat(record.Structure(), benchConfigColumns)
	err = rows.EachRow(required, func(row metric.Row) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		result, ok := benchmarkOf(row)
		if !ok {
			skipped++
			return nil
		}
		return w.Write(result)
	})
	return skipped, rows.Doubts(), err
}

// exportedMetrics returns the metrics that become units of a benchmark.
func exportedMetrics() []metric.Metric { return compare.AllMetrics().Metrics() }

// benchConfigColumns are the columns that become configuration keys: benchstat compares
// only results whose configuration is equal. The run is not one, because benchstat is to
// compare runs.
var benchConfigColumns = []string{
	"host_id", "scenario_sha256", "parameters", "runtime_version", "content_sha256", "base_origin",
}

// benchmarkOf returns a row as a benchmark result, and false if the row is not valid.
func benchmarkOf(row metric.Row) (*benchfmt.Result, bool) {
	requests, ok := row.Int("requests")
	if !ok || requests <= 0 || lab.Validity(row.Text("validity")) != lab.Valid {
		return nil, false
	}
	result := &benchfmt.Result{Name: benchmarkName(row), Iters: int(requests)}
	for _, name := range benchConfigColumns {
		if value := row.Text(name); value != "" {
			// The format wants keys without upper-case letters, as the names of columns are.
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

// benchmarkName returns the name under which benchstat groups trials, such as
// Json/variant=node_single/phase=peak/cpus=1. The CPUs come last: benchstat would read a
// number after a final dash, as in the phase ladder-100, as GOMAXPROCS.
func benchmarkName(row metric.Row) benchfmt.Name {
	cpus, _ := row.Int("server_cpus")
	scenario := row.Text("scenario")
	first, size := utf8.DecodeRuneInString(scenario)
	return fmt.Appendf(nil, "%c%s/variant=%s/phase=%s/cpus=%d",
		unicode.ToUpper(first), escapeNamePart(scenario[size:]),
		escapeNamePart(row.Text("variant")), escapeNamePart(row.Text("phase")), cpus)
}

// escapeNamePart replaces slashes and spaces, which separate the parts of a name.
func escapeNamePart(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, text)
}
