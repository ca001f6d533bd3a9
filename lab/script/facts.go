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

// peersValue is the value of only().
type peersValue struct {
	opaqueValue
	peers lab.Peers
}

func (r *runtimeScript) makePeers(c *call) starlark.Value {
	return &peersValue{opaqueValue: "only", peers: lab.Peers{
		Runtimes: c.distinctStrings("runtimes", "runtimes", func(name string) string {
			switch {
			case name == r.runtime.Name:
				return "which is this runtime"
			case !slices.Contains(r.folders, name):
				return "which is not the folder of a runtime; " + message.Suggest(name, r.folders)
			}
			return ""
		}),
		Reason: c.stringLine("reason"),
	}}
}

// readPeers reads the runtimes that this one is compared with, if it is not compared with all.
func (r *runtimeScript) readPeers(c *call) {
	arg, ok := c.validArgument("compare_with")
	if !ok {
		return
	}
	if made, ok := arg.value.(*peersValue); ok {
		r.runtime.Peers = &made.peers
	} else {
		c.wrongType(arg, "compare_with", "only(…)")
	}
}

// readIgnore reads which names in the runtime's folder never enter an image. The folder and the
// Dockerfile must have been read.
func (r *runtimeScript) readIgnore(c *call) {
	if !c.has("ignore") {
		return
	}
	// Otherwise two runtimes that share a folder could have different build contexts of it.
	if context := r.runtime.ContextRuntime; context != r.runtime.Name {
		c.fault(c.args["ignore"].at, "ignore is given beside context; give it in %s",
			path.Join(runtimesDir, context, runtimeFile))
		return
	}
	r.runtime.Ignore = c.distinctStrings("ignore", "patterns", func(pattern string) string {
		matched, err := path.Match(pattern, r.runtime.Dockerfile)
		switch {
		case err != nil:
			return "which is not a valid pattern"
		case strings.Contains(pattern, "/"):
			return "which is a path; a pattern is matched against names, in every folder"
		case matched:
			return "which matches the Dockerfile"
		}
		return ""
	})
}

// inheritIgnore gives each runtime that is built from another's folder what is ignored there.
func inheritIgnore(runtimes []lab.Runtime) {
	for i := range runtimes {
		for _, owner := range runtimes {
			if owner.Name == runtimes[i].ContextRuntime && owner.ContextRuntime == owner.Name {
				runtimes[i].Ignore = owner.Ignore
			}
		}
	}
}

// reservedBuildVariables are set by the lab in every stand-in: its path, and OpenSSL's CA file.
var reservedBuildVariables = []string{"PATH", "SSL_CERT_FILE"}

// caVariables reads the variables that name a CA file for the tools of a runtime.
func (c *call) caVariables() []string {
	return c.distinctStrings("ca_env", "names of variables", func(name string) string {
		switch {
		case slices.Contains(reservedBuildVariables, name):
			return "which the lab sets"
		case !envPattern.MatchString(name):
			return "which is not a valid name of a variable"
		}
		return ""
	})
}

// Descriptions of the values that fields of an identity can have, as messages show them.
const (
	truthValue = "True, False or None"
	wholeValue = "a whole number up to 1000000"
	textValue  = "a string"
)

// identityFields describes the values of the fields of an identity that a variant can require.
// Besides them it can require versions: "build.NAME". The lab itself checks the other fields.
var identityFields = map[string]string{
	"gil": truthValue, "parallelism": wholeValue, "runtime_version": textValue, "workers": wholeValue,
}

const buildPrefix = "build."

// requiredIdentity reads the argument "identity": values that the server must report, by field.
func (c *call) requiredIdentity() map[string]any {
	arg, ok := c.validArgument("identity")
	if !ok {
		return nil
	}
	dict, ok := arg.value.(*starlark.Dict)
	if !ok {
		c.wrongType(arg, "identity", "a dict of fields and their values")
		return nil
	}
	required := map[string]any{}
	for i, item := range dict.Items() {
		at := entryPosition(arg, dict.Len(), i)
		name, ok := starlark.AsString(item[0])
		if !ok {
			c.fault(at, "identity has the key %s, want the name of a field", item[0])
			continue
		}
		want := identityFields[name]
		if version, ok := strings.CutPrefix(name, buildPrefix); ok && version != "" {
			want = textValue
		}
		value, form := plainValue(item[1])
		switch _, invalid := item[1].(invalidValue); {
		case invalid:
		case want == "":
			valid := append(slices.Sorted(maps.Keys(identityFields)), buildPrefix+"NAME")
			c.fault(at, "identity has the unknown field %q; %s", name, message.Suggest(name, valid))
		case form != want:
			c.fault(at, "identity has %s for %q, want %s", describeType(item[1]), name, want)
		}
		required[name] = value
	}
	return required
}

// entryPosition returns the place of the i-th of n entries of a dict, or that of the dict if the
// script does not write it out.
func entryPosition(arg argument, n, i int) syntax.Position {
	if written, ok := arg.expr.(*syntax.DictExpr); ok && len(written.List) == n {
		return syntax.Start(written.List[i])
	}
	return arg.at
}

// plainValue returns a value as JSON decodes it, and the description of values of its type. The
// description is "" if no field of an identity has such values.
func plainValue(v starlark.Value) (value any, form string) {
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, truthValue
	case starlark.Bool:
		return bool(v), truthValue
	case starlark.Int:
		if n, fits := v.Int64(); fits && n >= 0 && n <= 1_000_000 {
			return float64(n), wholeValue
		}
	case starlark.String:
		return string(v), textValue
	}
	return nil, ""
}
