package metric_test

import (
	"math"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// The CPU time of the idle loop is idle: it is neither foreign nor the generator's, the server's or
// another service's, also where the generator shares its CPU with the server.
func TestTheIdleLoopIsIdleTime(t *testing.T) {
	for _, l := range []lab.Layout{
		{Generator: []int{0, 2}, Server: []int{1}},
		{Generator: []int{0}, Server: []int{0, 1, 2}},
	} {
		with, without := fullSample(), fullSample()
		with.Layout, without.Layout = l, l
		without.Attack.After.Services = without.Attack.After.Services[:4]
		without.Attack.After.CPUs[1].Idle += 500 * time.Millisecond // CPU 0, where the loop ran
		for name, figure := range map[string]func(lab.Window) (float64, bool){
			"foreign": metric.ForeignCPURatio, "foreign, generator": metric.ForeignGeneratorRatio,
			"foreign, server": metric.ForeignServerRatio, "generator": metric.GeneratorCPURatio,
			"saturation": metric.SaturationRatio, "unattributed": metric.UnattributedCPUSeconds,
			"server": metric.CPUPerRequestUS, "upstream": find(t, "upstream_cpu_ratio"),
			"generator's side": func(w lab.Window) (float64, bool) { return metric.GeneratorSideCPURatio(w), true },
		} {
			got, ok := figure(with.window())
			if want, known := figure(without.window()); !ok || !known || math.Abs(got-want) > 1e-12 {
				t.Errorf("layout %+v, %s: %v with the loop, %v without", l, name, got, want)
			}
		}
	}
}

// find returns a column as a figure of a window.
func find(t *testing.T, name string) func(lab.Window) (float64, bool) {
	m, known := metric.Find(name)
	if !known {
		t.Fatalf("no column %s", name)
	}
	return func(w lab.Window) (float64, bool) { return m.ExtractWindow(w).Float() }
}

// A CPU that an idle loop keeps from halting has no cost of sleeps.
func TestSleepsCountOnCPUsThatMayHalt(t *testing.T) {
	s := fullSample()
	s.Attack.After.Sleeps = 1000 // the generator's, in 10 s
	s.Attack.After.Services[0].Threads[0].Sleeps = 4000
	for _, c := range []struct {
		layout            lab.Layout
		generator, server float64 // per second and CPU
	}{
		{lab.Layout{Generator: []int{0, 2}, Server: []int{1}}, 0, 400},
		{lab.Layout{Generator: []int{0}, Server: []int{0, 1}}, 125, 125}, // half of 5000 in 10 s on 2 CPUs
	} {
		s.Layout = c.layout
		w := s.window()
		generator := metric.SleepRateOn(w, c.layout.Generator)
		server := metric.SleepRateOn(w, c.layout.Server)
		if generator != c.generator || server != c.server {
			t.Errorf("%+v: %v sleeps per second on the generator's CPUs, %v on the server's; want %v and %v",
				c.layout, generator, server, c.generator, c.server)
		}
		w.Accounts.Generator.Waiting.IdleLoop = 0
		if got := metric.SleepRateOn(w, c.layout.Generator); got == c.generator {
			t.Errorf("%+v, without a loop: %v sleeps per second", c.layout, got)
		}
	}
}

// What a generator that polls does not need is no figure, and a slice that is unknown neither.
func TestOnlyAWaitingGeneratorHasASliceAndALoop(t *testing.T) {
	s := fullSample()
	s.Attack.Waiting.Slice = 0 // before Linux 6.12
	if got, ok := metric.GeneratorSliceMS(s.window()); ok {
		t.Errorf("an unknown slice is %v", got)
	}
	s.Attack.After.Services = s.Attack.After.Services[:4]
	if got, ok := metric.IdleLoopCPUSeconds(s.window()); !ok || got != 0 {
		t.Errorf("without a loop: %v, %v", got, ok)
	}
	s.Attack.Waiting = nil
	if got := cells(s.sample()); got["generator_slice_ms"] != "" || got["idle_loop_cpu_s"] != "" {
		t.Errorf("a generator that polls has %q and %q", got["generator_slice_ms"], got["idle_loop_cpu_s"])
	}
}
