package script

import (
	"maps"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// variantPool holds the variants that scenarios can select.
type variantPool struct {
	ids    []string            // of all runtimes, in order
	models map[string]string   // the worker model of each id
	offers map[string][]string // the workloads that each id offers; none: it has an API of its own
	broken []string            // runtimes whose file has a fault: their variants are unknown

	workloads workloadIndex
}

// add adds the variants of a runtime.
func (p *variantPool) add(variants []lab.Variant) {
	if p.models == nil {
		p.models, p.offers = map[string]string{}, map[string][]string{}
	}
	for _, v := range variants {
		p.ids = append(p.ids, v.ID())
		p.models[v.ID()], p.offers[v.ID()] = v.Model, v.Offers
	}
}

// variantFilter is the value of where(): all variants of a runtime, of a worker
// model, or of both.
type variantFilter struct {
	opaqueValue
	runtime, model string // empty for any
	at             syntax.Position
}

// makeWhere reads a filter. Filters also select variants that are added later.
func (p variantPool) makeWhere(c *call) starlark.Value {
	if !c.has("runtime") && !c.has("model") && len(c.unknown) == 0 {
		c.fault(c.at, `missing argument "runtime" or "model"`)
		return starlark.None
	}
	runtimes := slices.Clone(p.broken)
	for _, id := range p.ids {
		runtime, _, _ := strings.Cut(id, "/")
		runtimes = append(runtimes, runtime)
	}
	return &variantFilter{
		opaqueValue: "where",
		runtime:     c.oneOf("runtime", runtimes, true),
		// Broken runtimes may have other models.
		model: c.oneOf("model", slices.Collect(maps.Values(p.models)), len(p.broken) == 0),
		at:    c.at,
	}
}

func (p variantPool) matchingFilter(c *call, filter *variantFilter) []string {
	var matches []string
	for _, id := range p.ids {
		runtime, _, _ := strings.Cut(id, "/")
		if (filter.runtime == "" || filter.runtime == runtime) &&
			(filter.model == "" || filter.model == p.models[id]) {
			matches = append(matches, id)
		}
	}
	if len(matches) == 0 && len(p.broken) == 0 {
		c.fault(filter.at, "no variant of %s has the model %q", filter.runtime, filter.model)
	}
	return matches
}

// readVariants returns the ids of a scenario's variants. The argument is all,
// where(), or a list of ids, of patterns such as "node/*", and of where().
func (p variantPool) readVariants(c *call) []string {
	if !c.has("variants") {
		return slices.Clone(p.ids)
	}
	arg, ok := c.validArgument("variants")
	if ok && arg.value == starlark.Universe["all"] {
		return slices.Clone(p.ids)
	}
	if filter, ok := arg.value.(*variantFilter); ok {
		return p.matchingFilter(c, filter)
	}
	if _, sequence := arg.value.(starlark.Sequence); ok && !sequence {
		c.wrongType(arg, "variants", `all, where(…) or a list of variants such as "node/single"`)
		return nil
	}
	var chosen []string
	named := map[string]bool{}
	for _, element := range c.list("variants", "variants") {
		var matches []string
		switch v := element.value.(type) {
		case *variantFilter:
			matches = p.matchingFilter(c, v)
		case starlark.String:
			if named[string(v)] {
				c.fault(element.at, "variants has %q twice", string(v))
			}
			named[string(v)] = true
			matches = p.matchingPattern(c, element.at, string(v))
		default:
			c.fault(element.at, "variants holds %s, want strings or where(…)", describeType(v))
		}
		for _, match := range matches {
			if !slices.Contains(chosen, match) {
				chosen = append(chosen, match)
			}
		}
	}
	return chosen
}

func (p variantPool) matchingPattern(c *call, at syntax.Position, pattern string) []string {
	if p.isTwin(pattern) {
		return []string{pattern}
	}
	var matches []string
	for _, id := range p.ids {
		if ok, err := path.Match(pattern, id); ok && err == nil {
			matches = append(matches, id)
		}
	}
	if len(matches) == 0 && !p.mayMatchBroken(pattern) {
		c.fault(at, "unknown variant %q; %s", pattern, message.Suggest(pattern, p.ids))
	}
	return matches
}

// isTwin reports whether id names the twin of a known variant. Every variant has
// a twin, which is a control. Patterns never match twins: they must be named.
func (p variantPool) isTwin(id string) bool {
	original := lab.OriginalOf(id)
	return original != id && slices.Contains(p.ids, original)
}

// mayMatchBroken reports whether pattern could match a variant of a runtime whose
// file has a fault.
func (p variantPool) mayMatchBroken(pattern string) bool {
	runtime, _, _ := strings.Cut(pattern, "/")
	return slices.ContainsFunc(p.broken, func(name string) bool {
		ok, err := path.Match(runtime, name)
		return ok && err == nil
	})
}
