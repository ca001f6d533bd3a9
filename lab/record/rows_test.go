package record_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// readRows reads a table's rows with some of its columns, or with all if there are none, each cell
// as text.
func readRows(in io.Reader, columns ...string) (rows [][]string, doubts []string, err error) {
	table, err := record.NewRowReader(in)
	if err != nil {
		return nil, nil, err
	}
	if columns == nil {
		columns = table.Header()
	}
	err = table.Each(columns, func(cells [][]byte) error {
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = string(c)
		}
		rows = append(rows, row)
		return nil
	})
	return rows, table.Doubts(), err
}

func TestEachPassesTheRequestedColumns(t *testing.T) {
	text := "scenario,block,base_origin,schema_version,phase\n" +
		`json,1,"debian: a 1, b 2",4,peak` + "\n" +
		`json,2,"said ""no"", twice",4,"steady"` + "\r\n" +
		"json,3,,4,\n" +
		"json,4,torn,4,pe"
	rows, doubts, err := readRows(strings.NewReader(text), "phase", "base_origin", "nosuch", "block")
	want := [][]string{
		{"peak", "debian: a 1, b 2", "", "1"},
		{"steady", `said "no", twice`, "", "2"},
		{"", "", "", "3"},
	}
	if err != nil || fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("rows %q, want %q; error %v", rows, want, err)
	}
	if len(doubts) != 1 || !strings.Contains(doubts[0], "torn") {
		t.Errorf("doubts %q", doubts)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"schema_version,a\n4,x\n\n4,\"a\nb\"\n4,a\"b\n", "line 6: bare"},
		{"schema_version,a\n4,x\n4,\"x\n4,x\n", "line 3: "},
		{"schema_version,a\n4,x\n4,x,y\n", "line 3: wrong number of fields: 3, where the header has 2"},
		{"schema_version,a\n4,x\n2,x\n", "line 3: schema version 2; this lab reads versions 4 to 6"},
		{"schema_version,a\n5,x\n7,x\n", "line 3: schema version 7; this lab reads versions 4 to 6"},
		{"schema_version,a\n4,x\n5,x\n", "line 3: schema version 5 after rows of version 4"},
		{"schema_version,a\n5,x\n4,x\n", "line 3: schema version 4 after rows of version 5"},
		{"\nschema_version,a,b,a\n4,1,2,3\n", `line 2: the header names column "a" twice`},
		{"schema_version,a\n4,\"" + strings.Repeat("x,y\n", 1<<19) + "\"\n", "line 2: a record of more than"},
	} {
		_, _, err := readRows(strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: error %v, want %q", tt.text, err, tt.want)
		}
	}
	stop := errors.New("enough")
	table, err := record.NewRowReader(strings.NewReader("schema_version\n4\n4\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = table.Each(nil, func([][]byte) error { return stop })
	if !errors.Is(err, stop) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want %v with line 2", err, stop)
	}
}

// repeatedRows reads as a table of equal rows.
type repeatedRows struct {
	rest  string // unread text of the current line
	row   string
	count int // rows after the current line
}

func (e *repeatedRows) Read(b []byte) (int, error) {
	if e.rest == "" {
		if e.count == 0 {
			return 0, io.EOF
		}
		e.count, e.rest = e.count-1, e.row
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func TestReadingNeedsConstantMemory(t *testing.T) {
	checkConstantMemory(t, "schema_version,block,base_origin\n", "4,12,\"a, b\"\n",
		func(table *record.RowReader) error {
			return table.Each([]string{"block", "base_origin"}, func([][]byte) error { return nil })
		})
}

// checkConstantMemory checks that reading many equal rows takes no more memory than reading few.
func checkConstantMemory(t *testing.T, header, row string, read func(*record.RowReader) error) {
	t.Helper()
	allocated := func(rows int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		table, err := record.NewRowReader(&repeatedRows{rest: header, row: row, count: rows})
		if err == nil {
			err = read(table)
		}
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := allocated(10), allocated(200_000); many > few+64<<10 {
		t.Errorf("allocated %d bytes for 10 rows and %d for 200 000", few, many)
	}
}

// FuzzRows compares the reader with encoding/csv, which reads the same files if their last line is
// complete.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{
		"schema_version,a\n4,x\n", "schema_version,a\r\n4,\"x\"\r\n", "schema_version,a\n4,\"x\"\"y\"\n",
		"schema_version,a\n4,\"x\ny\"\n", "schema_version,a\n4,a\"b\n", "schema_version,a\n4,\"a\"b\n",
		"schema_version,a\n4,\n\n,\n", "schema_version,a\n4,x,\n", "schema_version\n\"4\"",
		"schema_version,a,\n4,\"\",\"\"\n", "schema_version,a\n4,\r\n4,\"\r\n\"\n", "\n\nschema_version\n3\n",
		"\"schema_version\",\"a\n\"\n4,\"\n", "schema_version,a\n4,\"\n", "schema_version,a,b\n4,a\"\"b,\n",
		"schema_version,a\n\"4\",\n", "schema_version,a\n4,\"\nb\"\n", "schema_version,a,b\n4,\"\"\",\"\n",
		"\ufeffschema_version;throughput_rps;started_at\r\n4;998,85;2026-11-25 10:02:10+00\r\n;;\r\n",
		",schema_version,keep_alive,requests\n0,4,True,1e+05\n",
		"sep=|\nschema_version|error_ratio\n4.0|6E-06\n4|NA\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		known := func(name string) bool { return name != "schema_version" && strings.Contains(text, name) }
		if otherDialect.MatchString(text) || slices.ContainsFunc(metric.Header(), known) {
			_, _, _ = readRows(strings.NewReader(text)) // it must not panic
			return
		}
		got, _, err := readRows(strings.NewReader(text))
		want, problem := oracle(text)
		switch {
		case problem != "" && err == nil:
			t.Fatalf("%q: %s, but it was read as %q", text, problem, got)
		case problem == "" && err != nil:
			t.Fatalf("%q: %v, but encoding/csv reads %q", text, err, want)
		case problem == "" && !slices.EqualFunc(got, want, slices.Equal):
			t.Fatalf("%q: %q, but encoding/csv reads %q", text, got, want)
		}
	})
}

// otherDialect matches text that encoding/csv does not read as the lab does: with another
// delimiter, encoding or notation of numbers. TestEveryDialectIsReadAsTheLabWroteIt covers these.
var otherDialect = regexp.MustCompile(
	`^(?s:\x{feff}|PK|PAR1|\x1f|\x28|[^\n]*\x00|sep=|"sep=|Unnamed|"?\.\.\.)|` +
		`[;\t|\xfe\xff]|[0-9]E|N[aA/U]|\x{feff}schema`,
)

// versionNotation matches the notations of a schema version.
var versionNotation = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$`)

// oracle reads rows by encoding/csv, or returns the problem that the lab must find.
func oracle(text string) (rows [][]string, problem string) {
	in := csv.NewReader(strings.NewReader(text))
	in.FieldsPerRecord = -1
	all, err := in.ReadAll()
	if err != nil {
		return nil, err.Error()
	}
	all = slices.DeleteFunc(all, func(row []string) bool { return strings.Join(row, "") == "" })
	if len(all) == 0 {
		return nil, ""
	}
	header := all[0]
	named := slices.DeleteFunc(slices.Clone(header), func(name string) bool { return name == "" })
	if !slices.Contains(named, "schema_version") {
		return nil, "it has no column schema_version"
	}
	for i, name := range named {
		if slices.Contains(named[:i], name) {
			return nil, fmt.Sprintf("the header has column %q twice", name)
		}
	}
	schema := ""
	for _, row := range all[1:] {
		if slices.Equal(row, header) {
			return nil, "it has a second header"
		}
		for len(row) > len(header) {
			if row[len(row)-1] != "" {
				return nil, "a row is too long"
			}
			row = row[:len(row)-1]
		}
		for i := len(row); i < len(header); i++ {
			if header[i] == "schema_version" {
				return nil, "a row is too short"
			}
			row = append(row, "")
		}
		var cells []string
		for i, name := range header {
			if name == "schema_version" {
				version, err := strconv.ParseFloat(row[i], 64)
				if err != nil || !metric.Reads(int64(version)) || !versionNotation.MatchString(row[i]) {
					return nil, "a row is of another schema"
				}
				row[i] = strconv.FormatInt(int64(version), 10)
				if len(rows) > 0 && row[i] != schema {
					return nil, "rows are of several schemas"
				}
				schema = row[i]
			}
			if name != "" {
				cells = append(cells, row[i])
			}
		}
		rows = append(rows, cells)
	}
	return rows, ""
}

// Files of older labs lack the column. A file that has it is taken at its word.
func TestTheKindOfAPhaseComesFromItsNameIfTheFileLacksIt(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		columns    []string
		want       string
	}{
		{
			"with the name", "schema_version,phase\n4,peak\n4,ladder-integers-2\n4,\n",
			[]string{"phase", "phase_kind"},
			"[[peak peak] [ladder-integers-2 ladder] [ ]]",
		},
		{
			"without the name", "schema_version,phase\n5,steady-50%\n",
			[]string{"phase_kind", "schema_version"},
			"[[steady 5]]",
		},
		{
			"not from a row before", "schema_version,block,phase\n5,1,peak-8\n5,2,\n",
			[]string{"phase_kind"},
			"[[peak] []]",
		},
		{
			"the column itself", "schema_version,phase,phase_kind\n5,peak-8,steady\n5,peak-8,\n",
			[]string{"phase_kind"},
			"[[steady] []]",
		},
		{"no name either", "schema_version,block\n5,1\n", []string{"phase_kind"}, "[[]]"},
	} {
		rows, doubts, err := readRows(strings.NewReader(tt.text), tt.columns...)
		if got := fmt.Sprint(rows); err != nil || got != tt.want || len(doubts) > 0 {
			t.Errorf("%s: %s, doubts %q, error %v; want %s", tt.name, got, doubts, err, tt.want)
		}
	}
}

// Before schema 6 there was one generator, and no column.
func TestRowsOfEarlierSchemasAreOfVegeta(t *testing.T) {
	for text, want := range map[string]string{
		"schema_version,block\n4,1\n4,2\n":             "[[vegeta] [vegeta]]",
		"schema_version,block\n5,1\n":                  "[[vegeta]]",
		"schema_version,block\n6,1\n":                  "[[]]",
		"schema_version,generator\n6,loop\n6,vegeta\n": "[[loop] [vegeta]]",
	} {
		rows, doubts, err := readRows(strings.NewReader(text), "generator")
		if got := fmt.Sprint(rows); err != nil || got != want || len(doubts) > 0 {
			t.Errorf("%q: %s, doubts %q, error %v; want %s", text, got, doubts, err, want)
		}
	}
}

func TestReadGivesRowsTheKindOfTheirPhase(t *testing.T) {
	_, run := create(t)
	s := sample(t, lab.Peak, 0)
	s.Phase.Name = "peak-64"
	if err := run.AddTrial(s); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(run.Dir(), "trials.csv")
	for _, withColumn := range []bool{true, false} {
		if !withColumn {
			replaceIn(t, path, ",phase_kind,", ",")
			replaceIn(t, path, ",peak-64,peak,", ",peak-64,")
		}
		back, err := record.Read(run.Dir())
		if err != nil || len(back.Rows) != 1 {
			t.Fatal(back, err)
		}
		if got := back.Rows[0].Text("phase_kind"); got != "peak" {
			t.Errorf("with the column %v: the row's kind of phase is %q", withColumn, got)
		}
	}
}
