package calibrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fakeInstrument has known properties: a canary takes 50 ms on CPU 0 and 60 ms on CPU 1; a
// reference server takes 1 ns per iteration, and its latency is measured 0.1 ms too long;
// the generator can send 50,000 requests per second.
type fakeInstrument struct {
	opened, open int
	responders   []string
	attacks      []lab.Attack
	canary       func(n, cpu int) time.Duration // n counts RunCanaries from 1
	canaryRounds int
	attackError  error         // returned by every attack
	interrupts   time.Duration // on CPU 0, during each attack
	uneven       bool          // every other responder is a tenth slower
	tooFew       bool          // no closed loop has enough requests for a median
	otherFails   bool          // a request of each attack by the other generator fails
}

func newFakeInstrument() *fakeInstrument {
	return &fakeInstrument{canary: func(_, cpu int) time.Duration {
		return time.Duration(50+10*cpu) * time.Millisecond
	}}
}

func (r *fakeInstrument) RunCanaries(_ context.Context, cpus []int) ([]lab.Canary, error) {
	r.canaryRounds++
	var out []lab.Canary
	for _, cpu := range cpus {
		out = append(out, lab.Canary{CPU: cpu, WallTime: r.canary(r.canaryRounds, cpu)})
	}
	return out, nil
}

func (r *fakeInstrument) OpenResponder(
	_ context.Context, v lab.Variant, generatorWaits bool,
) (ResponderCell, error) {
	r.opened++
	r.open++
	r.responders = append(r.responders, v.Name)
	slower := r.uneven && r.opened%2 == 0
	b := &fakeResponder{fakeInstrument: r, id: v.ID(), waits: generatorWaits, slower: slower}
	if len(v.Command) > 0 {
		if _, err := fmt.Sscan(v.Command[0], &b.iterations); err != nil {
			return nil, err
		}
	}
	return b, nil
}

type fakeResponder struct {
	*fakeInstrument
	id         string
	iterations int
	waits      bool // the cell is one for a generator that waits
	slower     bool
}

const fakeCeiling = 50_000

func (b *fakeResponder) Attack(_ context.Context, a lab.Attack) (account.Observation, error) {
	if b.attackError != nil {
		return account.Observation{}, b.attackError
	}
	if a.SleepWhenIdle != b.waits {
		return account.Observation{}, fmt.Errorf("an attack that waits: %v, in a cell for that: %v",
			a.SleepWhenIdle, b.waits)
	}
	b.attacks = append(b.attacks, a)
	service := time.Duration(b.iterations)
	rate := float64(fakeCeiling)
	if b.iterations > 0 {
		rate = 1 / service.Seconds()
	}
	if b.slower {
		rate /= 1.1
	}
	n := int64(math.Round(rate * 100)) // so many that rounding does not matter
	began := time.Unix(1000, 0)
	r := account.Observation{AttackResult: lab.AttackResult{
		Elapsed: 100 * time.Second, HitCounts: lab.HitCounts{Sent: n, Intended: n, Succeeded: n},
	}}
	r.Before = account.Reading{At: began, CPUs: []account.CPUTime{{ID: 0}, {ID: 1}}}
	r.After = account.Reading{
		At: began.Add(time.Second), GeneratorCPU: 700 * time.Millisecond,
		CPUs: []account.CPUTime{
			{ID: 0, Interrupts: b.interrupts},
			{ID: 1, Idle: 580 * time.Millisecond, Interrupts: 10 * time.Millisecond},
		},
		Services: []account.ServiceUsage{{Name: b.id, Threads: []account.Thread{
			{PID: 2, TID: 2, CPU: 400 * time.Millisecond, Sleeps: 10_000},
		}}},
	}
	measured := milliseconds(service) + 0.1
	r.Raw = &lab.Latency{P50MS: &measured}
	if b.tooFew {
		r.Raw = nil
	}
	if a.Kind == lab.Steady {
		lag := a.Rate[0].FromRPS / 1e5
		if a.SleepWhenIdle {
			lag *= 3
		}
		r.Corrected, r.SendLag = &lab.Latency{P50MS: &measured}, &lab.Latency{P99MS: &lag}
	}
	return r, nil
}

func (b *fakeResponder) CrossCheck(ctx context.Context, a lab.Attack) (lab.CrossReading, error) {
	o, err := b.Attack(ctx, a)
	r := lab.CrossReading{Succeeded: o.Succeeded, ThroughputRPS: throughput(o.AttackResult)}
	if b.otherFails {
		r.Failed, r.FirstError = 1, "EOF"
	}
	if o.Raw != nil {
		r.MedianLatency = time.Duration(*o.Raw.P50MS * float64(time.Millisecond))
	}
	return r, err
}

func (b *fakeResponder) MedianServiceTime(context.Context) (time.Duration, error) {
	return time.Duration(b.iterations), nil
}

func (b *fakeResponder) Close(context.Context) error {
	b.open--
	return nil
}

// runCalibration calibrates a fake instrument. Pauses take no time.
func runCalibration(t *testing.T, r *fakeInstrument, brief bool) (c lab.Calibration, err error) {
	synctest.Test(t, func(t *testing.T) { c, err = newCalibrator(r).Run(t.Context(), brief) })
	return c, err
}

func newCalibrator(r *fakeInstrument) *Calibrator {
	return &Calibrator{
		Instrument: r,
		Responders: Responders{
			Null:          lab.Variant{Runtime: "lab", Name: "null"},
			WaitingServer: lab.Variant{Runtime: "lab", Name: "waiting"},
			Reference: func(name string, iterations int) lab.Variant {
				return lab.Variant{Runtime: "lab", Name: name, Command: []string{fmt.Sprint(iterations)}}
			},
			CanaryIterations: 60_000_000, // 1 ns each on the server's CPU
		},
		Layout: lab.Layout{Generator: []int{0}, Server: []int{1}},
		Logf:   func(string, ...any) {},
	}
}

func TestAFullCalibrationFindsTheValuesOfTheInstrument(t *testing.T) {
	r := newFakeInstrument()
	c, err := runCalibration(t, r, false)
	if err != nil {
		t.Fatal(err)
	}
	// (1 s - 0.58 s idle - 0.4 s of the server) / 10,000 sleeps
	if c.CPUPerHit != 140*time.Nanosecond { // 0.7 s for 5,000,000 hits
		t.Errorf("the generator used %v per hit", c.CPUPerHit)
	}
	if c.CeilingRPS != fakeCeiling || c.SleepCost.Round(10) != 2*time.Microsecond {
		t.Errorf("ceiling %v, a sleep costs %v", c.CeilingRPS, c.SleepCost)
	}
	if q := c.CanaryBaselines; len(q) != 2 || q[0].Median != 50*time.Millisecond ||
		q[1].P99 != 60*time.Millisecond || q[0].N != canaryCount {
		t.Errorf("canaries %+v", c.CanaryBaselines)
	}
	var rates []float64
	for _, l := range c.SendLags {
		rates = append(rates, l.RateRPS)
		if l.LagP99MS != l.RateRPS/1e5 || l.SentRatio != 1 {
			t.Errorf("at %v: %+v", l.RateRPS, l)
		}
	}
	if want := []float64{1000, 10_000, 20_000, 25_000, 37_500}; !slices.Equal(rates, want) {
		t.Errorf("rates %v, want %v: 40,000 is above three quarters of the ceiling", rates, want)
	}
	rates = nil
	for _, l := range c.WaitingSendLags {
		rates = append(rates, l.RateRPS)
		if math.Abs(l.LagP99MS-3*l.RateRPS/1e5) > 1e-9 || l.SentRatio != 1 {
			t.Errorf("waiting, at %v: %+v", l.RateRPS, l)
		}
	}
	if want := []float64{1000, 10_000, 20_000}; !slices.Equal(rates, want) {
		t.Errorf("waiting at rates %v, want %v", rates, want)
	}
	if len(c.ServiceTimeChecks) != 3 {
		t.Fatalf("readings %+v", c.ServiceTimeChecks)
	}
	for i, service := range []float64{1, 5, 20} { // in milliseconds
		got := c.ServiceTimeChecks[i]
		if got.ServerP50MS != service || math.Abs(got.MeasuredP50MS-service-0.1) > 1e-9 {
			t.Errorf("a reference server of %v ms: %+v", service, got)
		}
	}
	if c.TrialCV > 1e-9 || c.KnownRatio.N != ratioPairs || c.KnownRatio.Expected != 1.1 ||
		math.Abs(c.KnownRatio.Measured-1.1) > 1e-4 {
		t.Errorf("noise %v, ratio %+v", c.TrialCV, c.KnownRatio)
	}
	if r.open != 0 || len(c.Doubts) > 0 || c.Brief {
		t.Errorf("%d cells left open, doubts %v", r.open, c.Doubts)
	}
}

// No thread accounts for 30 % of the generator's CPU.
func TestTheCeilingShowsWhetherInterruptsAreAccountedSeparately(t *testing.T) {
	for interrupts, want := range map[time.Duration]bool{0: false, 300 * time.Millisecond: true} {
		r := newFakeInstrument()
		r.interrupts = interrupts
		c, err := runCalibration(t, r, true)
		if err != nil || c.SeparateIRQTime != want {
			t.Errorf("interrupts of %v: separate %v, error %v", interrupts, c.SeparateIRQTime, err)
		}
		// Half of what neither the server nor its CPU's idle time accounts for are interrupts.
		sleepCost := 2 * time.Microsecond
		if want {
			sleepCost = time.Microsecond
		}
		if c.SleepCost.Round(10) != sleepCost {
			t.Errorf("interrupts of %v: a sleep costs %v, want %v", interrupts, c.SleepCost, sleepCost)
		}
	}
}

// Drift must not look like a ratio.
func TestEachServerOfTheKnownRatioIsFirstEquallyOften(t *testing.T) {
	r := newFakeInstrument()
	if _, err := runCalibration(t, r, false); err != nil {
		t.Fatal(err)
	}
	beforeChecks := r.responders[:len(r.responders)-len(serviceTimes)-1]
	pairs := beforeChecks[len(beforeChecks)-2*ratioPairs:]
	for i := 0; i < len(pairs); i += 4 {
		if pairs[i] != pairs[i+3] || pairs[i+1] != pairs[i+2] || pairs[i] == pairs[i+1] {
			t.Errorf("order %v", pairs)
		}
	}
}

func TestABriefCalibrationMeasuresOnlyWhatGatesNeed(t *testing.T) {
	r := newFakeInstrument()
	c, err := runCalibration(t, r, true)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Brief || c.CeilingRPS == 0 || c.SleepCost == 0 || len(c.CanaryBaselines) != 2 || c.KnownRatio.N != 0 ||
		r.opened != 2 {
		t.Errorf("%+v in %d cells", c, r.opened)
	}
}

func TestNoisyCanariesAreRepeatedThenDoubted(t *testing.T) {
	for _, c := range []struct {
		noisyUntil, rounds int
		doubt              bool
	}{{0, 1, false}, {canaryCount, 2, false}, {1 << 30, maxCanaryRounds, true}} {
		r := newFakeInstrument()
		quiet := r.canary
		r.canary = func(n, cpu int) time.Duration {
			if n <= c.noisyUntil && n%10 == 0 && cpu == 1 {
				return 2 * quiet(n, cpu)
			}
			return quiet(n, cpu)
		}
		got, err := runCalibration(t, r, true)
		if err != nil {
			t.Fatal(err)
		}
		if r.canaryRounds != c.rounds*canaryCount || (len(got.Doubts) > 0) != c.doubt {
			t.Errorf("noisy until %d: %d canaries, doubts %v", c.noisyUntil, r.canaryRounds, got.Doubts)
		}
		if c.doubt && !strings.Contains(got.Doubts[0], "CPU 1 was not quiet") {
			t.Errorf("doubts %v", got.Doubts)
		}
	}
}

func TestPeaksThatVaryAreDoubted(t *testing.T) {
	r := newFakeInstrument()
	r.uneven = true
	got, err := runCalibration(t, r, false)
	if err != nil || len(got.Doubts) != 1 || !strings.Contains(got.Doubts[0], "varied by 5%") {
		t.Errorf("doubts %q, error %v", got.Doubts, err)
	}
}

func TestAFailedStepClosesItsCell(t *testing.T) {
	r := newFakeInstrument()
	r.attackError = errors.New("the cell ended")
	_, err := runCalibration(t, r, true)
	if !errors.Is(err, r.attackError) || !strings.Contains(err.Error(), "lab/null") {
		t.Errorf("error %v", err)
	}
	if r.open != 0 {
		t.Errorf("%d cells left open", r.open)
	}
}

var (
	key = lab.CalibrationKey{
		Host: "h0", CPUModel: "Some CPU", Kernel: "6.1", AgentSHA256: "ab", Layout: "0|1", Generator: lab.Vegeta,
	}
	when = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func exampleCalibration() lab.Calibration {
	return lab.Calibration{
		Key: key, MeasuredAt: when, CeilingRPS: 98765.4, CPUPerHit: 7350,
		SleepCost: 3200 * time.Nanosecond, TrialCV: 0.0074,
		CanaryBaselines: []lab.CanaryBaseline{
			{CPU: 0, N: 40, Median: 50e6, P99: 54e6},
			{CPU: 1, N: 40, Median: 49.5e6, P99: 53.25e6},
		},
		SendLags: []lab.SendLagBaseline{
			{RateRPS: 1000, SentRatio: 1, LagP99MS: 0.173, CorrectedP50MS: 0.113},
			{RateRPS: 49383, SentRatio: 0.9998, LagP99MS: 1.6, CorrectedP50MS: 0.112},
		},
		WaitingSendLags: []lab.SendLagBaseline{
			{RateRPS: 1000, SentRatio: 1, LagP99MS: 0.201, CorrectedP50MS: 0.15},
		},
		ServiceTimeChecks: []lab.ServiceTimeCheck{
			{ServerP50MS: 1, MeasuredP50MS: 1.12},
			{ServerP50MS: 20, MeasuredP50MS: 20.3},
		},
		KnownRatio: lab.RatioCheck{N: 6, Expected: 1.1, Measured: 1.106},
		CrossChecks: []lab.CrossCheck{
			{
				By: lab.PlainVegeta, Quantity: lab.LatencyCheck, ServiceMS: 5, Rounds: 5, Measured: 5.04, Other: 5.05,
				Difference: lab.Deviation{Value: -0.002, Low: -0.004, High: 0.0005}, Limit: 0.01, Passed: true,
			},
			{
				By: lab.PlainVegeta, Quantity: lab.ThroughputCheck, ServiceMS: 5, Rounds: 5, Measured: 203.9,
				Other:      199.9,
				Difference: lab.Deviation{Value: 0.02, Low: 0.017, High: 0.023}, Limit: 0.01,
			},
			{
				By: lab.PlainVegeta, Quantity: lab.RatioCheckBy, ServiceMS: 5, Rounds: 5, Measured: 1.1003, Other: 1.0998,
				Difference: lab.Deviation{Value: 0.0005, Low: -0.001, High: 0.002}, Limit: 0.01, Passed: true,
			},
		},
	}
}

func TestLoadReturnsAValidCalibrationOrSaysWhyThereIsNone(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "deep", "calibration")}
	if _, why := s.Load(key, false, when); !strings.Contains(why, "not calibrated yet") {
		t.Errorf("an empty store says %q", why)
	}
	brief := exampleCalibration()
	brief.Brief = true
	doubted := exampleCalibration()
	doubted.Doubts = []string{"CPU 1 was not quiet"}
	for _, c := range []struct {
		name   string
		stored lab.Calibration
		brief  bool
		at     time.Time
		why    string // empty: valid
	}{
		{"fresh", exampleCalibration(), false, when.Add(time.Hour), ""},
		{"full, where brief is enough", exampleCalibration(), true, when, ""},
		{"just fresh enough", exampleCalibration(), false, when.Add(MaxAge), ""},
		{"too old", exampleCalibration(), false, when.Add(MaxAge + time.Second), "more than 7 days old"},
		{"dated in the future", exampleCalibration(), false, when.Add(-time.Second), "dated in the future"},
		{"doubted, soon after", doubted, false, when.Add(time.Minute), ""},
		{"doubted, later", doubted, false, when.Add(2 * time.Hour), "not quiet during its last calibration"},
		{"brief, where brief is enough", brief, true, when, ""},
		{"brief, where it is not", brief, false, when, "only a brief calibration"},
	} {
		if err := s.Save(c.stored); err != nil {
			t.Fatal(err)
		}
		got, why := s.Load(key, c.brief, c.at)
		if (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q", c.name, why)
		}
		if c.why == "" && got.CeilingRPS != c.stored.CeilingRPS {
			t.Errorf("%s: loaded as %+v", c.name, got)
		}
	}
}

func TestACalibrationIsValidForOneMachineAndAgent(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	if err := s.Save(exampleCalibration()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*lab.CalibrationKey){
		"host":   func(k *lab.CalibrationKey) { k.Host += "x" },
		"CPU":    func(k *lab.CalibrationKey) { k.CPUModel += "x" },
		"kernel": func(k *lab.CalibrationKey) { k.Kernel += "x" },
		"agent":  func(k *lab.CalibrationKey) { k.AgentSHA256 += "x" },
		"layout": func(k *lab.CalibrationKey) { k.Layout = "1|0" },

		"generator": func(k *lab.CalibrationKey) { k.Generator = lab.EventLoop },
	} {
		other := key
		change(&other)
		if _, why := s.Load(other, false, when); why == "" {
			t.Errorf("a machine with another %s got this calibration", name)
		}
	}
}

func TestLoadNamesAFileThatItCannotUse(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	if err := s.Save(exampleCalibration()); err != nil {
		t.Fatal(err)
	}
	earlier := withSchema(t, schemaVersion-1)
	for _, text := range []string{"", "{", `{"schema": 99}`, `{"schema": 3, "calibration": {}}`, earlier} {
		if err := os.WriteFile(s.path(key), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, why := s.Load(key, false, when); !strings.Contains(why, s.path(key)) {
			t.Errorf("%q: %q does not name the file", text, why)
		}
	}
	if err := s.Save(exampleCalibration()); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(s.Dir); err != nil || len(files) != 1 {
		t.Errorf("the store has the files %v, %v; want one", files, err)
	}
}

// withSchema returns the file of a valid calibration, as a lab of another version wrote it.
func withSchema(t *testing.T, version int) string {
	t.Helper()
	text, err := json.Marshal(stored{version, exampleCalibration()})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWriteTextMatchesTheGoldenFiles(t *testing.T) {
	for name, c := range map[string]lab.Calibration{
		"full": exampleCalibration(),
		"brief": {
			Key: key, MeasuredAt: when, Brief: true, CeilingRPS: 1e5, SleepCost: 3000,
			CanaryBaselines: exampleCalibration().CanaryBaselines,
		},
	} {
		var out bytes.Buffer
		if err := WriteText(&out, c); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s differs (go test -update rewrites it): got\n%s", golden, out.String())
		}
	}
}

func TestNewestFullIgnoresBriefCalibrations(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	if _, ok := s.NewestFull(lab.Vegeta); ok {
		t.Error("an empty store has a calibration")
	}
	at := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for i, c := range []lab.Calibration{
		{MeasuredAt: at, TrialCV: 0.01},
		{MeasuredAt: at.Add(time.Hour), TrialCV: 0.02},
		{MeasuredAt: at.Add(2 * time.Hour), Brief: true},
		{MeasuredAt: at.Add(-time.Hour), TrialCV: 0.03},
		{MeasuredAt: at.Add(3 * time.Hour), TrialCV: 0.04, Key: lab.CalibrationKey{Generator: lab.EventLoop}},
	} {
		if c.Key.Generator == "" {
			c.Key.Generator = lab.Vegeta
		}
		c.Key.Kernel = fmt.Sprint(i)
		if err := s.Save(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "other.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if c, ok := s.NewestFull(lab.Vegeta); !ok || c.TrialCV != 0.02 {
		t.Errorf("%+v, %v", c, ok)
	}
}
