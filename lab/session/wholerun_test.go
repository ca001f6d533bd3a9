package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine/memory"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
)

// wholeRun is a run on an engine in memory, which continues after each fault that ends it.
type wholeRun struct {
	t      *testing.T
	engine *memory.Engine
	dir    string // of the run
	plan   lab.Plan
	faults map[lab.TrialID]trialFault // that have yet to come
	// checkFaults and pilotFaults come one after another, in contract checks and in pilots.
	checkFaults, pilotFaults []memory.Fault

	current trialFault // that was armed last
	ends    int        // sessions that an error has ended
}

// TestARunWithFaultsOfEveryRoleIsComplete runs a plan of 2,000 trials, or of a quarter with a part of the
// faults. Each fault of each party at each moment breaks one trial. Runs that end are resumed. In the
// end each trial has its rows once, and each fault has its cause: in the reason of its row, or in the
// error that ended the run. Where the generator shares its CPU, the idle loop ran.
func TestARunWithFaultsOfEveryRoleIsComplete(t *testing.T) {
	blocks, share := 100, 1
	if testing.Short() || underRaceDetector {
		blocks, share = 25, 4
	}
	dir := fastTempDir(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wholeRun{t: t, engine: memory.New()}
		w.engine.Answer = answerOf
		w.start(dir, func(l lab.Layout) lab.Plan { return newRunPlan(l, blocks) })
		faults := placeFaults(t, w.plan, share)
		w.faults = make(map[lab.TrialID]trialFault)
		w.checkFaults = []memory.Fault{
			{Moment: memory.Readiness, Kind: memory.LeaseLost, Role: lab.RoleServer},
			{Moment: memory.Opening, Kind: memory.CallFails, Role: lab.RoleServer},
			{Moment: memory.Opening, Kind: memory.UserInterrupts, Role: lab.RoleGenerator},
		}
		w.pilotFaults = []memory.Fault{
			{Moment: memory.Attack, Kind: memory.EngineSilent},
			{Moment: memory.WarmUp, Kind: memory.ServiceEnds, Role: lab.RoleUpstream},
		}
		ends := len(w.checkFaults) + 1
		for id, f := range faults {
			w.faults[id] = f
			if outcomeOf(f).ends != (fault.Party{}) {
				ends++
			}
		}
		for w.session() != nil {
			if w.ends > ends {
				t.Fatalf("more than %d sessions have failed", ends)
			}
		}
		if w.ends != ends || len(w.faults) > 0 {
			t.Errorf("%d sessions have failed, want %d; faults that did not come: %v", w.ends, ends, w.faults)
		}
		if left := w.engine.Containers(); len(left) > 0 {
			t.Errorf("containers are left: %v", left)
		}
		w.checkRows(faults)
	})
}

// fastTempDir returns a folder in memory if there is a file system for that. A run syncs its files
// after every trial, which is not what this test is about.
func fastTempDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "runtimelab")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// start creates the run's folder.
func (w *wholeRun) start(results string, planFor func(lab.Layout) lab.Plan) {
	err := w.withSession(func(s *Session) error {
		w.plan = planFor(s.Layout)
		run, err := record.Create(results, s.ID, record.Info{StartedAt: time.Now(), Plan: w.plan})
		if err != nil {
			return err
		}
		w.dir = run.Dir()
		return run.End(record.Interrupted, "", time.Now())
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// withSession calls do in a session of its own.
func (w *wholeRun) withSession(do func(*Session) error) error {
	s := &Session{ID: record.NewID(time.Now()), options: Options{Log: io.Discard}, engine: w.engine}
	if _, err := s.engine.Sweep(w.t.Context()); err != nil {
		return err
	}
	return s.withLease(w.t.Context(), do)
}

// session continues the run in a session of its own. It returns the error that ended it.
func (w *wholeRun) session() (runErr error) {
	w.current = trialFault{}
	err := w.withSession(func(s *Session) error {
		info, err := record.ReadInfo(w.dir)
		if err != nil {
			return err
		}
		run, earlier, err := record.Resume(w.dir, info.Plan, time.Now())
		if err != nil {
			return err
		}
		runErr = w.experiment(s, run, info.Plan, earlier.EndedTrials())
		state, reason := record.Done, ""
		if runErr != nil {
			state, reason = record.Failed, runErr.Error()
		}
		return run.End(state, reason, time.Now())
	})
	if left := w.engine.Disarm(); len(left) > 0 {
		w.t.Errorf("the run has ended before %+v", left)
	}
	want := outcomeOf(w.current)
	if fault.PartyOf(runErr) != want.ends || runErr != nil && !strings.Contains(runErr.Error(), want.text) {
		w.t.Errorf("after %+v: error %v by %+v, want %s by %+v", w.current, runErr, fault.PartyOf(runErr),
			want.text, want.ends)
	}
	switch silent := w.current.Kind == memory.EngineSilent; {
	case (err != nil) != silent:
		w.t.Fatalf("after %+v: the session has ended with %v", w.current, err)
	case silent:
		w.engine.Restart()
	case len(w.engine.Containers()) > 0:
		w.t.Errorf("after %+v: containers are left: %v", w.current, w.engine.Containers())
	}
	if runErr != nil {
		w.ends++
	}
	return runErr
}

// experiment runs what is left of a plan.
func (w *wholeRun) experiment(
	s *Session, run *record.Run, p lab.Plan, ended map[lab.TrialID]bool,
) error {
	ctx, cancel := context.WithCancelCause(w.t.Context())
	defer cancel(nil)
	w.engine.InterruptRun = func() { cancel(fault.By(fault.User, errors.New("interrupted by the user"))) }
	e := &experiment.Experiment{
		RunID: run.ID(), Plan: p, EndedTrials: ended, RecheckDelay: time.Second,
		Variants: make(map[string]lab.Variant), Services: trialServices,
		Cells: s.Cells(), Checker: pathChecker{}, Recorder: faultyRecorder{record.Recorder{Run: run}, w},
		Observer: faultyTrials{w},
	}
	for _, id := range append([]string{refusedVariant}, measuredVariants...) {
		name := strings.TrimPrefix(id, "rt/")
		e.Variants[id] = lab.Variant{Runtime: "rt", Name: name}
	}
	return e.Run(ctx)
}

// checkRows checks that the run's folder has the rows of every trial, each once.
func (w *wholeRun) checkRows(faults map[lab.TrialID]trialFault) {
	if v, err := record.Verify(w.dir); err != nil || !v.Complete() {
		w.t.Errorf("the folder is %+v, %v", v, err)
	}
	stored, err := record.Read(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range stored.Info.Plan.Pilots {
		if p.PeakRPS == 0 || p.Problem != "" || p.Doubt != "" {
			w.t.Errorf("a pilot is %+v", p)
		}
	}
	rows := make(map[lab.TrialID][]metric.Row)
	for _, row := range stored.Rows {
		rows[row.TrialID()] = append(rows[row.TrialID()], row)
	}
	scenarios := make(map[string]lab.Scenario)
	for _, s := range w.plan.Scenarios {
		scenarios[s.Name] = s
	}
	shares := func(scenario string) bool {
		l, err := plan.LayoutFor(w.plan, trialServices, scenario, 1)
		if err != nil {
			w.t.Fatal(err)
		}
		return l.GeneratorShares()
	}
	expect := func(t lab.Trial, validity lab.Validity, reason string) {
		phases := scenarios[t.Scenario].Phases[1:]
		if validity != lab.Valid {
			phases = phases[:1] // the trial ends with it
		}
		got := rows[t.ID()]
		delete(rows, t.ID())
		if len(got) != len(phases) {
			w.t.Errorf("%+v with %+v has %d rows, want %d", t.ID(), faults[t.ID()], len(got), len(phases))
			return
		}
		for i, row := range got {
			loop, waited := row.Float("idle_loop_cpu_s")
			if measured := validity == lab.Valid; waited != (measured && shares(t.Scenario)) || waited && loop <= 0 {
				w.t.Errorf("%+v: the idle loop used %v s, %v", t.ID(), loop, waited)
			}
			if row.Text("phase") != phases[i].Name || row.Text("validity") != string(validity) ||
				!strings.Contains(row.Text("validity_reason"), reason) {
				w.t.Errorf("%+v with %+v: the row of %s is %s: %s, want %s: %s", t.ID(), faults[t.ID()],
					row.Text("phase"), row.Text("validity"), row.Text("validity_reason"), validity, reason)
			}
		}
	}
	for _, t := range w.plan.Trials {
		if t.Variant == refusedVariant {
			if t.Block == 1 {
				expect(t, lab.Failed, "contract: it says wrong")
			}
			continue
		}
		want := outcomeOf(faults[t.ID()])
		expect(t, want.validity, want.reason)
		if want.validity == lab.Disturbed {
			t.Attempt = 2
			expect(t, lab.Valid, "")
		}
	}
	for id, more := range rows {
		w.t.Errorf("%d rows of %+v, want none", len(more), id)
	}
}

// faultyTrials arms the faults of what starts.
type faultyTrials struct{ run *wholeRun }

func (faultyTrials) VariantRefused(string, []string)                  {}
func (faultyTrials) PhaseStarted(lab.Trial, lab.Phase, time.Duration) {}

func (f faultyTrials) ContractCheckStarted(int) { f.run.armNext(&f.run.checkFaults) }

func (f faultyTrials) PilotStarted(lab.Pilot, int, int) { f.run.armNext(&f.run.pilotFaults) }

func (f faultyTrials) PilotEnded(lab.Pilot, int, int) { f.run.checkFaultCame() }

func (f faultyTrials) TrialStarted(t lab.Trial, _, _ int) {
	w := f.run
	planned, due := w.faults[t.ID()]
	if !due {
		return
	}
	delete(w.faults, t.ID())
	if w.current = planned; planned.disk == "" {
		w.engine.Arm(planned.Fault)
	}
}

func (f faultyTrials) TrialEnded(lab.Trial, int, int, []lab.Sample, bool) { f.run.checkFaultCame() }

// armNext arms the next of some faults, if any is left.
func (w *wholeRun) armNext(faults *[]memory.Fault) {
	if len(*faults) > 0 {
		w.current = trialFault{Fault: (*faults)[0]}
		*faults = (*faults)[1:]
		w.engine.Arm(w.current.Fault)
	}
}

// checkFaultCame checks that the fault of a pilot or trial that has ended has come, and that its cell is
// closed.
func (w *wholeRun) checkFaultCame() {
	if left := w.engine.Disarm(); len(left) > 0 {
		w.t.Errorf("a trial has ended before %+v", left)
	}
	if left := w.engine.Containers(); len(left) > 1 { // the lease
		w.t.Errorf("after a trial with %+v containers are left: %v", w.current, left)
	}
	if outcomeOf(w.current).ends == (fault.Party{}) {
		w.current = trialFault{} // it ends no run
	}
}

// faultyRecorder fails to record the trial whose fault is one of the disk.
type faultyRecorder struct {
	record.Recorder
	run *wholeRun
}

func (r faultyRecorder) RecordSamples(samples ...lab.Sample) error {
	switch r.run.current.disk {
	case "":
		return r.Recorder.RecordSamples(samples...)
	case diskTorn:
		f, err := os.OpenFile(filepath.Join(r.run.dir, record.TrialsFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(strings.Join(metric.RowOf(samples[0]).CSVRecord(), ",") + "\n1,2")
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return fmt.Errorf("writing the rows of a trial: %w", syscall.ENOSPC)
}
