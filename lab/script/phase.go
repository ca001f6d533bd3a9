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

// phase is the value of the function of a kind, such as peak(): one phase, or one for each load in
// a list.
type phase struct {
	opaqueValue
	phases []lab.Phase // their names are only the labels; namePhases completes them
}

// share is the value of share().
type share struct {
	opaqueValue
	share lab.PeakShare
}

// phaseCalls and measuredCalls list the functions of all kinds of phase, and of those with results:
// "peak(…), ladder(…) or capacity(…)".
var (
	phaseCalls    = listCalls(lab.PhaseKinds())
	measuredCalls = listCalls(slices.DeleteFunc(lab.PhaseKinds(),
		func(kind lab.PhaseTraits) bool { return kind.Discarded }))
)

func listCalls(kinds []lab.PhaseTraits) string {
	calls := make([]string, len(kinds))
	for i, kind := range kinds {
		calls[i] = string(kind.Kind) + "(…)"
	}
	last := len(calls) - 1
	return strings.Join(calls[:last], ", ") + " or " + calls[last]
}

func (s *scenarioScript) definePhaseFunctions() {
	for _, kind := range lab.PhaseKinds() {
		s.define(phaseFunction(kind))
	}
	for _, f := range []function{
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
		if i > 0 && len(p.phases) > 0 && p.phases[0].Kind.Traits().Discarded {
			c.fault(element.at, "phases has %s after another phase, want it first", p.phases[0].Kind)
		}
		for _, one := range p.phases {
			all, sources = append(all, one), append(sources, element)
		}
	}
	namePhases(all)
	measured := false
	for i, p := range all {
		measured = measured || !p.Kind.Traits().Discarded
		if slices.ContainsFunc(all[:i], func(o lab.Phase) bool { return o.Name == p.Name }) {
			c.fault(sources[i].at, "phases has %s twice; set name in one of them", p.Name)
		}
	}
	// After an earlier fault, the measured phase may be an invalid value.
	if len(all) > 0 && !measured && c.script.faultCount == 0 {
		c.fault(c.args["phases"].at, "phases has no measured phase, want %s", measuredCalls)
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
	load := p.Kind.Traits().Load
	switch {
	case p.PeakShare != nil:
		return decimal(100*p.PeakShare.Fraction) + "%"
	case load == lab.LoadConnections:
		return strconv.Itoa(p.Connections)
	case load == lab.LoadStartStop:
		return decimal(p.RateRPS) + "-" + decimal(p.ToRPS)
	}
	return decimal(p.RateRPS)
}

// phaseFunction returns the function that makes phases of a kind.
func phaseFunction(kind lab.PhaseTraits) function {
	optional := []string{"connections", "keep_alive", "timeout"}
	if kind.Pacing == lab.OpenLoop {
		optional = []string{"connections", "arrivals", "keep_alive", "timeout", "deadline"}
	}
	if !kind.Discarded {
		optional = append(optional, "name", "requests", "slo")
	}
	return function{
		name: string(kind.Kind), required: requiredLoad(kind), optional: optional,
		make: func(c *call) starlark.Value {
			made := &phase{opaqueValue: "phase", phases: readLoad(c, kind)}
			if len(made.phases) > 0 {
				c.checkObjectives(made.phases[0])
			}
			return made
		},
	}
}

// requiredLoad returns the arguments without which a phase of a kind has no load.
func requiredLoad(kind lab.PhaseTraits) []string {
	switch {
	case kind.Load == lab.LoadRate:
		return []string{"rate"}
	case kind.Load == lab.LoadRates:
		return []string{"rates"}
	case kind.Load == lab.LoadStartStop:
		return []string{"start", "stop"}
	case kind.Load == lab.LoadStart:
		return []string{"slo", "start"}
	case kind.Pacing == lab.ArrivingClients:
		return []string{"connections"}
	}
	return nil
}

// readLoad reads one phase, or one for each load in a list.
func readLoad(c *call, kind lab.PhaseTraits) []lab.Phase {
	if kind.Load == lab.LoadConnections {
		return readConnections(c, kind)
	}
	p := openPhase(c, kind.Kind)
	switch kind.Load {
	case lab.LoadRates:
		return readRates(c, p)
	case lab.LoadStartStop:
		p.RateRPS = c.number("start", 0, maxRateRPS)
		p.ToRPS = c.number("stop", 0, maxRateRPS)
	case lab.LoadStart:
		p.RateRPS = c.number("start", 0, maxRateRPS)
	default:
		p.RateRPS, p.PeakShare = readRate(c)
	}
	return []lab.Phase{p}
}

// readConnections reads one phase, or one for each number of connections in a list. A scenario has
// only one discarded phase.
func readConnections(c *call, kind lab.PhaseTraits) (made []lab.Phase) {
	p := measuredPhase(c, kind.Kind, defaultClosedConnections)
	arg, _ := c.validArgument("connections")
	if _, several := arg.value.(starlark.Sequence); kind.Discarded || !several {
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

// readRates returns a phase like p for each rate.
func readRates(c *call, p lab.Phase) (made []lab.Phase) {
	for _, rate := range c.numberList("rates", maxRateRPS) {
		step := p
		step.RateRPS = rate
		made = append(made, step)
	}
	return made
}

// readRate reads a rate that is a number or a share of a peak.
func readRate(c *call) (rps float64, of *lab.PeakShare) {
	arg, ok := c.validArgument("rate")
	if !ok {
		return 0, nil
	}
	if found, isShare := arg.value.(*share); isShare {
		return 0, &found.share
	}
	return c.number("rate", 0, maxRateRPS), nil
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
		if !p.Kind.Traits().Discarded {
			names = append(names, p.Name)
		}
	}
	return names
}

// joinNames returns names separated by commas, for messages.
func joinNames(names []string) string { return strings.Join(names, ", ") }
