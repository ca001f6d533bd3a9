package cli

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/image"
	"runtimelab/lab/record"
	"runtimelab/lab/verdict"
)

// slowingModule is a Node module that makes the handlers of node:http take a share more
// CPU time, by seeded random amounts, like a server with such a regression.
const slowingModule = `
import http from 'node:http';

const emit = http.Server.prototype.emit;
let seed = 20261125;
http.Server.prototype.emit = function (event, ...args) {
  if (event !== 'request') return emit.call(this, event, ...args);
  const began = performance.now();
  const result = emit.call(this, event, ...args);
  const ended = performance.now();
  seed = (seed * 48271) %% 2147483647;
  const until = ended + (ended - began) * 2 * %v * (seed / 2147483647);
  while (performance.now() < until);
  return result;
};
`

// slowedCommand returns the command of Node's application with slowingModule, in the
// syntax of runtime.star.
func slowedCommand(share float64) string {
	module := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, slowingModule, share))
	return fmt.Sprintf(`["node", "--import", "data:text/javascript;base64,%s", "server.js"]`, module)
}

// slowScenario compares a server with its twin, and with a slower server.
const slowScenario = `claim("speed-1", "A server is faster than its twin.")
claim("speed-2", "A server is faster than a slower one.")
scenario(
    name = "slow",
    about = "work that varies little between processes",
    profile = "quick",
    requests = [get("/compute/native?n=200")],
    phases = [warmup(connections = 1), ladder(connections = 1)],
    variants = ["node/single", "node/single~twin", "node/slower"],
    hypotheses = [
        hypothesis(
            claim = "speed-1", metric = "throughput_rps", margin = 0.05,
            numerator = "node/single", denominator = "node/single~twin",
        ),
        hypothesis(
            claim = "speed-2", metric = "throughput_rps", margin = 0.03,
            numerator = "node/single", denominator = "node/slower",
        ),
    ],
)
`

// slowCheckout returns a checkout with slowScenario, whose slower server takes a tenth more CPU time.
func slowCheckout(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	copyRuntimes(t, root)
	manifest := filepath.Join(root, "runtimes", "node", "runtime.star")
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	variant := fmt.Sprintf(`
variant(
    name = "slower", model = "single", about = "one process that does more work",
    command = %s, env = {"WORKER_MODEL": "single"},
)
`, slowedCommand(0.10))
	if err := os.WriteFile(manifest, append(text, variant...), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "scenarios", "slow.star")
	if err := os.WriteFile(file, []byte(slowScenario), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// phasesOf returns a function that gives a profile measured phases of a duration.
func phasesOf(duration time.Duration) func(*lab.Profile) {
	return func(p *lab.Profile) { p.PeakDuration, p.SteadyDuration = duration, duration }
}

// shortRun makes a run with phases of a duration, instead of the profile's.
func shortRun(t testing.TB, root string, phaseDuration time.Duration, flags planFlags) *record.StoredRun {
	t.Helper()
	a := &app{
		Streams: Streams{Out: t.Output(), Err: t.Output()}, ctx: t.Context(), root: root,
		adjustProfile: phasesOf(phaseDuration),
	}
	setup, err := flags.resolve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	m := &measurement{app: a, runSetup: setup, bases: image.Auto}
	if err := m.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return latestRun(t, root)
}

// BenchmarkTenPercentSlower checks that a regression of 10 % is found, with the margins of
// real scenarios, in ten blocks with the phase durations of the profile standard.
func BenchmarkTenPercentSlower(b *testing.B) {
	root := slowCheckout(b)
	run := shortRun(b, root, 4*time.Second,
		planFlags{Scenarios: []string{"slow"}, Profile: "quick", Blocks: 10, Seed: 5})
	result := verdict.Judge(run.Info.Plan, run.Rows, run.MeasuredTrials())
	for _, wrong := range wrongVerdicts(result, map[string]lab.Finding{
		"speed-1": lab.Refuted, "speed-2": lab.Supported,
	}) {
		b.Error(wrong)
	}
	b.ReportMetric(0, "ns/op")
}
