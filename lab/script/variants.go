package script

import (
	"maps"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
)

// variantPool is the variants that scenarios can choose from.
type variantPool struct {
	ids    []string          // of all runtimes, in order
	models map[string]string // by id, the worker model
	broken []string          // runtimes whose file has a fault: nobody knows what they have
}

// add takes the variants of a runtime in.
func (p *variantPool) add(variants []lab.Variant) {
	if p.models == nil {
		p.models = map[string]string{}
	}
	for _, v := range variants {
		p.ids = append(p.ids, v.ID())
		p.models[v.ID()] = v.Model
	}
}

// variantFilter is what where() makes: all variants that are so.
type variantFilter struct {
	opaqueValue
	runtime, model string // empty: any
	at             syntax.Position
}

// makeWhere describes variants by what they are, so that those that come later
// are meant too.
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
		// A runtime that could not be read may have models of its own.
		model: c.oneOf("model", slices.Collect(maps.Values(p.models)), len(p.broken) == 0),
		at:    c.at,
	}
}

// oneOf is an argument that is one of some names, where all of these are known.
func (c *call) oneOf(name string, of []string, all bool) string {
	before := c.script.faultCount
	text := c.stringLine(name)
	if arg, ok := c.validArgument(name); ok && all && c.script.faultCount == before && !slices.Contains(of,
		text) {
		slices.Sort(of)
		c.fault(arg.at, "unknown %s %q; %s", name, text, lab.Suggest(text, slices.Compact(of)))
	}
	return text
}

func (p variantPool) matchingFilter(c *call, t *variantFilter) []string {
	var matches []string
	for _, id := range p.ids {
		runtime, _, _ := strings.Cut(id, "/")
		if (t.runtime == "" || t.runtime == runtime) && (t.model == "" || t.model == p.models[id]) {
			matches = append(matches, id)
		}
	}
	if len(matches) == 0 && len(p.broken) == 0 {
		c.fault(t.at, "no variant of %s has the model %q", t.runtime, t.model)
	}
	return matches
}

// variantsOf is the variants of a scenario: the word all, or a list of ids and of
// patterns such as "node/*".
func (p variantPool) variantsOf(c *call) []string {
	if !c.has("variants") {
		return slices.Clone(p.ids)
	}
	arg, ok := c.validArgument("variants")
	if ok && arg.value == starlark.Universe["all"] {
		return slices.Clone(p.ids)
	}
	if t, ok := arg.value.(*variantFilter); ok {
		return p.matchingFilter(c, t)
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
	if len(matches) == 0 && !p.mayBeBroken(pattern) {
		c.fault(at, "unknown variant %q; %s", pattern, lab.Suggest(pattern, p.ids))
	}
	return matches
}

// isTwin reports whether an id is that of a variant's twin. Every variant has one,
// for whoever asks for it by name: it is a control, and nothing else is meant by
// a pattern.
func (p variantPool) isTwin(id string) bool {
	original := lab.OriginalOf(id)
	return original != id && slices.Contains(p.ids, original)
}

// mayBeBroken is whether a pattern could stand for a variant of a runtime whose
// own faults have been told.
func (p variantPool) mayBeBroken(pattern string) bool {
	runtime, _, _ := strings.Cut(pattern, "/")
	return slices.ContainsFunc(p.broken, func(name string) bool {
		ok, err := path.Match(runtime, name)
		return ok && err == nil
	})
}
