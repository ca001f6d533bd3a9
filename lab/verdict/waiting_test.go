package verdict_test

import (
	"slices"
	"testing"

	"runtimelab/lab/metric"
)

// A generator that shares its CPU needs a short time slice and a loop that keeps the CPU from halting.
func TestAGeneratorThatWaitsWithoutItsSliceOrLoopIsDoubted(t *testing.T) {
	const (
		long = "the generator shares its CPU and had no time slice of 0.1 ms in 6 of 12 phases " +
			"(generator_slice_ms; it takes Linux 6.12): beside a busy service it sends requests in batches, " +
			"which cost the server less CPU: json shop/v1 peak (6)"
		halting = "the generator shares its CPU and no idle loop kept that from halting in 6 of 12 phases " +
			"(idle_loop_cpu_s): to wake it costs the server CPU, and less beside a busy service: " +
			"json shop/v1 peak (6)"
	)
	waited := func(loop float64) metric.Row {
		return metric.Row{"idle_loop_cpu_s": metric.Number(loop), "generator_slice_ms": metric.Number(0.1)}
	}
	withSlice := func(ms metric.Value) metric.Row {
		r := waited(2.5)
		r["generator_slice_ms"] = ms
		return r
	}
	for name, c := range map[string]struct {
		row  metric.Row
		want []string
	}{
		"both":             {waited(2.5), nil},
		"no loop":          {waited(0), []string{halting}},
		"an unknown slice": {withSlice(metric.Value{}), []string{long}},
		"a longer slice":   {withSlice(metric.Number(0.7)), []string{long}},
		"neither":          {metric.Row{"idle_loop_cpu_s": metric.Number(0)}, []string{long, halting}},
	} {
		rows := slices.Concat(trials("shop/v1", 100, 0, c.row), trials("shop/v2", 100, 0, waited(2.5)))
		if got := doubtsOf(judgeAll(planOf(), rows)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for _, row := range []metric.Row{nil, {"generator_slice_ms": metric.Number(3)}} { // it polled
		if got := doubtsOf(judgeAll(planOf(), trials("shop/v1", 100, 0, row))); len(got) > 0 {
			t.Errorf("%v: %q", row, got)
		}
	}
}
