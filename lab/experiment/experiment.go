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

// firstAnswerTimeout is how long a server may take to give its first correct answer.
const firstAnswerTimeout = 30 * time.Second

// cleanupTimeout bounds what is done after an interruption.
const cleanupTimeout = 20 * time.Second

// BaseURL is where every server listens, on its cell's loopback.
const BaseURL = "http://127.0.0.1:8080"

// Experiment is a plan with all that it takes to carry it out.
type Experiment struct {
	RunID       string
	HostID      string
	Plan        lab.Plan
	Variants    map[string]lab.Variant // by id: every one that the plan names
	Images      map[string]lab.Image   // by variant id; one without an image is refused
	ImageErrors map[string]string      // why a variant has no image, by its id

	ResponderTarget lab.Target      // what the lab's own responders answer
	Calibration     lab.Calibration // of this machine's instrument; the gates judge by it
	KeepHits        bool            // record every hit of every measured phase
	Between         time.Duration   // at least so long after it was first examined, a scenario is asked again

	// Trials that an earlier session of the run has brought to an end, and whether
	// something disturbed them.
	EndedTrials map[lab.TrialID]bool

	Cells    Cells
	Checker  ContractChecker
	Recorder Recorder
	Observer Observer

	scenarioByName map[string]lab.Scenario
	layouts        map[int]lab.Layout                 // by the CPUs of the server
	refused        map[string]string                  // variant id to why
	canaryTimes    map[int][]time.Duration            // by CPU: what its last canaries took alone
	targets        map[string]map[string]phaseTargets // by scenario and variant id
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
		if _, err := e.CheckContract(ctx); err != nil {
			return err
		}
	}
	if len(e.refused) > 0 {
		if err := e.Recorder.RecordRefusals(e.refused); err != nil {
			return err
		}
	}
	if err := e.runPilots(ctx); err != nil {
		return err
	}
	return e.runBlocks(ctx)
}

// runBlocks carries out the trials of the plan. What was disturbed in a block is
// repeated once at its end, in the same order, while there are repeats left.
func (e *Experiment) runBlocks(ctx context.Context) error {
	repeats := e.Plan.MaxRepeats
	var again []numberedTrial
	for i, t := range e.Plan.Trials {
		repeat, err := e.runOne(ctx, numberedTrial{t, i + 1}, repeats > len(again))
		if err != nil {
			return err
		}
		if repeat {
			again = append(again, numberedTrial{t, i + 1})
		}
		if last := i+1 == len(e.Plan.Trials) || e.Plan.Trials[i+1].Block != t.Block; !last {
			continue
		}
		repeats -= len(again)
		for _, n := range again {
			n.Attempt++
			if _, err := e.runOne(ctx, n, false); err != nil {
				return err
			}
		}
		again = nil
	}
	return nil
}

// numberedTrial is a trial with its place in the plan, from 1.
type numberedTrial struct {
	lab.Trial
	number int
}

// runOne carries out a trial and has it recorded, unless that has been done, and
// reports whether it is to be repeated: it may be, and something outside its cell
// disturbed it.
func (e *Experiment) runOne(ctx context.Context, t numberedTrial, mayRepeat bool) (repeat bool, err error) {
	if wasDisturbed, ended := e.EndedTrials[t.ID()]; ended {
		return mayRepeat && wasDisturbed, nil
	}
	samples, err := e.runTrial(ctx, t.Trial, t.number)
	if err != nil {
		return false, err
	}
	if len(samples) > 0 {
		if err := e.Recorder.RecordSamples(samples...); err != nil {
			return false, err
		}
	}
	repeat = mayRepeat && anyDisturbed(samples)
	e.Observer.TrialEnded(t.Trial, t.number, len(e.Plan.Trials), samples, repeat)
	return repeat, nil
}

func (e *Experiment) prepare() {
	e.scenarioByName = make(map[string]lab.Scenario)
	for _, s := range e.Plan.Scenarios {
		e.scenarioByName[s.Name] = s
	}
	e.refused = maps.Clone(e.ImageErrors)
	if e.refused == nil {
		e.refused = make(map[string]string)
	}
}

// anyDisturbed reports whether a trial is to be repeated: only for what its server
// cannot have caused.
func anyDisturbed(samples []lab.Sample) bool {
	return slices.ContainsFunc(samples, func(s lab.Sample) bool { return s.Gate.Validity == lab.Disturbed })
}

// runTrial carries out one trial and returns its samples: one for each measured
// phase, or a failed one that says why there are none.
func (e *Experiment) runTrial(ctx context.Context, t lab.Trial, number int) ([]lab.Sample, error) {
	if why := e.refused[lab.OriginalOf(t.Variant)]; why != "" {
		if t.Block > 1 {
			return nil, nil // said once for each scenario is enough
		}
		return []lab.Sample{e.newFailedSample(t, time.Now(), why)}, nil
	}
	e.Observer.TrialStarted(t, number, len(e.Plan.Trials))
	return e.measureTrial(ctx, t)
}

func (e *Experiment) newAttack(t lab.Trial, p lab.Phase) lab.Attack {
	lasts := plan.PhaseDuration(e.Plan.Profile, p.Kind)
	scenario := e.scenarioByName[t.Scenario]
	a := lab.Attack{
		Name:                 fmt.Sprintf("%s %s block %d %s", t.Scenario, t.Variant, t.Block, p.Name),
		BaseURL:              BaseURL,
		Kind:                 p.Kind,
		Targets:              e.targetsOf(t, p),
		Connections:          p.Connections,
		ConnectionPerRequest: p.ConnectionPerRequest,
		Rate:                 rateStages(p, lasts),
		Arrivals:             p.Arrivals,
		Duration:             lasts,
		Timeout:              time.Duration(p.TimeoutS * float64(time.Second)),
		Deadline:             time.Duration(p.DeadlineS * float64(time.Second)),
		Seed:                 t.Seed,
		KeepHits:             e.KeepHits && p.Kind != lab.WarmUp,
		// An upstream, and a server that has every CPU, need the generator's.
		SleepWhenIdle: scenario.Upstream || e.layouts[t.Cores].SharesCPUs(),
	}
	if p.Kind == lab.WarmUp && !e.Variants[t.Variant].Responder {
		identity := e.Checker.IdentityRequest()
		a.SideRequest = &identity
	}
	return a
}

// targetsOf is what a trial's server is asked in a phase, and must answer.
func (e *Experiment) targetsOf(t lab.Trial, p lab.Phase) []lab.Target {
	if e.Variants[t.Variant].Responder {
		return []lab.Target{e.ResponderTarget}
	}
	return e.targets[t.Scenario][lab.OriginalOf(t.Variant)].forPhase(p)
}

// rateStages is the rate of an open loop over time; none for a closed one.
func rateStages(p lab.Phase, lasts time.Duration) []lab.Stage {
	switch {
	case p.Kind == lab.Ramp:
		return []lab.Stage{{FromRPS: p.RateRPS, ToRPS: p.ToRPS, Duration: lasts}}
	case p.Kind.IsOpenLoop():
		return []lab.Stage{{FromRPS: p.RateRPS, ToRPS: p.RateRPS, Duration: lasts}}
	}
	return nil
}
