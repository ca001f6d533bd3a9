package script

import (
	"math"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// limit is the value of at_most() and at_least().
type limit struct {
	opaqueValue
	limit lab.Limit
	at    syntax.Position
}

// promise is the value of promise(). Its arm and phases are checked by scenario(), which
// knows which of them exist.
type promise struct {
	opaqueValue
	promise   lab.Promise
	at        syntax.Position
	profileAt syntax.Position
	arm       *armValue
	phases    []argument // the names as given; empty: that of the arm, or the only one
	limits    []*limit
	highest   *promise // whose highest phase it is asked in; nil: in all phases
}

func (s *scenarioScript) definePromiseFunctions() {
	s.define(function{
		name: "promise", required: []string{"claim", "arm"},
		optional: []string{"limits", "phases", "broken", "highest_kept_by", "profile"},
		make:     s.makePromise,
	})
	for _, name := range []string{"at_most", "at_least"} {
		s.define(function{
			name: name, positional: []string{"metric", "limit"}, required: []string{"metric", "limit"},
			make: makeLimit,
		})
	}
}

func makeLimit(c *call) starlark.Value {
	made := &limit{
		opaqueValue: "limit", at: c.at,
		limit: lab.Limit{Metric: c.metric(), AtLeast: c.function.name == "at_least"},
	}
	made.limit.Value = c.limit()
	m, known := metric.Find(made.limit.Metric)
	wanted := "at_most"
	if m.Better == metric.Higher {
		wanted = "at_least"
	}
	switch {
	case !known || m.Better == metric.Neither:
	case c.function.name != wanted:
		c.fault(c.at, "%s is better the %s it is, so a promise is %s of it", m.Name, m.Better, wanted)
	case m.Unit == "ratio" && made.limit.Value > 1:
		c.fault(c.args["limit"].at, "limit is %v, but %s is a share from 0 to 1; 1 %% is 0.01", made.limit.Value,
			m.Name)
	}
	return made
}

// limit reads the argument "limit": a number of 0 or more.
func (c *call) limit() float64 {
	arg, ok := c.validArgument("limit")
	if !ok {
		return 0
	}
	value, isNumber := starlark.AsFloat(arg.value)
	switch {
	case !isNumber:
		c.wrongType(arg, "limit", "a number")
	case math.IsNaN(value) || value < 0:
		c.fault(arg.at, "limit is %s, want 0 or more", arg.value)
	}
	return value
}

func (s *scenarioScript) makePromise(c *call) starlark.Value {
	made := &promise{
		opaqueValue: "promise",
		promise:     lab.Promise{Claim: s.readClaim(c), Broken: c.boolean("broken", false)},
		at:          c.at,
		arm:         c.arm("arm"),
	}
	if made.arm.over != nil {
		c.fault(made.arm.overAt, "the arm of a promise is no ratio; leave out over")
	}
	if c.has("profile") {
		made.promise.Profile, made.profileAt = c.oneOf("profile", lab.ProfileNames(), true), c.args["profile"].at
	}
	if c.has("phases") {
		made.phases = c.list("phases", "names of phases")
	}
	if c.has("highest_kept_by") {
		made.highest = c.highestKeptBy()
		for _, name := range []string{"limits", "phases"} {
			if c.has(name) {
				c.fault(c.args[name].at, "%s are those of the promise in highest_kept_by; leave them out", name)
			}
		}
		return made
	}
	c.require("limits")
	if c.has("limits") {
		made.limits = c.limits()
	}
	return made
}

// highestKeptBy reads the argument "highest_kept_by": a promise of another variant. It never
// returns nil.
func (c *call) highestKeptBy() *promise {
	arg, ok := c.validArgument("highest_kept_by")
	if !ok {
		return &promise{}
	}
	other, ok := arg.value.(*promise)
	switch {
	case !ok:
		c.wrongType(arg, "highest_kept_by", "a promise(…) of another variant")
		return &promise{}
	case other.highest != nil || other.promise.Broken:
		c.fault(arg.at, "highest_kept_by is a promise with highest_kept_by or broken, want one without")
	}
	return other
}

// limits reads the argument "limits". A promise that limits no failures gets the limit up to
// which its metrics tolerate them: without it, a server could keep a promise by failing.
func (c *call) limits() (all []*limit) {
	tolerated := math.Inf(1)
	for _, element := range c.list("limits", "at_most(…) and at_least(…)") {
		made, ok := element.value.(*limit)
		if !ok {
			c.fault(element.at, "limits holds %s, want at_most(…) or at_least(…)", describeType(element.value))
			continue
		}
		if slices.ContainsFunc(all, func(l *limit) bool { return l.limit.Metric == made.limit.Metric }) {
			c.fault(element.at, "limits holds %s twice", made.limit.Metric)
			continue
		}
		all = append(all, made)
		m, _ := metric.Find(made.limit.Metric)
		tolerated = min(tolerated, m.Tolerates())
	}
	if !slices.ContainsFunc(all, func(l *limit) bool { return l.limit.Metric == "error_ratio" }) {
		all = append(all,
			&limit{limit: lab.Limit{Metric: "error_ratio", Value: tolerated}, at: c.args["limits"].at})
	}
	return all
}

// readPromises returns the promises with their arms and phases resolved. The variants, phases
// and cores of the scenario must be known.
func (s *scenarioScript) readPromises(c *call) (all []lab.Promise) {
	if !c.has("promises") {
		return nil
	}
	for _, element := range c.list("promises", "promise(…)") {
		made, ok := element.value.(*promise)
		if !ok {
			c.fault(element.at, "promises holds %s, want promise(…)", describeType(element.value))
			continue
		}
		all = append(all, s.resolvePromise(c, made))
	}
	return all
}

// resolvePromise returns a promise with the defaults of its scenario. After any fault it
// does nothing: the promise may name what that fault kept from being made.
func (s *scenarioScript) resolvePromise(c *call, made *promise) lab.Promise {
	if s.faultCount > 0 {
		return lab.Promise{}
	}
	p := made.promise
	p.Scenario, p.Profile = s.scenario.Name, s.resolveProfile(c, p.Profile, made.profileAt)
	p.Variant, p.Cores = s.resolveVariant(c, made.arm), s.resolveCPUs(c, made.arm)
	asked := made
	if made.highest != nil {
		asked = made.highest
		p.HighestKeptBy = s.resolveVariant(c, asked.arm)
		if cores := s.resolveCPUs(c, asked.arm); s.faultCount == 0 && cores != p.Cores {
			c.fault(made.at, "the promise is of %d CPUs and that in highest_kept_by of %d, want as many", p.Cores,
				cores)
		}
		if p.HighestKeptBy == p.Variant {
			c.fault(made.at, "the promise and that in highest_kept_by are both of %s", p.Variant)
		}
	}
	phases := s.promisePhases(c, asked)
	for _, phase := range phases {
		p.Phases = append(p.Phases, phase.Name)
	}
	for _, l := range asked.limits {
		p.Limits = append(p.Limits, l.limit)
		for _, phase := range phases {
			if reason := noValueReason(phase, l.limit.Metric); reason != "" {
				c.fault(l.at, "%s has no value in %s, %s", l.limit.Metric, phase.Name, reason)
			}
		}
	}
	return p
}

// promisePhases returns the phases in which a promise is asked.
func (s *scenarioScript) promisePhases(c *call, p *promise) (phases []lab.Phase) {
	names := phaseNames(s.scenario.Phases)
	given := p.phases
	switch {
	case len(given) > 0 && p.arm.phase != "":
		c.fault(p.arm.phaseAt, "phase is given, and phases of the promise; leave one out")
	case p.arm.phase != "":
		given = []argument{{value: starlark.String(p.arm.phase), at: p.arm.phaseAt}}
	case len(given) == 0 && len(names) == 1:
		given = []argument{{value: starlark.String(names[0]), at: p.at}}
	case len(given) == 0:
		c.fault(p.at, "the promise does not name its phases; set phases to some of %s", joinNames(names))
	}
	for _, element := range given {
		text, ok := element.value.(starlark.String)
		i := slices.IndexFunc(s.scenario.Phases,
			func(ph lab.Phase) bool { return !ph.Kind.Traits().Discarded && ph.Name == string(text) })
		switch {
		case !ok:
			c.fault(element.at, "phases holds %s, want names of phases", describeType(element.value))
			continue
		case i < 0:
			c.fault(element.at, "unknown phase %q; %s", string(text), message.Suggest(string(text), names))
			continue
		}
		phase := s.scenario.Phases[i]
		if n := len(phases); n > 0 {
			if why := notHigher(phases[n-1], phase); why != "" {
				c.fault(element.at, "phases holds %s after %s, %s; write the lowest load first", phase.Name,
					phases[n-1].Name, why)
			}
		}
		phases = append(phases, phase)
	}
	return phases
}

// notHigher returns why the load of b is not known to be higher than that of a, or "".
func notHigher(a, b lab.Phase) string {
	load := func(p lab.Phase) float64 {
		switch {
		case p.PeakShare != nil:
			return p.PeakShare.Fraction
		case p.Kind.IsOpenLoop():
			return p.RateRPS
		}
		return float64(p.Connections)
	}
	own := func(p lab.Phase) bool { return p.PeakShare != nil && p.PeakShare.OfOwnPeak }
	switch {
	case a.Kind.IsOpenLoop() != b.Kind.IsOpenLoop() || (a.PeakShare == nil) != (b.PeakShare == nil) ||
		own(a) != own(b):
		return "whose load is given in another way"
	case load(b) <= load(a):
		return "whose load is not lower"
	}
	return ""
}
