package script

import (
	"context"
	"maps"
	"regexp"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

var (
	packagePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`) // Debian policy 5.6.7
	suitePattern   = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)
	imagePattern   = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9._/:@-]*$`)
	envPattern     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	filePattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`) // no path, and not hidden
	argPattern     = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// reservedVariables are set by the lab: where an application listens and what it calls.
var reservedVariables = []string{"HOST", "PORT", "UPSTREAM_URL"}

// runtimeScript is a runtime.star during its evaluation.
type runtimeScript struct {
	*script
	runtime  lab.Runtime
	folders  []string        // of all runtimes
	offers   []string        // of the variants that have none of their own
	offered  bool            // runtime() has the argument offers, if a misspelt one
	declared syntax.Position // of the first call of runtime(); not valid before it
	calls    []*call         // of variant(), in the order of runtime.Variants
	ownImage bool            // there is no base: see lab.Runtime.IsOwnImage
}

// baseImage is the value of base().
type baseImage struct {
	opaqueValue
	image lab.BaseImage
}

// evaluateRuntime returns the runtime that a file describes, or the file's faults.
// It returns an error only if ctx ends. folders are those of all runtimes.
func evaluateRuntime(
	ctx context.Context, bounds limits, name, displayName string, source []byte, folders []string,
	workloads workloadIndex,
) (lab.Runtime, []Fault, error) {
	r := &runtimeScript{
		script:  newScript(displayName),
		runtime: lab.Runtime{Name: name, File: displayName, ContextRuntime: name, Dockerfile: "Dockerfile"},
		folders: folders,
	}
	if !namePattern.MatchString(name) {
		r.fault(syntax.Position{}, "", "the folder's name %q is not of the form %s", name, namePattern)
	}
	r.define(function{
		name:     "runtime",
		required: []string{"about"},
		optional: []string{
			"base", "image", "context", "dockerfile", "args", "ignore", "compare_with", "offers",
		},
		make: func(c *call) starlark.Value {
			r.offers = workloads.readOffers(c)
			return r.makeRuntime(c)
		},
	})
	r.define(function{
		name:     "base",
		required: []string{"official", "suite", "packages"},
		optional: []string{"ca_env"},
		make:     makeBase,
	})
	r.define(function{
		name: "only", positional: []string{"runtimes"}, required: []string{"runtimes", "reason"},
		make: r.makePeers,
	})
	r.define(function{
		name:     "variant",
		required: []string{"name", "about"},
		optional: slices.Concat(applicationArg, []string{"env", "identity", "offers"}, ownArguments),
		make: func(c *call) starlark.Value {
			return r.makeVariant(c, workloads.readOffers(c))
		},
	})
	r.defineReady()
	if err := r.evaluate(ctx, bounds, source); err != nil {
		return lab.Runtime{}, nil, err
	}
	start := syntax.MakePosition(&displayName, 1, 1)
	if len(r.faults) == 0 && !r.declared.IsValid() {
		r.fault(start, "", "there is no runtime() in the file")
	}
	if len(r.faults) == 0 && len(r.runtime.Variants) == 0 {
		r.fault(start, "", "there is no variant() in the file")
	}
	if r.declared.IsValid() {
		r.checkVariants()
		r.requireOffers(workloads)
	}
	for i := range r.runtime.Variants { // set last, because variant() may come before runtime()
		v := &r.runtime.Variants[i]
		v.Application = r.runtime.ContextRuntime
		if v.Offers == nil {
			v.Offers = slices.Clone(r.offers)
		}
	}
	return r.runtime, r.sortedFaults(), nil
}

func (r *runtimeScript) makeRuntime(c *call) starlark.Value {
	if r.declared.IsValid() {
		c.fault(c.at, "called twice; the first is in line %d", r.declared.Line)
		return starlark.None
	}
	r.declared = c.at
	r.offered = c.has("offers") || c.misspelt("offers")
	r.ownImage = c.has("image") || !c.has("base") && !c.misspelt("base")
	r.runtime.About = c.stringLine("about")
	if arg, ok := c.validArgument("base"); ok {
		if made, ok := arg.value.(*baseImage); ok {
			r.runtime.Base = made.image
		} else {
			c.wrongType(arg, "base", "base(…)")
		}
	}
	r.readImage(c)
	r.readBuild(c)
	r.readIgnore(c)
	r.readPeers(c)
	return starlark.None
}

// readBuild reads what the image is built from, if that is not the Dockerfile in
// the runtime's own folder. It does not check that the Dockerfile exists, because
// scripts read no files.
func (r *runtimeScript) readBuild(c *call) {
	if c.has("context") {
		r.runtime.ContextRuntime = c.lineMatching("context", namePattern)
		if name := r.runtime.ContextRuntime; namePattern.MatchString(name) && !slices.Contains(r.folders, name) {
			c.fault(c.args["context"].at, "context %q is not the folder of a runtime; %s",
				name, message.Suggest(name, r.folders))
		}
	}
	if c.has("dockerfile") {
		r.runtime.Dockerfile = c.lineMatching("dockerfile", filePattern)
	}
	r.runtime.BuildArgs = c.stringDict("args")
	for _, name := range slices.Sorted(maps.Keys(r.runtime.BuildArgs)) {
		switch at := c.args["args"].at; {
		case name == lab.BaseImageArg && !r.ownImage:
			c.fault(at, "args sets %s, which the lab sets from base", name)
		case slices.Contains(lab.ProxyArgs, name):
			c.fault(at, "args sets %s, which the lab sets", name)
		case !argPattern.MatchString(name):
			c.fault(at, "args has %q, which is not of the form %s", name, argPattern)
		}
	}
}

func makeBase(c *call) starlark.Value {
	made := &baseImage{opaqueValue: "base", image: lab.BaseImage{
		Official: c.lineMatching("official", imagePattern),
		Suite:    c.lineMatching("suite", suitePattern),
		Packages: c.stringList("packages", "Debian packages"),
	}}
	for _, p := range made.image.Packages {
		if !packagePattern.MatchString(p) {
			c.fault(c.args["packages"].at, "packages holds %q, which is not a valid name of a Debian package", p)
		}
	}
	if c.has("ca_env") {
		made.image.CAVariables = c.caVariables()
	}
	return made
}

func (r *runtimeScript) makeVariant(c *call, offers []string) starlark.Value {
	v := lab.Variant{
		Runtime:  r.runtime.Name,
		Name:     c.lineMatching("name", namePattern),
		Model:    c.lineMatching("model", namePattern),
		About:    c.stringLine("about"),
		Command:  c.stringList("command", "strings"),
		Env:      c.stringDict("env"),
		Identity: c.requiredIdentity(),
		Offers:   offers,
		Own:      r.readOwnServer(c),
	}
	for _, name := range slices.Sorted(maps.Keys(v.Env)) {
		if !envPattern.MatchString(name) {
			c.fault(c.args["env"].at, "env has %q, which is not a valid name of a variable", name)
		}
	}
	sameName := func(o lab.Variant) bool { return o.Name == v.Name }
	if v.Name != "" && slices.ContainsFunc(r.runtime.Variants, sameName) {
		c.fault(c.args["name"].at, "there is already a variant %q", v.Name)
	}
	r.runtime.Variants, r.calls = append(r.runtime.Variants, v), append(r.calls, c)
	return starlark.None
}
