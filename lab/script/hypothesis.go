package script

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// labelPattern is what phases are told apart by: "5000", "50%", "two".
var labelPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9%.-]*$`)

// defaultMargin is the difference that is taken to matter in practice where a
// script does not say: 5 %.
const defaultMargin = 0.05

// objective is what below() and above() make.
type objective struct {
	opaqueValue
	objective lab.Objective
}

// armValue is what arm() makes, and what a variant's name stands for.
type armValue struct {
	opaqueValue
	variant string
	phase   string    // empty: the hypothesis's
	cores   int       // 0: the scenario's, if it has one number
	over    *armValue // nil: the arm is no ratio
	at      syntax.Position
	phaseAt syntax.Position
	coresAt syntax.Position
	overAt  syntax.Position
}

// hypothesis is what hypothesis() makes. Of its arms the scenario knows whether
// they exist.
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

func (s *scenarioScript) hypothesisVocabulary() {
	s.define(function{
		name:     "hypothesis",
		required: []string{"claim", "metric", "numerator", "denominator"},
		optional: []string{"phase", "direction", "margin", "profile"},
		make:     makeHypothesis,
	})
	s.define(function{
		name: "arm", positional: []string{"variant"}, required: []string{"variant"}, optional: []string{
			"phase",
			"cores", "over",
		},
		make: makeArm,
	})
}

func makeArm(c *call) starlark.Value {
	made := &armValue{
		opaqueValue: "arm", variant: c.stringLine("variant"), phase: c.stringLine("phase"), cores: c.integer("cores", 0, 1, maxCores),
		at: c.at, phaseAt: c.args["phase"].at, coresAt: c.args["cores"].at, overAt: c.args["over"].at,
	}
	if c.has("over") {
		made.over = c.arm("over")
		if made.over.over != nil {
			c.fault(made.overAt, "over is itself a ratio, want an arm without an over of its own")
		}
	}
	return made
}

func makeObjective(c *call, below bool) starlark.Value {
	made := &objective{opaqueValue: "objective", objective: lab.Objective{Metric: c.metric(), Below: below}}
	if arg, ok := c.validArgument("limit"); ok {
		limit, isNumber := starlark.AsFloat(arg.value)
		switch {
		case !isNumber:
			c.wrongType(arg, "limit", "a number")
		case math.IsNaN(limit) || limit < 0:
			c.fault(arg.at, "limit is %s, want 0 or more", arg.value)
		}
		made.objective.Limit = limit
	}
	return made
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

// checkObjectives sees to it that the objectives of a phase are about figures that
// it has: what has no value is met by nobody.
func (c *call) checkObjectives(p lab.Phase) {
	if !c.has("slo") {
		return
	}
	for _, element := range c.list("slo", "below(…) and above(…)") {
		made, ok := element.value.(*objective)
		if !ok {
			continue // which has been told
		}
		in := string(p.Kind)
		if p.Kind == lab.Capacity {
			p.Kind, in = lab.Steady, "one rate of a capacity"
		}
		if why := noValueReason(p, made.objective.Metric); why != "" {
			c.fault(element.at, "%s has no value in %s, %s", made.objective.Metric, in, why)
		}
	}
}

// noValueReason says why a phase has no value of a metric, and which it has instead;
// nothing where it has one.
func noValueReason(p lab.Phase, name string) string {
	m, known := metric.Find(name)
	if !known {
		return ""
	}
	switch {
	case (m.Rows == metric.OpenLoopRows || m.Rows == metric.ManyRequestRows) && !p.Kind.IsOpenLoop():
		why := "which has no schedule"
		if raw := strings.Replace(name, "latency_", "latency_raw_", 1); hasMetric(raw) {
			why += "; " + raw + " has"
		}
		return why
	case m.Rows == metric.DeadlineRows && p.DeadlineS == 0:
		return "which has no deadline; throughput_rps has"
	case m.Rows == metric.CapacityRows && p.Kind != lab.Capacity:
		return "which searches for none"
	case p.Overloads() && (strings.HasPrefix(name, "latency_") || strings.HasPrefix(name, "first_byte_")):
		return "which offers all that is served: its queue grows for as long as one looks; goodput_rps has, " +
			"given a deadline"
	}
	return ""
}

func hasMetric(name string) bool {
	_, known := metric.Find(name)
	return known
}

// metric is an argument that names a column of numbers.
func (c *call) metric() string {
	var names []string
	for _, m := range metric.Table() {
		if m.Kind != metric.String && m.Better != metric.Neither {
			names = append(names, m.Name)
		}
	}
	return c.oneOf("metric", names, true)
}

func makeHypothesis(c *call) starlark.Value {
	made := &hypothesis{
		opaqueValue: "hypothesis",
		hypothesis: lab.Hypothesis{
			Claim:     c.oneOf("claim", lab.ClaimIDs(), true),
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

// directions are lab.Directions as scripts write them.
func directions() (words []string) {
	for _, d := range lab.Directions() {
		words = append(words, string(d))
	}
	return words
}

// arm is an argument that is a variant's name, or arm().
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

// hypothesesOf looks up what hypotheses speak of, in a scenario whose variants
// and phases are known.
func (s *scenarioScript) hypothesesOf(c *call) (all []lab.Hypothesis) {
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

// resolveHypothesis is a hypothesis with all that its scenario knows of it.
func (s *scenarioScript) resolveHypothesis(c *call, made *hypothesis) lab.Hypothesis {
	h := made.hypothesis
	h.Scenario, h.Profile = s.scenario.Name, s.profileOf(c, made)
	h.Numerator, h.Denominator = s.armOf(c, made, made.numerator), s.armOf(c, made, made.denominator)
	switch {
	case s.faultCount > 0:
	case h.Numerator.Equal(h.Denominator):
		c.fault(made.at, "the hypothesis compares %s with itself", h.Numerator)
	case (h.Numerator.Over == nil) != (h.Denominator.Over == nil):
		c.fault(made.at, "the hypothesis compares a ratio with what is none; give both arms an over, or neither")
	}
	return h
}

// profileOf is the shortest profile that tests a hypothesis: one that runs its
// scenario.
func (s *scenarioScript) profileOf(c *call, h *hypothesis) string {
	own, profiles := h.hypothesis.Profile, lab.ProfileNames()
	if own == "" {
		return s.scenario.Profile
	}
	if slices.Index(profiles, own) < slices.Index(profiles, s.scenario.Profile) {
		c.fault(h.profileAt, "profile %q is shorter than the scenario's, %q, which does not run there", own,
			s.scenario.Profile)
	}
	return own
}

func (s *scenarioScript) armOf(c *call, h *hypothesis, a *armValue) lab.Arm {
	if s.faultCount > 0 {
		return lab.Arm{} // what it speaks of may be what was told
	}
	made := lab.Arm{Variant: s.variantOf(c, a), Phase: s.phaseOf(c, h, a), Cores: s.cpusOf(c, a)}
	if a.over == nil {
		return made
	}
	over := s.armOf(c, h, a.over)
	if s.faultCount == 0 && over.Equal(made) {
		c.fault(a.overAt, "the arm divides %s by itself", made)
	}
	made.Over = &over
	return made
}

func (s *scenarioScript) variantOf(c *call, a *armValue) string {
	switch {
	case slices.Contains(s.scenario.Variants, a.variant):
	case slices.Contains(s.variants.ids, a.variant) || s.variants.isTwin(a.variant):
		c.fault(a.at, "variant %q is not one of this scenario's; add it to variants", a.variant)
	case !s.variants.mayBeBroken(a.variant):
		c.fault(a.at, "unknown variant %q of this scenario; %s", a.variant,
			lab.Suggest(a.variant, s.scenario.Variants))
	}
	return a.variant
}

// phaseOf is the phase of an arm, which has a value of the hypothesis's metric.
func (s *scenarioScript) phaseOf(c *call, h *hypothesis, a *armValue) string {
	phases := phaseNames(s.scenario.Phases)
	name, at := a.phase, a.phaseAt
	if name == "" {
		name, at = h.phase, h.phaseAt
	}
	if name == "" && len(phases) == 1 {
		name = phases[0]
	}
	i := slices.IndexFunc(s.scenario.Phases,
		func(p lab.Phase) bool { return p.Kind != lab.WarmUp && p.Name == name })
	switch {
	case name == "":
		c.fault(h.at, "the hypothesis does not say which phase it is about; phase is one of %s", joinNames(phases))
	case i < 0:
		c.fault(at, "unknown phase %q; %s", name, lab.Suggest(name, phases))
	default:
		if why := noValueReason(s.scenario.Phases[i], h.hypothesis.Metric); why != "" {
			c.fault(h.metricAt, "%s has no value in %s, %s", h.hypothesis.Metric, name, why)
		}
	}
	return name
}

// cpusOf is the number of CPUs of an arm, which has to say so where its
// scenario has several.
func (s *scenarioScript) cpusOf(c *call, a *armValue) int {
	cores := s.scenario.Cores
	switch {
	case a.cores == 0 && len(cores) == 1:
		return cores[0]
	case a.cores == 0:
		c.fault(a.at, "the arm does not say on how many CPUs; add cores = one of %s, as in arm(%q, cores = %d)",
			joinNumbers(cores), a.variant, cores[0])
	case !slices.Contains(cores, a.cores):
		c.fault(a.coresAt, "cores is %d, and the scenario runs on %s", a.cores, joinNumbers(cores))
	}
	return a.cores
}

// joinNumbers are some as a sentence has them.
func joinNumbers(all []int) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}
