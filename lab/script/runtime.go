package script

import (
	"context"
	"maps"
	"regexp"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
)

var (
	packageForm = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`) // Debian policy 5.6.7
	suiteForm   = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)
	imageForm   = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9._/:@-]*$`)
	envForm     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	fileForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`) // in the context itself, and not hidden
	argForm     = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// reservedVariables say where a server listens and what it calls.
var reservedVariables = []string{"HOST", "PORT", "UPSTREAM_URL"}

// runtimeScript is a runtime.star under evaluation.
type runtimeScript struct {
	*script
	runtime  lab.Runtime
	folders  []string        // of all runtimes
	declared syntax.Position // of runtime(), not valid before it is called
}

// baseImage is what base() makes.
type baseImage struct {
	opaqueValue
	image lab.BaseImage
}

// evaluateRuntime is the runtime that a file describes, or the file's faults.
// The error is the end of ctx.
func evaluateRuntime(
	ctx context.Context, bounds limits, name, shown string, source []byte, folders []string,
) (lab.Runtime, []Fault, error) {
	r := &runtimeScript{
		script:  newScript(shown),
		runtime: lab.Runtime{Name: name, File: shown, ContextRuntime: name, Dockerfile: "Dockerfile"},
		folders: folders,
	}
	if !nameForm.MatchString(name) {
		r.fault(syntax.Position{}, "", "the folder's name %q is not of the form %s", name, nameForm)
	}
	r.define(function{
		name:     "runtime",
		required: []string{"about", "base"},
		optional: []string{"context", "dockerfile", "args"},
		make:     r.makeRuntime,
	})
	r.define(function{name: "base", required: []string{"official", "suite", "packages"}, make: makeBase})
	r.define(function{
		name:     "variant",
		required: []string{"name", "model", "about", "command"},
		optional: []string{"env", "gil"},
		make:     r.makeVariant,
	})
	if err := r.evaluate(ctx, bounds, source); err != nil {
		return lab.Runtime{}, nil, err
	}
	start := syntax.MakePosition(&shown, 1, 1)
	if len(r.faults) == 0 && !r.declared.IsValid() {
		r.fault(start, "", "there is no runtime() in the file")
	}
	if len(r.faults) == 0 && len(r.runtime.Variants) == 0 {
		r.fault(start, "", "there is no variant() in the file")
	}
	for i := range r.runtime.Variants { // which may stand before runtime() in the file
		r.runtime.Variants[i].Application = r.runtime.ContextRuntime
	}
	return r.runtime, r.sortedFaults(), nil
}

func (r *runtimeScript) makeRuntime(c *call) starlark.Value {
	if r.declared.IsValid() {
		c.fault(c.at, "called twice; the first is in line %d", r.declared.Line)
		return starlark.None
	}
	r.declared = c.at
	r.runtime.About = c.stringLine("about")
	if arg, ok := c.validArgument("base"); ok {
		if made, ok := arg.value.(*baseImage); ok {
			r.runtime.Base = made.image
		} else {
			c.wrongType(arg, "base", "base(…)")
		}
	}
	r.readBuild(c)
	return starlark.None
}

// readBuild is what the image is built from, where that is not the runtime's
// own folder and its Dockerfile. Whether there is such a Dockerfile a script,
// which reads nothing, cannot know.
func (r *runtimeScript) readBuild(c *call) {
	if c.has("context") {
		r.runtime.ContextRuntime = c.lineMatching("context", nameForm)
		if name := r.runtime.ContextRuntime; nameForm.MatchString(name) && !slices.Contains(r.folders, name) {
			c.fault(c.args["context"].at, "context %q is no runtime's folder; %s", name, lab.Suggest(name, r.folders))
		}
	}
	if c.has("dockerfile") {
		r.runtime.Dockerfile = c.lineMatching("dockerfile", fileForm)
	}
	r.runtime.BuildArgs = c.strings("args")
	for _, name := range slices.Sorted(maps.Keys(r.runtime.BuildArgs)) {
		switch at := c.args["args"].at; {
		case name == lab.BaseImageArg:
			c.fault(at, "args sets %s, which is what base says", name)
		case slices.Contains(lab.ProxyArgs, name):
			c.fault(at, "args sets %s, which the lab sets", name)
		case !argForm.MatchString(name):
			c.fault(at, "args has %q, which is not of the form %s", name, argForm)
		}
	}
}

func makeBase(c *call) starlark.Value {
	made := &baseImage{opaqueValue: "base", image: lab.BaseImage{
		Official: c.lineMatching("official", imageForm),
		Suite:    c.lineMatching("suite", suiteForm),
		Packages: c.lines("packages", "Debian packages"),
	}}
	for _, p := range made.image.Packages {
		if !packageForm.MatchString(p) {
			c.fault(c.args["packages"].at, "packages holds %q, which no Debian package is called", p)
		}
	}
	return made
}

func (r *runtimeScript) makeVariant(c *call) starlark.Value {
	v := lab.Variant{
		Runtime: r.runtime.Name,
		Name:    c.lineMatching("name", nameForm),
		Model:   c.lineMatching("model", nameForm),
		About:   c.stringLine("about"),
		Command: c.lines("command", "strings"),
		Env:     c.strings("env"),
	}
	if c.has("gil") {
		on := c.boolean("gil", false)
		v.GIL = &on
	}
	for _, name := range slices.Sorted(maps.Keys(v.Env)) {
		switch {
		case slices.Contains(reservedVariables, name):
			c.fault(c.args["env"].at, "env sets %s, which the lab sets", name)
		case !envForm.MatchString(name):
			c.fault(c.args["env"].at, "env has %q, which is no variable's name", name)
		}
	}
	if v.Name != "" && slices.ContainsFunc(r.runtime.Variants,
		func(o lab.Variant) bool { return o.Name == v.Name }) {
		c.fault(c.args["name"].at, "there is a variant %q already", v.Name)
	}
	r.runtime.Variants = append(r.runtime.Variants, v)
	return starlark.None
}
