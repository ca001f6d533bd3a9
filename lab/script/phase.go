package script

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"runtimelab/lab"
)

// The defaults of a phase. 64 connections saturate a server on one CPU; an open
// loop needs as many as the rate times the latency.
const (
	defaultClosedConnections = 64
	defaultOpenConnections   = 128
	defaultTimeoutS          = 10.0
)

const (
	maxConnections = 60_000 // loopback ports and open files end soon after
	maxRateRPS     = 1_000_000
	maxTimeoutS    = 600
	maxShare       = 10
	maxRungs       = 20 // elements of a list of loads: each is a phase
)

// phase is the value of warmup(), peak(), ladder(), steady(), steps(), ramp() and
// capacity(): one phase, or one for each load in a list.
type phase struct {
	opaqueValue
	phases []lab.Phase // their names are only the labels; namePhases completes them
}

// share is the value of share().
type share struct {
	opaqueValue
	share lab.PeakShare
}

const (
	measuredCalls = "peak(…), ladder(…), steady(…), steps(…), ramp(…) or capacity(…)"
	phaseCalls    = "warmup(…), " + measuredCalls
)

func (s *scenarioScript) definePhaseFunctions() {
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

// readPhases returns the phases in order, with unique names. A warm-up must come
// first, and at least one phase must be measured.
func readPhases(c *call) []lab.Phase {
	var all []lab.Phase
	var sources []argument // the element that each phase comes from
	for i, element := range c.list("phases", phaseCalls) {
		p, ok := element.value.(*phase)
		if !ok {
			c.fault(element.at, "phases holds %s, want %s", describeType(element.value), phaseCalls)
			continue
		}
		// A ladder has no phases if all its numbers are mistakes.
		if i > 0 && len(p.phases) > 0 && p.phases[0].Kind == lab.WarmUp {
			c.fault(element.at, "phases has warmup after another phase, want it first")
		}
		for _, one := range p.phases {
			all, sources = append(all, one), append(sources, element)
		}
	}
	namePhases(all)
	measured := false
	for i, p := range all {
		measured = measured || p.Kind != lab.WarmUp
		if slices.ContainsFunc(all[:i], func(o lab.Phase) bool { return o.Name == p.Name }) {
			c.fault(sources[i].at, "phases has %s twice; set name in one of them", p.Name)
		}
	}
	// After an earlier fault, the measured phase may be an invalid value.
	if len(all) > 0 && !measured && c.script.faultCount == 0 {
		c.fault(c.args["phases"].at, "phases has no measured phase, want "+measuredCalls)
	}
	return all
}

// namePhases names each phase by its kind, and appends the label that the script
// gives, or the load if there are several phases of the kind.
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

// loadLabel returns the load of a phase in one word: its share, rate or connections.
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

// makePhases returns a function's make: it reads phases and checks their objectives.
func makePhases(read func(*call) []lab.Phase) func(*call) starlark.Value {
	return func(c *call) starlark.Value {
		made := &phase{opaqueValue: "phase", phases: read(c)}
		if len(made.phases) > 0 {
			c.checkObjectives(made.phases[0])
		}
		return made
	}
}

// closedLoop returns a function that reads one phase, or one for each number of
// connections in a list.
func closedLoop(kind lab.PhaseKind) func(*call) []lab.Phase {
	return func(c *call) (made []lab.Phase) {
		p := measuredPhase(c, kind, defaultClosedConnections)
		arg, _ := c.validArgument("connections")
		if _, several := arg.value.(starlark.Sequence); kind == lab.WarmUp || !several {
			p.Connections = c.integer("connections", defaultClosedConnections, 1, maxConnections)
			return []lab.Phase{p}
		}
		for _, n := range c.integerList("connections", 1, maxConnections) {
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
	for _, rate := range c.numberList("rates", maxRateRPS) {
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

// measuredPhase reads the arguments that all phases have in common.
func measuredPhase(c *call, kind lab.PhaseKind, connections int) lab.Phase {
	p := lab.Phase{
		Kind:                 kind,
		Connections:          connections,
		ConnectionPerRequest: !c.boolean("keep_alive", true),
		TimeoutS:             c.number("timeout", defaultTimeoutS, maxTimeoutS),
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
	p := measuredPhase(c, kind, c.integer("connections", defaultOpenConnections, 1, maxConnections))
	p.Arrivals = readArrivals(c)
	p.DeadlineS = c.number("deadline", 0, maxTimeoutS)
	return p
}

func readArrivals(c *call) lab.Arrivals {
	if !c.has("arrivals") {
		return lab.Poisson
	}
	return lab.Arrivals(c.oneOf("arrivals", []string{string(lab.Poisson), string(lab.Constant)}, true))
}

// phaseNames returns the names of the measured phases.
func phaseNames(phases []lab.Phase) (names []string) {
	for _, p := range phases {
		if p.Kind != lab.WarmUp {
			names = append(names, p.Name)
		}
	}
	return names
}

// joinNames returns names separated by commas, for messages.
func joinNames(names []string) string { return strings.Join(names, ", ") }
