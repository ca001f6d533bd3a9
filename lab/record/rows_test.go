package record_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// collect reads a table's rows with some of its columns, each cell as text.
func collect(in io.Reader, columns ...string) (rows [][]string, doubts []string, err error) {
	table, err := record.NewRows(in)
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

func TestRowsHaveTheColumnsAskedFor(t *testing.T) {
	text := "scenario,block,base_origin,schema_version,phase\n" +
		`json,1,"debian: a 1, b 2",4,peak` + "\n" +
		`json,2,"said ""no"", twice",4,"steady"` + "\r\n" +
		"json,3,,4,\n" +
		"json,4,torn,4,pe"
	rows, doubts, err := collect(strings.NewReader(text), "phase", "base_origin", "nosuch", "block")
	want := [][]string{{"peak", "debian: a 1, b 2", "", "1"}, {"steady", `said "no", twice`, "", "2"}, {"", "", "", "3"}}
	if err != nil || fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("rows %q, want %q; error %v", rows, want, err)
	}
	if len(doubts) != 1 || !strings.Contains(doubts[0], "torn") {
		t.Errorf("doubts %q", doubts)
	}
}

func TestRowsNameTheLineOfAFault(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"schema_version,a\n4,x\n\n4,\"a\nb\"\n4,a\"b\n", "line 6: bare"},
		{"schema_version,a\n4,x\n4,\"x\n4,x\n", "line 3: "},
		{"schema_version,a\n4,x\n4,x,y\n", "line 3: wrong number of fields: 3, where the header has 2"},
		{"schema_version,a\n4,x\n2,x\n", "line 3: schema version 2, where this lab reads 4 and 5"},
		{"schema_version,a\n5,x\n6,x\n", "line 3: schema version 6, where this lab reads 4 and 5"},
		{"schema_version,a\n4,x\n5,x\n", "line 3: schema version 5 after rows of version 4"},
		{"schema_version,a\n5,x\n4,x\n", "line 3: schema version 4 after rows of version 5"},
		{"\nschema_version,a,b,a\n4,1,2,3\n", `line 2: the header names column "a" twice`},
		{"schema_version,a\n4,\"" + strings.Repeat("x,y\n", 1<<19) + "\"\n", "line 2: a record of more than"},
	} {
		_, _, err := collect(strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: error %v, want %q", tt.text, err, tt.want)
		}
	}
	stop := errors.New("enough")
	table, err := record.NewRows(strings.NewReader("schema_version\n4\n4\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Each(nil, func([][]byte) error { return stop }); !errors.Is(err, stop) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v", err)
	}
}

// endless is a table of so many equal rows.
type endless struct {
	rest, row string
	left      int
}

func (e *endless) Read(b []byte) (int, error) {
	if e.rest == "" {
		if e.left == 0 {
			return 0, io.EOF
		}
		e.left, e.rest = e.left-1, e.row
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func TestReadingTakesNoMoreMemoryForMoreRows(t *testing.T) {
	allocated := func(rows int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		table, err := record.NewRows(&endless{rest: "schema_version,block,base_origin\n", row: "4,12,\"a, b\"\n", left: rows})
		if err == nil {
			err = table.Each([]string{"block", "base_origin"}, func([][]byte) error { return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := allocated(10), allocated(200_000); many > few+64<<10 {
		t.Errorf("%d bytes for 10 rows, %d for 200 000", few, many)
	}
}

// FuzzRows holds the reader to encoding/csv, which reads the same files where
// no end is torn.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{
		"schema_version,a\n4,x\n", "schema_version,a\r\n4,\"x\"\r\n", "schema_version,a\n4,\"x\"\"y\"\n", "schema_version,a\n4,\"x\ny\"\n",
		"schema_version,a\n4,a\"b\n", "schema_version,a\n4,\"a\"b\n", "schema_version,a\n4,\n\n,\n", "schema_version,a\n4,x,\n", "schema_version\n\"4\"",
		"schema_version,a,\n4,\"\",\"\"\n", "schema_version,a\n4,\r\n4,\"\r\n\"\n", "\n\nschema_version\n3\n", "\"schema_version\",\"a\n\"\n4,\"\n",
		"schema_version,a\n4,\"\n", "schema_version,a,b\n4,a\"\"b,\n", "schema_version,a\n\"4\",\n", "schema_version,a\n4,\"\nb\"\n", "schema_version,a,b\n4,\"\"\",\"\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		got, _, err := collect(strings.NewReader(text))
		all, wantErr := csv.NewReader(strings.NewReader(text)).ReadAll()
		if wantErr != nil {
			if err == nil {
				t.Fatalf("%q: encoding/csv says %v, we read %q", text, wantErr, got)
			}
			return
		}
		if len(all) == 0 {
			all = [][]string{nil}
		}
		for i, name := range all[0] {
			if slices.Contains(all[0][:i], name) {
				if err == nil {
					t.Fatalf("%q: column %q stands there twice, and was read", text, name)
				}
				return
			}
		}
		column := slices.Index(all[0], "schema_version")
		for _, row := range all[1:] {
			version, _ := strconv.ParseInt(row[max(0, column)], 10, 64)
			if column < 0 || !metric.Reads(version) || row[column] != all[1][column] {
				if err == nil {
					t.Fatalf("%q: a row of another schema was read", text)
				}
				return
			}
		}
		if err != nil {
			t.Fatalf("%q: %v, where encoding/csv reads %q", text, err, all)
		}
		if !slices.EqualFunc(got, all[1:], slices.Equal) {
			t.Fatalf("%q: %q, where encoding/csv reads %q", text, got, all[1:])
		}
	})
}
