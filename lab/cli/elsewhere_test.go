package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
	"runtimelab/lab/session"
)

// teamScript compares the two variants of teamRuntime.
const teamScript = `scenario(
    name = "sale", about = "an order", requests = [get("/json")], phases = [peak()],
    variants = ["shop/v1", "shop/v2"],
)
`

const teamRuntime = `runtime(
    about = "A shop.",
    base = base(official = "rt:1", suite = "forky", packages = ["rt"]),
)
variant(name = "v1", model = "single", about = "Version 1.", command = ["rt"])
variant(name = "v2", model = "single", about = "Version 2.", command = ["rt"])
`

// interruptedRunElsewhere returns a checkout, a team's folder with a script and a runtime,
// and the folder of an interrupted run of that script.
func interruptedRunElsewhere(t *testing.T) (root, team, run string) {
	t.Helper()
	root, team = claimingCheckout(t), t.TempDir()
	writeFile(t, filepath.Join(team, "sale.star"), teamScript)
	writeFile(t, filepath.Join(team, "runtimes", "shop", "runtime.star"), teamRuntime)
	a := &app{
		Streams: Streams{Out: t.Output(), Err: t.Output()}, ctx: t.Context(), root: root,
		runtimes: []string{filepath.Join(team, "runtimes")},
	}
	flags := planFlags{Scenarios: []string{filepath.Join(team, "sale.star")}, Seed: 7}
	setup, err := flags.resolve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	p, err := setup.newPlan(setup.scenarios, lab.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	m := &measurement{app: a, runSetup: setup, Session: &session.Session{}}
	info, err := m.newInfo(p, session.TrialImages{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	started, err := record.Create(setup.resultsDir(), "20261130T090000Z-0001", info)
	if err != nil {
		t.Fatal(err)
	}
	if err := started.End(record.Interrupted, "by the test", time.Now()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(started.Dir(), filepath.Join(root, "results")) {
		t.Errorf("the results are in %s, want them in the checkout", started.Dir())
	}
	return root, team, started.Dir()
}

// A run of a team's scripts is repeated and continued without naming them again.
func TestARunOfScriptsElsewhereIsRepeatedAndResumed(t *testing.T) {
	root, team, run := interruptedRunElsewhere(t)
	want := []string{"shop/v1", "shop/v2"}
	p := planJSON(t, "--root", root, "--like", run)
	if got := p.Scenarios[0]; got.Name != "sale" || !slices.Equal(got.Variants, want) {
		t.Errorf("--like plans %s on %q", got.Name, got.Variants)
	}
	a := &app{Streams: Streams{Out: t.Output(), Err: t.Output()}, ctx: t.Context(), root: root}
	setup, err := resumeSetup(a, run)
	if err != nil {
		t.Fatal(err)
	}
	v, err := setup.library.Variant("shop/v2")
	if err != nil || !reflect.DeepEqual(setup.scenarios[0].Variants, want) {
		t.Errorf("--resume has %+v (%v) and %+v", v, err, setup.scenarios)
	}

	// The team has moved its runtimes.
	moved := filepath.Join(team, "moved")
	if err := os.Rename(filepath.Join(team, "runtimes"), moved); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, root, run, "used the folder of runtimes "+team+"/runtimes, which is missing\n"+
		"  restore the folder, or say where it is now: --runtimes DIR")
	p = planJSON(t, "--root", root, "--runtimes", moved, "--like", run)
	if got := p.Scenarios[0].Variants; !slices.Equal(got, want) {
		t.Errorf("--like with --runtimes plans %q", got)
	}

	file := filepath.Join(team, "sale.star")
	writeFile(t, file, teamScript+"# changed\n")
	checkRefused(t, root, run, file+" has changed since run", "--runtimes", moved)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	checkRefused(t, root, run, "used the script "+file+", which is missing\n  restore the script",
		"--runtimes", moved)
}

// checkRefused checks that neither --like nor --resume takes a run, and what they say.
func checkRefused(t *testing.T, root, run, want string, flags ...string) {
	t.Helper()
	for _, flag := range []string{"--like", "--resume"} {
		args := append([]string{"--root", root, "run", flag, run}, flags...)
		code, _, stderr := labRun(t.Context(), args...)
		if code != fault.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s exits with %d: %s\nwant %q", flag, code, stderr, want)
		}
	}
}

// Folders in the checkout are recorded relative to it, so that a checkout may move.
func TestFoldersOfTheCheckoutAreRecordedRelativeToIt(t *testing.T) {
	root, team, run := interruptedRunElsewhere(t)
	earlier, err := record.Read(run)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := earlier.Info.RuntimeFolders, []string{team + "/runtimes"}; !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
	setup := &runSetup{}
	setup.sources.Checkout = root
	setup.sources.RuntimeFolders = []string{filepath.Join(root, "team", "runtimes")}
	if got, want := setup.recordedRuntimeFolders(), []string{"team/runtimes"}; !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
	if got, want := setup.resolvePath("team/runtimes"), setup.sources.RuntimeFolders[0]; got != want {
		t.Errorf("it is found at %s, want %s", got, want)
	}
}
