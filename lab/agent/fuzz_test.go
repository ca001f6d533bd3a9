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
	f.Add("2 (node) S 1 2 3 4 5 6 7 8 9 10 77 88 0 0", "voluntary_ctxt_switches:\t5\n", "0::/../00ff\n")
	f.Add("2 (a) R (b) ) S 1 2 2 4 5 6 7 8 9 10 77 88 0 0", "Name:\tvoluntary_ctxt_switches: 9\n",
		"4:cpu:/\n0::/\n")
	f.Fuzz(func(t *testing.T, stat, status, cgroup string) {
		m := Machine{services: inService("a", "00ff", "b", "11ff"), root: fstest.MapFS{
			"proc/2/stat":          {Data: []byte(stat)},
			"proc/2/task/2/stat":   {Data: []byte(stat)},
			"proc/2/task/2/status": {Data: []byte(status)},
			"proc/2/cgroup":        {Data: []byte(cgroup)},
		}}
		u, err := m.readUsage()
		threads, processes := 0, 0
		for _, s := range u {
			threads, processes = threads+len(s.Threads), processes+len(s.Processes)
		}
		if err != nil || threads > 1 || processes > 1 {
			t.Fatalf("%d threads and %d processes of one, %v", threads, processes, err)
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
