package record_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// toolFile returns the content of a file in testdata/tools.
func toolFile(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "tools", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// sameCell reports whether two cells have the same value. Floats may differ by what Excel's eleven
// characters lose.
func sameCell(name, a, b string) bool {
	m, _ := metric.Find(name)
	switch m.Kind {
	case metric.Float:
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		return a == b || errX == nil && errY == nil && math.Abs(x-y) <= 1e-9*math.Abs(x)
	}
	return a == b
}

func TestFilesOfOtherProgramsAreReadAsTheLabWroteThem(t *testing.T) {
	columns, _, _ := strings.Cut(string(toolFile(t, "trials.csv")), "\n")
	names := strings.Split(columns, ",")
	want, _, err := readRows(bytes.NewReader(toolFile(t, "trials.csv")), names...)
	if err != nil || len(want) != 10 {
		t.Fatalf("%d rows, error %v", len(want), err)
	}
	for file, doubt := range map[string]string{
		"pandas.csv": "", "pandas-index.csv": "", "pandas-semicolon.csv": "", "duckdb.csv": "", "polars.csv": "",
		"r.csv": "", "readr.csv": "", "readr-csv2.csv": "", "readr-excel.csv": "no time zone from line 2 on",
		"libreoffice.csv": "", "excel.csv": "", "excel-german.csv": "",
	} {
		got, doubts, err := readRows(bytes.NewReader(toolFile(t, file)), names...)
		if err != nil || len(got) != len(want) {
			t.Errorf("%s: %d rows, error %v", file, len(got), err)
			continue
		}
		if (doubt == "") != (len(doubts) == 0) || !strings.Contains(strings.Join(doubts, "; "), doubt) {
			t.Errorf("%s: doubts %q, want %q", file, doubts, doubt)
		}
		for i, row := range got {
			for j, name := range names {
				if !sameCell(name, want[i][j], row[j]) {
					t.Errorf("%s, row %d: %s is %q, want %q", file, i+1, name, row[j], want[i][j])
				}
			}
		}
		_, all, err := readRows(bytes.NewReader(toolFile(t, file)))
		if err != nil || !slices.Equal(all, doubts) {
			t.Errorf("%s with all its columns: doubts %q, error %v; want the same doubts", file, all, err)
		}
	}
}

// The error names the line and a remedy.
func TestAmbiguousFilesAreRefused(t *testing.T) {
	original := string(toolFile(t, "trials.csv"))
	german := string(toolFile(t, "excel-german.csv"))
	for _, tt := range []struct{ name, text, want, hint string }{
		{"two files", original + original, "line 12: a second header", "a file of its own"},
		{
			"two files in different encodings", original + "\ufeff" + strings.ReplaceAll(original, "\n", "\r\n"),
			"line 12: a second header", "a file of its own",
		},
		{
			"two files, the first without a final line end", strings.TrimSuffix(original, "\n") + original,
			"line 11: a second header", "a file of its own",
		},
		{
			"two files with different columns", original + strings.Replace(original, "validity_reason", "reason", 1),
			"line 12: a second header", "a file of its own",
		},
		{"UTF-16", string(toolFile(t, "libreoffice-utf16.csv")), "line 1: the file is text in UTF-16", "CSV UTF-8"},
		{
			"UTF-16 without a mark", string(toolFile(t, "libreoffice-utf16.csv"))[2:],
			"line 1: the header has zero bytes", "CSV UTF-8",
		},
		{"a workbook", "PK\x03\x04...", "line 1: the file is a workbook", "CSV UTF-8"},
		{"gzip", "\x1f\x8b\x08", "line 1: the file is compressed by gzip", "decompress"},
		{
			"Macintosh", strings.ReplaceAll(original, "\n", "\r"), "line 1: lines end with a carriage return alone",
			"CSV UTF-8",
		},
		{
			"decimal points read as thousands separators", string(toolFile(t, "libreoffice-german.csv")),
			"line 2: column throughput_rps: 47512791 has no decimals, but 3.000000 in line 2", "decimal points",
		},
		{
			"digits lost", strings.Replace(string(toolFile(t, "excel.csv")), ",47512.791,", ",4.75E+04,", 1),
			"line 2: column throughput_rps: 4.75E+04 has lost digits", "all its decimals",
		},
		{
			"thousands", strings.Replace(original, ",142538,", `,"142,538",`, 1),
			"line 2: column requests: the comma in 142,538 may separate thousands or decimals", "semicolons",
		},
		{
			"thousands and decimals", strings.Replace(original, ",47512.791,", `,"47,512.791",`, 1),
			"line 2: column throughput_rps: 47,512.791 has thousands separators", "semicolons",
		},
		{
			"two marks", strings.Replace(german, ";142538;", ";142.538;", 1),
			`line 2: column requests: "142.538" is not an integer`, "separates thousands",
		},
		{
			"two marks of decimals", strings.Replace(german, ";47512,791;", ";47512.791;", 1),
			"line 2: column latency_raw_p50_ms: 1,364107 has another decimal mark than 47512.791 in line 2",
			"semicolons",
		},
		{
			"spaces", strings.Replace(german, ";142538;", ";142\u00a0538;", 1),
			`line 2: column requests: "142\u00a0538" is not a number`, "",
		},
		{
			"one ambiguous mark", "schema_version;throughput_rps\n4;230,507\n4;5\n",
			"line 2: the mark in 230,507 may separate thousands or decimals", "with all decimals",
		},
		{
			"words", strings.Replace(original, ",true,", ",WAHR,", 1),
			`line 2: column keep_alive: "WAHR" is neither true nor false`, "write true or false",
		},
		{
			"an ambiguous date",
			strings.Replace(original, "2026-11-25T10:02:10.000Z", "11/10/2026 10:02", 1),
			`line 2: column started_at: "11/10/2026 10:02" is not an unambiguous time`, "2006-01-02T15",
		},
		{"a row cut off", original[:len(original)-700] + "\n", "line 10: wrong number of fields", ""},
		{
			"an unknown delimiter", strings.ReplaceAll(original, ",", " "),
			"line 1: no column schema_version: is it a trials.csv of this lab?", "",
		},
		{
			"no header", original[strings.Index(original, "\n")+1:],
			"line 1: no column schema_version: is it a trials.csv of this lab?", `its first column is "4"`,
		},
	} {
		_, _, err := readRows(strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.hint) {
			t.Errorf("%s: error %v, want %q and %q", tt.name, err, tt.want, tt.hint)
		}
		var userErr *fault.Error
		if tt.hint != "" && (!errors.As(err, &userErr) || userErr.Code != fault.ExitUsage) {
			t.Errorf("%s: code %d", tt.name, fault.ExitCode(err))
		}
	}
}

// Byte order marks, delimiters, row numbers and empty rows do not change the values.
func TestUnambiguousFilesAreRead(t *testing.T) {
	const want = `[["4" "7" "2.500" "true" "why"] ["4" "" "2600.000" "false" ""]]`
	columns := []string{"schema_version", "requests", "throughput_rps", "keep_alive", "validity_reason"}
	head := func(delimiter string) string { return strings.Join(columns, delimiter) }
	for name, text := range map[string]string{
		"as the lab writes it": head(",") + "\n4,7,2.500,true,why\n4,,2600.000,false,\n",
		"a mark and CR LF":     "\ufeff" + head(",") + "\r\n4,7,2.500,true,why\r\n4,,2600.000,false,\r\n",
		"quotes": `"` + head(`","`) + "\"\n" + `"4","7","2.500","true","why"` + "\n" +
			`"4","","2600.000","false",""` + "\n",
		"semicolons":                head(";") + "\n4;7;2,5;true;why\n4;;2600;false;\n",
		"semicolons and points":     head(";") + "\n4;7;2.5;true;why\n4;;2600.0;false;\n",
		"tabs":                      head("\t") + "\n4\t7\t2.5\tTrue\twhy\n4\t\t2600\tFALSE\t\n",
		"a delimiter in a line":     "sep=|\n" + head("|") + "\n4|7|2.5|true|why\n4||2600|false|\n",
		"exponents":                 head(",") + "\n4.0,7e0,25e-1,TRUE,why\n4,NA,2.6e+03,False,NA\n",
		"a large E with all digits": head(",") + "\n4,7,2.500000E+00,true,why\n4,,2.600000E+03,false,\n",
		"row numbers":               ",Unnamed: 0," + head(",") + "\n0,1,4,7,2.5,true,why\n1,2,4,,2600.0,false,\n",
		"empty cells left out":      head(",") + "\n4,7,2.500,true,why\n4,,2600.000,false\n",
		"empty cells added":         head(",") + ",,\n4,7,2.500,true,why,,\n4,,2600.000,false,,,,,\n",
		"empty rows": ",,,,\n" + head(",") + "\n4,7,2.500,true,why\n,,,,\n4,,2600.000,false,\n" +
			"\"\",,,,\n,\n",
	} {
		got, doubts, err := readRows(strings.NewReader(text), columns...)
		if err != nil || len(doubts) > 0 || quoted(got) != want {
			t.Errorf("%s: %s, doubts %q, error %v", name, quoted(got), doubts, err)
		}
	}
	_, doubts, err := readRows(strings.NewReader("schema_version,,requests,\n4,note,7,\n"))
	if err != nil || len(doubts) != 1 || !strings.Contains(doubts[0], "columns without a name") {
		t.Errorf("doubts %q, error %v", doubts, err)
	}
}

// Columns that were not requested show the decimal mark of the others.
func TestOtherColumnsShowTheDecimalMark(t *testing.T) {
	one := func(text string) ([][]string, error) {
		rows, _, err := readRows(strings.NewReader(text), "throughput_rps")
		return rows, err
	}
	got, err := one("schema_version;throughput_rps;latency_p50_ms\n4;998,815;0,25\n")
	if err != nil || quoted(got) != `[["998.815"]]` {
		t.Errorf("%s, error %v", quoted(got), err)
	}
	german := string(toolFile(t, "libreoffice-german.csv"))
	commas := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(german, ",", " "), ";", ","), `"`, "")
	for _, text := range []string{german, commas} {
		if got, err := one(text); err == nil || !strings.Contains(err.Error(), "47512791 has no decimals") {
			t.Errorf("%s, error %v", quoted(got), err)
		}
	}
}

// A spreadsheet saves only the decimals that it shows.
func TestRoundedNumbersAreADoubt(t *testing.T) {
	file := func(values ...string) string {
		return "schema_version,latency_p50_ms\n4," + strings.Join(values, "\n4,") + "\n"
	}
	for text, want := range map[string]string{
		file("0.07", "0.08", "0.06", "0.09", "0.1", "0.05", "0.07"): "latency_p50_ms has at most 2 decimals, " +
			"but the lab writes 6: a program may have rounded it",
		file("1", "2", "3", "4", "5", "6"): "latency_p50_ms has at most 0 decimals",

		// One number has all decimals.
		file("0.07", "0.08", "0.06", "0.09", "0.1", "0.05", "0.071578"):         "",
		file("0.070000", "0.080000", "0.060000", "0.090000", "0.1", "0.050000"): "",
		// Two values may have few decimals by chance.
		file("0.07", "0.08", "0.07", "0.08", "0.07", "0.08", "0.07"): "",
		// The rounding is too small to matter.
		file("712.5", "801.2", "655.1", "903.4", "912.1", "500.9"): "",
	} {
		_, doubts, err := readRows(strings.NewReader(text))
		if err != nil || (want == "") != (len(doubts) == 0) || !strings.Contains(strings.Join(doubts, "; "), want) {
			t.Errorf("%q: doubts %q, error %v; want %q", text, doubts, err, want)
		}
	}
}

// quoted formats rows with quoted cells.
func quoted(rows [][]string) string {
	var lines []string
	for _, row := range rows {
		var cells []string
		for _, c := range row {
			cells = append(cells, strconv.Quote(c))
		}
		lines = append(lines, "["+strings.Join(cells, " ")+"]")
	}
	return "[" + strings.Join(lines, " ") + "]"
}

// Such a file can be read, but it is not the one that the run wrote.
func TestVerifyRefusesAFileThatWasSavedAgain(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"a mark": func(s string) string { return "\ufeff" + s },
		"CR LF":  func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"True":   func(s string) string { return strings.ReplaceAll(s, "true", "True") },
	} {
		_, run := create(t)
		if err := run.AddTrial(sample(t, lab.Peak, 0)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(run.Dir(), record.TrialsFile)
		text := read(t, run.Dir(), record.TrialsFile)
		if change(text) == text {
			t.Fatalf("%s changes nothing", name)
		}
		if err := os.WriteFile(path, []byte(change(text)), 0o644); err != nil {
			t.Fatal(err)
		}
		if back, err := record.Read(run.Dir()); err != nil || len(back.Rows) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		v, err := record.Verify(run.Dir())
		if err != nil || v.Consistent() ||
			!strings.Contains(strings.Join(v.Problems, "; "), "trials.csv has been changed since the run wrote it") {
			t.Errorf("%s: problems %q, error %v", name, v.Problems, err)
		}
	}
}
