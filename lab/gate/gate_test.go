package gate

import (
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
)

// quiet is a sample of one second in which the server used 97 % of CPU 1, the
// generator 60 % of CPU 0, and nobody else anything.
func quiet() lab.Sample {
	began := time.Unix(1000, 0)
	cpu := func(busy0, busy1 time.Duration) []lab.CPUTime {
		return []lab.CPUTime{{ID: 0, Busy: busy0}, {ID: 1, Busy: busy1}}
	}
	return lab.Sample{
		Phase:  lab.Phase{Kind: lab.Peak},
		Layout: lab.Layout{Generator: []int{0}, Server: []int{1}},
		Attack: &lab.AttackResult{
			Elapsed: time.Second, Intended: 100, Sent: 100, Succeeded: 100,
			GeneratorOn: []int{0},
			Before:      lab.Reading{At: began, CPUs: cpu(0, 0)},
			After: lab.Reading{
				At: began.Add(time.Second), GeneratorCPU: 600 * time.Millisecond,
				CPUs: cpu(600*time.Millisecond, 970*time.Millisecond),
			},
		},
		Server: lab.ServerUsage{Known: true, After: lab.Usage{CPU: 970 * time.Millisecond}},
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*lab.Sample)
		want   lab.Validity
		reason string
	}{
		{"a quiet peak of a saturated server", func(*lab.Sample) {}, lab.Valid, ""},
		{"a quiet steady phase", func(s *lab.Sample) {
			s.Phase.Kind = lab.Steady
			s.Server.After.CPU = 200 * time.Millisecond
			s.Attack.After.CPUs[1].Busy = 200 * time.Millisecond
		}, lab.Valid, ""},
		{"errors are an outcome", func(s *lab.Sample) { s.Attack.Succeeded, s.Attack.Failed = 50, 50 }, lab.Valid, ""},
		{"shortfall of a steady phase is an outcome", func(s *lab.Sample) { s.Phase.Kind, s.Attack.Intended = lab.Steady, 900 }, lab.Valid, ""},
		{"a saturated server beside a saturated generator", func(s *lab.Sample) {
			s.Attack.After.GeneratorCPU = 990 * time.Millisecond
			s.Attack.After.CPUs[0].Busy = 990 * time.Millisecond
		}, lab.Valid, ""},

		{"nothing measured", func(s *lab.Sample) { s.Attack = nil }, lab.Failed, "nothing was measured"},
		{"nothing sent", func(s *lab.Sample) { s.Attack.Sent = 0 }, lab.Failed, "not one request was sent"},
		{"nothing succeeded", func(s *lab.Sample) {
			s.Attack.Succeeded, s.Attack.Errors = 0, map[string]int{"rare": 1, "often": 9}
		}, lab.Failed, "not one of 100 requests succeeded: often"},
		{"wrong CPUs", func(s *lab.Sample) { s.Attack.GeneratorOn = []int{0, 1} }, lab.Failed, "on CPUs 0-1 instead of 0"},
		{"usage unknown", func(s *lab.Sample) { s.Server.Known = false }, lab.Failed, "usage"},

		{"steal, which the load itself can cause", func(s *lab.Sample) { s.Attack.After.CPUs[1].Steal = 300 * time.Millisecond }, lab.Valid, ""},
		{"a neighbour", func(s *lab.Sample) { s.Attack.After.CPUs[0].Busy += 200 * time.Millisecond }, lab.Disturbed, "took 10.0% of the CPUs (limit 5%)"},
		{"a neighbour on a CPU that is not ours", func(s *lab.Sample) {
			s.Attack.Before.CPUs = append(s.Attack.Before.CPUs, lab.CPUTime{ID: 2})
			s.Attack.After.CPUs = append(s.Attack.After.CPUs, lab.CPUTime{ID: 2, Busy: time.Second})
		}, lab.Valid, ""},

		{"a server that the hypervisor kept from its CPU", func(s *lab.Sample) {
			s.Server.After.CPU = 850 * time.Millisecond
			s.Attack.After.CPUs[1].Busy, s.Attack.After.CPUs[1].Steal = 850*time.Millisecond, 130*time.Millisecond
		}, lab.Valid, ""},
		{"the generator's ceiling", func(s *lab.Sample) {
			s.Server.After.CPU = 800 * time.Millisecond
			s.Attack.After.GeneratorCPU = 950 * time.Millisecond
			s.Attack.After.CPUs[0].Busy, s.Attack.After.CPUs[1].Busy = 950*time.Millisecond, 800*time.Millisecond
		}, lab.Censored, "generator: it used 95% of its CPUs, the server 80%"},
		{"a server with time to spare", func(s *lab.Sample) {
			s.Server.After.CPU = 300 * time.Millisecond
			s.Attack.After.CPUs[1].Busy = 300 * time.Millisecond
		}, lab.Censored, "unsaturated: the server used 30% of its CPUs (limit 95%)"},
		{"latencies of a saturated generator", func(s *lab.Sample) {
			s.Phase.Kind = lab.Steady
			s.Attack.After.GeneratorCPU = 950 * time.Millisecond
			s.Attack.After.CPUs[0].Busy = 950 * time.Millisecond
		}, lab.Censored, "generator: it used 95%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := quiet()
			c.change(&s)
			got := Judge(s)
			if got.Validity != c.want || !strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") {
				t.Errorf("got %s because %q, want %s because %q", got.Validity, got.Reason, c.want, c.reason)
			}
		})
	}
}
