package metric

import "runtimelab/lab"

// SchemaVersion is the version of the columns: it changes when one is renamed,
// removed or means something else, not when one is added.
//
// 5: latencies are of requests that succeeded, and no longer of all.
//
// 4: run.json's plan gives servers several numbers of CPUs; a trial may measure a
// part of its scenario, and is repeated at the end of its block.
//
// 3: cold_start_ms ends with the first answer at /identity, and no longer with
// that to the scenario's own request; phase is a name, of which the kind is the
// part before the first "-".
const SchemaVersion = 5

// OldestSchema is the oldest version of which the columns are read. Those of 4 mean
// what those of 5 do, but for latencies where requests failed.
const OldestSchema = 4

// FailuresApart is the first version of which latencies are of successes.
const FailuresApart = 5

// Reads reports whether rows of a version can be read.
func Reads(version int64) bool { return version >= OldestSchema && version <= SchemaVersion }

// Better is the direction in which a metric improves.
type Better string

const (
	Higher  Better = "higher"
	Lower   Better = "lower"
	Neither Better = "none" // says what was done or how it went, not how well
)

// Group is what a metric is about.
type Group string

const (
	Identity   Group = "identity"
	Load       Group = "load"
	Throughput Group = "throughput"
	Latency    Group = "latency"
	CPU        Group = "cpu"
	Memory     Group = "memory"
	Validity   Group = "validity"
)

// Rows says which rows a column has a value in.
type Rows string

const (
	EveryRow      Rows = "every row"
	OpenLoopRows  Rows = "open loop" // a closed loop has no schedule
	WarmedUpRows  Rows = "warmed up" // the scenario has a warm-up
	InvalidRows   Rows = "not valid" // a valid row needs no reason
	ParameterRows Rows = "scenarios with parameters"
	DoubledRows   Rows = "unsaturated peaks"             // only these are tried on twice the connections
	LargeRows     Rows = "open loop, >= 10 000 requests" // what the quantile needs
	DeadlineRows  Rows = "phases with a deadline"
	ObjectiveRows Rows = "phases with an SLO"
	UpstreamRows  Rows = "scenarios with an upstream"
	CapacityRows  Rows = "capacities"
	ReferenceRows Rows = "reference servers"
	FailureRows   Rows = "20 failures and more"                       // what the quantile needs
	DriftRows     Rows = "attacks of 4 s and more that many answered" // of which each half has seconds of its own, and no difference by chance
)

// Metric is one column of trials.csv.
type Metric struct {
	Name     string // with the unit at its end where there is one
	Unit     string // "ms", "1/s", "ratio"; empty for what has none
	Better   Better
	Kind     Kind
	Decimals int // of a float, as written
	Group    Group
	Rows     Rows // where a valid row has a value
	About    string
	Of       func(lab.Sample) Value
}

// Header is the names of all columns in order.
func Header() []string {
	names := make([]string, len(table))
	for i, m := range table {
		names[i] = m.Name
	}
	return names
}

// Find is the metric of a name.
func Find(name string) (Metric, bool) {
	i, ok := index[name]
	if !ok {
		return Metric{}, false
	}
	return table[i], true
}

// Table is every metric in the order of the columns.
func Table() []Metric { return append([]Metric(nil), table...) }

var index = func() map[string]int {
	m := make(map[string]int, len(table))
	for i := range table {
		m[table[i].Name] = i
	}
	return m
}()

// Row is one row of trials.csv: column name to value. A missing value may be
// absent.
type Row map[string]Value

// RowOf extracts every metric from a sample.
func RowOf(s lab.Sample) Row {
	row := make(Row, len(table))
	for _, m := range table {
		if v := m.Of(s); !v.Missing() {
			row[m.Name] = v
		}
	}
	return row
}

// Text is the value of a string column, empty when missing.
func (r Row) Text(name string) string { return r[name].Text() }

// Float is the value of a numeric column, false when missing.
func (r Row) Float(name string) (float64, bool) { return r[name].Float() }

// Int is the value of an integer column, false when missing.
func (r Row) Int(name string) (int64, bool) { return r[name].Int() }

// Record is the row as the cells of a CSV record, in the order of Header.
func (r Row) Record() []string {
	cells := make([]string, len(table))
	for i, m := range table {
		cells[i] = m.Format(r[m.Name])
	}
	return cells
}

// ParseRow reads a CSV record under a header. Columns that the table does not
// know are left out.
func ParseRow(header, record []string) (Row, error) {
	row := make(Row, len(record))
	for i, cell := range record {
		m, known := Find(header[i])
		if !known {
			continue
		}
		v, err := m.Parse(cell)
		if err != nil {
			return nil, err
		}
		if !v.Missing() {
			row[m.Name] = v
		}
	}
	return row, nil
}
