package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"runtimelab/lab/fault"
	"runtimelab/lab/table"
)

// Terminals interpret more characters than JSON escapes.
func TestEscapedJSONIsTheSameJSON(t *testing.T) {
	want := "\x00\x1b\x7f\u0080\u009b\u202e\u2066\\\x7f"
	var out bytes.Buffer
	a := &app{Streams: Streams{Out: safeWriter{&out}}}
	if err := a.printJSON(want); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != want {
		t.Errorf("%s is %q, %v, want %q", out.String(), got, err, want)
	}
}

func FuzzEscapeControls(f *testing.F) {
	f.Add("a\x1b[31mb\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		if n, err := (safeWriter{&out}).Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("wrote %d of %d bytes, %v", n, len(text), err)
		}
		for _, r := range out.String() {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Fatalf("%q becomes %q", text, out.String())
			}
		}
		if again := table.EscapeControls(out.String()); again != out.String() {
			t.Fatalf("%q changes when it is escaped twice", text)
		}
	})
}

func TestMessagesAreEscaped(t *testing.T) {
	code, stdout, stderr := labRun(t.Context(), "report", "--root", t.TempDir()+"/\x1b[31mred")
	if code != fault.ExitUsage || strings.Contains(stdout+stderr, "\x1b") ||
		!strings.Contains(stderr, `\x1b[31mred`) {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
