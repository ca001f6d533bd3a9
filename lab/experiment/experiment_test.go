package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
)

// world fakes the engine, the contract, the recorder and the observer. It counts what is
// open, and fails as the test demands.
type world struct {
	mu       sync.Mutex
	open     map[string]int // cells that are not closed yet
	recorded []lab.Sample
	refused  map[string][]string

	// answer holds the body of every answer by variant, "right" if unset. reply
	// replaces it unless it returns nil.
	answer map[string]string
	reply  func(variant string, r lab.Request) *lab.Answer
	judge  func(body string) []string // what is wrong with an answer to the contract
	needs  []string                   // services that every workload needs

	subscriptions map[string]*lab.SubscriptionRule // by workload
	delivered     func(variant string, rule lab.SubscriptionRule) []lab.DeliveryFault

	crash            string       // variant whose server ends during its attacks
	neverReady       string       // variant whose server never answers
	ends             []serviceEnd // services that end during the warm-up
	killedGenerator  string       // variant whose generator ends during its attacks
	identity         []string     // what is wrong with every identity
	identityOnTrials []string     // what is wrong with one on a trial's CPUs
	answerUnderLoad  string       // identity under load; answer if unset
	noSideAnswer     bool         // attacks leave their side request out
	listeners        []lab.Listener
	awaited          map[string]lab.Target // by variant: the last first answer that was awaited
	requests         []lab.CellRequest     // of the cells that were opened

	onAttack      func(lab.Attack)
	onOpen        func() // runs before a cell opens
	onCheckEngine func()
	changeResult  func(lab.Attack, *account.Observation)

	foreignCPU     time.Duration // CPU 0 time of others during each attack of a second
	serverCPU      time.Duration // CPU 1 time of the server during each attack; a second if unset
	canary         time.Duration // duration of each canary
	callsPerAttack int64         // calls of the upstream
	upstreamCalls  int64         // calls so far
	counts         lab.DatabaseCounts
	upstreamCPU    time.Duration // CPU time of the upstream in an attack

	engineError     error // returned by CheckEngine
	openError       error // returned in place of a cell
	closeError      error // returned when a cell closes
	canaryError     error
	recordHitsError error
	recordError     error // returned by all other methods of the recorder
	upstreamError   error
	attackError     error // returned by attacks after the warm-up
	usageError      error
	doneError       error // of the wait for a server's end; comes during its first attack

	openedCells      atomic.Int64
	attacks          []lab.Attack
	log              []string // canaries, usages, attacks and hits in their order
	recordedHits     []lab.Hit
	recordedPlans    []lab.Plan
	recordedRefusals map[string]string
	endedPilots      []lab.Pilot
}

func newWorld() *world {
	return &world{
		open:    make(map[string]int),
		refused: make(map[string][]string),
		answer:  make(map[string]string),
		awaited: make(map[string]lab.Target),
		judge:   func(string) []string { return nil },
	}
}

func (w *world) count(what string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[what] += n
}

func (w *world) Open(ctx context.Context, request lab.CellRequest) (Cell, error) {
	w.openedCells.Add(1)
	w.mu.Lock()
	w.requests = append(w.requests, request)
	w.mu.Unlock()
	if w.onOpen != nil {
		w.onOpen()
	}
	if ctx.Err() != nil { // like a client of the engine, do not return the cause
		return nil, fmt.Errorf("starting a generator: %w", ctx.Err())
	}
	if w.openError != nil {
		return nil, w.openError
	}
	w.count("cells", 1)
	c := &fakeCell{world: w, cpus: request.Generator.Pinned}
	for _, spec := range request.Services {
		c.services = append(c.services, &fakeService{cell: c, spec: spec, exited: make(chan error, 1)})
		if spec.Role == lab.RoleServer {
			c.variant = spec.Name
		}
	}
	return c, nil
}

func (w *world) RunCanaries(_ context.Context, cpus []int) ([]lab.Canary, error) {
	w.log = append(w.log, "canary")
	if w.canaryError != nil {
		return nil, w.canaryError
	}
	var out []lab.Canary
	for _, cpu := range cpus {
		out = append(out, lab.Canary{CPU: cpu, WallTime: w.canary})
	}
	return out, nil
}

func (w *world) RecordHits(_ lab.Sample, read func(each func([]lab.Hit) error) error) error {
	w.log = append(w.log, "hits")
	if w.recordHitsError != nil {
		return w.recordHitsError
	}
	return read(func(hits []lab.Hit) error {
		w.recordedHits = append(w.recordedHits, hits...)
		return nil
	})
}

func (w *world) RecordSamples(s ...lab.Sample) error {
	if w.recordError != nil {
		return w.recordError
	}
	w.recorded = append(w.recorded, s...)
	return nil
}

func (w *world) RecordRefusals(why map[string]string) error {
	w.recordedRefusals = maps.Clone(why)
	return w.recordError
}

func (w *world) CheckEngine(ctx context.Context) error {
	if w.onCheckEngine != nil {
		w.onCheckEngine()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("the engine does not answer any more: %w", ctx.Err())
	}
	return w.engineError
}

func (w *world) RecordPlan(p lab.Plan) error {
	w.recordedPlans = append(w.recordedPlans, p)
	return w.recordError
}

func (w *world) PilotStarted(lab.Pilot, int, int) {}

func (w *world) PilotEnded(p lab.Pilot, _, _ int) { w.endedPilots = append(w.endedPilots, p) }

// Workloads returns what a variant offers, or one workload that stands for all of the lab's own.
func (w *world) Workloads(v lab.Variant) []string {
	if v.Offers != nil || v.Own != nil {
		return v.Offers
	}
	return []string{"contract"}
}

func (w *world) Requests(workload string) []lab.Request {
	return []lab.Request{{Method: "GET", Path: "/" + workload}}
}

func (w *world) Needs(string) []string { return w.needs }

func (w *world) IdentityRequest() lab.Request { return lab.Request{Method: "GET", Path: "/identity"} }

func (w *world) Subscription(workload string) *lab.SubscriptionRule { return w.subscriptions[workload] }

func (w *world) Succeeding() []lab.Request { return []lab.Request{{Method: "GET", Path: "/json"}} }

func (w *world) CheckAnswers(_ string, answers []lab.Answer) []string {
	return w.judge(string(answers[0].Body))
}

func (w *world) CompareAnswers(_ []lab.Request, a, b string, x, y []lab.Answer) []string {
	if string(x[0].Body) == string(y[0].Body) {
		return nil
	}
	return []string{fmt.Sprintf("%s says %q, %s says %q", a, x[0].Body, b, y[0].Body)}
}

func (w *world) CheckIdentity(a lab.Answer, _ lab.Variant, cpus []int) (lab.Identity, []string) {
	wrong := w.identity
	if len(cpus) > 0 {
		wrong = slices.Concat(wrong, w.identityOnTrials)
	}
	return lab.Identity{
		Runtime: string(a.Body),
		Process: lab.ProcessLimits{CPUsAllowed: lab.CPUList(cpus)},
	}, wrong
}

func (w *world) ContractCheckStarted(int) {}
func (w *world) VariantRefused(v string, why []string) {
	w.refused[v] = why
}
func (w *world) TrialStarted(lab.Trial, int, int)                   {}
func (w *world) PhaseStarted(lab.Trial, lab.Phase, time.Duration)   {}
func (w *world) TrialEnded(lab.Trial, int, int, []lab.Sample, bool) {}

// serviceEnd is the end of a service, this long after the start of its cell.
type serviceEnd struct {
	name  string
	after time.Duration
}

type fakeCell struct {
	world    *world
	cpus     []int
	variant  string
	services []*fakeService
	ended    bool
}

func (c *fakeCell) Services() (all []Service) {
	for _, s := range c.services {
		all = append(all, s)
	}
	return all
}

// named returns the service of a name. That of the server is "server".
func (c *fakeCell) named(name string) *fakeService {
	for _, s := range c.services {
		if s.spec.Name == name || name == "server" && s.spec.Role == lab.RoleServer {
			return s
		}
	}
	return nil
}

// end ends a service now, after the given time of the cell, and tells who waits for it.
func (c *fakeCell) end(name string, after time.Duration) {
	s := c.named(name)
	s.ending = lab.Ending{
		At: time.Unix(100, 0).Add(after), Reason: s.spec.Title() + " exited with code 7",
	}
	close(s.exited)
}

func (c *fakeCell) CheckSubscribers(_ context.Context, rule lab.SubscriptionRule) ([]lab.DeliveryFault,
	error,
) {
	if c.world.delivered == nil {
		return nil, nil
	}
	return c.world.delivered(c.variant, rule), nil
}

func (c *fakeCell) Listeners(context.Context) ([]lab.Listener, error) { return c.world.listeners, nil }

func (c *fakeCell) AwaitFirstAnswer(_ context.Context, t lab.Target, _ time.Duration) (time.Time, error) {
	c.world.mu.Lock()
	c.world.awaited[c.variant] = t
	c.world.mu.Unlock()
	if c.variant == c.world.neverReady {
		return time.Time{}, errors.New("no correct answer within 30s")
	}
	return time.Unix(100, 250e6), nil
}

func (c *fakeCell) Send(_ context.Context, requests []lab.Request) ([]lab.Answer, error) {
	body := c.world.answer[c.variant]
	if body == "" {
		body = "right"
	}
	answers := slices.Repeat([]lab.Answer{{Status: 200, Body: []byte(body)}}, len(requests))
	for i, r := range requests {
		if c.world.reply == nil {
			break
		}
		if reply := c.world.reply(c.variant, r); reply != nil {
			answers[i] = *reply
		}
	}
	return answers, nil
}

func (c *fakeCell) Attack(ctx context.Context, a lab.Attack) (account.Observation, error) {
	c.world.attacks = append(c.world.attacks, a)
	c.world.log = append(c.world.log, string(a.Kind))
	if c.world.onAttack != nil {
		c.world.onAttack(a)
	}
	if c.variant == c.world.crash {
		c.end("server", time.Second)
		<-ctx.Done()
	}
	if len(c.world.ends) > 0 {
		for _, end := range c.world.ends {
			c.end(end.name, end.after)
		}
		<-ctx.Done()
	}
	if c.world.doneError != nil {
		c.named("server").exited <- c.world.doneError
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return account.Observation{}, context.Cause(ctx)
	}
	if c.world.engineError != nil || c.variant == c.world.killedGenerator {
		c.ended = true
		return account.Observation{}, fault.By(fault.Generator, errors.New("the cell ended during attack"))
	}
	if c.world.attackError != nil && a.Kind != lab.WarmUp {
		return account.Observation{}, c.world.attackError
	}
	c.world.upstreamCalls += c.world.callsPerAttack
	began, busy := time.Unix(200, 0), c.world.serverCPU
	if busy == 0 {
		busy = time.Second
	}
	result := account.Observation{AttackResult: lab.AttackResult{
		StartedAt: began.Add(time.Duration(len(c.world.attacks)) * time.Second), Elapsed: time.Second,
		HitCounts: lab.HitCounts{Sent: 10, Succeeded: 10 * int64(a.Connections)},
	}}
	result.GeneratorCPUs = c.cpus
	result.Before = account.Reading{At: began, CPUs: []account.CPUTime{{ID: 0}, {ID: 1}}}
	result.After = account.Reading{
		At: began.Add(time.Second),
		CPUs: []account.CPUTime{
			{ID: 0, Idle: time.Second - c.world.foreignCPU},
			{ID: 1, Idle: time.Second - busy},
		},
		Services: []account.ServiceUsage{
			{Name: c.variant, Threads: []account.Thread{{PID: 2, TID: 2, CPU: busy}}},
			{Name: lab.UpstreamName, Threads: []account.Thread{{PID: 3, TID: 3, CPU: c.world.upstreamCPU}}},
		},
	}
	if a.KeepHits {
		result.KeptHits = 2
	}
	if c.world.changeResult != nil {
		c.world.changeResult(a, &result)
	}
	if a.SideRequest != nil && !c.world.noSideAnswer {
		answers, _ := c.Send(ctx, []lab.Request{*a.SideRequest})
		result.SideAnswer = &answers[0]
		if c.world.answerUnderLoad != "" {
			result.SideAnswer.Body = []byte(c.world.answerUnderLoad)
		}
	}
	return result, nil
}

func (c *fakeCell) ReadHits(_ context.Context, each func([]lab.Hit) error) error {
	return errors.Join(each([]lab.Hit{{Seq: 0}}), each([]lab.Hit{{Seq: 1}}))
}

func (c *fakeCell) ExitReason(context.Context) string {
	if c.ended {
		return "the generator exited with code 137"
	}
	return ""
}

func (c *fakeCell) Close(ctx context.Context) error {
	c.world.count("cells", -1)
	return errors.Join(ctx.Err(), c.world.closeError)
}

type fakeService struct {
	cell   *fakeCell
	spec   lab.Service
	exited chan error
	ending lab.Ending
	used   time.Duration // the CPU time: 1 ms for each reading
}

func (s *fakeService) Spec() lab.Service                 { return s.spec }
func (s *fakeService) Grant() lab.Grant                  { return lab.Grant{CPUs: s.spec.CPUs.Pinned} }
func (s *fakeService) StartedAt() time.Time              { return time.Unix(100, 0) }
func (s *fakeService) Done(context.Context) <-chan error { return s.exited }

func (s *fakeService) LogTail(context.Context) string {
	if s.spec.Role != lab.RoleServer {
		return ""
	}
	return "last words"
}

func (s *fakeService) Usage(context.Context) (account.Usage, error) {
	s.used += time.Millisecond
	if s.spec.Role != lab.RoleServer {
		return account.Usage{CPU: s.used}, nil
	}
	if s.cell.world.usageError != nil {
		return account.Usage{}, s.cell.world.usageError
	}
	s.cell.world.log = append(s.cell.world.log, "usage")
	return account.Usage{CPU: s.used}, nil
}

func (s *fakeService) Calls(context.Context) (*int64, error) {
	if s.spec.CallCount == nil {
		return nil, nil
	}
	calls := s.cell.world.upstreamCalls
	return &calls, s.cell.world.upstreamError
}

func (s *fakeService) Counts(context.Context) (*lab.DatabaseCounts, error) {
	if s.spec.Counts == nil {
		return nil, nil
	}
	s.cell.world.log = append(s.cell.world.log, "counts")
	counts := s.cell.world.counts
	return &counts, s.cell.world.upstreamError
}

// Ending returns how the service ended. The server of the variant that crashes may have ended without
// an end of the trial's context.
func (s *fakeService) Ending(context.Context) lab.Ending {
	if s.ending == (lab.Ending{}) && s.spec.Role == lab.RoleServer && s.cell.variant == s.cell.world.crash {
		return lab.Ending{At: time.Unix(101, 0), Reason: "the server exited with code 7"}
	}
	return s.ending
}

// newExperiment returns two blocks of the variants on one scenario of three phases.
func newExperiment(w *world, variants ...string) *Experiment {
	e := &Experiment{
		RunID: "run", Cells: w, Checker: w, Recorder: w, Observer: w,
		Variants: make(map[string]lab.Variant), Images: make(map[string]lab.Image),
		Services: map[string]lab.Service{lab.UpstreamName: {
			Role: lab.RoleUpstream, Name: lab.UpstreamName, CPUs: lab.CPURequest{Count: 1},
			Port: lab.UpstreamPort, CallCount: &lab.Request{Method: "GET", Path: "/hits"},
		}},
	}
	e.Plan = lab.Plan{
		Profile: lab.Profile{
			PeakDuration: 5 * time.Second, SteadyDuration: 8 * time.Second,
			WarmUpMax: 4 * time.Second,
		},
		Layout: lab.Layout{Generator: []int{0}, Server: []int{1}},
		Scenarios: []lab.Scenario{{
			Name:     "json",
			Requests: []lab.Request{{Method: "GET", Path: "/json"}},
			Phases: []lab.Phase{
				{Name: "warmup", Kind: lab.WarmUp, Connections: 8},
				{Name: "peak", Kind: lab.Peak, Connections: 64, ConnectionPerRequest: true},
				{Name: "steady", Kind: lab.Steady, RateRPS: 100, Connections: 16},
			},
		}},
	}
	for _, name := range variants {
		v := lab.Variant{Runtime: "rt", Name: name}
		e.Variants[v.ID()] = v
	}
	for block := 1; block <= 2; block++ {
		for i, name := range variants {
			e.Plan.Trials = append(e.Plan.Trials,
				lab.Trial{Scenario: "json", Variant: "rt/" + name, Cores: 1, Block: block, Position: i + 1, Attempt: 1})
		}
	}
	return e
}

func (w *world) checkNothingOpen(t *testing.T) {
	t.Helper()
	for what, n := range w.open {
		if n != 0 {
			t.Errorf("%d %s were left open", n, what)
		}
	}
}

// rows returns the recorded samples that are failed, or all others, as "variant block phase".
func (w *world) rows(v lab.Validity) []string {
	var out []string
	for _, s := range w.recorded {
		if (s.Gate.Validity == lab.Failed) == (v == lab.Failed) {
			out = append(out, fmt.Sprintf("%s %d %s", s.Trial.Variant, s.Trial.Block, s.Phase.Kind))
		}
	}
	return out
}

func TestEveryMeasuredPhaseOfEveryTrialIsASample(t *testing.T) {
	w := newWorld()
	if err := newExperiment(w, "a", "b").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"rt/a 1 peak", "rt/a 1 steady", "rt/b 1 peak", "rt/b 1 steady",
		"rt/a 2 peak", "rt/a 2 steady", "rt/b 2 peak", "rt/b 2 steady",
	}
	if failed := w.rows(lab.Failed); len(failed) > 0 || len(w.recorded) != len(want) {
		t.Fatalf("%d samples, of which failed: %v", len(w.recorded), failed)
	}
	for i, s := range w.recorded {
		row := fmt.Sprintf("%s %d %s", s.Trial.Variant, s.Trial.Block, s.Phase.Kind)
		if row != want[i] {
			t.Errorf("sample %d is %s, want %s", i, row, want[i])
		}
		if s.WarmUp == nil || *s.ColdStart != 250*time.Millisecond || s.Identity.Process.CPUsAllowed != "1" {
			t.Errorf("sample %d: warm-up %v, cold start %v, identity %+v", i, s.WarmUp, s.ColdStart, s.Identity)
		}
		if !s.StartedAt.Equal(s.Measured.Attack.StartedAt) {
			t.Errorf("sample %d started at %v, but its attack at %v", i, s.StartedAt, s.Measured.Attack.StartedAt)
		}
	}
	w.checkNothingOpen(t)
	if !w.attacks[1].ConnectionPerRequest {
		t.Error("a peak with a connection for each request keeps them alive")
	}
	if a := w.attacks[2]; a.ConnectionPerRequest || a.Duration != 8*time.Second ||
		string(a.Targets[0].Body) != "right" || a.Targets[0].Status != 200 {
		t.Errorf("the steady attack is %+v, want the profile's duration and the checked answer", a)
	}
}

func TestReadingsAreAroundAnAttackAndCanariesAroundReadings(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	around := func(phase string) string { return " usage canary usage " + phase + " usage canary usage" }
	if got, want := strings.Join(w.log, " "), "warmup"+around("peak")+around("steady"); got != want {
		t.Errorf("the order is\n%s, want\n%s", got, want)
	}
	for _, s := range w.recorded {
		c := s.Canaries
		if len(c.Before) != 2 || len(c.After) != 2 || c.Before[0].CPU != 0 || c.After[1].CPU != 1 ||
			c.ServerCPUBefore != time.Millisecond || c.ServerCPUAfter != time.Millisecond {
			t.Errorf("%s: canaries %+v", s.Phase.Kind, c)
		}
	}
}

func TestAPeakThatLeavesTheServerIdleIsRepeatedOnTwiceTheConnections(t *testing.T) {
	for _, c := range []struct {
		busy        time.Duration
		connections int
		want        []int // connections of each closed-loop attack after the warm-up
	}{
		{time.Second, 64, []int{64}},
		{time.Second / 2, 64, []int{64, 128}},
		{time.Second / 2, 4096, []int{4096}}, // a listen backlog holds no more
	} {
		w := newWorld()
		w.serverCPU = c.busy
		e := newExperiment(w, "a")
		e.KeepHits = true
		e.Plan.Trials = e.Plan.Trials[:1]
		e.Plan.Scenarios[0].Phases[1].Connections = c.connections
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, a := range w.attacks {
			if a.Kind == lab.Peak {
				got = append(got, a.Connections)
				if first := len(got) == 1; (a.Duration == 5*time.Second) != first {
					t.Errorf("attack %d of the peak lasts %v", len(got), a.Duration)
				}
				if a.KeepHits != (len(got) == 1) {
					t.Errorf("attack %d of the peak keeps its hits: %v", len(got), a.KeepHits)
				}
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("server busy %v: peaks on %v connections, want %v", c.busy, got, c.want)
		}
		s := w.recorded[0]
		if (s.Doubled != nil) != (len(c.want) == 2) ||
			(s.Gate.Validity == lab.Valid) != (c.busy == time.Second) {
			t.Errorf("server busy %v: doubled %v, %+v", c.busy, s.Doubled != nil, s.Gate)
		}
		if s.Doubled != nil {
			used := s.Doubled.Accounts.Server.Container.CPU
			if *used != time.Millisecond || s.Doubled.Phase.Connections != 128 {
				t.Errorf("on %d connections the server used %v", s.Doubled.Phase.Connections, *used)
			}
			// Its usage is read around it, and not that before the peak.
			const want = " usage peak usage canary usage hits usage peak usage "
			if log := strings.Join(w.log, " "); !strings.Contains(log, want) {
				t.Errorf("the order is\n%s, want\n…%s…", log, want)
			}
		}
		if len(w.recorded) != 2 {
			t.Errorf("%d rows, want 2: the doubled attack has none", len(w.recorded))
		}
	}
}

func TestHitsAreRecordedIfTheyAreKept(t *testing.T) {
	for _, keep := range []bool{false, true} {
		w := newWorld()
		e := newExperiment(w, "a")
		e.Plan.Trials, e.KeepHits = e.Plan.Trials[:1], keep
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := 0
		if keep {
			want = 4 // two for each measured phase
		}
		if len(w.recordedHits) != want {
			t.Errorf("keeping hits %v: %d recorded, want %d", keep, len(w.recordedHits), want)
		}
		if w.attacks[0].KeepHits {
			t.Error("the warm-up keeps its hits")
		}
	}
}

func TestTheGateUsesTheCalibration(t *testing.T) {
	w := newWorld()
	w.canary = 60 * time.Millisecond
	e := newExperiment(w, "a")
	e.Calibration = lab.Calibration{CanaryBaselines: []lab.CanaryBaseline{
		{CPU: 1, Median: 48 * time.Millisecond, P99: 50 * time.Millisecond},
	}}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g := w.recorded[0].Gate; g.Validity != lab.Disturbed || !strings.Contains(g.Reason, "canary on CPU 1") {
		t.Errorf("a canary above the calibration's limit gives %+v", g)
	}
}

// If a machine has become slower since its calibration, its trials are disturbed only
// until the run has its own baseline. A short slowdown disturbs a trial by that baseline.
func TestCanariesAreJudgedByEarlierOnesOfTheRun(t *testing.T) {
	w := newWorld()
	w.canary = 60 * time.Millisecond
	e := newExperiment(w, "a", "b", "c")
	e.Calibration = lab.Calibration{CanaryBaselines: []lab.CanaryBaseline{
		{CPU: 0, Median: 48 * time.Millisecond, P99: 50 * time.Millisecond},
		{CPU: 1, Median: 48 * time.Millisecond, P99: 50 * time.Millisecond},
	}}
	w.onAttack = func(lab.Attack) {
		w.canary = 60 * time.Millisecond
		if len(w.attacks) == 3*6 { // the last attack of the last trial
			w.canary = 75 * time.Millisecond
		}
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range w.recorded {
		got = append(got, string(s.Gate.Validity)[:1])
	}
	// A CPU has twenty canaries, the minimum, after ten of these attacks.
	if want := "ddddddddddvd"; strings.Join(got, "") != want {
		t.Errorf("validities %v, want %s", got, want)
	}
	last := w.recorded[len(w.recorded)-1].Gate.Reason
	if !strings.Contains(last, "took 75.0 ms after the attack (limit 63.0 ms,") {
		t.Errorf("the reason of the last is %s", last)
	}
}

func TestTheBaselineIsOfTheLastCanaries(t *testing.T) {
	var e Experiment
	l := lab.Layout{Generator: []int{0}, Server: []int{1}}
	record := func(n int, took time.Duration) {
		for range n {
			e.recordCanaries([]lab.Canary{{CPU: 0, WallTime: took}, {CPU: 1, WallTime: took + time.Millisecond}}, l,
				time.Millisecond)
			// A server that works after its attack slows the canary on its CPU down, and
			// the correction for that is not exact: the baseline must ignore this one.
			e.recordCanaries([]lab.Canary{{CPU: 1, WallTime: took}}, l, 80*time.Millisecond)
		}
	}
	for _, c := range []struct {
		n    int
		took time.Duration
		want time.Duration // median of the baseline; 0: no baseline
	}{
		{19, 60 * time.Millisecond, 0},
		{1, 60 * time.Millisecond, 60 * time.Millisecond},
		{40, 60 * time.Millisecond, 60 * time.Millisecond},
		{21, 50 * time.Millisecond, 50 * time.Millisecond},
	} {
		record(c.n, c.took)
		baselines := e.baselineCanaries()
		if c.want == 0 && len(baselines) > 0 || c.want > 0 && len(baselines) != 2 {
			t.Fatalf("after %+v: %+v", c, baselines)
		}
		for cpu, b := range baselines {
			if b.CPU != cpu || b.Median != c.want {
				t.Errorf("after %+v: %+v", c, b)
			}
		}
	}
}

func TestAVariantThatBreaksTheContractIsNotMeasured(t *testing.T) {
	w := newWorld()
	w.answer["rt/b"] = "wrong"
	w.judge = func(body string) []string {
		if body == "wrong" {
			return []string{"- right\n+ wrong"}
		}
		return nil
	}
	if err := newExperiment(w, "a", "b").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.rows(lab.Failed); !slices.Equal(got, []string{"rt/b 1 peak"}) {
		t.Errorf("failed rows %v, want one for rt/b", got)
	}
	if len(w.refused["rt/b"]) != 1 || len(w.refused) != 1 || len(w.attacks) != 6 {
		t.Errorf("refused %v, %d attacks; want rt/b refused and rt/a measured", w.refused, len(w.attacks))
	}
	w.checkNothingOpen(t)
}

func TestVariantsThatDifferFromTheMajorityAreRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		refused []string
	}{
		{"one against one: no majority", []string{"x", "y"}, []string{"rt/0", "rt/1"}},
		{"one against two", []string{"x", "y", "x"}, []string{"rt/1"}},
		{"all agree", []string{"x", "x", "x"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			var names []string
			for i, a := range c.answers {
				names = append(names, fmt.Sprint(i))
				w.answer["rt/"+names[i]] = a
			}
			if err := newExperiment(w, names...).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, v := range c.refused {
				if len(w.refused[v]) == 0 {
					t.Errorf("%s was not refused", v)
				}
			}
			if len(w.refused) != len(c.refused) {
				t.Errorf("refused %v, want %v", w.refused, c.refused)
			}
		})
	}
}

func TestAServerThatCrashesMakesAFailedRowAndTheRunGoesOn(t *testing.T) {
	w := newWorld()
	w.crash = "rt/a"
	if err := newExperiment(w, "a", "b").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.rows(lab.Failed); !slices.Equal(got, []string{"rt/a 1 peak", "rt/a 2 peak"}) {
		t.Errorf("failed rows %v", got)
	}
	for _, s := range w.recorded {
		if s.Trial.Variant == "rt/a" && s.Gate.Reason != "the server exited with code 7" {
			t.Errorf("reason %q", s.Gate.Reason)
		}
	}
	if len(w.recorded) != 2+4 {
		t.Errorf("%d rows, want 6: the other variant must be measured", len(w.recorded))
	}
	w.checkNothingOpen(t)
}

func TestAServerThatNeverGetsReadyIsNotMeasured(t *testing.T) {
	w := newWorld()
	w.neverReady = "rt/a"
	if err := newExperiment(w, "a", "b").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	reason := w.recorded[0].Gate.Reason
	if w.recorded[0].Gate.Validity != lab.Failed || !strings.Contains(reason, "no correct answer") ||
		!strings.Contains(reason, "last words") {
		t.Errorf("reason %q must say what happened and what the server printed", reason)
	}
	w.checkNothingOpen(t)
}

func TestAWrongIdentityFailsTheTrial(t *testing.T) {
	w := newWorld()
	w.identityOnTrials = []string{"it says backlog 511, the lab requires 4096"}
	if err := newExperiment(w, "a").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recorded) != 2 || w.recorded[0].Gate.Validity != lab.Failed {
		t.Fatalf("recorded %+v", w.recorded)
	}
	const want = "identity: it says backlog 511, the lab requires 4096"
	if reason := w.recorded[0].Gate.Reason; !strings.HasPrefix(reason, want) {
		t.Errorf("reason %q, want %q", reason, want)
	}
	if len(w.attacks) != 0 {
		t.Error("a server with the wrong limits was attacked")
	}
}

func TestAnInterruptionAbandonsTheTrialAndCleansUp(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	w.onAttack = func(lab.Attack) {
		if len(w.attacks) == 5 { // the peak of the second trial
			cancel(interrupted)
		}
	}
	if err := newExperiment(w, "a", "b").Run(ctx); !errors.Is(err, interrupted) {
		t.Errorf("error %v", err)
	}
	if got := len(w.recorded); got != 2 {
		t.Errorf("%d samples recorded, want the two of the trial that had ended", got)
	}
	w.checkNothingOpen(t)
}

// An interruption makes calls fail in many ways. Some look as if the engine, the generator
// or the server were gone.
func TestTheUserCausedAllThatAnInterruptionBreaks(t *testing.T) {
	for when, arrange := range map[string]func(w *world, interrupt func()){
		"while the second trial's cell opens": func(w *world, interrupt func()) {
			w.onOpen = func() {
				if w.openedCells.Load() == 4 { // after two contract checks and a trial
					interrupt()
				}
			}
		},
		"while the lab looks for the cause of the second trial's failure": func(w *world, interrupt func()) {
			w.crash, w.onCheckEngine = "rt/b", interrupt
		},
	} {
		t.Run(when, func(t *testing.T) {
			w := newWorld()
			ctx, cancel := context.WithCancelCause(t.Context())
			interrupted := errors.New("interrupted")
			arrange(w, func() { cancel(interrupted) })
			err := newExperiment(w, "a", "b").Run(ctx)
			if !errors.Is(err, interrupted) || errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if got := len(w.recorded); got != 2 {
				t.Errorf("%d samples recorded, want the two of the trial that had ended", got)
			}
			w.checkNothingOpen(t)
		})
	}
}

func TestAVariantWithoutAnImageHasOneRow(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a", "b")
	e.ImageErrors = map[string]string{"rt/a": "its image could not be built"}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.rows(lab.Failed); !slices.Equal(got, []string{"rt/a 1 peak"}) {
		t.Errorf("failed rows %v", got)
	}
}

// The plan fixes the number of repeats before the run.
func TestDisturbedTrialsAreRepeatedOnceAtTheEndOfTheirBlock(t *testing.T) {
	for _, c := range []struct {
		foreign time.Duration
		repeats int
		rows    string // as "block variant attempt" of each trial
	}{
		{0, 9, "1a1 1b1 2a1 2b1"},
		{time.Second, 9, "1a1 1b1 1a2 1b2 2a1 2b1 2a2 2b2"},
		{time.Second, 3, "1a1 1b1 1a2 1b2 2a1 2b1 2a2"},
		{time.Second, 1, "1a1 1b1 1a2 2a1 2b1"},
		{time.Second, 0, "1a1 1b1 2a1 2b1"},
	} {
		w := newWorld()
		w.foreignCPU = c.foreign
		e := newExperiment(w, "a", "b")
		e.Plan.MaxRepeats = c.repeats
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range w.recorded {
			if s.Phase.Kind == lab.Peak {
				got = append(got,
					fmt.Sprintf("%d%s%d", s.Trial.Block, strings.TrimPrefix(s.Trial.Variant, "rt/"), s.Trial.Attempt))
			}
		}
		if strings.Join(got, " ") != c.rows {
			t.Errorf("%v of foreign CPU time, %d repeats: %s, want %s", c.foreign, c.repeats,
				strings.Join(got, " "), c.rows)
		}
	}
}

func TestATrialMeasuresOnlyThePhasesOfItsPlan(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Trials[0].Phases = []string{"steady"}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(w.rows(lab.Valid)); got != "[rt/a 1 steady]" || len(w.attacks) != 2 {
		t.Errorf("rows %s of %d attacks", got, len(w.attacks))
	}
}

// A twin is not checked again and gets the requests of its original.
func TestATwinRunsLikeItsOriginal(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a", "a~twin")
	w.answer["rt/a~twin"] = "an answer that must not be requested"
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recorded) != 8 || len(w.refused) != 0 {
		t.Errorf("%d rows, refused %v", len(w.recorded), w.refused)
	}
	for _, a := range w.attacks {
		if len(a.Targets) != 1 || string(a.Targets[0].Body) != "right" {
			t.Errorf("%s is sent %+v", a.Name, a.Targets)
		}
	}
	w = newWorld()
	w.answer["rt/a"], w.judge = "wrong", func(body string) []string { return []string{body} }
	e = newExperiment(w, "a", "a~twin")
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recorded) != 2 || len(w.attacks) != 0 {
		t.Errorf("%d rows and %d attacks of a variant that breaks the contract, and its twin", len(w.recorded),
			len(w.attacks))
	}
}

// The contract does not apply to the lab's own responders.
func TestServiceTimesOfAReferenceServerAreReadAroundItsPhase(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	w.judge = func(string) []string { return []string{"must not be checked"} }
	w.identity = []string{"must not be checked"}
	w.answer["rt/a"] = `{"count": 7, "mean_ns": 2500000}`
	v := e.Variants["rt/a"]
	v.Responder = true
	e.Variants["rt/a"] = v
	e.ResponderTarget = lab.Target{Status: 200, Body: []byte("Hello")}
	e.Plan.Scenarios[0].Name = lab.ReferenceScenario
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Trials[0].Scenario = lab.ReferenceScenario
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recorded) != 2 || w.recorded[0].Measured.ServiceTimes == nil ||
		w.recorded[0].Measured.ServiceTimes.Mean != 2500*time.Microsecond {
		t.Fatalf("%+v", w.recorded)
	}
	if a := w.attacks[0]; a.SideRequest != nil || string(a.Targets[0].Body) != "Hello" {
		t.Errorf("it was sent %+v", a)
	}
	w.answer["rt/a"] = "no service times"
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if last := w.recorded[len(w.recorded)-1]; last.Gate.Validity != lab.Failed ||
		!strings.Contains(last.Gate.Reason, "service times") {
		t.Errorf("a reference server without service times is %+v", last.Gate)
	}
}

// A library may switch something on late, which shows only under load.
func TestAnIdentityThatChangesUnderLoadFailsTheTrial(t *testing.T) {
	w := newWorld()
	w.answerUnderLoad = "something else"
	if err := newExperiment(w, "a").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recorded) != 2 || w.recorded[0].Gate.Validity != lab.Failed ||
		!strings.Contains(w.recorded[0].Gate.Reason, "under load") {
		t.Errorf("recorded %+v", w.recorded)
	}
}

func TestAPhaseMayHaveItsOwnRequests(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Scenarios[0].Phases[2].Requests = []lab.Request{
		{Method: "GET", Path: "/own"},
		{Method: "GET", Path: "/other"},
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, a := range w.attacks {
		for _, target := range a.Targets {
			paths = append(paths, target.Request.Path+" "+string(target.Body))
		}
	}
	if want := []string{"/json right", "/json right", "/own right", "/other right"}; !slices.Equal(paths, want) {
		t.Errorf("requested %v, want %v", paths, want)
	}
}

// A server must call its upstream for every answer.
func TestTheUpstreamsCallsAreCounted(t *testing.T) {
	for _, c := range []struct {
		calls int64
		want  lab.Validity
	}{{640, lab.Valid}, {639, lab.Failed}} {
		w := newWorld()
		w.callsPerAttack = c.calls
		e := newExperiment(w, "a")
		e.Plan.Trials = e.Plan.Trials[:1]
		e.Plan.Scenarios[0].Services = []string{lab.UpstreamName}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := w.recorded[0]
		if calls, ok := metric.UpstreamCalls(*s.Measured); !ok || calls != c.calls || s.Gate.Validity != c.want {
			t.Errorf("%d calls for 640 answers: counted %d, %v; %+v", c.calls, calls, ok, s.Gate)
		}
		for _, a := range w.attacks {
			if !a.SleepWhenIdle {
				t.Error("the generator does not leave the CPU to the upstream")
			}
		}
		w.checkNothingOpen(t)
	}
}

// A service runs where the layout of its trial says, and the generator polls only if it shares no CPU.
func TestServicesRunOnTheCPUsOfTheLayout(t *testing.T) {
	for _, c := range []struct {
		spare    []lab.SpareCPU
		upstream []int
		sleeps   bool
	}{
		{nil, []int{0}, true},
		{[]lab.SpareCPU{{ID: 2}}, []int{2}, false},
	} {
		w := newWorld()
		w.callsPerAttack = 640
		e := newExperiment(w, "a")
		e.Plan.Trials = e.Plan.Trials[:1]
		e.Plan.Scenarios[0].Services = []string{lab.UpstreamName}
		e.Plan.Layout.Spare = c.spare
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		last := w.requests[len(w.requests)-1]
		if got := last.Services[0]; got.Name != lab.UpstreamName || !slices.Equal(got.CPUs.Pinned, c.upstream) {
			t.Errorf("%s is on %v, want the upstream on %v", got.Name, got.CPUs.Pinned, c.upstream)
		}
		if got := w.recorded[0].Layout.CPUsOf(lab.UpstreamName); !slices.Equal(got, c.upstream) {
			t.Errorf("the sample says that the upstream is on %v, want %v", got, c.upstream)
		}
		for _, a := range w.attacks {
			if a.SleepWhenIdle != c.sleeps {
				t.Errorf("upstream on %v: the generator sleeps when idle: %v", c.upstream, a.SleepWhenIdle)
			}
		}
	}
}

func TestTheUpstreamHasAnAccountOnTwiceTheConnections(t *testing.T) {
	w := newWorld()
	w.serverCPU, w.callsPerAttack = time.Second/2, 10_000
	w.upstreamCPU = time.Second / 10
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Scenarios[0].Services = []string{lab.UpstreamName}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	doubled := w.recorded[0].Doubled
	if doubled == nil || len(doubled.Accounts.Beside) != 1 || doubled.Accounts.Beside[0].CPU == nil ||
		*doubled.Accounts.Beside[0].CPU != time.Second/10 || doubled.Accounts.Beside[0].Calls != nil {
		t.Errorf("the window on twice the connections is %+v", doubled)
	}
}

func TestWindowsFollowHowTheKernelChargesInterrupts(t *testing.T) {
	for _, separate := range []bool{false, true} {
		w := newWorld()
		w.serverCPU = time.Second / 2
		w.changeResult = func(_ lab.Attack, o *account.Observation) {
			o.After.CPUs[1].Interrupts = time.Second / 10
		}
		e := newExperiment(w, "a")
		e.Calibration.SeparateIRQTime, e.Plan.Trials = separate, e.Plan.Trials[:1]
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := time.Second / 2
		if separate {
			want += time.Second / 10
		}
		for _, window := range []*lab.Window{w.recorded[0].Measured, w.recorded[0].Doubled} {
			if got := *window.Accounts.CPUs[1].Uncharged; got != want {
				t.Errorf("separate interrupts %v: %v of CPU 1 are charged to no thread, want %v", separate, got, want)
			}
		}
	}
}

func TestTrialsUseTheLayoutOfTheirScenario(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Trials[0].Cores = 2
	if err := e.Run(t.Context()); err == nil {
		t.Error("a scenario ran without a layout for its number of CPUs")
	}
	e.Plan.WiderLayouts = []lab.Layout{{Generator: []int{0}, Server: []int{0, 1}}}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.recorded[0]; len(s.Layout.Server) != 2 || s.Identity.Process.CPUsAllowed != "0-1" ||
		len(s.Canaries.Before) != 2 {
		t.Errorf("layout %+v, identity %+v, %d canaries", s.Layout, s.Identity, len(s.Canaries.Before))
	}
	if !w.attacks[0].SleepWhenIdle {
		t.Error("the generator does not leave the CPU that it shares to the server")
	}
}

func TestPilotsFindRatesOnceBeforeTheTrials(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a", "b", "c")
	e.Plan.Scenarios[0].Phases[2].RateRPS = 0
	e.Plan.Scenarios[0].Phases[2].PeakShare = &lab.PeakShare{Fraction: 0.5}
	e.Plan.Pilots = []lab.Pilot{
		{Scenario: "json", Variant: "rt/a", Cores: 1},
		{Scenario: "json", Variant: "rt/b", PeakRPS: 300},
		{Scenario: "json", Variant: "rt/c"},
	}
	w.crash = "rt/c"
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recordedPlans) != 1 {
		t.Fatalf("the plan was recorded %d times", len(w.recordedPlans))
	}
	found := w.recordedPlans[0].Pilots
	if found[0].PeakRPS != 640 || found[1].PeakRPS != 300 ||
		found[2].Problem != "the server exited with code 7" || len(w.endedPilots) != 2 {
		t.Errorf("recorded %+v, observed %+v", found, w.endedPilots)
	}
	for _, s := range w.recorded {
		if s.Phase.Kind == lab.Steady && s.Gate.Validity != lab.Failed && s.Phase.RateRPS != 150 {
			t.Errorf("%s got %v requests per second, want half of the slowest variant's 300", s.Trial.Variant,
				s.Phase.RateRPS)
		}
	}
	w.checkNothingOpen(t)
}

func TestAShareOfAVariantsOwnPeakUsesThePeakOfTheSameTrial(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Scenarios[0].Phases[2].RateRPS = 0
	e.Plan.Scenarios[0].Phases[2].PeakShare = &lab.PeakShare{Fraction: 0.5, OfOwnPeak: true}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.recorded); n != 2 || w.recorded[1].Phase.RateRPS != 320 {
		t.Errorf("%d samples, the last at %v requests per second, want half of 640", n,
			w.recorded[n-1].Phase.RateRPS)
	}
}

// The disturbance of a peak changes the rates that are shares of it.
func TestADisturbedPeakDisturbsPhasesWhoseRateDependsOnIt(t *testing.T) {
	for _, own := range []bool{true, false} {
		w := newWorld()
		w.foreignCPU = time.Second
		w.onAttack = func(lab.Attack) {
			if len(w.attacks) == 3 { // the one after the peak
				w.foreignCPU = 0
			}
		}
		e := newExperiment(w, "a")
		e.Plan.Trials = e.Plan.Trials[:1]
		if own {
			e.Plan.Scenarios[0].Phases[2].PeakShare = &lab.PeakShare{Fraction: 0.5, OfOwnPeak: true}
		}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		peak, steady := w.recorded[0].Gate, w.recorded[1].Gate
		if peak.Validity != lab.Disturbed || (steady.Validity == lab.Disturbed) != own {
			t.Fatalf("own %v: peak %+v, steady %+v", own, peak, steady)
		}
		if own && steady.Reason != "its rate depends on a disturbed peak: "+peak.Reason {
			t.Errorf("reason %q", steady.Reason)
		}
	}
}

func TestADisturbedPilotIsTriedAgain(t *testing.T) {
	w := newWorld()
	w.foreignCPU = time.Second
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Scenarios[0].Phases[2].PeakShare = &lab.PeakShare{Fraction: 0.5}
	e.Plan.Pilots = []lab.Pilot{{Scenario: "json", Variant: "rt/a", Cores: 1}}
	w.onAttack = func(lab.Attack) {
		if len(w.attacks) == 3 { // the warm-up of the second attempt
			w.foreignCPU = 0
		}
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := w.endedPilots[0]; p.PeakRPS != 640 || p.Doubt != "" || len(w.attacks) != 4+3 {
		t.Errorf("found %+v by %d attacks", p, len(w.attacks)-3)
	}
	w = newWorld()
	w.foreignCPU = time.Second
	e.Cells, e.Checker, e.Recorder, e.Observer = w, w, w, w
	e.Plan.Pilots[0] = lab.Pilot{Scenario: "json", Variant: "rt/a", Cores: 1}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := w.endedPilots[0]; p.PeakRPS != 640 || !strings.Contains(p.Doubt, "other work used") {
		t.Errorf("twice disturbed: %+v", p)
	}
	w = newWorld()
	w.foreignCPU = time.Second
	w.onAttack = func(lab.Attack) {
		if len(w.attacks) == 3 {
			w.crash = "rt/a"
		}
	}
	e.Cells, e.Checker, e.Recorder, e.Observer = w, w, w, w
	e.Plan.Pilots[0] = lab.Pilot{Scenario: "json", Variant: "rt/a", Cores: 1}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := w.endedPilots[0]; p.PeakRPS != 0 || p.Doubt != "" || p.Problem != "the server exited with code 7" {
		t.Errorf("disturbed, then crashed: %+v", p)
	}
}

func TestAPilotWhosePeakIsABoundHasADoubt(t *testing.T) {
	w := newWorld()
	w.serverCPU = time.Second / 2
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Scenarios[0].Phases[2].PeakShare = &lab.PeakShare{Fraction: 0.5}
	e.Plan.Pilots = []lab.Pilot{{Scenario: "json", Variant: "rt/a", Cores: 1}}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := w.endedPilots[0]; p.PeakRPS != 640 || !strings.HasPrefix(p.Doubt, "unsaturated") {
		t.Errorf("%+v", p)
	}
}

// It does so also if the server has failed before.
func TestACellThatCannotBeClosedEndsTheRun(t *testing.T) {
	for _, crash := range []string{"", "rt/a"} {
		w := newWorld()
		w.crash = crash
		e := newExperiment(w, "a")
		w.onAttack = func(lab.Attack) { w.closeError = errors.New("the container cannot be removed") }
		err := e.Run(t.Context())
		if !errors.Is(err, w.closeError) || errors.Is(err, errEnded) != (crash != "") ||
			fault.PartyOf(err) != fault.Engine {
			t.Errorf("server that crashes %q: %v by %+v", crash, err, fault.PartyOf(err))
		}
	}
}

// The server cannot kill the generator, so the trial is repeated.
func TestALostGeneratorDisturbsItsTrial(t *testing.T) {
	w := newWorld()
	w.killedGenerator = "rt/a"
	w.onAttack = func(lab.Attack) {
		if len(w.attacks) > 1 { // only the first is killed
			w.killedGenerator = ""
		}
	}
	e := newExperiment(w, "a", "b")
	e.Plan.MaxRepeats = 1
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g := w.recorded[0].Gate; g.Validity != lab.Disturbed || g.Reason != "the generator exited with code 137" {
		t.Errorf("its trial is %+v", g)
	}
	if want := 1 + 2 + 2 + 4; len(w.recorded) != want || w.recorded[3].Trial.Attempt != 2 {
		t.Errorf("%d samples, want %d: the disturbed one and all planned ones", len(w.recorded), want)
	}
	w.checkNothingOpen(t)
}

func TestTheLabsOwnFailureEndsTheRun(t *testing.T) {
	broken := errors.New("no space left on device")
	for name, breakIt := range map[string]func(*world){
		"hits that cannot be recorded": func(w *world) { w.recordHitsError = broken },
		"canaries that fail": func(w *world) {
			w.onAttack = func(lab.Attack) { w.canaryError = broken }
		},
	} {
		w := newWorld()
		breakIt(w)
		e := newExperiment(w, "a", "b")
		e.KeepHits = true
		if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), broken.Error()) {
			t.Errorf("%s: error %v", name, err)
		}
		if len(w.recorded) > 0 {
			t.Errorf("%s: recorded %+v", name, w.recorded[0].Gate)
		}
		w.checkNothingOpen(t)
	}
}

func TestALostUpstreamDisturbsItsTrial(t *testing.T) {
	w := newWorld()
	w.upstreamError = errors.New("connection refused")
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	e.Plan.Scenarios[0].Services = []string{lab.UpstreamName}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := w.recorded[0].Gate
	if g.Validity != lab.Disturbed || g.Reason != "reading the upstream's call count: connection refused" {
		t.Errorf("%+v", g)
	}
}

func TestAPeakStaysValidIfTheServerCrashesOnTwiceTheConnections(t *testing.T) {
	w := newWorld()
	w.serverCPU = time.Second / 2
	w.onAttack = func(a lab.Attack) {
		if w.crash = ""; a.Connections == 128 {
			w.crash = "rt/a"
		}
	}
	e := newExperiment(w, "a")
	e.Plan.Trials = e.Plan.Trials[:1]
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recorded) != 2 {
		t.Fatalf("%d rows", len(w.recorded))
	}
	peak, next := w.recorded[0], w.recorded[1]
	const suffix = "; on twice the connections the server's process ended"
	if peak.Measured == nil || peak.Gate.Validity != lab.Censored ||
		!strings.HasSuffix(peak.Gate.Reason, suffix) {
		t.Errorf("the peak is %+v", peak.Gate)
	}
	if next.Phase.Kind != lab.Steady || next.Gate.Validity != lab.Failed {
		t.Errorf("the next phase is %s, %+v", next.Phase.Kind, next.Gate)
	}
}

// Without an engine, no failure is the server's or the generator's.
func TestALostEngineEndsTheRun(t *testing.T) {
	w := newWorld()
	lost := errors.New("the engine went away")
	w.onAttack = func(lab.Attack) {
		if len(w.attacks) == 5 { // the peak of the second trial
			w.engineError, w.closeError = lost, errors.New("connection refused")
		}
	}
	err := newExperiment(w, "a", "b").Run(t.Context())
	if !errors.Is(err, lost) || strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v, want only the engine's", err)
	}
	if len(w.recorded) != 2 {
		t.Errorf("%d samples recorded, want the two of the trial that had ended", len(w.recorded))
	}
}

// It repeats trials that were disturbed before the interruption, too.
func TestAResumedRunContinuesWhereTheOtherEnded(t *testing.T) {
	all := newWorld()
	all.foreignCPU = time.Second
	e := newExperiment(all, "a", "b")
	e.Plan.MaxRepeats = 3
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var whole []lab.TrialID
	for _, s := range all.recorded {
		if s.Phase.Kind == lab.Peak {
			whole = append(whole, s.Trial.ID())
		}
	}
	for ended := range len(whole) {
		w := newWorld()
		w.foreignCPU = time.Second
		e := newExperiment(w, "a", "b")
		e.Plan.MaxRepeats = 3
		e.EndedTrials = make(map[lab.TrialID]bool)
		for _, id := range whole[:ended] {
			e.EndedTrials[id] = true
		}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := whole[:ended:ended]
		for _, s := range w.recorded {
			if s.Phase.Kind == lab.Peak {
				got = append(got, s.Trial.ID())
			}
		}
		if !slices.Equal(got, whole) {
			t.Errorf("after %d trials: %v in all, want %v", ended, got, whole)
		}
	}
}

func TestRefusedVariantsAreRecorded(t *testing.T) {
	w := newWorld()
	e := newExperiment(w, "a", "b")
	e.ImageErrors = map[string]string{"rt/a": "its image could not be built"}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.recordedRefusals) != 1 || w.recordedRefusals["rt/a"] == "" {
		t.Errorf("recorded %v", w.recordedRefusals)
	}
}

func TestEqualAnswersAreStoredOnce(t *testing.T) {
	var bodies bodyCache
	answering := func(body string) variantAnswers {
		return variantAnswers{
			workloads: map[string][]lab.Answer{"hello": {{Body: []byte(body)}}},
			scenarios: map[string][]lab.Answer{"json": {{Body: []byte(body + "!")}}},
		}
	}
	a, b, other := answering("alike"), answering("alike"), answering("other")
	for _, x := range []variantAnswers{a, b, other} {
		bodies.deduplicate(x)
	}
	if &a.workloads["hello"][0].Body[0] != &b.workloads["hello"][0].Body[0] ||
		&a.scenarios["json"][0].Body[0] != &b.scenarios["json"][0].Body[0] {
		t.Error("two equal answers are stored twice")
	}
	unequal, equal := other.workloads["hello"][0].Body, b.scenarios["json"][0].Body
	if string(unequal) != "other" || string(equal) != "alike!" {
		t.Errorf("answers have changed: %q, %q", unequal, equal)
	}
}
