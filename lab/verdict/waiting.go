package verdict

import (
	"time"

	"runtimelab/lab"
)

// waitingDoubts returns doubts about the phases whose generator waited in the kernel without a short
// time slice, or without a loop that keeps its CPUs from halting. Earlier labs had neither and recorded
// neither.
func waitingDoubts(rows rowTable) (out []lab.Reason) {
	const limit = float64(lab.WaitingSlice) / float64(time.Millisecond)
	slices, halting, phases := tally{}, tally{}, 0
	for r := range phaseRows(rows) {
		idleLoop, waited := r.Float("idle_loop_cpu_s")
		if !waited {
			continue
		}
		phases++
		place := rowLabel(r) + " " + r.Text("phase")
		if slice, known := r.Float("generator_slice_ms"); !known || slice > limit {
			slices[place]++
		}
		if idleLoop == 0 {
			halting[place]++
		}
	}
	if len(slices) > 0 {
		doubt := slices.reason(lab.LongSlices, phases)
		doubt.Limit = limit
		out = append(out, doubt)
	}
	if len(halting) > 0 {
		out = append(out, halting.reason(lab.HaltingCPUs, phases))
	}
	return out
}
