package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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

// trialFault is a fault of a trial.
type trialFault struct {
	memory.Fault
	disk diskFault
}

// diskFault is a fault of the disk when a trial is recorded.
type diskFault string

const (
	diskFull diskFault = "disk full"            // nothing is written
	diskTorn diskFault = "disk full, after all" // a part of a row is written
)

// measuredVariants keep the contract. refusedVariant breaks it.
var measuredVariants = []string{"rt/a", "rt/b", "rt/c", "rt/d", "rt/e"}

const refusedVariant = "rt/wrong"

// trialServices are the services beside servers, one for each other role.
var trialServices = map[string]lab.Service{
	lab.UpstreamName: {
		Role: lab.RoleUpstream, Name: lab.UpstreamName, Port: lab.UpstreamPort, CPUs: lab.CPURequest{Count: 1},
		Ready: &lab.Readiness{Request: &lab.Request{Path: "/"}}, CallCount: &lab.Request{Path: "/hits"},
	},
	"postgres": {
		Role: lab.RoleDatabase, Name: "postgres", Port: 5432, CPUs: lab.CPURequest{Count: 1},
		Ready: &lab.Readiness{},
	},
	"proxy": {
		Role: lab.RoleBalancer, Name: "proxy", Port: 8090, CPUs: lab.CPURequest{Count: 1},
		Ready: &lab.Readiness{},
	},
	"queue": {
		Role: lab.RoleBroker, Name: "queue", Port: 5672, CPUs: lab.CPURequest{Count: 1},
		Ready: &lab.Readiness{}, DependsOn: []string{"postgres"},
	},
}

// runScenarios have a server alone, with a service of each role, and with several. Their rates are
// shares of a trial's own peak, of a pilot's peak, and none.
func runScenarios() []lab.Scenario {
	warmUp := lab.Phase{Name: "warmup", Kind: lab.WarmUp, Connections: 8}
	peak := lab.Phase{Name: "peak", Kind: lab.Peak, Connections: 64}
	share := func(own bool) lab.Phase {
		return lab.Phase{
			Name: "steady", Kind: lab.Steady, Connections: 16,
			PeakShare: &lab.PeakShare{Fraction: 0.5, OfOwnPeak: own},
		}
	}
	all := []lab.Scenario{
		{Name: "alone", Phases: []lab.Phase{warmUp, peak, share(true)}},
		{Name: "calling", Phases: []lab.Phase{warmUp, share(false)}, Services: []string{lab.UpstreamName}},
		{Name: "storing", Phases: []lab.Phase{warmUp, peak}, Services: []string{"postgres"}},
		{Name: "fleet", Phases: []lab.Phase{warmUp, peak}, Services: []string{"proxy", "queue"}},
	}
	for i := range all {
		all[i].Requests = []lab.Request{{Method: "GET", Path: "/" + all[i].Name}}
	}
	return all
}

// newRunPlan returns a plan of so many blocks, with pilots.
func newRunPlan(layout lab.Layout, blocks int) lab.Plan {
	p := lab.Plan{
		Profile: lab.Profile{
			Name: "memory", Blocks: blocks, WarmUpMax: 4 * time.Second, PeakDuration: 3 * time.Second,
			SteadyDuration: 5 * time.Second,
		},
		Scenarios: runScenarios(), Layout: layout,
	}
	for block := 1; block <= blocks; block++ {
		position := 0
		for _, s := range p.Scenarios {
			variants := measuredVariants
			if s.Name == "alone" {
				variants = append(slices.Clone(variants), refusedVariant)
			}
			for _, v := range variants {
				position++
				p.Trials = append(p.Trials, lab.Trial{
					Scenario: s.Name, Variant: v, Cores: 1, Block: block, Position: position, Attempt: 1,
					Seed: uint64(len(p.Trials)),
				})
			}
		}
	}
	for i, v := range measuredVariants {
		p.Pilots = append(p.Pilots, lab.Pilot{Scenario: "calling", Variant: v, Cores: 1, Seed: uint64(i)})
	}
	p.MaxRepeats = len(p.Trials)
	return p
}

// rolesOf returns the roles of a scenario's cells, in the order in which they start.
func rolesOf(scenario string) []lab.Role {
	return map[string][]lab.Role{
		"alone":   {lab.RoleGenerator, lab.RoleServer},
		"calling": {lab.RoleGenerator, lab.RoleUpstream, lab.RoleServer},
		"storing": {lab.RoleGenerator, lab.RoleDatabase, lab.RoleServer},
		"fleet":   {lab.RoleGenerator, lab.RoleBalancer, lab.RoleDatabase, lab.RoleBroker, lab.RoleServer},
	}[scenario]
}

// faultsOf returns every fault that a trial of a scenario can have.
func faultsOf(scenario string) (all []trialFault) {
	add := func(m memory.Moment, role lab.Role, kinds ...memory.Kind) {
		for _, k := range kinds {
			all = append(all, trialFault{Fault: memory.Fault{Moment: m, Kind: k, Role: role}})
		}
	}
	common := []memory.Kind{memory.EngineSilent, memory.LeaseLost, memory.UserInterrupts}
	for _, role := range rolesOf(scenario) {
		add(memory.Opening, role, append(common, memory.CallFails, memory.ServiceEnds)...)
		for _, m := range []memory.Moment{memory.WarmUp, memory.Attack, memory.Canary} {
			add(m, role, memory.ServiceEnds)
		}
		add(memory.Readiness, role, memory.ServiceEnds)
		add(memory.Reading, role, memory.ServiceEnds)
		if role != lab.RoleGenerator {
			add(memory.Readiness, role, append(common, memory.NeverReady, memory.AgentBreaks)...)
			add(memory.Reading, role, append(common, memory.CallFails)...)
		}
	}
	for _, m := range []memory.Moment{memory.WarmUp, memory.Attack, memory.Canary} {
		add(m, "", append(common, memory.AgentBreaks)...)
	}
	add(memory.Closing, "", append(common, memory.CallFails)...)
	add(memory.Closing, lab.RoleServer, memory.ServiceEnds)
	return append(all, trialFault{disk: diskFull}, trialFault{disk: diskTorn})
}

// outcome is what must become of a trial with a fault, and of the run.
type outcome struct {
	validity lab.Validity // of the trial's first row
	reason   string       // part of the reason of that row
	ends     fault.Party  // who ends the run; zero: nobody
	text     string       // part of the error that ends the run
	recorded bool         // the trial has its rows although the run ends
}

// outcomeOf returns what must become of a trial with a fault. It says so in its own words: it must
// not follow from the code that it tests.
func outcomeOf(f trialFault) outcome {
	valid := outcome{validity: lab.Valid, recorded: true}
	ends := func(p fault.Party, text string) outcome {
		o := outcome{validity: lab.Valid, ends: p, text: text}
		// A trial has ended before its cell closes, unless the engine does not close it.
		o.recorded = f.Moment == memory.Closing && (f.Kind == memory.LeaseLost || f.Kind == memory.UserInterrupts)
		return o
	}
	row := func(reasons map[lab.Role]string) outcome {
		validity := map[lab.Role]lab.Validity{
			lab.RoleGenerator: lab.Disturbed, lab.RoleUpstream: lab.Disturbed, lab.RoleServer: lab.Failed,
			lab.RoleDatabase: lab.Failed, lab.RoleBalancer: lab.Failed, lab.RoleBroker: lab.Failed,
		}[f.Role]
		return outcome{validity: validity, reason: reasons[f.Role], recorded: true}
	}
	switch {
	case f.disk != "":
		return ends(fault.Lab, "no space left on device")
	case f.Kind == memory.UserInterrupts:
		return ends(fault.User, "interrupted by the user")
	case f.Kind == memory.EngineSilent:
		return ends(fault.Engine, "the engine does not answer any more")
	case f.Kind == memory.LeaseLost:
		return ends(fault.Engine, "the engine has ended this run's lease")
	case f.Kind == memory.CallFails:
		return ends(fault.Engine, "input/output error")
	case f.Kind == memory.AgentBreaks && f.Moment == memory.Canary:
		return ends(fault.Lab, "canary")
	case f.Kind == memory.AgentBreaks:
		return outcome{
			validity: lab.Disturbed, reason: "the agent's stderr: fatal error: out of luck", recorded: true,
		}
	case f.Kind == memory.ServiceEnds && f.Moment == memory.Closing:
		return valid
	case f.Kind == memory.ServiceEnds:
		return row(map[lab.Role]string{
			lab.RoleGenerator: "the generator exited with code 137",
			lab.RoleServer:    "the server exited with code 7",
			lab.RoleUpstream:  "the upstream exited with code 7",
			lab.RoleDatabase:  "the database postgres exited with code 7",
			lab.RoleBalancer:  "the balancer proxy exited with code 7",
			lab.RoleBroker:    "the broker queue exited with code 7",
		})
	case f.Kind == memory.NeverReady:
		const late = "no correct answer within 30s; last: connection refused"
		return row(map[lab.Role]string{
			lab.RoleServer:   late,
			lab.RoleUpstream: "waiting until the upstream is ready: " + late,
			lab.RoleDatabase: "waiting until the database postgres is ready: " + late,
			lab.RoleBalancer: "waiting until the balancer proxy is ready: " + late,
			lab.RoleBroker:   "waiting until the broker queue is ready: " + late,
		})
	}
	return valid // no fault
}

// placeFaults gives each fault of each scenario, or one of so many, to one of its trials. No two of
// these follow one another: a fault may end the run in the next trial.
func placeFaults(t *testing.T, p lab.Plan, oneOf int) map[lab.TrialID]trialFault {
	random := rand.New(rand.NewPCG(20, 0))
	left := make(map[string][]trialFault) // by scenario
	for _, s := range p.Scenarios {
		all := faultsOf(s.Name)
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		left[s.Name] = all[:len(all)/oneOf]
	}
	trials := slices.DeleteFunc(slices.Clone(p.Trials), // no cell opens for the others
		func(t lab.Trial) bool { return t.Variant == refusedVariant })
	faulty := make([]bool, len(trials))
	placed := make(map[lab.TrialID]trialFault)
	for _, i := range random.Perm(len(trials) - 1) {
		trial := trials[i]
		all := left[trial.Scenario]
		if len(all) == 0 || faulty[i+1] || faulty[max(i-1, 0)] {
			continue
		}
		faulty[i], placed[trial.ID()], left[trial.Scenario] = true, all[0], all[1:]
	}
	for name, all := range left {
		if len(all) > 0 {
			t.Fatalf("the plan has too few trials of %s for %d of its faults", name, len(all))
		}
	}
	return placed
}

// TestARunWithFaultsOfEveryRoleIsComplete runs a plan of 2,000 trials, or of fewer with a part of the
// faults. Each fault of each party at each moment breaks one trial. Runs that end are resumed. In the
// end each trial has its rows once, and each fault has its cause: in the reason of its row, or in the
// error that ended the run.
func TestARunWithFaultsOfEveryRoleIsComplete(t *testing.T) {
	blocks, share := 100, 1
	if testing.Short() {
		blocks, share = 25, 4
	}
	dir := fastTempDir(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wholeRun{t: t, engine: memory.New()}
		w.engine.Answer = answerOf
		w.start(dir, blocks)
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
func (w *wholeRun) start(results string, blocks int) {
	err := w.withSession(func(s *Session) error {
		w.plan = newRunPlan(s.Layout, blocks)
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

// answerOf returns what services answer: the path that was asked, or an identity.
func answerOf(s lab.Service, r lab.Request) lab.Answer {
	body := []byte(r.Path)
	if r.Path == "/identity" {
		id := lab.Identity{Process: lab.ProcessLimits{CPUsAllowed: lab.CPUList(s.CPUs.Pinned)}}
		var err error
		if body, err = json.Marshal(id); err != nil {
			return lab.Answer{Error: err.Error()}
		}
	} else if s.Name == refusedVariant {
		body = []byte("wrong")
	}
	return lab.Answer{Status: 200, Body: body}
}

// pathChecker wants answerOf: one workload, which every variant offers.
type pathChecker struct{}

func (pathChecker) Workloads(lab.Variant) []string { return []string{"hello"} }

func (pathChecker) Needs(string) []string { return nil }

func (pathChecker) Requests(workload string) []lab.Request {
	return []lab.Request{{Method: "GET", Path: "/" + workload}}
}

func (c pathChecker) Succeeding() []lab.Request { return c.Requests("hello") }

func (pathChecker) CheckAnswers(workload string, answers []lab.Answer) []string {
	if got := string(answers[0].Body); got != "/"+workload {
		return []string{"it says " + got}
	}
	return nil
}

func (pathChecker) CompareAnswers(_ []lab.Request, a, b string, ofA, ofB []lab.Answer) []string {
	if string(ofA[0].Body) == string(ofB[0].Body) {
		return nil
	}
	return []string{fmt.Sprintf("%s says %s, %s says %s", a, ofA[0].Body, b, ofB[0].Body)}
}

func (pathChecker) IdentityRequest() lab.Request {
	return lab.Request{Method: "GET", Path: "/identity"}
}

func (pathChecker) CheckIdentity(a lab.Answer, _ lab.Variant, cpus []int) (id lab.Identity, wrong []string) {
	if err := json.Unmarshal(a.Body, &id); err != nil {
		return id, []string{err.Error()}
	}
	if want := lab.CPUList(cpus); want != "" && id.Process.CPUsAllowed != want {
		wrong = append(wrong, fmt.Sprintf("it runs on CPUs %s instead of %s", id.Process.CPUsAllowed, want))
	}
	return id, wrong
}
