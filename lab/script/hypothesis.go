package script

import (
	"math"
	"regexp"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// labelForm is what phases are told apart by: "5000", "50%", "two".
var labelForm = regexp.MustCompile(`^[a-z0-9][a-z0-9%.-]*$`)

// defaultMargin is the difference that is taken to matter in practice where a
// script does not say: 5 %.
const defaultMargin = 0.05

// objective is what below() and above() make.
type objective struct {
	opaque
	objective lab.Objective
}

// arm is what arm() makes, and what a variant's name stands for.
type arm struct {
	opaque
	variant, phase string // no phase: the hypothesis's
	at             syntax.Position
}

// hypothesis is what hypothesis() makes. Of its arms the scenario knows whether
// they exist.
type hypothesis struct {
	opaque
	hypothesis             lab.Hypothesis
	at                     syntax.Position
	phase                  string
	phaseAt                syntax.Position
	numerator, denominator *arm
}

func (s *scenarioScript) hypothesisVocabulary() {
	s.define(function{
		name:     "hypothesis",
		required: []string{"claim", "metric", "numerator", "denominator"},
		optional: []string{"phase", "direction", "margin"},
		make:     makeHypothesis,
	})
	s.define(function{
		name: "arm", positional: []string{"variant"}, required: []string{"variant", "phase"},
		make: func(c *call) starlark.Value {
			return &arm{opaque: "arm", variant: c.line("variant"), phase: c.line("phase"), at: c.at}
		},
	})
}

func makeObjective(c *call, below bool) starlark.Value {
	made := &objective{opaque: "objective", objective: lab.Objective{Metric: c.metric(), Below: below}}
	if arg, ok := c.usable("limit"); ok {
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

func objectivesOf(c *call) (all []lab.Objective) {
	if !c.has("slo") {
		return nil
	}
	for _, element := range c.list("slo", "below(…) and above(…)") {
		made, ok := element.value.(*objective)
		if !ok {
			c.fault(element.at, "slo holds %s, want below(…) or above(…)", described(element.value))
			continue
		}
		all = append(all, made.objective)
	}
	return all
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
	directions := []string{string(lab.Higher), string(lab.Lower), string(lab.Same)}
	made := &hypothesis{
		opaque: "hypothesis",
		hypothesis: lab.Hypothesis{
			Claim:     c.oneOf("claim", lab.ClaimIDs(), true),
			Metric:    c.metric(),
			Direction: lab.Higher,
			Margin:    c.number("margin", defaultMargin, 1),
		},
		at:          c.at,
		numerator:   c.arm("numerator"),
		denominator: c.arm("denominator"),
	}
	if c.has("direction") {
		made.hypothesis.Direction = lab.Direction(c.oneOf("direction", directions, true))
	}
	if c.has("phase") {
		made.phase, made.phaseAt = c.line("phase"), c.args["phase"].at
	}
	return made
}

// arm is an argument that is a variant's name, or arm().
func (c *call) arm(name string) *arm {
	arg, ok := c.usable(name)
	if !ok {
		return &arm{}
	}
	switch v := arg.value.(type) {
	case *arm:
		return v
	case starlark.String:
		return &arm{variant: string(v), at: arg.at}
	}
	c.wrongType(arg, name, `a variant such as "node/single", or arm(…)`)
	return &arm{}
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
			c.fault(element.at, "hypotheses holds %s, want hypothesis(…)", described(element.value))
			continue
		}
		h := made.hypothesis
		h.Numerator, h.Denominator = s.armOf(c, made, made.numerator), s.armOf(c, made, made.denominator)
		if h.Numerator == h.Denominator && h.Numerator.Variant != "" {
			c.fault(made.at, "the hypothesis compares %s with itself", h.Numerator)
		}
		all = append(all, h)
	}
	return all
}

func (s *scenarioScript) armOf(c *call, h *hypothesis, a *arm) lab.Arm {
	if s.mistakes > 0 {
		return lab.Arm{} // what it speaks of may be what was told
	}
	phases := phaseNames(s.scenario.Phases)
	name, at := a.phase, a.at
	if name == "" {
		name, at = h.phase, h.phaseAt
	}
	switch {
	case name == "" && len(phases) == 1:
		name = phases[0]
	case name == "":
		c.fault(h.at, "the hypothesis does not say which phase it is about; phase is one of %s", spelt(phases))
	case !slices.Contains(phases, name):
		c.fault(at, "unknown phase %q; %s", name, lab.Suggest(name, phases))
	}
	if !slices.Contains(s.scenario.Variants, a.variant) && !s.variants.mayBeBroken(a.variant) {
		c.fault(a.at, "unknown variant %q of this scenario; %s", a.variant, lab.Suggest(a.variant, s.scenario.Variants))
	}
	return lab.Arm{Variant: a.variant, Phase: name}
}
