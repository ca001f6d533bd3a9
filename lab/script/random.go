package script

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"go.starlark.net/starlark"

	"runtimelab/lab/message"
)

// maxRank limits the table of weights of zipf.
const maxRank = 1_000_000

// scriptRandom is the generator that pool() passes to a script's function. Its seed
// is the scenario's name, so that the same file always gives the same load. It uses
// only the specified output of ChaCha8, because other algorithms of math/rand may
// change between versions of Go.
type scriptRandom struct {
	opaqueValue
	script   *script
	source   *rand.ChaCha8
	zipfSums map[zipfKey]cumulativeWeights // computed once for each key
}

func newRandom(s *script, name string) *scriptRandom {
	return &scriptRandom{
		opaqueValue: "random",
		script:      s,
		source:      rand.NewChaCha8(sha256.Sum256([]byte("pool of " + name))),
		zipfSums:    map[zipfKey]cumulativeWeights{},
	}
}

// fraction draws a number uniformly from [0, 1), with 53 bits.
func (r *scriptRandom) fraction() float64 { return float64(r.source.Uint64()>>11) / (1 << 53) }

// intBelow draws a whole number uniformly from [0, n), with a bias of less than n / 2^53.
func (r *scriptRandom) intBelow(n int) int { return min(int(r.fraction()*float64(n)), n-1) }

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

// Attr returns a method by its name.
func (r *scriptRandom) Attr(name string) (starlark.Value, error) {
	for _, m := range r.methods() {
		if m.name == name {
			return r.script.builtin(m), nil
		}
	}
	// The interpreter adds a suggestion.
	return nil, starlark.NoSuchAttrError(fmt.Sprintf("random has no %s", name))
}

// AttrNames returns the names of the methods.
func (r *scriptRandom) AttrNames() []string {
	var names []string
	for _, m := range r.methods() {
		names = append(names, m.name)
	}
	return names
}

var _ starlark.HasAttrs = (*scriptRandom)(nil)

// maxUniform is the largest magnitude of uniform's bounds. JSON holds such numbers
// exactly, and the 53 bits of fraction cover their range.
const maxUniform = 1 << 52

// uniform draws a whole number from low to high, both included.
func (r *scriptRandom) uniform(c *call) starlark.Value {
	low, high := c.integer("low", 0, -maxUniform, maxUniform), c.integer("high", 0, -maxUniform, maxUniform)
	if arg, ok := c.validArgument("high"); ok && high < low {
		c.fault(arg.at, "high is %d, less than low, %d", high, low)
		return starlark.None
	}
	return starlark.MakeInt(low + r.intBelow(high-low+1))
}

// choice draws one value of a list, with probabilities in proportion to the
// weights, or uniformly if there are none.
func (r *scriptRandom) choice(c *call) starlark.Value {
	values := c.list("of", "values")
	weights := c.readWeights(len(values))
	if len(values) == 0 {
		return starlark.None
	}
	if weights == nil {
		return values[r.intBelow(len(values))].value
	}
	return values[r.drawIndex(weights)].value
}

// cumulativeWeights holds at index i the sum of the weights 0 to i.
type cumulativeWeights []float64

// drawIndex draws an index with a probability in proportion to its weight.
func (r *scriptRandom) drawIndex(sums cumulativeWeights) int {
	at := r.fraction() * sums[len(sums)-1]
	i, found := slices.BinarySearch(sums, at)
	if found {
		i++
	}
	return min(i, len(sums)-1)
}

// readWeights reads the argument "weights" for n values. It returns nil if the
// argument is missing or invalid.
func (c *call) readWeights(n int) cumulativeWeights {
	if !c.has("weights") {
		return nil
	}
	arg := c.args["weights"]
	given := c.list("weights", "numbers")
	if len(given) > 0 && len(given) != n {
		c.fault(arg.at, "%s for %s", message.Count(len(given), "weight", "weights"),
			message.Count(n, "value", "values"))
		return nil
	}
	sum := 0.0
	var sums cumulativeWeights
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

// zipf draws a rank from 1 to n, where rank k has the weight k^-skew (Zipf, "Human
// Behavior and the Principle of Least Effort", 1949).
func (r *scriptRandom) zipf(c *call) starlark.Value {
	key := zipfKey{n: c.integer("n", 1, 1, maxRank), skew: c.number("skew", 1, 100)}
	sums, known := r.zipfSums[key]
	if !known {
		sum := 0.0
		for k := 1; k <= key.n; k++ {
			sum += math.Pow(float64(k), -key.skew)
			sums = append(sums, sum)
		}
		r.zipfSums[key] = sums
	}
	return starlark.MakeInt(r.drawIndex(sums) + 1)
}

// makePool calls a function of the script count times, with a generator of random
// numbers, and returns the list of its requests.
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
			return starlark.None // the cause is reported already
		default:
			c.fault(arg.at, "make returned %s, want get(…) or post(…)", describeType(made))
			return starlark.None
		}
	}
	return starlark.NewList(all)
}
