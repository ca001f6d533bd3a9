package experiment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

// patience is how long a server may take to give its first correct answer.
const patience = 30 * time.Second

// cleanupTime bounds what is done after an interruption.
const cleanupTime = 20 * time.Second

// BaseURL is where every server listens, on its cell's loopback.
const BaseURL = "http://127.0.0.1:8080"

// Experiment is a plan with all that it takes to carry it out.
type Experiment struct {
	RunID    string
	HostID   string
	Plan     lab.Plan
	Variants map[string]lab.Variant // by id: every one that the plan names
	Images   map[string]lab.Image   // by variant id; one without an image is refused
	Missing  map[string]string      // why a variant has no image, by its id

	Responder   lab.Target      // what the lab's own responders answer
	Calibration lab.Calibration // of this machine's instrument; the gates judge by it
	KeepHits    bool            // record every hit of every measured phase
	Between     time.Duration   // at least so long after it was first examined, a scenario is asked again

	// Trials that an earlier session of the run has brought to an end, and whether
	// something disturbed them.
	Ended map[lab.TrialID]bool

	Cells    Cells
	Examiner Examiner
	Recorder Recorder
	Observer Observer

	scenarios map[string]lab.Scenario
	layouts   map[int]lab.Layout            // by the CPUs of the server
	refused   map[string]string             // variant id to why
	heard     map[int][]time.Duration       // by CPU: what its last canaries took alone
	targets   map[string]map[string]targets // by scenario and variant id
}

// Run examines the variants, unless Examine has, and carries out the trials of the
// plan that have not ended. Failures of servers become samples; Run itself fails
// when the lab cannot go on. What was recorded before stays recorded.
func (e *Experiment) Run(ctx context.Context) error {
	e.layouts = make(map[int]lab.Layout)
	for _, t := range e.Plan.Trials {
		layout, err := plan.LayoutFor(e.Plan, t.Cores)
		if err != nil {
			return err
		}
		e.layouts[t.Cores] = layout
	}
	if e.targets == nil {
		if _, err := e.Examine(ctx); err != nil {
			return err
		}
	}
	if len(e.refused) > 0 {
		if err := e.Recorder.Refuse(e.refused); err != nil {
			return err
		}
	}
	if err := e.pilot(ctx); err != nil {
		return err
	}
	return e.blocks(ctx)
}

// blocks carries out the trials of the plan. What was disturbed in a block is
// repeated once at its end, in the same order, while there are repeats left.
func (e *Experiment) blocks(ctx context.Context) error {
	repeats := e.Plan.Repeats
	var again []numbered
	for i, t := range e.Plan.Trials {
		repeat, err := e.one(ctx, numbered{t, i + 1}, repeats > len(again))
		if err != nil {
			return err
		}
		if repeat {
			again = append(again, numbered{t, i + 1})
		}
		if last := i+1 == len(e.Plan.Trials) || e.Plan.Trials[i+1].Block != t.Block; !last {
			continue
		}
		repeats -= len(again)
		for _, n := range again {
			n.Attempt++
			if _, err := e.one(ctx, n, false); err != nil {
				return err
			}
		}
		again = nil
	}
	return nil
}

// numbered is a trial with its place in the plan, from 1.
type numbered struct {
	lab.Trial
	number int
}

// one carries out a trial and has it recorded, unless that has been done, and
// reports whether it is to be repeated: it may be, and something outside its cell
// disturbed it.
func (e *Experiment) one(ctx context.Context, t numbered, mayRepeat bool) (repeat bool, err error) {
	if wasDisturbed, ended := e.Ended[t.ID()]; ended {
		return mayRepeat && wasDisturbed, nil
	}
	samples, err := e.trial(ctx, t.Trial, t.number)
	if err != nil {
		return false, err
	}
	if len(samples) > 0 {
		if err := e.Recorder.Record(samples...); err != nil {
			return false, err
		}
	}
	repeat = mayRepeat && disturbed(samples)
	e.Observer.TrialEnded(t.Trial, t.number, len(e.Plan.Trials), samples, repeat)
	return repeat, nil
}

func (e *Experiment) begin() {
	e.scenarios = make(map[string]lab.Scenario)
	for _, s := range e.Plan.Scenarios {
		e.scenarios[s.Name] = s
	}
	e.refused = maps.Clone(e.Missing)
	if e.refused == nil {
		e.refused = make(map[string]string)
	}
}

// disturbed reports whether a trial is to be repeated: only for what its server
// cannot have caused.
func disturbed(samples []lab.Sample) bool {
	return slices.ContainsFunc(samples, func(s lab.Sample) bool { return s.Gate.Validity == lab.Disturbed })
}

// trial carries out one trial and returns its samples: one for each measured
// phase, or a failed one that says why there are none.
func (e *Experiment) trial(ctx context.Context, t lab.Trial, number int) ([]lab.Sample, error) {
	if why := e.refused[lab.OriginalOf(t.Variant)]; why != "" {
		if t.Block > 1 {
			return nil, nil // said once for each scenario is enough
		}
		return []lab.Sample{e.failedSample(t, time.Now(), why)}, nil
	}
	e.Observer.TrialStarted(t, number, len(e.Plan.Trials))
	return e.measure(ctx, t)
}

func (e *Experiment) attack(t lab.Trial, p lab.Phase) lab.Attack {
	lasts := plan.PhaseDuration(e.Plan.Profile, p.Kind)
	scenario := e.scenarios[t.Scenario]
	a := lab.Attack{
		Name:        fmt.Sprintf("%s %s block %d %s", t.Scenario, t.Variant, t.Block, p.Name),
		BaseURL:     BaseURL,
		Kind:        p.Kind,
		Targets:     e.targetsOf(t, p),
		Connections: p.Connections,
		PerRequest:  p.PerRequest,
		Rate:        offered(p, lasts),
		Arrivals:    p.Arrivals,
		Duration:    lasts,
		Timeout:     time.Duration(p.TimeoutS * float64(time.Second)),
		Deadline:    time.Duration(p.DeadlineS * float64(time.Second)),
		Seed:        t.Seed,
		KeepHits:    e.KeepHits && p.Kind != lab.WarmUp,
		// An upstream, and a server that has every CPU, need the generator's.
		Sleeps: scenario.Upstream || e.layouts[t.Cores].Shared(),
	}
	if p.Kind == lab.WarmUp && !e.Variants[t.Variant].Responder {
		identity := e.Examiner.IdentityRequest()
		a.Witness = &identity
	}
	return a
}

// targetsOf is what a trial's server is asked in a phase, and must answer.
func (e *Experiment) targetsOf(t lab.Trial, p lab.Phase) []lab.Target {
	if e.Variants[t.Variant].Responder {
		return []lab.Target{e.Responder}
	}
	return e.targets[t.Scenario][lab.OriginalOf(t.Variant)].of(p)
}

// offered is the rate of an open loop over time; none for a closed one.
func offered(p lab.Phase, lasts time.Duration) []lab.Stage {
	switch {
	case p.Kind == lab.Ramp:
		return []lab.Stage{{FromRPS: p.RateRPS, ToRPS: p.ToRPS, Lasts: lasts}}
	case p.Kind.Open():
		return []lab.Stage{{FromRPS: p.RateRPS, ToRPS: p.RateRPS, Lasts: lasts}}
	}
	return nil
}
