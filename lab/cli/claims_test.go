package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

// ownClaim is a line of a script: all that a claim needs.
const ownClaim = `claim("checkout-v2", "Version 2 of checkout is no slower.")` + "\n"

// claimingCheckout returns a checkout without claims.star, whose scenario checkout defines
// ownClaim and tests it.
func claimingCheckout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"runtimes/rt/runtime.star": `runtime(
    about = "A runtime.",
    base = base(official = "rt:1", suite = "forky", packages = ["rt"]),
)
variant(name = "v1", model = "single", about = "Version 1.", command = ["rt"])
variant(name = "v2", model = "single", about = "Version 2.", command = ["rt"])
`,
		"scenarios/checkout.star": ownClaim + `scenario(
    name = "checkout", about = "an order", requests = [get("/json")], phases = [peak()],
    hypotheses = [
        hypothesis(
            claim = "checkout-v2", metric = "throughput_rps", direction = "not-lower",
            numerator = "rt/v2", denominator = "rt/v1",
        ),
    ],
)
`,
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// claimingSetup returns the setup of a run of a checkout, which writes into out.
func claimingSetup(t *testing.T, root string, out *bytes.Buffer) (*app, *runSetup) {
	t.Helper()
	a := &app{Streams: Streams{Out: out, Err: t.Output()}, ctx: t.Context(), root: root}
	setup, err := planFlags{Seed: 7}.resolve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a, setup
}

// finishedRun returns the folder of a run of p that measured one trial.
func finishedRun(t *testing.T, a *app, setup *runSetup, p lab.Plan) string {
	t.Helper()
	const id = "20261130T090000Z-0001"
	run, err := record.Create(setup.resultsDir(), id, record.Info{StartedAt: time.Now(), Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.AddTrial(lab.Sample{
		RunID: id, StartedAt: time.Now(), Subject: lab.Subject{Trial: p.Trials[0]},
		Phase: lab.Phase{Name: "peak", Kind: lab.Peak},
		Gate:  lab.GateResult{Validity: lab.Failed, Reason: "exited with 1 before it was ready"},
	}); err != nil {
		t.Fatal(err)
	}
	m := &measurement{app: a, runSetup: setup}
	if err := m.finish(run, record.Host{}, nil); err != nil {
		t.Fatal(err)
	}
	return run.Dir()
}

// One line of a script defines a claim; no Go code knows it.
func TestAClaimOfAScriptIsPlannedJudgedAndReported(t *testing.T) {
	root := claimingCheckout(t)
	want := []lab.Claim{
		{ID: "checkout-v2", Statement: "Version 2 of checkout is no slower.", Collection: "your own"},
	}
	if p := planJSON(t, "--root", root, "--seed", "7"); !reflect.DeepEqual(p.Claims, want) {
		t.Errorf("the plan has the claims %+v, want %+v", p.Claims, want)
	}
	code, stdout, stderr := labRun(t.Context(), "plan", "--root", root, "--seed", "7")
	if code != fault.ExitOK || !strings.Contains(stdout, "\n  checkout-v2: about ") {
		t.Errorf("lab plan exits with %d and prints\n%s%s", code, stdout, stderr)
	}

	var out bytes.Buffer
	a, setup := claimingSetup(t, root, &out)
	p, err := setup.newPlan(setup.scenarios, lab.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	dir := finishedRun(t, a, setup, p)
	const start, end = "  checkout-v2  inconclusive  ", "  Version 2 of checkout is no slower.\n"
	if !strings.Contains(out.String(), start) || !strings.Contains(out.String(), end) ||
		strings.Contains(out.String(), "not evaluated") {
		t.Errorf("the run prints\n%s\nwant %q and %q", out.String(), start, end)
	}
	verdicts, err := os.ReadFile(filepath.Join(dir, "verdicts.csv"))
	if err != nil || strings.Count(string(verdicts), "\ncheckout-v2,") != 2 {
		t.Errorf("verdicts.csv holds %v\n%s", err, verdicts)
	}
	written, err := os.ReadFile(filepath.Join(dir, record.PageFile))
	if err != nil || !strings.Contains(string(written), "Version 2 of checkout is no slower.") {
		t.Errorf("the page holds %v\n%.3000s", err, written)
	}

	// The claims of a recorded run are its own, whatever the scripts define later.
	if err := os.WriteFile(filepath.Join(root, "scenarios", "checkout.star"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = labRun(t.Context(), "report", "--root", root, dir)
	if code != fault.ExitOK || stdout != out.String() {
		t.Errorf("lab report exits with %d and prints\n%s%s\nwant\n%s", code, stdout, stderr, out.String())
	}
}

// The headings of lab list, lab plan and the report say whose claims they show.
func TestOwnClaimsHaveTheirOwnHeading(t *testing.T) {
	root := claimingCheckout(t)
	if err := os.WriteFile(filepath.Join(root, "scenarios", "claims.star"),
		[]byte("collection(\"the article\")\nclaim(\"speed-1\", \"It is fast.\")\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"\nClaims of the article\n  speed-1            It is fast.\n" +
			"Claims of your own\n  checkout-v2        Version 2 ": {"list"},
		"\nclaims of your own, tested with 7 blocks, and the smallest ": {"plan", "--seed", "7"},
	} {
		code, stdout, stderr := labRun(t.Context(), append(args, "--root", root)...)
		if code != fault.ExitOK || !strings.Contains(stdout, want) {
			t.Errorf("%s exits with %d and prints\n%s%s\nwant %q", args, code, stdout, stderr, want)
		}
	}
	var out bytes.Buffer
	a, setup := claimingSetup(t, root, &out)
	p, err := setup.newPlan(setup.scenarios, lab.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	dir := finishedRun(t, a, setup, p)
	code, full, stderr := labRun(t.Context(), "report", "--full", "--root", root, dir)
	if code != fault.ExitOK {
		t.Fatalf("lab report exits with %d: %s", code, stderr)
	}
	for want, text := range map[string]string{
		"\nClaims of your own:\n  checkout-v2  inconclusive  ": out.String(),
		"\nClaims of your own: 0 of 1 decided. Intervals: ":    full,
		"\nNot evaluated of the article\n  speed-1: ":          full,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report is\n%s\nwant %q", text, want)
		}
	}
	verdicts, err := os.ReadFile(filepath.Join(dir, "verdicts.csv"))
	if err != nil || strings.Count(string(verdicts), ",your own,") != 2 ||
		strings.Count(string(verdicts), ",the article,") != 1 {
		t.Errorf("verdicts.csv holds %v\n%s", err, verdicts)
	}
}

// The run.json of an earlier lab has no claims: a run that repeats or continues it takes
// those of the scripts.
func TestARunOfAnEarlierLabTakesTheClaimsOfTheScripts(t *testing.T) {
	root := claimingCheckout(t)
	var out bytes.Buffer
	a, setup := claimingSetup(t, root, &out)
	p, err := setup.newPlan(setup.scenarios, lab.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	recorded := []lab.Claim{{ID: "checkout-v2", Statement: "It was worded differently."}}
	for name, c := range map[string]struct{ plan, want []lab.Claim }{
		"earlier lab":                   {nil, p.Claims},
		"its own":                       {recorded, recorded},
		"a checkout without any claims": {[]lab.Claim{}, []lab.Claim{}},
	} {
		p.Claims = c.plan
		earlier := &record.StoredRun{Info: record.Info{Plan: p}}
		if err := setup.usePlanOf(t.Context(), earlier); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(setup.earlierPlan.Claims, c.want) {
			t.Errorf("%s: the claims are %+v, want %+v", name, setup.earlierPlan.Claims, c.want)
		}
		if !reflect.DeepEqual(earlier.Info.Plan.Claims, c.plan) {
			t.Errorf("%s: the plan of the earlier run has changed", name) // it would not be resumed
		}
	}
	p.Claims = nil
	finishedRun(t, a, setup, p)
	if !strings.Contains(out.String(), "Version 2 of checkout is no slower.\n") {
		t.Errorf("a run without claims that was continued prints\n%s", out.String())
	}
}
