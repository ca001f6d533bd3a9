package script

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"runtimelab/lab"
)

// What a phase is where the script does not say. Peak's 64 connections
// saturate a server of one core; an open loop has room for the rate it is
// given times the latency it meets.
const (
	closedConnections = 64
	openConnections   = 128
	timeoutS          = 10.0
)

const (
	maxConnections = 60_000 // ports of loopback and open files both end soon after
	maxRateRPS     = 1_000_000
	maxTimeoutS    = 600
	maxShare       = 10
	maxRungs       = 20 // of a ladder, or steps: each is a phase of its own
)

// phase is what warmup(), peak(), ladder(), steady(), steps(), ramp() and
// capacity() make: one phase, or one for each of the values that were given.
type phase struct {
	opaqueValue
	phases []lab.Phase // their names are what tells each from others of its kind, so far
}

// share is what share() makes.
type share struct {
	opaqueValue
	share lab.PeakShare
}

const (
	measuredCalls = "peak(…), ladder(…), steady(…), steps(…), ramp(…) or capacity(…)"
	phaseCalls    = "warmup(…), " + measuredCalls
)

func (s *scenarioScript) phaseVocabulary() {
	closed := []string{"connections", "keep_alive", "timeout"}
	measured := []string{"name", "requests", "slo"}
	open := slices.Concat([]string{"connections", "arrivals", "keep_alive", "timeout", "deadline"}, measured)
	for _, f := range []function{
		{name: string(lab.WarmUp), optional: closed, make: makePhases(closedLoop(lab.WarmUp))},
		{name: string(lab.Peak), optional: slices.Concat(closed, measured), make: makePhases(closedLoop(lab.Peak))},
		{
			name: string(lab.Ladder), required: []string{"connections"},
			optional: slices.Concat(closed[1:], measured), make: makePhases(closedLoop(lab.Ladder)),
		},
		{name: string(lab.Steady), required: []string{"rate"}, optional: open, make: makePhases(makeSteady)},
		{name: string(lab.Steps), required: []string{"rates"}, optional: open, make: makePhases(makeSteps)},
		{name: string(lab.Ramp), required: []string{"start", "stop"}, optional: open, make: makePhases(makeRamp)},
		{
			name: string(lab.Capacity), required: []string{"slo", "start"}, optional: open,
			make: makePhases(makeCapacity),
		},
		{
			name: "share", positional: []string{"of"}, required: []string{"of"}, optional: []string{"own"},
			make: makeShare,
		},
		{
			name: "below", positional: []string{"metric", "limit"}, required: []string{"metric", "limit"},
			make: func(c *call) starlark.Value { return makeObjective(c, true) },
		},
		{
			name: "above", positional: []string{"metric", "limit"}, required: []string{"metric", "limit"},
			make: func(c *call) starlark.Value { return makeObjective(c, false) },
		},
	} {
		s.define(f)
	}
}

// readPhases keeps the order that a trial has: a warm-up first, then what is
// measured, each under a name of its own, by which its rows are known.
func readPhases(c *call) []lab.Phase {
	var all []lab.Phase
	var made []argument // of which element each is
	for i, element := range c.list("phases", phaseCalls) {
		p, ok := element.value.(*phase)
		if !ok {
			c.fault(element.at, "phases holds %s, want %s", describeType(element.value), phaseCalls)
			continue
		}
		// A ladder of numbers that are all mistakes is no phase at all.
		if i > 0 && len(p.phases) > 0 && p.phases[0].Kind == lab.WarmUp {
			c.fault(element.at, "phases has warmup after another phase, want it first")
		}
		for _, one := range p.phases {
			all, made = append(all, one), append(made, element)
		}
	}
	namePhases(all)
	measured := false
	for i, p := range all {
		measured = measured || p.Kind != lab.WarmUp
		if slices.ContainsFunc(all[:i], func(o lab.Phase) bool { return o.Name == p.Name }) {
			c.fault(made[i].at, "phases has %s twice; give one another name", p.Name)
		}
	}
	// A phase that an earlier fault spoilt may be the measured one.
	if len(all) > 0 && !measured && c.script.faultCount == 0 {
		c.fault(c.args["phases"].at, "phases has nothing that is measured, want "+measuredCalls)
	}
	return all
}

// namePhases names a phase by its kind, and where there are several of the kind,
// or the script says so, also by what tells it from them.
func namePhases(phases []lab.Phase) {
	kinds := map[lab.PhaseKind]int{}
	for _, p := range phases {
		kinds[p.Kind]++
	}
	for i, p := range phases {
		switch {
		case p.Name != "":
			phases[i].Name = fmt.Sprintf("%s-%s", p.Kind, p.Name)
		case kinds[p.Kind] > 1:
			phases[i].Name = fmt.Sprintf("%s-%s", p.Kind, loadLabel(p))
		default:
			phases[i].Name = string(p.Kind)
		}
	}
}

// loadLabel is the load of a phase in a word.
func loadLabel(p lab.Phase) string {
	decimal := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	switch {
	case p.PeakShare != nil:
		return decimal(100*p.PeakShare.Fraction) + "%"
	case p.Kind == lab.Ramp:
		return decimal(p.RateRPS) + "-" + decimal(p.ToRPS)
	case p.Kind.IsOpenLoop():
		return decimal(p.RateRPS)
	}
	return strconv.Itoa(p.Connections)
}

// makePhases is the value of the phases that a function makes, where each of their
// objectives can be met.
func makePhases(of func(*call) []lab.Phase) func(*call) starlark.Value {
	return func(c *call) starlark.Value {
		made := &phase{opaqueValue: "phase", phases: of(c)}
		if len(made.phases) > 0 {
			c.checkObjectives(made.phases[0])
		}
		return made
	}
}

// closedLoop makes one phase, or one for each number of connections in a list.
func closedLoop(kind lab.PhaseKind) func(*call) []lab.Phase {
	return func(c *call) (made []lab.Phase) {
		p := measuredPhase(c, kind, closedConnections)
		arg, _ := c.validArgument("connections")
		if _, several := arg.value.(starlark.Sequence); kind == lab.WarmUp || !several {
			p.Connections = c.integer("connections", closedConnections, 1, maxConnections)
			return []lab.Phase{p}
		}
		for _, n := range c.integers("connections", 1, maxConnections) {
			rung := p
			rung.Connections = n
			made = append(made, rung)
		}
		return made
	}
}

func makeSteady(c *call) []lab.Phase {
	p := openPhase(c, lab.Steady)
	if arg, ok := c.validArgument("rate"); ok {
		if found, isShare := arg.value.(*share); isShare {
			p.PeakShare = &found.share
		} else {
			p.RateRPS = c.number("rate", 0, maxRateRPS)
		}
	}
	return []lab.Phase{p}
}

func makeSteps(c *call) (made []lab.Phase) {
	p := openPhase(c, lab.Steps)
	for _, rate := range c.numbers("rates", maxRateRPS) {
		step := p
		step.RateRPS = rate
		made = append(made, step)
	}
	return made
}

func makeRamp(c *call) []lab.Phase {
	p := openPhase(c, lab.Ramp)
	p.RateRPS = c.number("start", 0, maxRateRPS)
	p.ToRPS = c.number("stop", 0, maxRateRPS)
	return []lab.Phase{p}
}

func makeCapacity(c *call) []lab.Phase {
	p := openPhase(c, lab.Capacity)
	p.RateRPS = c.number("start", 0, maxRateRPS)
	return []lab.Phase{p}
}

func makeShare(c *call) starlark.Value {
	return &share{
		opaqueValue: "share",
		share:       lab.PeakShare{Fraction: c.number("of", 0, maxShare), OfOwnPeak: c.boolean("own", false)},
	}
}

// measuredPhase is what all phases have in common.
func measuredPhase(c *call, kind lab.PhaseKind, connections int) lab.Phase {
	p := lab.Phase{
		Kind:                 kind,
		Connections:          connections,
		ConnectionPerRequest: !c.boolean("keep_alive", true),
		TimeoutS:             c.number("timeout", timeoutS, maxTimeoutS),
		Objectives:           readObjectives(c),
	}
	if c.has("requests") {
		p.Requests = readRequests(c)
	}
	if c.has("name") {
		p.Name = c.lineMatching("name", labelPattern)
	}
	return p
}

func openPhase(c *call, kind lab.PhaseKind) lab.Phase {
	p := measuredPhase(c, kind, c.integer("connections", openConnections, 1, maxConnections))
	p.Arrivals = arrivalsOf(c)
	p.DeadlineS = c.number("deadline", 0, maxTimeoutS)
	return p
}

func arrivalsOf(c *call) lab.Arrivals {
	if !c.has("arrivals") {
		return lab.Poisson
	}
	return lab.Arrivals(c.oneOf("arrivals", []string{string(lab.Poisson), string(lab.Constant)}, true))
}

// integers is an argument that is a list of whole numbers, none twice.
func (c *call) integers(name string, least, most int) (all []int) {
	for _, element := range c.boundedList(name, "whole numbers") {
		number, ok := element.value.(starlark.Int)
		if !ok {
			c.fault(element.at, "%s holds %s, want whole numbers", name, describeType(element.value))
			continue
		}
		n, fits := number.Int64()
		switch {
		case !fits || n < int64(least) || n > int64(most):
			c.fault(element.at, "%s holds %s, want %d to %d", name, number, least, most)
		case slices.Contains(all, int(n)):
			c.fault(element.at, "%s holds %d twice", name, n)
		}
		all = append(all, int(n))
	}
	return all
}

// numbers is an argument that is a list of numbers above 0 and at most most,
// none twice.
func (c *call) numbers(name string, most int) (all []float64) {
	for _, element := range c.boundedList(name, "numbers") {
		n, ok := starlark.AsFloat(element.value)
		switch {
		case !ok:
			c.fault(element.at, "%s holds %s, want numbers", name, describeType(element.value))
		case !(n > 0 && n <= float64(most)):
			c.fault(element.at, "%s holds %s, want more than 0 and at most %d", name, element.value, most)
		case slices.Contains(all, n):
			c.fault(element.at, "%s holds %s twice", name, element.value)
		}
		all = append(all, n)
	}
	return all
}

func (c *call) boundedList(name, of string) []argument {
	all := c.list(name, of)
	if len(all) > maxRungs {
		c.fault(c.args[name].at, "%s has %d elements, and each is measured on its own: at most %d", name, len(all),
			maxRungs)
		return nil
	}
	return all
}

// phaseNames are the names of what is measured.
func phaseNames(phases []lab.Phase) (names []string) {
	for _, p := range phases {
		if p.Kind != lab.WarmUp {
			names = append(names, p.Name)
		}
	}
	return names
}

// joinNames is names as a sentence has them.
func joinNames(names []string) string { return strings.Join(names, ", ") }
