package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

// watchedPlan is a plan of four trials that take as long as each other.
func watchedPlan() (p lab.Plan) {
	p.Profile = lab.Profile{Blocks: 4, PeakDuration: 4 * time.Second}
	p.Scenarios = []lab.Scenario{{Name: "json", Phases: []lab.Phase{{Name: "peak", Kind: lab.Peak}}}}
	for block := 1; block <= 4; block++ {
		p.Trials = append(p.Trials, lab.Trial{Scenario: "json", Variant: "node/single", Block: block, Attempt: 1})
	}
	return p
}

func valid() []lab.Sample {
	return []lab.Sample{{
		Phase: lab.Phase{Name: "peak", Kind: lab.Peak}, Gate: lab.GateResult{Validity: lab.Valid},
		Attack: &lab.AttackResult{Sent: 100, Succeeded: 100, Elapsed: time.Second},
	}}
}

func TestTheTimeLeftFollowsThePaceSoFar(t *testing.T) {
	p := watchedPlan()
	each := plan.ExpectedTrialDuration(p, p.Trials[0])
	var out bytes.Buffer
	clock := time.Unix(1000, 0)
	o := newProgress(&out, p, map[lab.TrialID]bool{p.Trials[0].ID(): false}, nil)
	defer o.Close()
	o.now = func() time.Time { return clock }
	if got, want := o.remaining(), (3 * each).Round(time.Second); got != want {
		t.Errorf("before the first, with one of four ended: %v left, want %v", got, want)
	}
	o.TrialStarted(p.Trials[1], 2, 4)
	clock = clock.Add(2 * each)
	o.TrialEnded(p.Trials[1], 2, 4, valid(), false)
	// Two trials are left, and the pace is that of this one and one as planned.
	if got, want := o.remaining(), (3 * each).Round(time.Second); got != want {
		t.Errorf("after a trial of twice the time: %v left of two, want %v", got, want)
	}
	if !strings.Contains(out.String(), "peak 100 req/s  about "+(3*each).Round(time.Second).String()+" left") {
		t.Errorf("said %q", out.String())
	}
	o.TrialStarted(p.Trials[2], 3, 4)
	clock = clock.Add(2 * each)
	o.TrialEnded(p.Trials[2], 3, 4, valid(), true)
	if got, want := o.remaining(), (10 * each / 3).Round(time.Second); got != want {
		t.Errorf("after one that is to be repeated: %v left, want %v", got, want)
	}
}

func TestTheLiveLine(t *testing.T) {
	p := watchedPlan()
	var out bytes.Buffer
	clock := time.Unix(1000, 0)
	o := newProgress(&out, p, nil, nil)
	o.live, o.now = true, func() time.Time { return clock }
	o.TrialStarted(p.Trials[0], 1, 4)
	o.PhaseStarted(p.Trials[0], lab.Phase{Name: "peak", Kind: lab.Peak}, 4*time.Second) // too soon to be drawn
	if got := out.String(); !strings.HasPrefix(got,
		"trial 1/4  json  node/single  block 1: starting  about ") || strings.Contains(got, "\n") {
		t.Errorf("drew %q", got)
	}
	if n := strings.Count(out.String(), "trial 1/4"); n != 1 {
		t.Errorf("drawn %d times within half a second", n)
	}
	clock = clock.Add(redrawInterval)
	out.Reset()
	o.redraw()
	if got := out.String(); !strings.HasPrefix(got,
		"\r\x1b[Ktrial 1/4  json  node/single  block 1: peak, 4s  about ") {
		t.Errorf("half a second later drew %q", got)
	}
	out.Reset()
	o.TrialEnded(p.Trials[0], 1, 4, valid(), false)
	if got := out.String(); !strings.HasPrefix(got, "\r\x1b[Ktrial 1/4") || !strings.HasSuffix(got, "left\n") {
		t.Errorf("the trial's own line is %q", got)
	}
	out.Reset()
	clock = clock.Add(redrawInterval)
	o.TrialStarted(p.Trials[1], 2, 4)
	if got := out.String(); !strings.Contains(got, "last: peak") || len([]rune(got)) > 79 {
		t.Errorf("the next is %q", got)
	}
	out.Reset()
	o.Close()
	if out.String() != "\r\x1b[K" {
		t.Errorf("at the end it writes %q", out.String())
	}
}

func TestOffATerminalThereIsNoLiveLine(t *testing.T) {
	p := watchedPlan()
	var out bytes.Buffer
	o := newProgress(&out, p, nil, nil)
	o.TrialStarted(p.Trials[0], 1, 4)
	o.TrialEnded(p.Trials[0], 1, 4, valid(), false)
	o.printLine("%s", "a server says \x1b[2J")
	o.Close()
	if got := out.String(); strings.ContainsAny(got, "\r\x1b") || strings.Count(got, "\n") != 2 {
		t.Errorf("wrote %q", got)
	}
}
