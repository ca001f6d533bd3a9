package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"runtimelab/lab"
)

// ExpectedIdentity is what one server must report, besides the contract's rules for
// all servers. Zero values are not checked.
type ExpectedIdentity struct {
	Runtime     string
	Model       string
	Identity    map[string]any // lab.Variant.Identity
	CPUs        []int
	MemoryLimit int64 // bytes
	Nofile      int   // limit of open files, soft and hard
}

// identityRule describes the fields of the answer to GET Path.
type identityRule struct {
	Path   string  `json:"path"`
	About  string  `json:"about"`
	Fields []field `json:"fields"`
}

// field is one field of the identity and its rule.
type field struct {
	Field   string   `json:"field"` // "process.uid" is uid in the object process
	Type    string   `json:"type"`  // a key of valueTypes
	About   string   `json:"about"`
	Equals  any      `json:"equals,omitempty"`
	Not     any      `json:"not,omitempty"`
	AtLeast *float64 `json:"at_least,omitempty"`
}

// valueTypes maps the name of each type to a test of a decoded JSON value.
var valueTypes = map[string]func(any) bool{
	"string":  func(v any) bool { _, is := v.(string); return is },
	"number":  func(v any) bool { _, is := v.(float64); return is },
	"integer": func(v any) bool { n, is := v.(float64); return is && n == float64(int64(n)) },
	"boolean": func(v any) bool { _, is := v.(bool); return is },
	"boolean or null": func(v any) bool {
		_, is := v.(bool)
		return is || v == nil
	},
	"object": func(v any) bool { _, is := v.(map[string]any); return is },
	"array":  func(v any) bool { _, is := v.([]any); return is },
	"strings": func(v any) bool {
		m, is := v.(map[string]any)
		for _, value := range m {
			if _, text := value.(string); !text {
				return false
			}
		}
		return is
	},
}

func (r identityRule) check() error {
	seen := map[string]bool{}
	for _, f := range r.Fields {
		is, known := valueTypes[f.Type]
		switch {
		case f.Field == "" || seen[f.Field]:
			return fmt.Errorf("identity: field %q appears twice or has no name", f.Field)
		case !known:
			return fmt.Errorf("identity: field %s has the unknown type %q", f.Field, f.Type)
		case f.Equals != nil && !is(f.Equals), f.Not != nil && !is(f.Not):
			return fmt.Errorf("identity: the rule of field %s needs a value of type %s", f.Field, f.Type)
		case f.AtLeast != nil && f.Type != "integer" && f.Type != "number":
			return fmt.Errorf("identity: field %s has at_least, but is not a number", f.Field)
		}
		seen[f.Field] = true
	}
	return nil
}

// IdentityRequest returns the request for a server's identity.
func (c *Contract) IdentityRequest() lab.Request {
	return lab.Request{Method: http.MethodGet, Path: c.file.Identity.Path}
}

// CheckIdentity parses the answer to IdentityRequest and checks it: it must have
// exactly the contract's fields, with values that follow the contract's rules and
// match want. CheckIdentity returns a line of text for each difference.
func (c *Contract) CheckIdentity(got lab.Answer, want ExpectedIdentity) (lab.Identity, []string) {
	var id lab.Identity
	switch {
	case got.Error != "":
		return id, []string{"it gave no answer: " + got.Error}
	case got.Status != http.StatusOK:
		return id, []string{fmt.Sprintf("it answered with status %d, the lab requires 200", got.Status)}
	}
	var object map[string]any
	if err := json.Unmarshal(got.Body, &object); err != nil {
		return id, []string{"its answer is not a JSON object: " + err.Error()}
	}
	values := flatten("", object)
	found := c.file.Identity.checkFields(values)
	if err := json.Unmarshal(got.Body, &id); err != nil {
		return id, append(found, "its answer cannot be read: "+err.Error())
	}
	return id, append(found, want.checkIdentity(id, object)...)
}

// flatten returns the fields of an object by their paths. Only process is
// flattened: in build, the runtime chooses the names.
func flatten(prefix string, object map[string]any) map[string]any {
	values := map[string]any{}
	for name, value := range object {
		values[prefix+name] = value
		if inner, is := value.(map[string]any); is && prefix+name == "process" {
			maps.Copy(values, flatten(prefix+name+".", inner))
		}
	}
	return values
}

func (r identityRule) checkFields(values map[string]any) (found []string) {
	for _, f := range r.Fields {
		value, given := values[f.Field]
		delete(values, f.Field)
		if !given {
			found = append(found, "it does not say "+f.Field)
			continue
		}
		if required := f.requirement(value); required != "" {
			found = append(found, formatReported(f.Field, value)+", the lab requires "+required)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		found = append(found, formatReported(name, values[name])+", which is not a field of the contract")
	}
	return found
}

// requirement returns what a value must be, or "" if the value follows the rule.
func (f field) requirement(value any) string {
	number, _ := value.(float64)
	switch {
	case !valueTypes[f.Type](value) && f.Type == "strings":
		return "an object of strings"
	case !valueTypes[f.Type](value):
		return "a value of type " + f.Type
	case f.Equals != nil && !reflect.DeepEqual(value, f.Equals):
		return formatValue(f.Equals)
	case f.Not != nil && reflect.DeepEqual(value, f.Not):
		return "another value"
	case f.AtLeast != nil && number < *f.AtLeast:
		return "at least " + formatValue(*f.AtLeast)
	}
	return ""
}

// checkIdentity returns how an identity differs from want. object is the same identity as decoded
// JSON.
func (want ExpectedIdentity) checkIdentity(id lab.Identity, object map[string]any) (found []string) {
	report := func(field string, got any, reason string, expected any) {
		found = append(found, formatReported(field, got)+", "+reason+" "+formatValue(expected))
	}
	if want.Runtime != "" && id.Runtime != want.Runtime {
		report("runtime", id.Runtime, "the variant runs the application of", want.Runtime)
	}
	if want.Model != "" && id.Model != want.Model {
		report("model", id.Model, "the variant's model is", want.Model)
	}
	for _, path := range slices.Sorted(maps.Keys(want.Identity)) {
		required := want.Identity[path]
		if got := valueAt(object, path); got != required {
			report(path, got, "the variant's "+path+" is", required)
		}
	}
	if want.MemoryLimit != 0 && id.Process.MemoryLimitBytes != want.MemoryLimit {
		report("process.memory_limit", id.Process.MemoryLimitBytes, "the lab gave it", want.MemoryLimit)
	}
	if want.Nofile != 0 && id.Process.NofileSoft != want.Nofile {
		report("process.nofile_soft", id.Process.NofileSoft, "the lab gave it", want.Nofile)
	}
	if want.Nofile != 0 && id.Process.NofileHard != want.Nofile {
		report("process.nofile_hard", id.Process.NofileHard, "the lab gave it", want.Nofile)
	}
	if cpus := lab.CPUList(want.CPUs); cpus != "" && id.Process.CPUsAllowed != cpus {
		report("process.cpus_allowed", id.Process.CPUsAllowed, "the lab gave it", cpus)
	}
	return found
}

// valueAt returns the value of a field by its path, or nil if the object does not have it. The path
// "build.a.b" is that of "a.b" in build.
func valueAt(object map[string]any, path string) any {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		return object[name]
	}
	inner, _ := object[name].(map[string]any)
	return inner[rest]
}

// formatReported returns the beginning of a message: what the server says.
func formatReported(field string, value any) string {
	return "it says " + field + " " + formatValue(value)
}

// formatValue returns a value as JSON in one line, shortened to about shownRequest bytes.
func formatValue(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	text := strings.TrimSuffix(out.String(), "\n")
	if len(text) > shownRequest {
		return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:shownRequest], ""), len(text))
	}
	return text
}
