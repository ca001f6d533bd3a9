package workload

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzWorkload checks that any file gives either a workload or a mistake with a place in it.
func FuzzWorkload(f *testing.F) {
	for _, name := range []string{"application", "orders", "stream"} {
		text, err := os.ReadFile(filepath.Join(repository, Dir, name, File))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"version": 1, "about": "x", "identity": {"path": "/identity", "fields": []}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := loader{contents: map[string][]byte{}, set: &Set{}}
		l.parse("application", text)
		l.resolve()
		l.checkTogether()
		if found := l.set.ByName("application") != nil; !found && len(l.mistakes) == 0 {
			t.Fatal("neither a workload nor a mistake")
		}
		for _, m := range l.mistakes {
			if m.Text == "" || m.Line < 0 || (m.Line > 0) != (m.Column > 0) {
				t.Fatalf("a mistake at %d:%d: %q", m.Line, m.Column, m.Text)
			}
		}
	})
}
