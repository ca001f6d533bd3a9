package record_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// boundRow holds the variables of a test's columns.
type boundRow struct {
	scenario, connections []byte
	block, attempt        int64
	rps, oom              record.Number
}

func (r *boundRow) columns() *record.Columns {
	var c record.Columns
	c.Text("scenario", &r.scenario)
	c.Text("connections", &r.connections) // a number as it is written
	c.Integer("block", &r.block)
	c.Integer("attempt", &r.attempt)
	c.Number("throughput_rps", &r.rps)
	c.Number("oom_events", &r.oom) // a column of integers
	return &c
}

func (r *boundRow) String() string {
	rps, err := r.rps.Float()
	oom, other := r.oom.Float()
	if err = errors.Join(err, other); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s %d %d %v %v", r.scenario, r.connections, r.block, r.attempt, rps, oom)
}

// readBound reads a text and returns its rows as texts.
func readBound(text string, change func(*record.Columns)) (rows []string, err error) {
	reader, err := record.NewRowReader(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	var row boundRow
	columns := row.columns()
	if change != nil {
		change(columns)
	}
	err = reader.EachBound(columns, func() error {
		rows = append(rows, row.String())
		return nil
	})
	return rows, err
}

// Columns are bound by name, so their order in the file does not matter. A value of one row must
// not stay for the next.
func TestBoundColumnsTakeTheValuesOfEachRow(t *testing.T) {
	text := "throughput_rps,oom_events,schema_version,block,connections,scenario\n" +
		"1000.250,3,5,2,64,json\n" +
		",,5,,,\n" +
		"7.500,0,5,12,1,tiny\n"
	rows, err := readBound(text, nil)
	want := []string{"json 64 2 0 1000.25 3", "  0 0 NaN NaN", "tiny 1 12 0 7.5 0"}
	if err != nil || fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("rows %q, want %q; error %v", rows, want, err)
	}
	// The same table as a spreadsheet with decimal commas saves it.
	other := "scenario;throughput_rps;block;schema_version;connections;oom_events\n" +
		"json;1000,25;2;5;64;3,0\n"
	if rows, err = readBound(other, nil); err != nil || len(rows) != 1 || rows[0] != want[0] {
		t.Errorf("rows %q, want %q; error %v", rows, want[0], err)
	}
}

func TestBoundColumnsAreChecked(t *testing.T) {
	const row = "scenario,schema_version,block\njson,5,1\n"
	text, number, integer := []byte(nil), record.Number{}, int64(0)
	for _, c := range []struct {
		text   string
		change func(*record.Columns)
		want   string
	}{
		{row, func(c *record.Columns) { c.Text("no_such_column", &text) }, "no_such_column cannot be bound"},
		{row, func(c *record.Columns) { c.Number("variant", &number) }, "variant cannot be bound"},
		{row, func(c *record.Columns) { c.Integer("duration_s", &integer) }, "duration_s cannot be bound"},
		{row, func(c *record.Columns) { c.Text("block", &text) }, "block cannot be bound"},
		{
			row, func(c *record.Columns) { c.Require("scenario", "phase", "variant") },
			"line 2: no columns phase, variant",
		},
		{row, func(c *record.Columns) { c.Require("scenario"); c.RequireValues("scenario") }, ""},
		{
			row + "json,5,\n", func(c *record.Columns) { c.RequireValues("block") },
			"line 3: the row has no block",
		},
		// An unknown schema may have other columns, so it is reported first.
		{"a,schema_version\nx,2\n", func(c *record.Columns) { c.Require("block") }, "line 2: schema version 2"},
		// Without rows nothing is missing.
		{"scenario,schema_version\n", func(c *record.Columns) { c.Require("block") }, ""},
		{"scenario,schema_version,block\njson,5,x\n", nil, `column block: "x" is not a number`},
		{"throughput_rps,schema_version\n1e999,5\n", nil, `column throughput_rps: "1e999" is not a number`},
	} {
		_, err := readBound(c.text, c.change)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
		var user *fault.Error
		if strings.Contains(c.want, "the row has") && (!errors.As(err, &user) || user.Code != fault.ExitUsage) {
			t.Errorf("%q: not the user's fault: %v", c.text, err)
		}
	}
}

func TestBoundColumnsNeedConstantMemory(t *testing.T) {
	checkConstantMemory(t, "schema_version,block,scenario,throughput_rps,oom_events\n",
		"5,12,json,1234.567,3\n", func(table *record.RowReader) error {
			var row boundRow
			return table.EachBound(row.columns(), func() error {
				_, err := row.rps.Float()
				return err
			})
		})
}

func TestEachRowHasTheTypesOfItsColumns(t *testing.T) {
	text := "throughput_rps,schema_version,block,invented,scenario\n1000.250,5,2,x,json\n,5,,,\n"
	reader, err := record.NewRowReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var rows []metric.Row
	err = reader.EachRow([]string{"block"}, func(r metric.Row) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil || len(rows) != 2 || len(rows[0]) != 5 || len(rows[1]) != 2 {
		t.Fatalf("rows %v, error %v", rows, err)
	}
	rps, _ := rows[0].Float("throughput_rps")
	block, _ := rows[0].Int("block")
	if rps != 1000.25 || block != 2 || rows[0].Text("scenario") != "json" ||
		rows[1].Text("generator") != "vegeta" {
		t.Errorf("row %v", rows[0])
	}
	if reader.SchemaVersion() != 5 {
		t.Errorf("schema version %d", reader.SchemaVersion())
	}
}
