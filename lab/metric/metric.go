package metric

import "runtimelab/lab"

// SchemaVersion is the version of the columns. It changes if a column is renamed,
// removed or gets another meaning, and not if one is added.
//
// 6: rows and the plan name their generator; before, it was Vegeta.
//
// 5: latencies are those of requests that succeeded, no longer those of all.
//
// 4: the plan in run.json gives servers several numbers of CPUs; a trial may measure
// a part of its scenario, and is repeated at the end of its block.
//
// 3: cold_start_ms ends with the first answer at /identity, no longer with that to
// the scenario's own request; phase is a name that begins with the kind and "-".
const SchemaVersion = 6

// OldestSchema is the oldest version that the lab reads. Columns of version 4 have the
// meaning of version 6, except for latencies if requests failed.
const OldestSchema = 4

// SuccessLatencySchema is the first version whose latencies are those of successes only.
const SuccessLatencySchema = 5

// GeneratorSchema is the first version whose rows name their generator. Rows of earlier ones are of
// lab.Vegeta.
const GeneratorSchema = 6

// Reads reports whether the lab reads rows of a version.
func Reads(version int64) bool { return version >= OldestSchema && version <= SchemaVersion }

// Better is the direction in which a metric improves.
type Better string

const (
	Higher  Better = "higher"
	Lower   Better = "lower"
	Neither Better = "none" // describes the load or the instrument; neither direction is better
)

// Group is the subject of a metric.
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

// RowScope names the rows in which a column has a value.
type RowScope string

const (
	EveryRow      RowScope = "every row"
	OpenLoopRows  RowScope = "open loop" // a closed loop has no schedule
	WarmedUpRows  RowScope = "warmed up" // the scenario has a warm-up
	InvalidRows   RowScope = "not valid" // a valid row needs no reason
	ParameterRows RowScope = "scenarios with parameters"
	// UnsaturatedPeakRows are those of peaks that were tried on twice the connections.
	UnsaturatedPeakRows RowScope = "unsaturated peaks"
	ManyRequestRows     RowScope = "open loop, >= 10 000 requests" // needed for the quantile
	DeadlineRows        RowScope = "phases with a deadline"
	ObjectiveRows       RowScope = "phases with an SLO"
	UpstreamRows        RowScope = "scenarios with an upstream"
	DatabaseRows        RowScope = "scenarios with a database"
	ServiceRows         RowScope = "scenarios with services"
	CapacityRows        RowScope = "capacities"
	ReferenceRows       RowScope = "reference servers"
	FailureRows         RowScope = "20 failures and more" // needed for the quantile
	// WaitingRows are those of generators that wait in the kernel.
	WaitingRows RowScope = "the generator shares its CPU"
	// DriftRows need at least 4 s and 1,000 answers in the first half.
	DriftRows RowScope = "attacks of 4 s and more that many answered"
)

// Metric is one column of trials.csv.
type Metric struct {
	Name     string // ends with the unit, if there is one
	Unit     string // "ms", "1/s", "ratio"; empty without a unit
	Better   Better
	Kind     Kind
	Decimals int // written digits after the point of a float
	Group    Group
	Rows     RowScope // rows in which it has a value if they are valid
	About    string   // description in results/README.md
	source   source
}

// Header returns the names of all columns in order.
func Header() []string {
	names := make([]string, len(table))
	for i, m := range table {
		names[i] = m.Name
	}
	return names
}

// Find returns the metric with a name, or false if there is none.
func Find(name string) (Metric, bool) {
	i, ok := indexByName[name]
	if !ok {
		return Metric{}, false
	}
	return table[i], true
}

// Table returns all metrics in the order of the columns.
func Table() []Metric { return append([]Metric(nil), table...) }

// indexByName maps the name of each column to its index in table.
var indexByName = func() map[string]int {
	m := make(map[string]int, len(table))
	for i := range table {
		m[table[i].Name] = i
	}
	return m
}()

// Row is one row of trials.csv: it maps column names to values. A missing value may
// be absent from the map.
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

// Text returns the value of a string column, or "" if it is missing.
func (r Row) Text(name string) string { return r[name].Text() }

// Float returns the value of a numeric column, or false if it is missing.
func (r Row) Float(name string) (float64, bool) { return r[name].Float() }

// Int returns the value of an integer column, or false if it is missing.
func (r Row) Int(name string) (int64, bool) { return r[name].Int() }

// CSVRecord returns the cells of the row's CSV record, in the order of Header.
func (r Row) CSVRecord() []string {
	cells := make([]string, len(table))
	for i, m := range table {
		cells[i] = m.Format(r[m.Name])
	}
	return cells
}

// Cell returns the text of a column's value, as Metric.Format writes it.
func (r Row) Cell(name string) string {
	m, _ := Find(name)
	return m.Format(r[name])
}

// ParseRow reads the cells of a CSV record under a header. It ignores columns that are not
// in the table.
func ParseRow(header []string, cells [][]byte) (Row, error) {
	row := make(Row, len(cells))
	for i, cell := range cells {
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
