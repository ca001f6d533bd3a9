package agent

import (
	"bytes"
	"io"
	"testing"
	"testing/fstest"

	"runtimelab/lab/fault"
)

// FuzzUsage reads files with fields that a server controls: it chooses the names of its threads and
// processes.
func FuzzUsage(f *testing.F) {
	f.Add("2 (node) S 1 2 3 4 5 6 7 8 9 10 77 88 0 0", "voluntary_ctxt_switches:\t5\n", "node\x00server.js\x00")
	f.Add("2 (a) R (b) ) S 1 2 3 4 5 6 7 8 9 10 77 88 0 0", "Name:\tvoluntary_ctxt_switches: 9\n",
		"/agent\x00serve\x00upstream\x00")
	f.Fuzz(func(t *testing.T, stat, status, cmdline string) {
		m := Machine{root: fstest.MapFS{
			"proc/2/stat":          {Data: []byte(stat)},
			"proc/2/task/2/stat":   {Data: []byte(stat)},
			"proc/2/task/2/status": {Data: []byte(status)},
			"proc/2/cmdline":       {Data: []byte(cmdline)},
		}}
		u, err := m.readUsage()
		if err != nil || len(u.threads) > 1 || len(u.processes) > 1 {
			t.Fatalf("%d threads and %d processes of one, %v", len(u.threads), len(u.processes), err)
		}
	})
}

// FuzzClient reads any output of a cell: the client must return a reply or an error.
func FuzzClient(f *testing.F) {
	f.Add([]byte(`{"id":1,"result":{"cpus":[]}}` + "\n"))
	f.Add([]byte(`{"id":2,"error":"no"}` + "\n"))
	f.Add([]byte(`{"id":1,"result":"\u0000`))
	f.Fuzz(func(t *testing.T, output []byte) {
		c := NewClient(fault.Generator, io.Discard, bytes.NewReader(output))
		first, _ := c.Probe(t.Context()) // a reply or an error
		_, err := c.Send(t.Context(), "http://127.0.0.1:8080", nil)
		if err == nil && len(first.CPUs) > len(output) {
			t.Fatalf("%d CPUs from %d bytes", len(first.CPUs), len(output))
		}
	})
}
