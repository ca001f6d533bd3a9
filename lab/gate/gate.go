// Package gate decides what a sample is worth: valid, censored (a bound),
// disturbed (by something that the server cannot cause) or failed, each with a
// reason in words and the number that decided. What the server can cause
// (errors, shortfall, a slow answer) is an outcome and no reason to discard.
package gate

import (
	"fmt"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// The thresholds, in one place.
const (
	// SaturatedServer is the share of its CPUs, less what the hypervisor took,
	// from which a server counts as the limit of a peak (design.md, protocol
	// point 7).
	SaturatedServer = 0.95

	// SaturatedGenerator is the share of its CPUs from which the generator may
	// be the limit: at 90 % of a core its own queueing shows in latencies, as
	// waiting time grows with 1/(1-utilisation).
	SaturatedGenerator = 0.90

	// ForeignCPU is the share of the layout's CPUs that other processes may
	// take: 10 % of one of two cores. /proc/stat counts in ticks, which makes
	// much less than that indistinguishable from nothing; a compiler beside the
	// lab takes 30 % and halves every figure.
	//
	// Steal is no gate, although the server's neighbours cause it: so does the
	// server. Where a virtual machine's idle exits are slow, a ping-pong between
	// two CPUs that nobody else uses reads 35 % stolen, a burn on both 1 %. It
	// is recorded, and the report says when it was high.
	ForeignCPU = 0.05
)

// Judge says what the sample is worth. Rules apply in order: a trial that
// failed is nothing else, and one that was disturbed proves no limit.
func Judge(s lab.Sample) lab.Gate {
	for _, rule := range []func(lab.Sample) *lab.Gate{failed, disturbed, censored} {
		if g := rule(s); g != nil {
			return *g
		}
	}
	return lab.Gate{Validity: lab.Valid}
}

// Fail is the verdict on a sample whose trial broke before or during its phase.
func Fail(reason string) lab.Gate { return lab.Gate{Validity: lab.Failed, Reason: reason} }

func failed(s lab.Sample) *lab.Gate {
	switch {
	case s.Attack == nil:
		return because(lab.Failed, "nothing was measured")
	case s.Attack.Sent == 0:
		return because(lab.Failed, "not one request was sent")
	case s.Attack.Succeeded == 0:
		return because(lab.Failed, "not one of %d requests succeeded: %s", s.Attack.Sent, commonest(s.Attack.Errors))
	case !slices.Equal(s.Attack.GeneratorOn, s.Layout.Generator):
		return because(lab.Failed, "the generator ran on CPUs %s instead of %s",
			lab.CPUList(s.Attack.GeneratorOn), lab.CPUList(s.Layout.Generator))
	case !s.Server.Known:
		return because(lab.Failed, "the server's usage could not be read")
	}
	return nil
}

func disturbed(s lab.Sample) *lab.Gate {
	if foreign, ok := metric.ForeignCPURatio(s); ok && foreign > ForeignCPU {
		return because(lab.Disturbed, "other processes took %.1f%% of the CPUs (limit %.0f%%)", 100*foreign, 100*ForeignCPU)
	}
	return nil
}

func censored(s lab.Sample) *lab.Gate {
	server, _ := metric.ServerSaturation(s)
	generator, _ := metric.GeneratorCPURatio(s)
	switch {
	case s.Phase.Kind == lab.Peak && server >= SaturatedServer:
		return nil // the server is the limit, however busy the generator was
	case generator >= SaturatedGenerator:
		return because(lab.Censored, "generator: it used %.0f%% of its CPUs, the server %.0f%%", 100*generator, 100*server)
	case s.Phase.Kind == lab.Peak:
		return because(lab.Censored, "unsaturated: the server used %.0f%% of its CPUs (limit %.0f%%)", 100*server, 100*SaturatedServer)
	}
	return nil
}

func because(v lab.Validity, reason string, numbers ...any) *lab.Gate {
	return &lab.Gate{Validity: v, Reason: fmt.Sprintf(reason, numbers...)}
}

// commonest is the most frequent of counted reasons.
func commonest(reasons map[string]int) string {
	best := "no reason recorded"
	most := 0
	for reason, n := range reasons {
		if n > most || (n == most && reason < best) {
			best, most = reason, n
		}
	}
	return best
}
