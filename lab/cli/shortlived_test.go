package cli

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
	"runtimelab/lab/session"
)

// shortLivedImage imports an image of testdata/shortlived. The test removes it.
func shortLivedImage(ctx context.Context, t *testing.T, c *client.Client) lab.Image {
	t.Helper()
	const ref = "runtime-lab-test-shortlived:1"
	importProgram(ctx, t, c, "shortlived", ref,
		"LABEL io.runtime-lab.owner=runtime-lab-test", "USER 65532:65532", `CMD ["/server"]`)
	t.Cleanup(func() {
		options := client.ImageRemoveOptions{Force: true}
		if _, err := c.ImageRemove(context.WithoutCancel(ctx), ref, options); err != nil {
			t.Error(err)
		}
	})
	return lab.Image{Ref: ref}
}

// The CPU time of short-lived threads and processes of a server counts as the server's, not
// as that of other processes.
func TestIntegrationShortLivedThreadsAndProcessesAreTheServers(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		c, err := s.Calibration(ctx, lab.DefaultGenerator, true)
		if err != nil {
			t.Fatal(err)
		}
		image := shortLivedImage(ctx, t, openEngine(t))
		for _, mode := range []string{"thread", "fork", "ignored", "recycle"} {
			subj := subject{
				variant: lab.Variant{Runtime: "test", Name: mode, Command: []string{"/server", mode}},
				image:   image,
				target: lab.Target{
					Request: lab.Request{Method: "GET", Path: "/"}, Status: 200, Body: []byte("done"),
				},
			}
			a := attackOn(subj, 8, 0, 2*time.Second)
			a.ConnectionPerRequest = true
			expectForeignCPU(t, mode, measurePhase(ctx, t, s, subj, a, c))
		}
	})
}

// expectForeignCPU expects that the measured share of other processes in a saturated
// server's CPUs is the share that the idle time and the server's container leave. Other
// work on the machine may disturb the sample, but not this comparison.
func expectForeignCPU(t *testing.T, mode string, s lab.Sample) {
	t.Helper()
	const precision = 0.03
	w := *s.Measured
	wall := w.Accounts.WallTime.Seconds()
	idle := 0.0
	for _, cpu := range w.Accounts.CPUs {
		if slices.Contains(w.Layout.Server, cpu.ID) && cpu.Idle != nil {
			idle += cpu.Idle.Seconds()
		}
	}
	used, _ := metric.ServerCPUSeconds(w)
	others := max(0, 1-(idle+used)/wall/float64(len(w.Layout.Server)))
	foreign, _ := metric.ForeignServerRatio(w)
	saturation, _ := metric.SaturationRatio(w)
	if idle, known := metric.GeneratorIdleRatio(w); !known || idle > gate.MaxGeneratorIdle {
		t.Errorf("%s: a generator that polls left %.3f of its CPU idle, known %v", mode, idle, known)
	} else {
		t.Logf("%s: the generator left %.4f of its CPU idle", mode, idle)
	}
	t.Logf("%s: %d answers, %.3f s, others took %.3f, measured as %.3f; at %.3f of its limit: %s %s",
		mode, w.Attack.Succeeded, used, others, foreign, saturation, s.Gate.Validity, s.Gate.Reason)
	if foreign < others-precision || foreign > others+precision {
		t.Errorf("%s: others took %.3f of the server's CPUs, measured as %.3f", mode, others, foreign)
	}
	if saturation < 0.95 {
		t.Errorf("%s: saturation %.3f of a server that keeps its CPU busy", mode, saturation)
	}
	foreignGenerator, _ := metric.ForeignGeneratorRatio(w)
	quiet := max(others, foreignGenerator) < gate.MaxForeignCPU-precision
	if quiet && s.Gate.Validity != lab.Valid && strings.Contains(s.Gate.Reason, "other work") {
		t.Errorf("%s: %s because %q", mode, s.Gate.Validity, s.Gate.Reason)
	}
}
