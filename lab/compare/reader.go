package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
)

// Indexes of the cells that every row is read by, in the order of identityColumns.
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
	phaseKind
	cpus
	validity
	schemaVersion
	firstLoad
)

var identityColumns = []string{
	"run_id", "host_id", "scenario", "scenario_sha256", "parameters", "variant", "content_sha256",
	"block", "attempt", "phase", "phase_kind", "server_cpus", "validity", "schema_version",
}

// loadColumns are the columns that describe the offered load.
var loadColumns = []string{"offered_rps", "connections", "keep_alive", "deadline_ms"}

// runReader turns rows into a Run. It reuses the memory of a row for the next one, so that a
// row costs none.
type runReader struct {
	run        *Run
	selection  Selection
	metrics    []metric.Metric // of the columns after identityColumns and loadColumns
	errorRatio int             // index of error_ratio in metrics
	ordered    bool
	groups     map[string]*group // by the bytes of a key's cells
	key        []byte
	row        row
}

func newRunReader(source Source, selection Selection, ordered bool) *runReader {
	r := &runReader{
		run: &Run{
			Label: source.Label, Info: source.Info, scripts: map[string]*distinctValues{},
			images: map[string]*distinctValues{}, groups: map[Key]*group{},
		},
		metrics: filterMetrics(func(m metric.Metric) bool {
			return m.Name == referenceMetric || m.Name == "error_ratio" || slices.Contains(selection.Names(), m.Name)
		}),
		selection: selection, ordered: ordered, groups: map[string]*group{},
	}
	r.errorRatio = slices.IndexFunc(r.metrics, func(m metric.Metric) bool { return m.Name == "error_ratio" })
	r.row.cells = make([][]byte, len(r.metrics))
	return r
}

func (r *runReader) columns() []string {
	columns := slices.Concat(identityColumns, loadColumns)
	for _, m := range r.metrics {
		columns = append(columns, m.Name)
	}
	return columns
}

func (r *runReader) add(cells [][]byte) error {
	r.run.Rows++
	r.run.versions.add(cells[schemaVersion])
	if err := r.checkRow(cells); err != nil {
		return err
	}
	g, err := r.groupOf(cells)
	if err != nil {
		return err
	}
	g.script.add(cells[scriptSHA256], cells[parameters])
	g.image.add(cells[contentSHA256])
	if r.row.block, err = parseInteger("block", cells[block]); err != nil {
		return err
	}
	if r.row.attempt, err = parseInteger("attempt", cells[attempt]); err != nil {
		return err
	}
	r.row.evidence = evidenceOf(cells[validity])
	copy(r.row.cells, cells[firstLoad+len(loadColumns):])
	if r.row.failed, err = parseNumber("error_ratio", r.row.cells[r.errorRatio]); err != nil {
		return err
	}
	if math.IsNaN(r.row.failed) {
		r.row.failed = 0 // no request was sent
	}
	if g.wholeTrial != nil {
		for i, value := range cells[firstLoad : firstLoad+len(loadColumns)] {
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

// checkRow refuses a row that does not say what it measured, and a row of another run.
func (r *runReader) checkRow(cells [][]byte) error {
	for _, i := range [...]int{scenario, variant, block, validity} {
		if len(cells[i]) == 0 {
			return usageFault("the row has no "+identityColumns[i],
				"remove the row, or use the file as the lab wrote it")
		}
	}
	if !slices.Contains(validities, lab.Validity(cells[validity])) {
		return usageFault(fmt.Sprintf("column validity: %q is unknown", cells[validity]),
			"valid, censored, disturbed or failed")
	}
	r.run.gaps.count(cells)
	r.run.runs.add(cells[runID])
	r.run.hosts.add(cells[hostID])
	if runs := r.run.runs.values; len(runs) > 1 {
		return usageFault(fmt.Sprintf("rows of several runs: %s after %s", runs[1], runs[0]),
			"split the file into one file for each run")
	}
	return nil
}

var validities = []lab.Validity{lab.Valid, lab.Censored, lab.Disturbed, lab.Failed}

func usageFault(what, hint string) error {
	return &fault.Error{Code: fault.ExitUsage, Err: errors.New(what), Hint: hint}
}

// groupOf returns the group of a row, linked to the group of its whole trial.
func (r *runReader) groupOf(cells [][]byte) (*group, error) {
	r.key = r.key[:0]
	for _, i := range [...]int{scenario, variant, cpus, phase} {
		r.key = append(append(r.key, cells[i]...), 0)
	}
	if g := r.groups[string(r.key)]; g != nil {
		return g, nil
	}
	n, err := parseInteger("server_cpus", cells[cpus])
	if err != nil {
		return nil, err
	}
	key := Key{
		Scenario: string(cells[scenario]), Variant: string(cells[variant]), CPUs: n,
		Phase: string(cells[phase]),
	}
	g := r.getOrAddGroup(key, lab.PhaseKind(cells[phaseKind]))
	if key.Phase != "" {
		g.wholeTrial = r.getOrAddGroup(key.trial(), "")
	}
	r.groups[string(r.key)] = g
	return g, nil
}

func (r *runReader) getOrAddGroup(key Key, kind lab.PhaseKind) *group {
	if g := r.run.groups[key]; g != nil {
		return g
	}
	g := &group{
		script: getOrCreate(r.run.scripts, key.Scenario), image: getOrCreate(r.run.images, key.Variant), kind: kind,
	}
	for i, m := range r.metrics {
		if r.selection.includes(key, kind, m.Name) {
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

// parseInteger parses a cell. An empty one is 0.
func parseInteger(column string, cell []byte) (int64, error) {
	if len(cell) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(cell), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("column %s: %q is not an integer", column, cell)
	}
	return n, nil
}
