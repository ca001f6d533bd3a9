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

// RowScope says which rows a column has a value in.
type RowScope string

const (
	EveryRow      RowScope = "every row"
	OpenLoopRows  RowScope = "open loop" // a closed loop has no schedule
	WarmedUpRows  RowScope = "warmed up" // the scenario has a warm-up
	InvalidRows   RowScope = "not valid" // a valid row needs no reason
	ParameterRows RowScope = "scenarios with parameters"
	// UnsaturatedPeakRows are the only ones that are tried on twice the connections.
	UnsaturatedPeakRows RowScope = "unsaturated peaks"
	ManyRequestRows     RowScope = "open loop, >= 10 000 requests" // what the quantile needs
	DeadlineRows        RowScope = "phases with a deadline"
	ObjectiveRows       RowScope = "phases with an SLO"
	UpstreamRows        RowScope = "scenarios with an upstream"
	CapacityRows        RowScope = "capacities"
	ReferenceRows       RowScope = "reference servers"
	FailureRows         RowScope = "20 failures and more" // what the quantile needs
	// DriftRows have whole seconds in each half, and too many answers to differ by chance.
	DriftRows RowScope = "attacks of 4 s and more that many answered"
)

// Metric is one column of trials.csv.
type Metric struct {
	Name     string // with the unit at its end where there is one
	Unit     string // "ms", "1/s", "ratio"; empty for what has none
	Better   Better
	Kind     Kind
	Decimals int // of a float, as written
	Group    Group
	Rows     RowScope // where a valid row has a value
	About    string
	Extract  func(lab.Sample) Value
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
	i, ok := indexByName[name]
	if !ok {
		return Metric{}, false
	}
	return table[i], true
}

// Table is every metric in the order of the columns.
func Table() []Metric { return append([]Metric(nil), table...) }

var indexByName = func() map[string]int {
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
		if v := m.Extract(s); !v.Missing() {
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

// CSVRecord is the row as the cells of a CSV record, in the order of Header.
func (r Row) CSVRecord() []string {
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
