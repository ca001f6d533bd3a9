package experiment

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/fault"
)

// TestTheCauseOfAFailureDecidesItsConsequence breaks the trial of the first variant. A row says why
// if the run goes on; otherwise the run's error names the party and keeps its chain.
func TestTheCauseOfAFailureDecidesItsConsequence(t *testing.T) {
	broken := errors.New("it is broken")
	// exitAfter makes the server exit after an attack, without an end of the trial's context.
	exitAfter := func(w *world, kind lab.PhaseKind) {
		w.changeResult = func(a lab.Attack, _ *account.Observation) {
			if a.Kind == kind {
				w.crash = "rt/a"
			}
		}
	}
	for name, c := range map[string]struct {
		arrange  func(w *world, interrupt func(error))
		party    fault.Party // of the run's error
		validity lab.Validity
		reason   string // of the row; if it is empty, the run ends
	}{
		"the user interrupts": {
			arrange: func(w *world, interrupt func(error)) {
				w.onAttack = func(lab.Attack) { interrupt(fault.By(fault.User, broken)) }
			},
			party: fault.User,
		},
		"the engine is lost": {
			arrange: func(w *world, _ func(error)) {
				w.onAttack = func(lab.Attack) { w.engineError = broken }
			},
			party: fault.Engine,
		},
		"the engine's API fails": {
			arrange: func(w *world, _ func(error)) { w.usageError = fault.By(fault.Engine, broken) },
			party:   fault.Engine,
		},
		"the engine's API fails for a server that has exited": {
			arrange: func(w *world, _ func(error)) {
				exitAfter(w, lab.WarmUp)
				w.usageError = fault.By(fault.Engine, broken)
			},
			validity: lab.Failed, reason: "the server exited with code 7",
		},
		"the engine cannot wait for the server's end": {
			arrange: func(w *world, _ func(error)) { w.doneError = fault.By(fault.Engine, broken) },
			party:   fault.Engine,
		},
		"the generator exits": {
			arrange:  func(w *world, _ func(error)) { w.killedGenerator = "rt/a" },
			validity: lab.Disturbed, reason: "the generator exited with code 137",
		},
		"the generator's stream breaks, but its container runs": {
			arrange:  func(w *world, _ func(error)) { w.attackError = fault.By(fault.Generator, broken) },
			validity: lab.Disturbed, reason: "it is broken",
		},
		"the server exits": {
			arrange:  func(w *world, _ func(error)) { w.crash = "rt/a" },
			validity: lab.Failed, reason: "the server exited with code 7",
		},
		"the server has the wrong identity": {
			arrange:  func(w *world, _ func(error)) { w.identityOnTrials = []string{"wrong"} },
			validity: lab.Failed, reason: "identity: wrong; the server printed: last words",
		},
		"the generator leaves a request out": {
			arrange:  func(w *world, _ func(error)) { w.noSideAnswer = true },
			validity: lab.Disturbed, reason: "identity: the generator did not request it under load",
		},
		"the upstream is lost": {
			arrange:  func(w *world, _ func(error)) { w.upstreamError = broken },
			validity: lab.Disturbed, reason: "reading the upstream's call count: it is broken",
		},
		"the upstream is lost, and then the server": {
			arrange: func(w *world, _ func(error)) {
				exitAfter(w, lab.WarmUp)
				w.upstreamError = broken
			},
			validity: lab.Disturbed, reason: "reading the upstream's call count: it is broken",
		},
		"the lab cannot write": {
			arrange: func(w *world, _ func(error)) { w.recordHitsError = broken },
			party:   fault.Lab,
		},
		"the lab cannot write, and the server exits": {
			arrange: func(w *world, _ func(error)) {
				exitAfter(w, lab.Peak)
				w.recordHitsError = broken
			},
			party: fault.Lab,
		},
		"a canary fails": {
			arrange: func(w *world, _ func(error)) { w.canaryError = broken },
			party:   fault.Lab,
		},
		"an error names no party": {
			arrange: func(w *world, _ func(error)) { w.usageError = broken },
			party:   fault.Lab,
		},
	} {
		w := newWorld()
		ctx, cancel := context.WithCancelCause(t.Context())
		c.arrange(w, cancel)
		e := newExperiment(w, "a")
		e.KeepHits = true
		e.Plan.Scenarios[0].Services = []string{lab.UpstreamName}
		w.callsPerAttack = 1e6
		e.Plan.Trials = e.Plan.Trials[:1]
		err := e.Run(ctx)
		cancel(nil)
		w.checkNothingOpen(t)
		switch {
		case c.reason == "":
			if fault.PartyOf(err) != c.party || !errors.Is(err, broken) || err.Error() != broken.Error() {
				t.Errorf("%s: error %v by %+v, want %v by %+v", name, err, fault.PartyOf(err), broken, c.party)
			}
			if len(w.recorded) > 0 {
				t.Errorf("%s: a row is %+v", name, w.recorded[0].Gate)
			}
		case err != nil || len(w.recorded) != 1:
			t.Errorf("%s: error %v, %d rows", name, err, len(w.recorded))
		default:
			if g := w.recorded[0].Gate; g.Validity != c.validity || g.Reason != c.reason {
				t.Errorf("%s: the row is %+v, want %s: %s", name, g, c.validity, c.reason)
			}
		}
	}
}

func TestAServerWithoutAPeakHasNoPhasesWhoseRateDependsOnIt(t *testing.T) {
	for own, reason := range map[bool]string{
		true:  "no request succeeded in peak; the server printed: last words",
		false: "its pilot failed: no request succeeded; the server printed: last words",
	} {
		w := newWorld()
		w.changeResult = func(_ lab.Attack, r *account.Observation) { r.Succeeded = 0 }
		e := newExperiment(w, "a")
		e.Plan.Trials = e.Plan.Trials[:1]
		e.Plan.Scenarios[0].Phases[2].PeakShare = &lab.PeakShare{Fraction: 0.5, OfOwnPeak: own}
		if !own {
			e.Plan.Pilots = []lab.Pilot{{Scenario: "json", Variant: "rt/a", Cores: 1}}
		}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g := w.recorded[len(w.recorded)-1].Gate; g.Validity != lab.Failed ||
			g.Reason != "the rate of steady is unknown: "+reason {
			t.Errorf("a share of its own peak %v: the row is %+v", own, g)
		}
	}
}

func TestTheLabCausedWhatItCannotRecord(t *testing.T) {
	for name, arrange := range map[string]func(e *Experiment){
		"samples":  func(*Experiment) {},
		"refusals": func(e *Experiment) { e.ImageErrors = map[string]string{"rt/a": "it was not built"} },
		"the plan": func(e *Experiment) {
			e.Plan.Pilots = []lab.Pilot{{Scenario: "json", Variant: "rt/a", Cores: 1}}
		},
	} {
		w := newWorld()
		w.recordError = errors.New("no space left on device")
		e := newExperiment(w, "a")
		arrange(e)
		if err := e.Run(t.Context()); fault.PartyOf(err) != fault.Lab || !errors.Is(err, w.recordError) {
			t.Errorf("%s: %v by %+v", name, err, fault.PartyOf(err))
		}
	}
}

func TestAServerThatFailsItsChecksIsRefused(t *testing.T) {
	const why = "no correct answer within 30s; nothing in the cell listens on any port, and the lab asks " +
		"127.0.0.1:8080; the server printed: last words"
	w := newWorld()
	e := newExperiment(w, "a")
	if _, err := e.CheckContract(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.neverReady = "rt/a"
	if _, err := e.CheckIdentities(t.Context()); err != nil || fmt.Sprint(w.refused["rt/a"]) != "["+why+"]" {
		t.Errorf("identities: error %v, refused %v", err, w.refused)
	}
	w.refused = make(map[string][]string)
	if _, err := e.CheckContract(t.Context()); err != nil || fmt.Sprint(w.refused["rt/a"]) != "["+why+"]" {
		t.Errorf("contract: error %v, refused %v", err, w.refused)
	}
	w.engineError = errors.New("the engine is gone")
	if _, err := e.CheckContract(t.Context()); fault.PartyOf(err) != fault.Engine {
		t.Errorf("without an engine: error %v by %+v", err, fault.PartyOf(err))
	}
}

func TestAFindingKeepsTheErrorThatItExplains(t *testing.T) {
	broken := errors.New("it is broken")
	for name, c := range map[string]struct {
		arrange func(w *world, cell *fakeCell)
		party   fault.Party
		text    string
	}{
		"the engine": {
			func(w *world, _ *fakeCell) { w.engineError = errors.New("the engine is gone") },
			fault.Engine, "the engine is gone",
		},
		"the generator": {
			func(_ *world, cell *fakeCell) { cell.ended = true },
			fault.Generator, "the generator exited with code 137",
		},
		"the server": {
			func(w *world, _ *fakeCell) { w.crash = "rt/a" },
			fault.Server, "the server exited with code 7",
		},
		"nobody": {
			func(*world, *fakeCell) {}, fault.Server, "attacking: it is broken; the server printed: last words",
		},
	} {
		w := newWorld()
		cell := &fakeCell{world: w, variant: "rt/a"}
		cell.services = []*fakeService{{cell: cell, spec: lab.Service{Role: lab.RoleServer, Name: "rt/a"}}}
		c.arrange(w, cell)
		e := &Experiment{Cells: w}
		err := e.causeOf(t.Context(), cell, fmt.Errorf("attacking: %w", fault.By(fault.Server, broken)))
		if fault.PartyOf(err).Role != c.party.Role || err.Error() != c.text || !errors.Is(err, broken) {
			t.Errorf("%s: %v by %+v, want %s by %+v", name, err, fault.PartyOf(err), c.text, c.party)
		}
	}
}

func TestALostGeneratorIsNoFailureToBecomeReady(t *testing.T) {
	lost := fault.By(fault.Generator, errors.New("the cell ended during await"))
	for _, c := range []struct {
		err  error
		want fault.Party
	}{
		{lost, fault.Generator},
		{errors.New("no correct answer within 30s"), fault.Server},
		{nil, fault.Party{}},
	} {
		_, err := awaitFirstAnswer(t.Context(), awaitingCell{err: c.err}, lab.Variant{}, lab.Target{})
		if fault.PartyOf(err) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%v becomes %v by %+v, want %+v", c.err, err, fault.PartyOf(err), c.want)
		}
	}
}

// awaitingCell fails to get a first answer.
type awaitingCell struct {
	Cell
	err error
}

func (c awaitingCell) Services() []Service { return nil }

func (c awaitingCell) Listeners(context.Context) ([]lab.Listener, error) { return nil, nil }

func (c awaitingCell) AwaitFirstAnswer(context.Context, lab.Target, time.Duration) (time.Time, error) {
	return time.Time{}, c.err
}
