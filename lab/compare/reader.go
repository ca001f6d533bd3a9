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
	"runtimelab/lab/record"
)

// generatorColumn says what offered the load.
const generatorColumn = "generator"

// loadColumns are the columns that describe the offered load, and what offered it.
var loadColumns = [...]string{"offered_rps", "connections", "keep_alive", "deadline_ms", generatorColumn}

// row holds what a comparison reads of a row. Texts are valid until the next row.
type row struct {
	runID, hostID, script, parameters, image []byte
	scenario, variant, phase, phaseKind      []byte
	cpus, block                              int64
	loads                                    [len(loadColumns)][]byte
	attempt                                  metric.Attempt
	failed                                   float64         // share of requests
	values                                   []record.Number // in the order of runReader.metrics
}

// runReader turns rows into a Run. It reuses the memory of a row for the next one, so that a
// row costs none.
type runReader struct {
	run        *Run
	selection  Selection
	metrics    []metric.Metric // that are read
	errorRatio int             // index of error_ratio in metrics
	ordered    bool
	groups     map[string]*group // by the bytes of key
	key        []byte
	row        row
	validity   []byte // of row, before it is checked
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
	r.row.values = make([]record.Number, len(r.metrics))
	return r
}

// columns binds the columns that are read to r.row.
func (r *runReader) columns() *record.Columns {
	var c record.Columns
	c.Require(record.Structure()...)
	c.RequireValues("scenario", "variant", "block", "validity")
	c.Text("scenario", &r.row.scenario)
	c.Text("variant", &r.row.variant)
	c.Integer("block", &r.row.block)
	c.Text("validity", &r.validity)
	c.Text("run_id", &r.row.runID)
	c.Text("host_id", &r.row.hostID)
	c.Text("scenario_sha256", &r.row.script)
	c.Text("parameters", &r.row.parameters)
	c.Text("content_sha256", &r.row.image)
	c.Text("phase", &r.row.phase)
	c.Text("phase_kind", &r.row.phaseKind)
	c.Integer("server_cpus", &r.row.cpus)
	c.Integer("attempt", &r.row.attempt.Number)
	for i, name := range loadColumns {
		c.Text(name, &r.row.loads[i])
	}
	for i, m := range r.metrics {
		c.Number(m.Name, &r.row.values[i])
	}
	return &c
}

// add adds the row that was read to its groups.
func (r *runReader) add() (err error) {
	r.run.Rows++
	if err := r.checkRow(); err != nil {
		return err
	}
	g := r.group()
	g.script.add(r.row.script, r.row.parameters)
	g.image.add(r.row.image)
	if r.row.failed, err = r.row.values[r.errorRatio].Float(); err != nil {
		return err
	}
	if math.IsNaN(r.row.failed) {
		r.row.failed = 0 // no request was sent
	}
	if g.wholeTrial != nil {
		for i, value := range r.row.loads {
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

// checkRow refuses a row of unknown validity, and a row of another run.
func (r *runReader) checkRow() error {
	i := slices.IndexFunc(validities, func(v lab.Validity) bool { return string(r.validity) == string(v) })
	if i < 0 {
		return usageFault(fmt.Sprintf("column validity: %q is unknown", r.validity),
			"valid, censored, disturbed or failed")
	}
	r.row.attempt.Validity = validities[i]
	r.run.gaps.count("run_id", r.row.runID)
	r.run.gaps.count("host_id", r.row.hostID)
	r.run.runs.add(r.row.runID)
	r.run.hosts.add(r.row.hostID)
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

// group returns the group of the row, linked to the group of its whole trial.
func (r *runReader) group() *group {
	r.key = r.key[:0]
	for _, text := range [...][]byte{r.row.scenario, r.row.variant, r.row.phase} {
		r.key = append(append(r.key, text...), 0)
	}
	r.key = strconv.AppendInt(r.key, r.row.cpus, 10)
	if g := r.groups[string(r.key)]; g != nil {
		return g
	}
	key := Key{
		Scenario: string(r.row.scenario), Variant: string(r.row.variant), CPUs: r.row.cpus,
		Phase: string(r.row.phase),
	}
	g := r.getOrAddGroup(key, lab.PhaseKind(r.row.phaseKind))
	if key.Phase != "" {
		g.wholeTrial = r.getOrAddGroup(key.trial(), "")
	}
	r.groups[string(r.key)] = g
	return g
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
