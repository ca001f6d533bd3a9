package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// Source is a run to be read.
type Source struct {
	Label string
	Info  *record.Info                  // run.json; nil where there is only a trials.csv
	Open  func() (io.ReadCloser, error) // trials.csv; once more where its rows are out of order
}

// Key names what is compared: a phase of a scenario on a variant with so many
// CPUs, or the trial as a whole, which is the phase without a name.
type Key struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant"`
	CPUs     int64  `json:"server_cpus"`
	Phase    string `json:"phase"`
}

func (k Key) String() string {
	words := []string{k.Scenario, k.Variant}
	if k.CPUs > 1 {
		words = append(words, fmt.Sprintf("on %d CPUs", k.CPUs))
	}
	if k.Phase != "" {
		words = append(words, k.Phase)
	}
	return strings.Join(words, " ")
}

// trial is the key of the trials that a phase is part of.
func (k Key) trial() Key { k.Phase = ""; return k }

// isControl reports whether it is measured to judge the run, not for itself.
func (k Key) isControl() bool {
	return k.Scenario == lab.ReferenceScenario || k.Scenario == lab.BurnScenario ||
		lab.OriginalOf(k.Variant) != k.Variant
}

// isResult reports whether it is measured for itself.
func (k Key) isResult() bool { return !k.isControl() }

// compare is that of reports: phases of a kind by their number.
func (k Key) compare(l Key) int {
	kindK, numberK := phaseNumber(k.Phase)
	kindL, numberL := phaseNumber(l.Phase)
	return cmp.Or(cmp.Compare(k.Scenario, l.Scenario), cmp.Compare(k.Variant, l.Variant),
		cmp.Compare(k.CPUs, l.CPUs),
		cmp.Compare(kindK, kindL), cmp.Compare(numberK, numberL), cmp.Compare(k.Phase, l.Phase))
}

func phaseNumber(phase string) (before string, number float64) {
	before, after, _ := strings.Cut(phase, "-")
	number, _ = strconv.ParseFloat(strings.TrimSuffix(after, "%"), 64) // what has no number is 0
	return before, number
}

// Run is what is left of a run when its rows have passed.
type Run struct {
	Label  string
	Info   *record.Info
	Rows   int
	Doubts []string // what of it could not be read, in words

	gaps        gaps
	runs, hosts distinctValues
	versions    distinctValues             // of the schema
	scripts     map[string]*distinctValues // by scenario
	images      map[string]*distinctValues // content, by variant
	groups      map[Key]*group
}

// ID is that of the run.
func (r *Run) ID() string { return r.runs.String() }

// Host is the id of the machine that measured.
func (r *Run) Host() string { return r.hosts.String() }

// keys are all that were measured, in the order of reports.
func (r *Run) keys() []Key {
	keys := make([]Key, 0, len(r.groups))
	for k := range r.groups {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, Key.compare)
	return keys
}

// Read reads runs, several at once where there are CPUs for it. Of a run that the
// lab wrote it keeps no row; one whose rows someone has sorted anew is read a
// second time, and keeps those of every block.
func Read(ctx context.Context, sources []Source, which Selection) ([]*Run, error) {
	runs := make([]*Run, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, source := range sources {
		group.Go(func() (err error) {
			if runs[i], err = readOne(ctx, source, which); err != nil {
				err = fmt.Errorf("reading %s: %w", source.Label, err)
			}
			return err
		})
	}
	return runs, group.Wait()
}

func readOne(ctx context.Context, source Source, which Selection) (*Run, error) {
	run, err := readRows(ctx, source, which, true)
	if errors.Is(err, errOutOfOrder) {
		run, err = readRows(ctx, source, which, false)
	}
	if err != nil {
		return nil, err
	}
	if run.Rows == 0 {
		return nil, &lab.Fault{
			Code: lab.ExitUsage, Err: fmt.Errorf("it has no rows"),
			Hint: "compare runs that have measured something",
		}
	}
	return run, nil
}

func readRows(ctx context.Context, source Source, which Selection, ordered bool) (run *Run, err error) {
	in, err := source.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rows, err := record.NewRowReader(in)
	if err != nil {
		return nil, err
	}
	r := newReading(source, which, ordered)
	r.run.gaps.columns = rows.Missing(needed()...)
	err = rows.Each(r.columns(), func(cells [][]byte) error {
		if r.run.Rows%10_000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.run.Rows == 0 { // after the schema, which says what the columns are
			if err := rows.Require(record.Structure()...); err != nil {
				return err
			}
		}
		return r.add(cells)
	})
	if err != nil {
		return nil, err
	}
	r.finish()
	r.run.Doubts = rows.Doubts()
	if names := rows.Missing(which.Names()...); len(names) > 0 {
		r.run.Doubts = append(r.run.Doubts,
			fmt.Sprintf("it has no column %s: nothing is compared by it", strings.Join(names, ", ")))
	}
	return r.run, nil
}

// What a row is known by, in the order that reading asks for it.
const (
	runID = iota
	hostID
	scenario
	scriptSHA256
	parameters
	variant
	contentSHA256
	block
	attempt
	phase
	cpus
	validity
	schemaVersion
	firstLoad
)

var identity = []string{
	"run_id", "host_id", "scenario", "scenario_sha256", "parameters", "variant",
	"content_sha256",
	"block", "attempt", "phase", "server_cpus", "validity", "schema_version",
}

// loads are the columns that say what load was offered.
var loads = []string{"offered_rps", "connections", "keep_alive", "deadline_ms"}

// runReader turns rows into a Run. What belongs to a row is used anew for the next:
// a row costs no memory.
type runReader struct {
	run       *Run
	selection Selection
	metrics   []metric.Metric // of the columns after identity and loads
	errors    int             // place of error_ratio among them
	ordered   bool
	groups    map[string]*group // by the bytes of a key's cells
	key       []byte
	row       row
}

func newReading(source Source, which Selection, ordered bool) *runReader {
	r := &runReader{
		run: &Run{
			Label: source.Label, Info: source.Info, scripts: map[string]*distinctValues{},
			images: map[string]*distinctValues{}, groups: map[Key]*group{},
		},
		metrics: filterMetrics(func(m metric.Metric) bool {
			return m.Name == referenceMetric || m.Name == "error_ratio" || slices.Contains(which.Names(), m.Name)
		}),
		selection: which, ordered: ordered, groups: map[string]*group{},
	}
	r.errors = slices.IndexFunc(r.metrics, func(m metric.Metric) bool { return m.Name == "error_ratio" })
	r.row.cells = make([][]byte, len(r.metrics))
	return r
}

func (r *runReader) columns() []string {
	columns := slices.Concat(identity, loads)
	for _, m := range r.metrics {
		columns = append(columns, m.Name)
	}
	return columns
}

func (r *runReader) add(cells [][]byte) error {
	r.run.Rows++
	r.run.versions.add(cells[schemaVersion])
	if err := r.whole(cells); err != nil {
		return err
	}
	g, err := r.group(cells)
	if err != nil {
		return err
	}
	g.script.add(cells[scriptSHA256], cells[parameters])
	g.image.add(cells[contentSHA256])
	if r.row.block, err = integer("block", cells[block]); err != nil {
		return err
	}
	if r.row.attempt, err = integer("attempt", cells[attempt]); err != nil {
		return err
	}
	r.row.evidence = evidenceOf(cells[validity])
	copy(r.row.cells, cells[firstLoad+len(loads):])
	if r.row.failed, err = parse("error_ratio", r.row.cells[r.errors]); err != nil {
		return err
	}
	if math.IsNaN(r.row.failed) {
		r.row.failed = 0 // no request was sent
	}
	if g.wholeTrial != nil {
		for i, value := range cells[firstLoad : firstLoad+len(loads)] {
			g.loads[i].add(value)
		}
		if err := g.add(&r.row, r.ordered); err != nil {
			return err
		}
		g = g.wholeTrial
	} else {
		g.earlyFailures++
	}
	return g.add(&r.row, r.ordered)
}

// whole refuses a row that does not say what it is of, and one of another run.
func (r *runReader) whole(cells [][]byte) error {
	for _, i := range [...]int{scenario, variant, block, validity} {
		if len(cells[i]) == 0 {
			return refused("the row has no "+identity[i], "remove the row, or take the file as the lab wrote it")
		}
	}
	if !slices.Contains(validities, lab.Validity(cells[validity])) {
		return refused(fmt.Sprintf("column validity: %q is unknown", cells[validity]),
			"valid, censored, disturbed or failed")
	}
	r.run.gaps.note(cells)
	r.run.runs.add(cells[runID])
	r.run.hosts.add(cells[hostID])
	if runs := r.run.runs.values; len(runs) > 1 {
		return refused(fmt.Sprintf("rows of several runs: %s after %s", runs[1], runs[0]),
			"give each run as a file of its own")
	}
	return nil
}

var validities = []lab.Validity{lab.Valid, lab.Censored, lab.Disturbed, lab.Failed}

func refused(what, hint string) error {
	return &lab.Fault{Code: lab.ExitUsage, Err: errors.New(what), Hint: hint}
}

// group is that of a row, and of the trial that it is part of.
func (r *runReader) group(cells [][]byte) (*group, error) {
	r.key = r.key[:0]
	for _, i := range [...]int{scenario, variant, cpus, phase} {
		r.key = append(append(r.key, cells[i]...), 0)
	}
	if g := r.groups[string(r.key)]; g != nil {
		return g, nil
	}
	n, err := integer("server_cpus", cells[cpus])
	if err != nil {
		return nil, err
	}
	key := Key{
		Scenario: string(cells[scenario]), Variant: string(cells[variant]), CPUs: n,
		Phase: string(cells[phase]),
	}
	g := r.open(key)
	if key.Phase != "" {
		g.wholeTrial = r.open(key.trial())
	}
	r.groups[string(r.key)] = g
	return g, nil
}

func (r *runReader) open(key Key) *group {
	if g := r.run.groups[key]; g != nil {
		return g
	}
	g := &group{script: getOrCreate(r.run.scripts, key.Scenario), image: getOrCreate(r.run.images, key.Variant)}
	for i, m := range r.metrics {
		if r.selection.includes(key.Scenario, key.Phase, m.Name) {
			g.tallies = append(g.tallies,
				tally{metric: m, column: i, skipBounds: key.Scenario == lab.ReferenceScenario})
		}
	}
	r.run.groups[key] = g
	return g
}

func (r *runReader) finish() {
	for _, g := range r.run.groups {
		g.finish()
	}
}

func getOrCreate(all map[string]*distinctValues, name string) *distinctValues {
	if all[name] == nil {
		all[name] = &distinctValues{}
	}
	return all[name]
}

func integer(column string, cell []byte) (int64, error) {
	if len(cell) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(cell), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("column %s: %q is not an integer", column, cell)
	}
	return n, nil
}
