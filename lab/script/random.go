package script

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"go.starlark.net/starlark"
)

// maxRank bounds zipf's table of weights.
const maxRank = 1_000_000

// scriptRandom is the generator that pool() hands to a script's function. It is seeded
// by the scenario's name, so that the same file is the same load. What it draws
// is computed here from ChaCha8, whose output is specified: the algorithms of
// math/rand may change with Go.
type scriptRandom struct {
	opaqueValue
	script *script
	source *rand.ChaCha8
	zipfs  map[zipfKey]zipf // made once for each
}

func newRandom(s *script, name string) *scriptRandom {
	return &scriptRandom{
		opaqueValue: "random", script: s, source: rand.NewChaCha8(sha256.Sum256([]byte("pool of " +
			name))), zipfs: map[zipfKey]zipf{},
	}
}

// fraction is uniform in [0, 1), with 53 bits.
func (r *scriptRandom) fraction() float64 { return float64(r.source.Uint64()>>11) / (1 << 53) }

// below is uniform in [0, n) but for a bias of less than n / 2^53.
func (r *scriptRandom) below(n int) int { return min(int(r.fraction()*float64(n)), n-1) }

func (r *scriptRandom) methods() []function {
	return []function{
		{name: "uniform", positional: []string{"low", "high"}, required: []string{"low", "high"}, make: r.uniform},
		{
			name: "zipf", positional: []string{"n"}, required: []string{"n"}, optional: []string{"skew"},
			make: r.zipf,
		},
		{
			name: "choice", positional: []string{"of"}, required: []string{"of"}, optional: []string{"weights"},
			make: r.choice,
		},
	}
}

// Attr is a method by its name.
func (r *scriptRandom) Attr(name string) (starlark.Value, error) {
	for _, m := range r.methods() {
		if m.name == name {
			return r.script.builtin(m), nil
		}
	}
	// the interpreter says which is near
	return nil, starlark.NoSuchAttrError(fmt.Sprintf("random has no %s", name))
}

// AttrNames are the names of the methods.
func (r *scriptRandom) AttrNames() []string {
	var names []string
	for _, m := range r.methods() {
		names = append(names, m.name)
	}
	return names
}

var _ starlark.HasAttrs = (*scriptRandom)(nil)

// maxUniform bounds uniform's numbers to those that JSON carries exactly, and their
// difference to what fraction tells apart.
const maxUniform = 1 << 52

// uniform is a whole number from low to high, both included.
func (r *scriptRandom) uniform(c *call) starlark.Value {
	low, high := c.integer("low", 0, -maxUniform, maxUniform), c.integer("high", 0, -maxUniform, maxUniform)
	if arg, ok := c.validArgument("high"); ok && high < low {
		c.fault(arg.at, "high is %d, less than low, %d", high, low)
		return starlark.None
	}
	return starlark.MakeInt(low + r.below(high-low+1))
}

// choice is one of a list, each as likely as its weight says, all alike where
// there are none.
func (r *scriptRandom) choice(c *call) starlark.Value {
	of := c.list("of", "values")
	weights := c.weights(len(of))
	if len(of) == 0 {
		return starlark.None
	}
	if weights == nil {
		return of[r.below(len(of))].value
	}
	return of[r.drawIndex(weights)].value
}

// drawIndex draws an index from sums of weights, which ascend.
func (r *scriptRandom) drawIndex(sums []float64) int {
	at := r.fraction() * sums[len(sums)-1]
	i, found := slices.BinarySearch(sums, at)
	if found {
		i++
	}
	return min(i, len(sums)-1)
}

// weights are the sums of an argument's weights so far, nil where there are none
// or they make no sense.
func (c *call) weights(n int) []float64 {
	if !c.has("weights") {
		return nil
	}
	arg := c.args["weights"]
	given := c.list("weights", "numbers")
	if len(given) > 0 && len(given) != n {
		c.fault(arg.at, "%d weights for %d values", len(given), n)
		return nil
	}
	sum := 0.0
	var sums []float64
	for _, w := range given {
		x, ok := starlark.AsFloat(w.value)
		if !ok || x < 0 || math.IsNaN(x) || math.IsInf(x, 0) {
			c.fault(w.at, "weights holds %s, want numbers of 0 or more", w.value)
			return nil
		}
		sum += x
		sums = append(sums, sum)
	}
	if len(sums) > 0 && sum == 0 {
		c.fault(arg.at, "all weights are 0")
		return nil
	}
	return sums
}

type zipfKey struct {
	n    int
	skew float64
}

// zipf is the sums of the weights of ranks 1 to n: rank k weighs k^-skew (Zipf,
// "Human Behavior and the Principle of Least Effort", 1949).
type zipf []float64

// zipf is a rank from 1 to n; low ones come more often, the more so the larger
// skew is.
func (r *scriptRandom) zipf(c *call) starlark.Value {
	of := zipfKey{n: c.integer("n", 1, 1, maxRank), skew: c.number("skew", 1, 100)}
	sums, made := r.zipfs[of]
	if !made {
		sum := 0.0
		for k := 1; k <= of.n; k++ {
			sum += math.Pow(float64(k), -of.skew)
			sums = append(sums, sum)
		}
		r.zipfs[of] = sums
	}
	return starlark.MakeInt(r.drawIndex(sums) + 1)
}

// makePool has a function of the script make so many requests with random
// numbers.
func (s *scenarioScript) makePool(c *call) starlark.Value {
	count := c.integer("count", 1, 1, maxElements)
	arg, ok := c.validArgument("make")
	if !ok {
		return starlark.None
	}
	function, ok := arg.value.(starlark.Callable)
	if !ok {
		c.wrongType(arg, "make", "a function that takes a random and returns get(…) or post(…)")
		return starlark.None
	}
	r := newRandom(s.script, s.file)
	var all []starlark.Value
	for range count {
		made, err := starlark.Call(c.thread, function, starlark.Tuple{r}, nil)
		if err != nil {
			c.err = err
			return starlark.None
		}
		switch made.(type) {
		case *request:
			all = append(all, made)
		case invalidValue:
			return starlark.None // the cause has been told
		default:
			c.fault(arg.at, "make returned %s, want get(…) or post(…)", describeType(made))
			return starlark.None
		}
	}
	return starlark.NewList(all)
}
