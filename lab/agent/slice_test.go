package agent

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"runtimelab/lab"
)

// The generator's threads have a short slice from before the first reading of an attack in which it
// waits until after the second. What the kernel grants is recorded, and unknown where it refuses.
func TestAGeneratorThatWaitsHasAShortSlice(t *testing.T) {
	refused := errors.New("operation not permitted")
	const byDefault = 3 * time.Millisecond
	for name, c := range map[string]struct {
		polls         bool
		set, read     error
		ignored       bool // the kernel does not tell the slice
		asked, during []time.Duration
		want          time.Duration
	}{
		"granted": {
			asked: []time.Duration{lab.WaitingSlice, 0}, during: []time.Duration{lab.WaitingSlice, lab.WaitingSlice},
			want: lab.WaitingSlice,
		},
		"ignored": {
			ignored: true, asked: []time.Duration{lab.WaitingSlice, 0}, during: []time.Duration{0, 0},
		},
		"refused": {
			set: refused, asked: []time.Duration{lab.WaitingSlice, 0}, during: []time.Duration{byDefault, byDefault},
			want: byDefault,
		},
		"unreadable": {
			read: refused, asked: []time.Duration{lab.WaitingSlice, 0},
			during: []time.Duration{lab.WaitingSlice, lab.WaitingSlice},
		},
		"polling": {polls: true, during: []time.Duration{byDefault, byDefault}},
	} {
		t.Run(name, func(t *testing.T) {
			slice := byDefault
			if c.ignored {
				slice = 0
			}
			var asked, during []time.Duration
			m := machine(twoCores())
			m.setSlice = func(d time.Duration) error {
				if asked = append(asked, d); c.set == nil && !c.ignored {
					slice = d
				}
				return c.set
			}
			m.longestSlice = func() (time.Duration, error) { return slice, c.read }
			usage := m.processUsage
			m.processUsage = func() (time.Duration, int64, error) { // of each reading
				during = append(during, slice)
				return usage()
			}
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			defer server.Close()
			client, _, _ := startAgentOn(t, m)
			o, err := client.Attack(t.Context(), lab.Attack{
				Name: "waiting", BaseURL: server.URL, Kind: lab.Peak, Generator: lab.EventLoop,
				Connections: 1,
				Targets:     []lab.Target{{Request: lab.Request{Method: "GET", Path: "/"}, Status: 200}},
				Duration:    50 * time.Millisecond, Timeout: time.Second, SleepWhenIdle: !c.polls,
			})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(asked, c.asked) || !slices.Equal(during, c.during) {
				t.Errorf("asked for %v, want %v; at the readings it was %v, want %v", asked, c.asked, during, c.during)
			}
			if c.polls != (o.Waiting == nil) || o.Waiting != nil && o.Waiting.Slice != c.want {
				t.Errorf("recorded %+v, want %v", o.Waiting, c.want)
			}
		})
	}
}
