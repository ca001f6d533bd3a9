package verdict_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/verdict"
	"runtimelab/lab/wording"
)

// steady returns the row of an open loop in which a tail and a share of failures were measured.
func steady(variant, phase string, block int, p99, failed float64) metric.Row {
	return metric.Row{
		"run_id": metric.Text("RUN"), "scenario": metric.Text("json"), "variant": metric.Text(variant),
		"phase": metric.Text(phase), "mode": metric.Text("open"), "server_cpus": metric.Int(1),
		"block": metric.Int(int64(block)), "attempt": metric.Int(1), "requests": metric.Int(1000),
		"latency_p99_ms": metric.Number(p99), "error_ratio": metric.Number(failed),
		"latency_raw_p99_ms": metric.Number(p99), "memory_peak_mib": metric.Number(50),
		"send_lag_p99_ms": metric.Number(0.1), "sent_ratio": metric.Number(1),
		"throughput_rps": metric.Number(1000), "validity": metric.Text(string(lab.Valid)),
	}
}

// steadies returns a row for each of six blocks.
func steadies(variant, phase string, p99, failed float64) (rows []metric.Row) {
	for block := 1; block <= blocks; block++ {
		rows = append(rows, steady(variant, phase, block, p99, failed))
	}
	return rows
}

// quick is the promise that most tests judge: p99 of at most 100 ms, and nothing fails.
func quick(phases ...string) lab.Promise {
	return lab.Promise{
		Scenario: "json", Profile: "quick", Claim: "use-1", Variant: n, Cores: 1, Phases: phases,
		Limits: []lab.Limit{{Metric: "latency_p99_ms", Value: 100}, {Metric: "error_ratio", Value: 0}},
	}
}

func promisePlan(promises ...lab.Promise) lab.Plan {
	p := planOf()
	p.Promises = promises
	return p
}

// judgePromise returns the verdict on the only promise of a run.
func judgePromise(t *testing.T, p lab.Promise, rows ...[]metric.Row) lab.PromiseVerdict {
	t.Helper()
	return claimOf(t, judgeAll(promisePlan(p), slices.Concat(rows...)), p.Claim).PromiseVerdicts[0]
}

// The rule of lab/METHOD.md: what one trial, the last of six, does to a promise that the others keep.
func TestOneTrialDecidesAPromise(t *testing.T) {
	throughput := []lab.Limit{{Metric: "throughput_rps", AtLeast: true, Value: 900}}
	memory := []lab.Limit{{Metric: "memory_peak_mib", Value: 60}}
	for name, c := range map[string]struct {
		limits []lab.Limit // those of quick, if nil
		last   metric.Row
		want   lab.Finding
		reason string
	}{
		"kept":     {nil, nil, lab.Supported, ""},
		"at limit": {nil, metric.Row{"latency_p99_ms": metric.Number(100)}, lab.Supported, ""},
		"missed": {
			nil,
			metric.Row{"latency_p99_ms": metric.Number(143.21)},
			lab.Refuted,
			"1 of 6 trials missed it: latency_p99_ms was 143.2, limit 100, in block 6",
		},
		"one failure": {
			nil,
			metric.Row{"error_ratio": metric.Number(0.001)},
			lab.Refuted,
			"1 of 6 trials missed it: error_ratio was 0.001, limit 0, in block 6",
		},
		"missed by no more than the generator was late": {
			nil,
			metric.Row{"latency_p99_ms": metric.Number(101), "send_lag_p99_ms": metric.Number(2)},
			lab.Inconclusive, "latency_p99_ms was 101, limit 100, in block 6, which the instrument may have caused",
		},
		"missed by more than the generator was late": {
			nil,
			metric.Row{"latency_p99_ms": metric.Number(103), "send_lag_p99_ms": metric.Number(2)},
			lab.Refuted, "latency_p99_ms was 103",
		},
		"requests waited for a server that stood still": {
			nil,
			metric.Row{"latency_p99_ms": metric.Number(900), "send_lag_p99_ms": metric.Number(850)},
			lab.Refuted, "latency_p99_ms was 900",
		},
		"an upper bound that keeps": {nil, censored(), lab.Supported, ""},
		"an upper bound that misses": {
			nil, withColumns(censored(), metric.Row{"latency_p99_ms": metric.Number(500)}), lab.Inconclusive,
			"1 of 6 trials cannot be judged: latency_p99_ms was 500, limit 100, in block 6, " +
				"which the instrument may have caused",
		},
		"failures beside an upper bound": {
			nil, withColumns(censored(), metric.Row{"error_ratio": metric.Number(0.5)}), lab.Inconclusive,
			"error_ratio was 0.5, limit 0",
		},
		"a lower bound that keeps": {throughput, censored(), lab.Supported, ""},
		"a lower bound that misses": {
			throughput, withColumns(censored(), metric.Row{"throughput_rps": metric.Number(800)}),
			lab.Inconclusive, "throughput_rps was 800, limit 900",
		},
		"too little throughput": {
			throughput, metric.Row{"throughput_rps": metric.Number(800)}, lab.Refuted, "throughput_rps was 800",
		},
		"a censored figure that is no bound": {
			memory, censored(), lab.Inconclusive, "memory_peak_mib is no figure because the row is censored in 1",
		},
		"a latency of a closed loop that is censored": {
			nil, withColumns(censored(), metric.Row{"mode": metric.Text("closed")}), lab.Inconclusive,
			"latency_p99_ms is no figure because the row is censored in 1",
		},
		"an empty figure": {
			nil,
			metric.Row{"latency_p99_ms": metric.Value{}},
			lab.Inconclusive,
			"1 of 6 trials cannot be judged: latency_p99_ms is missing in 1",
		},
		"an empty figure beside a miss": {
			nil,
			metric.Row{"latency_p99_ms": metric.Value{}, "error_ratio": metric.Number(0.1)},
			lab.Refuted,
			"error_ratio was 0.1",
		},
		"less load than the phase's": {
			nil,
			metric.Row{"sent_ratio": metric.Number(0.97)},
			lab.Inconclusive,
			"only 97 % of the schedule was sent in 1",
		},
		"a failed trial": {
			nil,
			metric.Row{"validity": metric.Text(string(lab.Failed))},
			lab.Inconclusive,
			"1 of 6 trials cannot be judged: the trial failed in 1",
		},
		"a disturbed trial": {
			nil,
			metric.Row{"validity": metric.Text(string(lab.Disturbed))},
			lab.Inconclusive,
			"too few valid blocks (5 of 6; 6 are needed): node/single steady has no valid trial in 1",
		},
	} {
		p := quick("steady")
		if c.limits != nil {
			p.Limits = c.limits
		}
		rows := steadies(n, "steady", 20, 0)
		withColumns(rows[blocks-1], c.last)
		v := judgePromise(t, p, rows)
		reasons := wording.Reasons(v.Judged[0].Reasons...)
		if v.Finding != c.want || !strings.Contains(reasons, c.reason) || (c.reason == "") != (reasons == "") {
			t.Errorf("%s: %s: %q, want %s: %q", name, v.Finding, reasons, c.want, c.reason)
		}
		p.Broken = true
		want := map[lab.Finding]lab.Finding{lab.Supported: lab.Refuted, lab.Refuted: lab.Supported}[c.want]
		if v := judgePromise(t, p, rows); want != "" && v.Finding != want ||
			want == "" && v.Finding != lab.Inconclusive {
			t.Errorf("%s, where the claim says that it is broken: %s", name, v.Finding)
		}
	}
}

// A failed trial counts although an earlier attempt was disturbed, and not if a later one is valid.
func TestARepeatedTrialCountsOnce(t *testing.T) {
	rows := steadies(n, "steady", 20, 0)
	again := withColumns(steady(n, "steady", 6, 20, 0), metric.Row{"attempt": metric.Int(2)})
	rows[5]["validity"] = metric.Text(string(lab.Disturbed))
	rows[5]["latency_p99_ms"] = metric.Number(400)
	if v := judgePromise(t, quick("steady"), append(rows, again)); v.Finding != lab.Supported {
		t.Errorf("with a valid repeat: %s", v.Finding)
	}
	again["validity"] = metric.Text(string(lab.Failed))
	if v := judgePromise(t, quick("steady"), append(rows, again)); v.Finding != lab.Inconclusive ||
		v.Judged[0].Count(lab.NotJudged) != 1 {
		t.Errorf("with a failed repeat: %+v", v)
	}
}

func TestAPromiseSaysHowSureItIs(t *testing.T) {
	p := quick("steady")
	rows := steadies(n, "steady", 20, 0)
	j := judgePromise(t, p, rows).Judged[0]
	want := math.Pow(0.05, 1.0/6)
	if j.KeptShareLow == nil || math.Abs(*j.KeptShareLow-want) > 1e-12 || j.Confidence != 0.95 ||
		len(j.Trials) != 6 || len(j.None) != 1 || j.None[0].Of != 6000 ||
		math.Abs(j.None[0].Most-(1-math.Pow(0.05, 1.0/6000))) > 1e-12 {
		t.Errorf("%+v, want a share of %v", j, want)
	}
	const text = "6 of 6 trials kept it: at least 60 % of trials do (95 %); " +
		"error_ratio was 0 in 6000 requests: at most 0.05 %"
	if got := wording.Kept(j); got != text {
		t.Errorf("%q, want %q", got, text)
	}
	rows[2]["latency_p99_ms"] = metric.Number(500)
	j = judgePromise(t, p, rows).Judged[0]
	if j.KeptShareLow == nil || math.Abs(*j.KeptShareLow-0.4182) > 1e-4 || j.None != nil { // 5 of 6
		t.Errorf("with a miss: %+v", j)
	}
	withColumns(rows[2], censored())
	if j = judgePromise(t, p, rows).Judged[0]; j.KeptShareLow != nil {
		t.Errorf("with a trial that is not judged: %+v", j)
	}
}

// A promise over several rates names the last one up to which it is kept.
func TestAPromiseOverRates(t *testing.T) {
	phases := []string{"steady-1", "steady-2", "steady-3"}
	kept, missed := 20.0, 200.0
	unknown := math.NaN() // a missing value
	for _, c := range []struct {
		p99      [3]float64
		finding  lab.Finding
		keptUpTo string
		brief    string
	}{
		{[3]float64{kept, kept, kept}, lab.Supported, "steady-3", "kept up to steady-3, the highest asked"},
		{[3]float64{kept, kept, missed}, lab.Depends, "steady-2", "kept up to steady-2"},
		{[3]float64{kept, missed, kept}, lab.Depends, "steady-1", "kept up to steady-1"},
		{[3]float64{missed, missed, missed}, lab.Refuted, "", "broken at steady-1 in 6 of 6 trials"},
		{[3]float64{missed, kept, kept}, lab.Depends, "", "broken at steady-1 in 6 of 6 trials"},
		{[3]float64{kept, unknown, kept}, lab.Inconclusive, "steady-1", "kept up to steady-1"},
		{[3]float64{kept, unknown, missed}, lab.Depends, "steady-1", "kept up to steady-1"},
		{[3]float64{unknown, kept, kept}, lab.Inconclusive, "", "not decided at steady-1"},
		{[3]float64{unknown, missed, missed}, lab.Inconclusive, "", "not decided at steady-1"},
	} {
		var rows []metric.Row
		for i, phase := range phases {
			rows = append(rows, steadies(n, phase, c.p99[i], 0)...)
		}
		v := judgePromise(t, quick(phases...), rows)
		if v.Finding != c.finding || v.KeptUpTo != c.keptUpTo || wording.PromiseBrief(v) != c.brief {
			t.Errorf("%v: %s, kept up to %q: %q; want %s, %q, %q", c.p99, v.Finding, v.KeptUpTo,
				wording.PromiseBrief(v), c.finding, c.keptUpTo, c.brief)
		}
	}
}

// Each result of the other variant at three rates, and of the variant itself at the highest rate that
// the other keeps.
func TestAPromiseAtTheHighestRateOfAnother(t *testing.T) {
	phases := []string{"steady-1", "steady-2", "steady-3"}
	const kept, missed = 20.0, 200.0
	unknown := math.NaN()
	for _, c := range []struct {
		other   [3]float64
		own     [3]float64
		finding lab.Finding // where the claim says that the variant breaks the promise
		phase   string      // that is judged
		reason  string
	}{
		{[3]float64{kept, kept, missed}, [3]float64{kept, missed, missed}, lab.Supported, "steady-2", "missed it"},
		{[3]float64{kept, kept, missed}, [3]float64{missed, kept, missed}, lab.Refuted, "steady-2", ""},
		{[3]float64{kept, kept, kept}, [3]float64{kept, kept, kept}, lab.Refuted, "steady-3", ""},
		{[3]float64{kept, kept, kept}, [3]float64{kept, kept, unknown}, lab.Inconclusive, "steady-3", "is missing"},
		{
			[3]float64{kept, missed, kept}, [3]float64{kept, missed, missed}, lab.Refuted, "steady-1", "",
		},
		{
			[3]float64{missed, missed, missed},
			[3]float64{kept, kept, kept},
			lab.NotEvaluated, "",
			"node/single keeps the promise in none of steady-1, steady-2, steady-3",
		},
		{
			[3]float64{missed, kept, kept}, [3]float64{kept, kept, kept}, lab.NotEvaluated, "", "in none of",
		},
		{ // the other may keep it at steady-2, where the variant may miss it
			[3]float64{kept, unknown, missed},
			[3]float64{kept, missed, missed},
			lab.Inconclusive, "steady-1",
			"node/single may keep the promise at steady-2, where it is undecided",
		},
		{
			[3]float64{kept, unknown, missed}, [3]float64{missed, kept, kept}, lab.Supported, "steady-1", "missed it",
		},
		{
			[3]float64{unknown, kept, kept},
			[3]float64{missed, missed, missed},
			lab.Inconclusive, "",
			"node/single may keep the promise at steady-1",
		},
	} {
		pr := quick(phases...)
		pr.Variant, pr.HighestKeptBy, pr.Broken = p, n, true
		var rows []metric.Row
		for i, phase := range phases {
			rows = append(rows, steadies(n, phase, c.other[i], 0)...)
			rows = append(rows, steadies(p, phase, c.own[i], 0)...)
		}
		v := judgePromise(t, pr, rows)
		phase, reasons := "", v.Reasons
		if len(v.Judged) > 0 {
			phase, reasons = v.Judged[0].Phase, v.Judged[0].Reasons
		}
		text := wording.Reasons(reasons...)
		if v.Finding != c.finding || phase != c.phase || !strings.Contains(text, c.reason) ||
			(text == "") != (c.reason == "") {
			t.Errorf("other %v, own %v: %s at %q: %q; want %s at %q: %q", c.other, c.own, v.Finding, phase, text,
				c.finding, c.phase, c.reason)
		}
	}
}

// A runtime that names what it is compared with keeps to it.
func TestAPromiseKeepsToPeers(t *testing.T) {
	pr := quick("steady")
	pr.Variant, pr.HighestKeptBy = "choosy/x", p
	rows := slices.Concat(steadies(p, "steady", 20, 0), steadies("choosy/x", "steady", 20, 0))
	if v := judgePromise(t, pr, rows); v.Finding != lab.Inconclusive || v.Reasons[0].Kind != lab.PeersOnly {
		t.Errorf("%+v", v)
	}
}

// What keeps a run from deciding anything keeps it from judging promises.
func TestPromisesOfRunsThatDecideNothing(t *testing.T) {
	kept := steadies(n, "steady", 20, 0)
	never := quick("steady")
	never.Variant, never.HighestKeptBy = n, p // p has no rows
	longer := quick("steady")
	longer.Profile = "full"
	complete := promisePlan(quick("steady"), never)
	complete.UntestedPromises = []lab.Promise{longer}

	failing := complete
	failing.Controls = controls()
	smoke := complete
	smoke.Profile = lab.Profile{Name: "smoke", Blocks: 1}
	incomplete := complete
	incomplete.Trials = make([]lab.Trial, 1)
	strange := quick("steady")
	strange.Limits = []lab.Limit{{Metric: "speed_ms", Value: 1}}
	for name, c := range map[string]struct {
		plan lab.Plan
		want string
	}{
		"complete": {
			complete,
			"supported; inconclusive: python/uvloop may keep the promise at steady, where it is " +
				"undecided; not evaluated: not evaluated at quick; full tests it",
		},
		"a failed control": {failing, "inconclusive: a control failed (A/A, known ratio); " +
			"inconclusive: a control failed (A/A, known ratio); " +
			"not evaluated: not evaluated at quick; full tests it"},
		"a profile that compares nothing": {smoke, "not evaluated: smoke compares nothing; " +
			"not evaluated: smoke compares nothing; not evaluated: not evaluated at smoke; full tests it"},
		"not complete": {incomplete, "inconclusive: the run is not complete (0 of 1 trial); lab run --resume RUN " +
			"finishes it; inconclusive: the run is not complete (0 of 1 trial); lab run --resume RUN finishes it; " +
			"not evaluated: not evaluated at quick; full tests it"},
		"an unknown metric": {promisePlan(strange), "inconclusive: this lab has no metric speed_ms"},
	} {
		var got []string
		for _, v := range claimOf(t, verdict.Judge(c.plan, kept, 0), "use-1").PromiseVerdicts {
			text := string(v.Finding)
			if len(v.Reasons) > 0 {
				text += ": " + wording.Reasons(v.Reasons...)
			}
			got = append(got, text)
			for _, j := range v.Judged {
				if j.Finding != v.Finding {
					t.Errorf("%s: %s at %s, and %s in all", name, j.Finding, j.Phase, v.Finding)
				}
			}
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, text, c.want)
		}
	}
}

// Every combination of findings of two hypotheses and a promise in two phases.
func TestTheTruthTableOfClaims(t *testing.T) {
	all := []lab.Finding{lab.Supported, lab.Refuted, lab.Inconclusive, lab.NotEvaluated}
	for _, a := range all {
		for _, b := range all {
			for _, c := range all {
				for _, d := range all {
					parts := []lab.Finding{a, b, c, d}
					has := func(f lab.Finding) bool { return slices.Contains(parts, f) }
					want := lab.NotEvaluated
					switch {
					case has(lab.Supported) && has(lab.Refuted):
						want = lab.Depends
					case has(lab.Inconclusive):
						want = lab.Inconclusive
					case has(lab.Supported):
						want = lab.Supported
					case has(lab.Refuted):
						want = lab.Refuted
					}
					if got := verdict.CombineFindings(parts...); got != want {
						t.Errorf("%v: %s, want %s", parts, got, want)
					}
				}
			}
		}
	}
}

// A claim's finding follows from its hypotheses and from every phase of its promises.
func TestAClaimWithHypothesesAndPromises(t *testing.T) {
	phases := []string{"steady-1", "steady-2"}
	for _, c := range []struct {
		ratio    float64 // of n to p
		second   float64 // p99 at the second rate
		want     lab.Finding
		text     string
		withNone bool // without the hypothesis
	}{
		{
			1.3, 20, lab.Supported, "3 configurations tested; node/single kept up to steady-2, the highest asked",
			false,
		},
		{1.3, 200, lab.Depends, "refuted by json: node/single keeps latency_p99_ms <= 100 and error_ratio <= 0 " +
			"at steady-2; node/single kept up to steady-1", false},
		{1 / 1.3, 20, lab.Depends, "refuted by json: throughput_rps of node/single peak", false},
		{
			1.3, math.NaN(), lab.Inconclusive, "1 of 3 configurations undecided: 6 of 6 trials cannot be judged",
			false,
		},
		{1, 20, lab.Supported, "2 configurations tested", true},
		{1, 200, lab.Depends, "supported by json: node/single keeps", true},
	} {
		h := hypothesis(lab.Higher)
		h.Claim = "use-1"
		plan := promisePlan(quick(phases...))
		if !c.withNone {
			plan.Hypotheses = []lab.Hypothesis{h}
		}
		rows := slices.Concat(trials(n, 1000*c.ratio, 1, nil), trials(p, 1000, 1, nil),
			steadies(n, phases[0], 20, 0), steadies(n, phases[1], c.second, 0))
		got := claimOf(t, judgeAll(plan, rows), "use-1")
		if got.Finding != c.want || !strings.Contains(reasonOf(got), c.text) {
			t.Errorf("ratio %v, p99 %v: %s: %q, want %s: %q", c.ratio, c.second, got.Finding, reasonOf(got), c.want,
				c.text)
		}
	}
}

// drawPromiseRows draws the rows of two variants in three phases, with misses, bounds, gaps and
// disturbed and failed trials.
func drawPromiseRows(t *rapid.T) (rows []metric.Row) {
	validity := rapid.SampledFrom([]lab.Validity{
		lab.Valid, lab.Valid, lab.Valid, lab.Valid, lab.Valid, lab.Valid, lab.Censored, lab.Disturbed, lab.Failed,
	})
	p99 := rapid.SampledFrom([]float64{20, 20, 20, 20, 20, 100, 104, 300, math.NaN()})
	for _, variant := range []string{n, p} {
		for phase := 1; phase <= 3; phase++ {
			calm := rapid.Bool().Draw(t, "calm")
			for block := 1; block <= 8; block++ {
				row := steady(variant, fmt.Sprintf("steady-%d", phase), block, 20, 0)
				if !calm {
					row["latency_p99_ms"] = metric.Number(p99.Draw(t, "p99"))
					row["send_lag_p99_ms"] = metric.Number(rapid.SampledFrom([]float64{0, 10}).Draw(t, "lag"))
					row["validity"] = metric.Text(string(validity.Draw(t, "validity")))
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

func drawnPromises() (node, python lab.Promise) {
	node = quick("steady-1", "steady-2", "steady-3")
	python = node
	python.Variant, python.HighestKeptBy, python.Broken = p, n, true
	return node, python
}

// Whatever rows a run has: supported means that every trial that counts kept the promise, refuted that
// one missed it, the order of rows does not matter, and the opposite claim has the opposite finding.
func TestPropertiesOfPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawPromiseRows(t)
		node, python := drawnPromises()
		opposite := node
		opposite.Broken = true
		plan := promisePlan(node, python, opposite)
		want := judgeAll(plan, rows)
		if got := judgeAll(plan, rapid.Permutation(rows).Draw(t, "order")); !reflect.DeepEqual(got, want) {
			t.Errorf("in another order %+v\nwant %+v", got, want)
		}
		verdicts := want.Claims[0].PromiseVerdicts
		var findings []lab.Finding
		for i, v := range verdicts {
			findings = append(findings, v.Findings()...)
			for k, j := range v.Judged {
				kept, missed, open := j.Count(lab.Kept), j.Count(lab.Missed), j.Count(lab.NotJudged)
				isKept := j.Finding == lab.Supported && !v.Broken || j.Finding == lab.Refuted && v.Broken
				isMissed := j.Finding == lab.Refuted && !v.Broken || j.Finding == lab.Supported && v.Broken
				switch {
				case kept+missed+open != len(j.Trials):
					t.Errorf("%d trials kept, %d missed, %d open, of %d", kept, missed, open, len(j.Trials))
				case isKept != (missed == 0 && open == 0 && kept >= lab.MinBlocks) && j.Reasons == nil:
					t.Errorf("%s with %d kept, %d missed, %d open", j.Finding, kept, missed, open)
				case isMissed != (missed > 0):
					t.Errorf("%s with %d missed", j.Finding, missed)
				case j.Finding == lab.Inconclusive && len(j.Reasons) == 0:
					t.Error("inconclusive without a reason")
				}
				if i == 2 && j.Finding == verdicts[0].Judged[k].Finding && j.Finding != lab.Inconclusive {
					t.Errorf("kept and broken are both %s", j.Finding)
				}
			}
		}
		if got := verdict.CombineFindings(findings...); got != want.Claims[0].Finding {
			t.Errorf("the claim is %s, and its parts make it %s", want.Claims[0].Finding, got)
		}
	})
}

// One more trial that misses never makes a promise look better, and a bound in place of a value decides
// nothing that the value did not.
func TestWorseTrialsNeverHelpAPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawPromiseRows(t)
		node, _ := drawnPromises()
		before := judgeAll(promisePlan(node), rows).Claims[0].PromiseVerdicts[0]
		i := rapid.IntRange(0, 23).Draw(t, "row") // one of n's
		rows[i]["validity"] = metric.Text(string(lab.Valid))
		rows[i]["latency_p99_ms"] = metric.Number(5000)
		after := judgeAll(promisePlan(node), rows).Claims[0].PromiseVerdicts[0]
		phase := i / 8
		if after.Judged[phase].Finding != lab.Refuted || after.KeptUpTo > before.KeptUpTo {
			t.Errorf("with a miss %+v\nbefore %+v", after, before)
		}
		withColumns(rows[i], censored())
		bound := judgeAll(promisePlan(node), rows).Claims[0].PromiseVerdicts[0].Judged[phase]
		if bound.Finding == lab.Supported || bound.Finding == lab.Refuted && bound.Count(lab.Missed) == 0 {
			t.Errorf("with a bound in place of the miss %+v", bound)
		}
	})
}
