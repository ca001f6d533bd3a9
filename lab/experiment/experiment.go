package experiment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/plan"
)

// firstAnswerTimeout is the longest time that a server may take to its first correct answer.
const firstAnswerTimeout = 30 * time.Second

// cleanupTimeout limits the cleanup after an interruption.
const cleanupTimeout = 20 * time.Second

// BaseURL returns the address of a server that listens on port, on the loopback of its cell.
func BaseURL(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// Experiment holds a plan and everything that is needed to run it.
type Experiment struct {
	RunID    string
	HostID   string
	Plan     lab.Plan
	Variants map[string]lab.Variant // by id; all variants of the plan
	// Images holds images by variant id. A variant without one is refused for the
	// reason in ImageErrors.
	Images      map[string]lab.Image
	ImageErrors map[string]string
	Services    map[string]lab.Service // by name: those that scenarios and workloads name

	ResponderTarget lab.Target      // request and answer of the lab's own responders
	Calibration     lab.Calibration // the instrument on this machine, for the gates
	KeepHits        bool            // record every hit of every measured phase
	RecheckDelay    time.Duration   // minimum time between the two checks of a scenario's answers

	// EndedTrials holds the trials that an earlier session of the run completed, and
	// whether they were disturbed.
	EndedTrials map[lab.TrialID]bool

	Cells    Cells
	Checker  ContractChecker
	Recorder Recorder
	Observer Observer

	scenarioByName map[string]lab.Scenario
	layouts        map[layoutKey]lab.Layout           // of the plan's trials
	refused        map[string]string                  // by variant id: the reason
	canaryTimes    map[int][]time.Duration            // by CPU: the last canaries, without the server's CPU time
	targets        map[string]map[string]phaseTargets // by scenario and variant id
}

// layoutKey is what the layout of a trial depends on.
type layoutKey struct {
	scenario string
	cores    int // of the server
}

// Run checks the variants, unless CheckContract has done so, and runs the plan's
// trials that have not ended. A server's failure becomes a sample. An error means
// that the lab cannot go on; what was recorded before stays recorded.
func (e *Experiment) Run(ctx context.Context) error {
	e.layouts = make(map[layoutKey]lab.Layout)
	for _, t := range e.Plan.Trials {
		layout, err := plan.LayoutFor(e.Plan, e.Services, t.Scenario, t.Cores)
		if err != nil {
			return err
		}
		e.layouts[layoutKey{t.Scenario, t.Cores}] = layout
	}
	if e.targets == nil {
		if _, err := e.CheckContract(ctx); err != nil {
			return err
		}
	}
	if len(e.refused) > 0 {
		if err := e.Recorder.RecordRefusals(e.refused); err != nil {
			return fault.By(fault.Lab, err)
		}
	}
	if err := e.runPilots(ctx); err != nil {
		return err
	}
	return e.runBlocks(ctx)
}

// runBlocks runs the plan's trials. Disturbed trials are repeated once, in the same
// order, at the end of their block while repeats are left.
func (e *Experiment) runBlocks(ctx context.Context) error {
	repeats := e.Plan.MaxRepeats
	var again []numberedTrial
	for i, t := range e.Plan.Trials {
		repeat, err := e.runAndRecord(ctx, numberedTrial{t, i + 1}, repeats > len(again))
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
			if _, err := e.runAndRecord(ctx, n, false); err != nil {
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

// runAndRecord runs a trial and records its samples, unless it has ended already. It
// reports whether to repeat the trial: it was disturbed, and mayRepeat is true.
func (e *Experiment) runAndRecord(ctx context.Context, t numberedTrial, mayRepeat bool) (
	repeat bool, err error,
) {
	if wasDisturbed, ended := e.EndedTrials[t.ID()]; ended {
		return mayRepeat && wasDisturbed, nil
	}
	samples, err := e.runTrial(ctx, t.Trial, t.number)
	if err != nil {
		return false, err
	}
	if len(samples) > 0 {
		if err := e.Recorder.RecordSamples(samples...); err != nil {
			return false, fault.By(fault.Lab, err)
		}
	}
	repeat = mayRepeat && anyDisturbed(samples)
	e.Observer.TrialEnded(t.Trial, t.number, len(e.Plan.Trials), samples, repeat)
	return repeat, nil
}

// prepare indexes the scenarios and refuses the variants without an image.
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

// anyDisturbed reports whether a sample was disturbed. Only a disturbed trial is
// repeated: its server cannot be the cause.
func anyDisturbed(samples []lab.Sample) bool {
	return slices.ContainsFunc(samples, func(s lab.Sample) bool { return s.Gate.Validity == lab.Disturbed })
}

// runTrial runs one trial and returns a sample for each measured phase, or a failed
// sample with the reason why there are none.
func (e *Experiment) runTrial(ctx context.Context, t lab.Trial, number int) ([]lab.Sample, error) {
	if why := e.refused[lab.OriginalOf(t.Variant)]; why != "" {
		if t.Block > 1 {
			return nil, nil // one failed sample for each scenario is enough
		}
		return []lab.Sample{e.newFailedSample(t, time.Now(), why)}, nil
	}
	e.Observer.TrialStarted(t, number, len(e.Plan.Trials))
	return e.measureTrial(ctx, t)
}

// layoutOf returns the CPUs of a trial's parties.
func (e *Experiment) layoutOf(t lab.Trial) lab.Layout {
	return e.layouts[layoutKey{t.Scenario, t.Cores}]
}

// newAttack returns the attack of phase p in trial t.
func (e *Experiment) newAttack(t lab.Trial, p lab.Phase) lab.Attack {
	lasts := plan.PhaseDuration(e.Plan.Profile, p.Kind)
	discarded := p.Kind.Traits().Discarded
	a := lab.Attack{
		Name:                 fmt.Sprintf("%s %s block %d %s", t.Scenario, t.Variant, t.Block, p.Name),
		BaseURL:              BaseURL(e.Variants[t.Variant].Port()),
		Kind:                 p.Kind,
		Generator:            e.Plan.Generator,
		Targets:              e.targetsOf(t, p),
		Connections:          p.Connections,
		ConnectionPerRequest: p.ConnectionPerRequest,
		Rate:                 rateStages(p, lasts),
		Arrivals:             p.Arrivals,
		Duration:             lasts,
		Timeout:              time.Duration(p.TimeoutS * float64(time.Second)),
		Deadline:             time.Duration(p.DeadlineS * float64(time.Second)),
		Seed:                 t.Seed,
		KeepHits:             e.KeepHits && !discarded,
		SleepWhenIdle:        e.layoutOf(t).GeneratorShares(),
	}
	if discarded && keepsContract(e.Variants[t.Variant]) {
		identity := e.Checker.IdentityRequest()
		a.SideRequest = &identity
	}
	return a
}

// targetsOf returns the requests of a phase and the answers that the trial's server must give.
func (e *Experiment) targetsOf(t lab.Trial, p lab.Phase) []lab.Target {
	if e.Variants[t.Variant].Responder {
		return []lab.Target{e.ResponderTarget}
	}
	return e.targets[t.Scenario][lab.OriginalOf(t.Variant)].forPhase(p)
}

// rateStages returns the rate of an open loop as one stage of duration lasts, or nil for a
// closed loop.
func rateStages(p lab.Phase, lasts time.Duration) []lab.Stage {
	switch {
	case p.Kind.Traits().Load == lab.LoadStartStop:
		return []lab.Stage{{FromRPS: p.RateRPS, ToRPS: p.ToRPS, Duration: lasts}}
	case p.Kind.IsOpenLoop():
		return []lab.Stage{{FromRPS: p.RateRPS, ToRPS: p.RateRPS, Duration: lasts}}
	}
	return nil
}
