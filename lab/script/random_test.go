package script

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// drawPool evaluates a scenario with a pool of n requests, whose paths hold the
// value of expression, and returns those values.
func drawPool(t *testing.T, name, expression string, n int) []int {
	t.Helper()
	text := fmt.Sprintf(`
def one(r):
    return get("/%%d" %% (%s))

scenario(name = "%s", about = "a pool", requests = pool(%d, one), phases = [peak()])
`, expression, name, n)
	result, err := evaluateScenario(t.Context(), defaultLimits, name, "scenarios/"+name+".star",
		[]byte(text), variantPool{ids: []string{"rt/a"}}, nil)
	if err != nil || len(result.Faults) > 0 {
		t.Fatal(result.Faults, err)
	}
	var all []int
	for _, r := range result.Scenario.Requests {
		x, err := strconv.Atoi(r.Path[1:])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	return all
}

// frequencies returns the relative frequency of each value.
func frequencies(values []int) map[int]float64 {
	frequency := map[int]float64{}
	for _, x := range values {
		frequency[x] += 1 / float64(len(values))
	}
	return frequency
}

// The script of a recorded run must give the same load years later.
func TestPoolIsDeterministic(t *testing.T) {
	got := fmt.Sprint(drawPool(t, "x", "r.uniform(1, 1000)", 5), drawPool(t, "x", "r.zipf(1000)", 5),
		drawPool(t, "x", "r.choice([1, 2, 3], weights = [5, 3, 2])", 5))
	const want = "[822 126 816 99 271] [263 1 252 1 4] [3 1 3 1 1]"
	if got != want {
		t.Errorf("drew %s, want %s", got, want)
	}
	if other := fmt.Sprint(drawPool(t, "y", "r.uniform(1, 1000)", 5)); strings.HasPrefix(want, other) {
		t.Errorf("two scenarios draw the same: %s", other)
	}
}

func TestDrawsHaveTheirDistributions(t *testing.T) {
	const n = 10_000
	harmonic := 1 + 1.0/2 + 1.0/3 + 1.0/4
	for expression, want := range map[string]map[int]float64{
		"r.uniform(-1, 2) + 1":                       {0: 0.25, 1: 0.25, 2: 0.25, 3: 0.25},
		"r.uniform(7, 7)":                            {7: 1},
		"r.choice([10, 20])":                         {10: 0.5, 20: 0.5},
		"r.choice([1, 2, 3], weights = [0, 3, 1.0])": {2: 0.75, 3: 0.25},
		"r.zipf(4)": {
			1: 1 / harmonic, 2: 1 / harmonic / 2, 3: 1 / harmonic / 3, 4: 1 / harmonic / 4,
		},
		"r.zipf(2, skew = 3)": {1: 8.0 / 9, 2: 1.0 / 9},
		"r.zipf(1)":           {1: 1},
	} {
		got := frequencies(drawPool(t, "x", expression, n))
		if len(got) != len(want) {
			t.Errorf("%s draws %v", expression, got)
		}
		for x, share := range want {
			// Five standard deviations of a binomial proportion.
			if off := math.Abs(got[x] - share); off > 5*math.Sqrt(share*(1-share)/n)+1e-9 {
				t.Errorf("%s draws %d with a share of %.4f, want %.4f", expression, x, got[x], share)
			}
		}
	}
}

func TestMistakesInAPoolAreLocated(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"unknown method":    {`r.unifrom(1, 2)`, `2:13: random has no unifrom (did you mean .uniform?)`},
		"unknown argument":  {`r.zipf(5, skw = 1)`, `2:22: zipf: unknown argument "skw"; did you mean "skew"?`},
		"low above high":    {`r.uniform(2, 1)`, `2:25: uniform: high is 1, less than low, 2`},
		"nothing to choose": {`r.choice([])`, `2:21: choice: of is empty, want a list of values`},
		"too few weights":   {`r.choice([1, 2], weights = [1])`, `2:39: choice: 1 weight for 2 values`},
		"a negative weight": {
			`r.choice([1], weights = [-1])`,
			`2:37: choice: weights holds -1, want numbers of 0 or more`,
		},
		"no weight at all": {`r.choice([1], weights = [0])`, `2:36: choice: all weights are 0`},
		"too many ranks":   {`r.zipf(10000000)`, `2:19: zipf: n is 10000000, want 1 to 1000000`},
		"three without a name": {
			`r.uniform(1, 2, 3)`,
			`2:28: uniform: more than 2 arguments without a name; give arguments by name: low, high`,
		},
		"not a request":       {`1`, `4:73: pool: make returned a whole number, want get(…) or post(…)`},
		"a mistake in a call": {`get("json")`, `2:16: get: path "json" does not begin with /`},
		"a runtime error":     {`get("/" + 1)`, `2:20: unknown binary op: string + int`},
	} {
		text := "def one(r):\n    return " + c.body +
			"\n\nscenario(name = \"x\", about = \"a\", phases = [peak()], requests = pool(3, one))\n"
		result, err := evaluateScenario(t.Context(), defaultLimits, "x", "scenarios/x.star", []byte(text),
			variantPool{ids: []string{"rt/a"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if faults := result.Faults; len(faults) != 1 ||
			!strings.Contains(faults[0].Error(), "scenarios/x.star:"+c.want) {
			t.Errorf("%s: got %v, want %s", name, faults, c.want)
		}
	}
}

func TestTooManyLargeBodiesAreRefused(t *testing.T) {
	limited := limits{steps: defaultLimits.steps, time: time.Minute} // the race detector is slow
	for _, large := range []string{
		`post("/echo", body = "x" * 1000000)`, `get("/", expect = answer(body = "x" * 1000000))`,
		`get("/", expect = answer(json = "x" * 1000000))`,
	} {
		text := `scenario(name = "x", about = "a", phases = [peak()], ` +
			`requests = [` + large + ` for n in range(70)])` + "\n"
		result, err := evaluateScenario(t.Context(), limited, "x", "scenarios/x.star", []byte(text),
			variantPool{ids: []string{"rt/a"}}, nil)
		if faults := result.Faults; err != nil || len(faults) != 1 || !strings.Contains(faults[0].Error(),
			"1:65: scenario: the bodies of the requests and of the answers to them are more than 64 MiB") {
			t.Errorf("%s: faults %v, error %v", large, faults, err)
		}
	}
}
