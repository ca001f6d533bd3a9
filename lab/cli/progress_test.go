package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

// fourTrials returns a plan of four trials of equal duration.
func fourTrials() (p lab.Plan) {
	p.Profile = lab.Profile{Blocks: 4, PeakDuration: 4 * time.Second}
	p.Scenarios = []lab.Scenario{{Name: "json", Phases: []lab.Phase{{Name: "peak", Kind: lab.Peak}}}}
	for block := 1; block <= 4; block++ {
		p.Trials = append(p.Trials, lab.Trial{Scenario: "json", Variant: "node/single", Block: block, Attempt: 1})
	}
	return p
}

// validPeak returns one valid sample of 100 req/s.
func validPeak() []lab.Sample {
	attack := lab.AttackResult{Elapsed: time.Second, HitCounts: lab.HitCounts{Sent: 100, Succeeded: 100}}
	return []lab.Sample{{
		Phase: lab.Phase{Name: "peak", Kind: lab.Peak}, Gate: lab.GateResult{Validity: lab.Valid},
		Measured: &lab.Window{Attack: attack},
	}}
}

func TestTheTimeLeftFollowsThePaceSoFar(t *testing.T) {
	p := fourTrials()
	each := plan.ExpectedTrialDuration(p, p.Trials[0])
	var out bytes.Buffer
	clock := time.Unix(1000, 0)
	o := newProgress(&out, p, map[lab.TrialID]bool{p.Trials[0].ID(): false}, nil)
	defer o.Close()
	o.now = func() time.Time { return clock }
	if got, want := o.remaining(), (3 * each).Round(time.Second); got != want {
		t.Errorf("with one of four trials ended: %v left, want %v", got, want)
	}
	o.TrialStarted(p.Trials[1], 2, 4)
	clock = clock.Add(2 * each)
	o.TrialEnded(p.Trials[1], 2, 4, validPeak(), false)
	// Two trials are left. The pace is the mean of this trial and one as planned.
	if got, want := o.remaining(), (3 * each).Round(time.Second); got != want {
		t.Errorf("after a trial that took twice its time: %v left, want %v", got, want)
	}
	if !strings.Contains(out.String(), "peak 100 req/s  about "+(3*each).Round(time.Second).String()+" left") {
		t.Errorf("printed %q", out.String())
	}
	o.TrialStarted(p.Trials[2], 3, 4)
	clock = clock.Add(2 * each)
	o.TrialEnded(p.Trials[2], 3, 4, validPeak(), true)
	if got, want := o.remaining(), (10 * each / 3).Round(time.Second); got != want {
		t.Errorf("after a trial that will be repeated: %v left, want %v", got, want)
	}
}

func TestTheLiveLineIsRedrawnAndRemoved(t *testing.T) {
	p := fourTrials()
	var out bytes.Buffer
	clock := time.Unix(1000, 0)
	o := newProgress(&out, p, nil, nil)
	o.live.on, o.now = true, func() time.Time { return clock }
	o.TrialStarted(p.Trials[0], 1, 4)
	o.PhaseStarted(p.Trials[0], lab.Phase{Name: "peak", Kind: lab.Peak}, 4*time.Second) // too soon to redraw
	got, want := out.String(), "\ntrial 1/4  json  node/single  block 1: starting"
	if !strings.Contains(got, want) || !strings.HasPrefix(got, "0% [          ] 0/4 trials, 0/0 valid, about ") {
		t.Errorf("drew %q, want %q", got, want)
	}
	if n := strings.Count(out.String(), "trial 1/4"); n != 1 {
		t.Errorf("drawn %d times within half a second", n)
	}
	clock = clock.Add(redrawInterval)
	out.Reset()
	o.redraw()
	want = "\ntrial 1/4  json  node/single  block 1: peak, 4s"
	const removed = "\r\x1b[K\x1b[1A\x1b[K"
	if got := out.String(); !strings.HasPrefix(got, removed+"0% ") || !strings.HasSuffix(got, want) {
		t.Errorf("half a second later drew %q, want %q", got, want)
	}
	out.Reset()
	o.TrialEnded(p.Trials[0], 1, 4, validPeak(), false)
	if got := out.String(); !strings.HasPrefix(got, removed+"trial 1/4") || !strings.HasSuffix(got, "left\n") {
		t.Errorf("the line of the trial is %q", got)
	}
	out.Reset()
	clock = clock.Add(redrawInterval)
	o.TrialStarted(p.Trials[1], 2, 4)
	bar, step, _ := strings.Cut(out.String(), "\n")
	if !strings.HasPrefix(bar, "25% [=>        ] 1/4 trials, 1/1 valid, about ") ||
		!strings.HasSuffix(bar, " left; verdicts come last") {
		t.Errorf("the bar after the first trial is %q", bar)
	}
	if !strings.Contains(step, "last: peak") || len([]rune(step)) > 79 || len([]rune(bar)) > 79 {
		t.Errorf("the live line of the next trial is %q", step)
	}
	out.Reset()
	o.Close()
	if out.String() != removed {
		t.Errorf("Close wrote %q", out.String())
	}
}

// The bar counts trials of the plan once, and valid ones of all attempts.
func TestTheBarCountsTrialsAndThoseThatAreValid(t *testing.T) {
	p := fourTrials()
	o := newProgress(io.Discard, p, map[lab.TrialID]bool{p.Trials[0].ID(): false}, nil)
	defer o.Close()
	bound, disturbed := validPeak(), validPeak()
	bound[0].Gate.Validity, disturbed[0].Gate.Validity = lab.Censored, lab.Disturbed
	o.TrialEnded(p.Trials[1], 2, 4, bound, false)
	o.TrialEnded(p.Trials[2], 3, 4, append(validPeak(), disturbed...), true)
	o.TrialEnded(p.Trials[3], 4, 4, nil, false) // of a refused variant
	if bar, err := o.live.barLine(time.Minute); err != nil ||
		bar != "75% [======>   ] 3/4 trials, 1/2 valid, about 1m0s left; verdicts come last" {
		t.Errorf("the bar is %q, %v", bar, err)
	}
	o.TrialEnded(p.Trials[2], 3, 4, validPeak(), false)
	if bar, err := o.live.barLine(0); err != nil ||
		bar != "100% [==========] 4/4 trials, 2/3 valid, about 0s left; verdicts come last" {
		t.Errorf("the bar at the end is %q, %v", bar, err)
	}
}

func TestWithoutATerminalThereIsNoLiveLine(t *testing.T) {
	p := fourTrials()
	var out bytes.Buffer
	o := newProgress(&out, p, nil, nil)
	o.TrialStarted(p.Trials[0], 1, 4)
	o.TrialEnded(p.Trials[0], 1, 4, validPeak(), false)
	o.printLine("%s", "a server prints \x1b[2J")
	o.Close()
	if got := out.String(); strings.ContainsAny(got, "\r\x1b") || strings.Count(got, "\n") != 2 {
		t.Errorf("wrote %q", got)
	}
}
