package cli

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/image"
	"runtimelab/lab/record"
	"runtimelab/lab/verdict"
)

// slowing makes node:http's handlers take a tenth more CPU, by amounts drawn from
// a seed: what a server would be that regressed by 10 %.
const slowing = `
import http from 'node:http';

const emit = http.Server.prototype.emit;
let seed = 20261125;
http.Server.prototype.emit = function (event, ...args) {
  if (event !== 'request') return emit.call(this, event, ...args);
  const began = performance.now();
  const heard = emit.call(this, event, ...args);
  const ended = performance.now();
  seed = (seed * 48271) % 2147483647;
  const until = ended + (ended - began) * 0.2 * (seed / 2147483647);
  while (performance.now() < until);
  return heard;
};
`

// slowed is the runtime of Node's application with slowing in it.
func slowed() string {
	return fmt.Sprintf(`runtime(
    about = "Node.js, a tenth slower",
    base = base(official = "node:24-trixie-slim", suite = "forky", packages = ["nodejs", "npm"]),
    context = "node",
)
variant(
    name = "single", model = "single", about = "one process that does a tenth more",
    command = ["node", "--import", %q, "server.js"], env = {"WORKER_MODEL": "single"},
)
`, slowingModule())
}

// slowingModule is what node --import takes.
func slowingModule() string {
	return "data:text/javascript;base64," + base64.StdEncoding.EncodeToString([]byte(slowing))
}

// slow is a scenario of three servers: one, the same again, and one that does a
// tenth more.
const slow = `scenario(
    name = "json",
    about = "work in the language itself",
    profile = "quick",
    requests = [get("/compute/integers?n=30000")],
    phases = [warmup(connections = 1), ladder(connections = 1)],
    variants = ["node/single", "node/single~twin", "slowed/single"],
    hypotheses = [
        hypothesis(
            claim = "speed-1", metric = "throughput_rps", margin = 0.05,
            numerator = "node/single", denominator = "node/single~twin",
        ),
        hypothesis(
            claim = "speed-2", metric = "throughput_rps", margin = 0.03,
            numerator = "node/single", denominator = "slowed/single",
        ),
    ],
)
`

// slowCheckout is a checkout with that scenario, and the runtime.
func slowCheckout(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{"runtimes"} {
		if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join("..", "..", folder))); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{"runtimes/slowed/runtime.star": slowed(), "scenarios/json.star": slow} {
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// short is a run of a choice, with phases of so long instead of the profile's.
func short(t testing.TB, root string, phases time.Duration, c choice) *record.Recorded {
	t.Helper()
	a := &app{Streams: Streams{Out: t.Output(), Err: t.Output()}, ctx: t.Context(), root: root}
	chosen, err := c.resolve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	chosen.profile.Peak, chosen.profile.Steady = phases, phases
	rules, err := contract.Load(filepath.Join(root, "runtimes", "contract.json"))
	if err != nil {
		t.Fatal(err)
	}
	m := &measurement{app: a, chosen: chosen, bases: image.Auto, rules: rules}
	if err := m.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return latest(t, root)
}

// From the planner to the verdict: a server is not faster than its twin, and one
// that does a tenth more is slower.
func TestIntegrationVerdictsAreRight(t *testing.T) {
	needEngine(t)
	root := slowCheckout(t)
	run := short(t, root, 1500*time.Millisecond, choice{Scenarios: []string{"json"}, Profile: "smoke", Blocks: 6, Seed: 5})
	result := verdict.Judge(run.Info.Plan, run.Rows)
	for _, c := range result.Controls {
		if !c.Passed {
			t.Errorf("%s: %s", c.Name, c.Reason)
		}
	}
	for _, c := range result.Claims {
		want := map[string]lab.Finding{"speed-1": lab.Refuted, "speed-2": lab.Supported}[c.Claim.ID]
		if want != "" && c.Finding != want {
			t.Errorf("%s is %s, want %s: %s", c.Claim.ID, c.Finding, want, c.Reason)
		}
	}
	for _, file := range []string{"verdicts.csv", "trials.csv"} {
		if _, err := os.Stat(filepath.Join(run.Dir, file)); err != nil {
			t.Error(err)
		}
	}
}
