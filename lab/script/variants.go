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

// variantPool holds the variants and services that scenarios can select.
type variantPool struct {
	ids    []string            // of all runtimes, in order
	models map[string]string   // the worker model of each id
	offers map[string][]string // the workloads that each id offers; none: it has an API of its own
	broken []string            // runtimes whose file has a fault: their variants are unknown

	workloads workloadIndex
	services  []string // that scenarios can name, also those whose file has a fault
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

// chosenVariant is a variant that a scenario selects.
type chosenVariant struct {
	id    string
	named syntax.Position // where the script names it; not valid if a pattern or where() selects it
}

// chosenVariants are variants in the order of their selection, each once.
type chosenVariants []chosenVariant

func (v *chosenVariants) add(ids []string, named syntax.Position) {
	for _, id := range ids {
		i := slices.IndexFunc(*v, func(c chosenVariant) bool { return c.id == id })
		switch {
		case i < 0:
			*v = append(*v, chosenVariant{id, named})
		case named.IsValid():
			(*v)[i].named = named
		}
	}
}

// readVariants returns a scenario's variants. The argument is all, where(), or a list of
// ids, of patterns such as "node/*", and of where().
func (p variantPool) readVariants(c *call) (chosen chosenVariants) {
	unnamed := syntax.Position{}
	arg, ok := c.validArgument("variants")
	if !c.has("variants") || ok && arg.value == starlark.Universe["all"] {
		chosen.add(p.ids, unnamed)
		return chosen
	}
	if filter, ok := arg.value.(*variantFilter); ok {
		chosen.add(p.matchingFilter(c, filter), unnamed)
		return chosen
	}
	if _, sequence := arg.value.(starlark.Sequence); ok && !sequence {
		c.wrongType(arg, "variants", `all, where(…) or a list of variants such as "node/single"`)
		return nil
	}
	texts := map[string]bool{}
	for _, element := range c.list("variants", "variants") {
		switch v := element.value.(type) {
		case *variantFilter:
			chosen.add(p.matchingFilter(c, v), unnamed)
		case starlark.String:
			if texts[string(v)] {
				c.fault(element.at, "variants has %q twice", string(v))
			}
			texts[string(v)] = true
			named := element.at
			if strings.ContainsAny(string(v), `*?[\`) {
				named = unnamed
			}
			chosen.add(p.matchingPattern(c, element.at, string(v)), named)
		default:
			c.fault(element.at, "variants holds %s, want strings or where(…)", describeType(v))
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
