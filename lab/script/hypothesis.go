package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// labelPattern matches the labels of phases: "5000", "50%", "two".
var labelPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9%.-]*$`)

// defaultMargin is the smallest ratio that matters in practice, unless the script
// gives another: 5 %.
const defaultMargin = 0.05

// objective is the value of below() and above().
type objective struct {
	opaqueValue
	objective lab.Objective
}

// armValue is the value of arm(), or of a variant's name in its place.
type armValue struct {
	opaqueValue
	variant string
	phase   string    // empty for the hypothesis's phase
	cores   int       // 0 for the scenario's only number of CPUs
	over    *armValue // nil if the arm is not a ratio
	at      syntax.Position
	phaseAt syntax.Position
	coresAt syntax.Position
	overAt  syntax.Position
}

// hypothesis is the value of hypothesis(). Its phases and arms are checked by
// scenario(), which knows which of them exist.
type hypothesis struct {
	opaqueValue
	hypothesis             lab.Hypothesis
	at                     syntax.Position
	metricAt               syntax.Position
	phase                  string
	phaseAt                syntax.Position
	profileAt              syntax.Position
	numerator, denominator *armValue
}

func (s *scenarioScript) defineHypothesisFunctions() {
	s.define(function{
		name:     "hypothesis",
		required: []string{"claim", "metric", "numerator", "denominator"},
		optional: []string{"phase", "direction", "margin", "profile"},
		make:     s.makeHypothesis,
	})
	s.define(function{
		name: "arm", positional: []string{"variant"}, required: []string{"variant"},
		optional: []string{"phase", "cores", "over"},
		make:     makeArm,
	})
}

func makeArm(c *call) starlark.Value {
	made := &armValue{
		opaqueValue: "arm",
		variant:     c.stringLine("variant"),
		phase:       c.stringLine("phase"),
		cores:       c.integer("cores", 0, 1, maxCores),
		at:          c.at,
		phaseAt:     c.args["phase"].at,
		coresAt:     c.args["cores"].at,
		overAt:      c.args["over"].at,
	}
	if c.has("over") {
		made.over = c.arm("over")
		if made.over.over != nil {
			c.fault(made.overAt, "over is itself a ratio, want an arm without over")
		}
	}
	return made
}

func makeObjective(c *call, below bool) starlark.Value {
	return &objective{
		opaqueValue: "objective",
		objective:   lab.Objective{Metric: c.metric(), Below: below, Limit: c.limit()},
	}
}

func readObjectives(c *call) (all []lab.Objective) {
	if !c.has("slo") {
		return nil
	}
	for _, element := range c.list("slo", "below(…) and above(…)") {
		made, ok := element.value.(*objective)
		if !ok {
			c.fault(element.at, "slo holds %s, want below(…) or above(…)", describeType(element.value))
			continue
		}
		all = append(all, made.objective)
	}
	return all
}

// checkObjectives reports objectives whose metric has no value in phase p, because
// no variant could meet them.
func (c *call) checkObjectives(p lab.Phase) {
	if !c.has("slo") {
		return
	}
	for _, element := range c.list("slo", "below(…) and above(…)") {
		made, ok := element.value.(*objective)
		if !ok {
			continue // readObjectives has reported it
		}
		place := string(p.Kind)
		if step := p.Kind.Traits().StepKind; step != "" { // each rate is judged on its own
			p.Kind, place = step, fmt.Sprintf("a single rate of %s(…)", p.Kind)
		}
		if reason := noValueReason(p, made.objective.Metric); reason != "" {
			c.fault(element.at, "%s has no value in %s, %s", made.objective.Metric, place, reason)
		}
	}
}

// noValueReason returns why phase p has no value of a metric, and which metric to
// use instead. It returns "" if p has a value.
func noValueReason(p lab.Phase, name string) string {
	m, known := metric.Find(name)
	if !known {
		return ""
	}
	switch {
	case (m.Rows == metric.OpenLoopRows || m.Rows == metric.ManyRequestRows) && !p.Kind.IsOpenLoop():
		reason := "which has no schedule"
		if raw := strings.Replace(name, "latency_", "latency_raw_", 1); hasMetric(raw) {
			reason += "; use " + raw
		}
		return reason
	case m.Rows == metric.DeadlineRows && p.DeadlineS == 0:
		return "which has no deadline; use throughput_rps, or set deadline"
	case m.Rows == metric.CapacityRows && !p.Kind.Traits().FindsCapacity():
		return "which is not a capacity search"
	case p.Overloads() && (strings.HasPrefix(name, "latency_") || strings.HasPrefix(name, "first_byte_")):
		return "which is an overload: latency grows with its duration; use goodput_rps with a deadline"
	}
	return ""
}

func hasMetric(name string) bool {
	_, known := metric.Find(name)
	return known
}

// metric reads the argument "metric": a column of numbers that has a better direction.
func (c *call) metric() string {
	var names []string
	for _, m := range metric.Table() {
		if m.Kind != metric.String && m.Better != metric.Neither {
			names = append(names, m.Name)
		}
	}
	return c.oneOf("metric", names, true)
}

func (s *scenarioScript) makeHypothesis(c *call) starlark.Value {
	made := &hypothesis{
		opaqueValue: "hypothesis",
		hypothesis: lab.Hypothesis{
			Claim:     s.readClaim(c),
			Metric:    c.metric(),
			Direction: lab.Higher,
			Margin:    c.number("margin", defaultMargin, 1),
		},
		at:          c.at,
		metricAt:    c.args["metric"].at,
		numerator:   c.arm("numerator"),
		denominator: c.arm("denominator"),
	}
	if c.has("direction") {
		made.hypothesis.Direction = lab.Direction(c.oneOf("direction", directions(), true))
	}
	if c.has("profile") {
		made.hypothesis.Profile, made.profileAt = c.oneOf("profile", lab.ProfileNames(), true), c.args["profile"].at
	}
	if c.has("phase") {
		made.phase, made.phaseAt = c.stringLine("phase"), c.args["phase"].at
	}
	return made
}

// directions returns lab.Directions as strings.
func directions() (words []string) {
	for _, d := range lab.Directions() {
		words = append(words, string(d))
	}
	return words
}

// arm reads an argument that is a variant's name or arm(). It never returns nil.
func (c *call) arm(name string) *armValue {
	arg, ok := c.validArgument(name)
	if !ok {
		return &armValue{}
	}
	switch v := arg.value.(type) {
	case *armValue:
		return v
	case starlark.String:
		return &armValue{variant: string(v), at: arg.at}
	}
	c.wrongType(arg, name, `a variant such as "node/single", or arm(…)`)
	return &armValue{}
}

// readHypotheses returns the hypotheses with their arms resolved. The variants,
// phases and cores of the scenario must be known.
func (s *scenarioScript) readHypotheses(c *call) (all []lab.Hypothesis) {
	if !c.has("hypotheses") {
		return nil
	}
	for _, element := range c.list("hypotheses", "hypothesis(…)") {
		made, ok := element.value.(*hypothesis)
		if !ok {
			c.fault(element.at, "hypotheses holds %s, want hypothesis(…)", describeType(element.value))
			continue
		}
		all = append(all, s.resolveHypothesis(c, made))
	}
	return all
}

// resolveHypothesis returns a hypothesis with the defaults of its scenario.
func (s *scenarioScript) resolveHypothesis(c *call, made *hypothesis) lab.Hypothesis {
	h := made.hypothesis
	h.Scenario, h.Profile = s.scenario.Name, s.resolveProfile(c, made.hypothesis.Profile, made.profileAt)
	h.Numerator, h.Denominator = s.resolveArm(c, made, made.numerator), s.resolveArm(c, made, made.denominator)
	switch {
	case s.faultCount > 0:
	case h.Numerator.Equal(h.Denominator):
		c.fault(made.at, "the hypothesis compares %s with itself", h.Numerator)
	case (h.Numerator.Over == nil) != (h.Denominator.Over == nil):
		c.fault(made.at, "one arm of the hypothesis is a ratio and the other is not; "+
			"give over to both arms or to neither")
	}
	return h
}

// resolveProfile returns the shortest profile that tests a hypothesis or a promise: the
// given one, which must also run the scenario, or the scenario's.
func (s *scenarioScript) resolveProfile(c *call, profile string, at syntax.Position) string {
	profiles := lab.ProfileNames()
	if profile == "" {
		return s.scenario.Profile
	}
	if slices.Index(profiles, profile) < slices.Index(profiles, s.scenario.Profile) {
		c.fault(at, "profile %q does not run this scenario, whose shortest profile is %q",
			profile, s.scenario.Profile)
	}
	return profile
}

// resolveArm returns an arm with the defaults of its hypothesis and scenario. After
// any fault it does nothing: the arm may name what that fault kept from being made.
func (s *scenarioScript) resolveArm(c *call, h *hypothesis, a *armValue) lab.Arm {
	if s.faultCount > 0 {
		return lab.Arm{}
	}
	made := lab.Arm{Variant: s.resolveVariant(c, a), Phase: s.resolvePhase(c, h, a), Cores: s.resolveCPUs(c, a)}
	if a.over == nil {
		return made
	}
	over := s.resolveArm(c, h, a.over)
	if s.faultCount == 0 && over.Equal(made) {
		c.fault(a.overAt, "the arm divides %s by itself", made)
	}
	made.Over = &over
	return made
}

func (s *scenarioScript) resolveVariant(c *call, a *armValue) string {
	i := slices.IndexFunc(s.scenario.LeftOut,
		func(v lab.LeftOutVariant) bool { return v.Variant == a.variant })
	switch {
	case slices.Contains(s.scenario.Variants, a.variant):
	case i >= 0:
		c.fault(a.at, "the scenario leaves out %s", s.scenario.LeftOut[i])
	case slices.Contains(s.variants.ids, a.variant) || s.variants.isTwin(a.variant):
		c.fault(a.at, "variant %q is not in this scenario; add it to variants", a.variant)
	case !s.variants.mayMatchBroken(a.variant):
		c.fault(a.at, "unknown variant %q of this scenario; %s", a.variant,
			message.Suggest(a.variant, s.scenario.Variants))
	}
	return a.variant
}

// resolvePhase returns the phase of an arm: its own, the hypothesis's, or the only
// one. The phase must have a value of the hypothesis's metric.
func (s *scenarioScript) resolvePhase(c *call, h *hypothesis, a *armValue) string {
	phases := phaseNames(s.scenario.Phases)
	name, at := a.phase, a.phaseAt
	if name == "" {
		name, at = h.phase, h.phaseAt
	}
	if name == "" && len(phases) == 1 {
		name = phases[0]
	}
	i := slices.IndexFunc(s.scenario.Phases,
		func(p lab.Phase) bool { return !p.Kind.Traits().Discarded && p.Name == name })
	switch {
	case name == "":
		c.fault(h.at, "the hypothesis does not name its phase; set phase to one of %s", joinNames(phases))
	case i < 0:
		c.fault(at, "unknown phase %q; %s", name, message.Suggest(name, phases))
	default:
		if reason := noValueReason(s.scenario.Phases[i], h.hypothesis.Metric); reason != "" {
			c.fault(h.metricAt, "%s has no value in %s, %s", h.hypothesis.Metric, name, reason)
		}
	}
	return name
}

// resolveCPUs returns the number of CPUs of an arm, which must give it if the
// scenario has several.
func (s *scenarioScript) resolveCPUs(c *call, a *armValue) int {
	cores := s.scenario.Cores
	switch {
	case a.cores == 0 && len(cores) == 1:
		return cores[0]
	case a.cores == 0:
		c.fault(a.at, "the arm does not give its number of CPUs; add cores = one of %s, as in arm(%q, cores = %d)",
			joinNumbers(cores), a.variant, cores[0])
	case !slices.Contains(cores, a.cores):
		c.fault(a.coresAt, "cores is %d, which the scenario does not have; want one of %s",
			a.cores, joinNumbers(cores))
	}
	return a.cores
}

// joinNumbers returns numbers separated by commas, for messages.
func joinNumbers(numbers []int) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}
