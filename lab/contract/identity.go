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

// ExpectedIdentity is what one server must say of itself besides what the contract
// asks of all. Zero values are not looked at.
type ExpectedIdentity struct {
	Runtime     string
	Model       string
	GIL         *bool
	CPUs        []int
	MemoryLimit int64 // bytes
	Nofile      int   // open files, soft and hard limit alike
}

type identityRule struct {
	Path   string  `json:"path"`
	About  string  `json:"about"`
	Fields []field `json:"fields"`
}

// field is one field of the identity and the rule that it must obey.
type field struct {
	Field   string   `json:"field"` // "process.uid" is uid in the object process
	Type    string   `json:"type"`  // one of types
	About   string   `json:"about"`
	Equals  any      `json:"equals,omitempty"`
	Not     any      `json:"not,omitempty"`
	AtLeast *float64 `json:"at_least,omitempty"`
}

// valueTypes are the kinds of value that a field may have, by their names.
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
			return fmt.Errorf("identity: field %q is there twice or has no name", f.Field)
		case !known:
			return fmt.Errorf("identity: field %s has the unknown type %q", f.Field, f.Type)
		case f.Equals != nil && !is(f.Equals), f.Not != nil && !is(f.Not):
			return fmt.Errorf("identity: the rule of field %s compares with what is no %s", f.Field, f.Type)
		case f.AtLeast != nil && f.Type != "integer" && f.Type != "number":
			return fmt.Errorf("identity: at_least is for numbers, and field %s is none", f.Field)
		}
		seen[f.Field] = true
	}
	return nil
}

// IdentityRequest is what to ask a server for its identity.
func (c *Contract) IdentityRequest() lab.Request {
	return lab.Request{Method: http.MethodGet, Path: c.file.Identity.Path}
}

// CheckIdentity reads the answer to IdentityRequest and checks it: exactly the
// contract's fields, of the right types, with values that obey the contract's
// rules and are those expected. It says what is wrong in words, one line each.
func (c *Contract) CheckIdentity(got lab.Answer, want ExpectedIdentity) (lab.Identity, []string) {
	var id lab.Identity
	switch {
	case got.Error != "":
		return id, []string{"it gave no answer: " + got.Error}
	case got.Status != http.StatusOK:
		return id, []string{fmt.Sprintf("it answered with status %d, the lab requires 200", got.Status)}
	}
	var said map[string]any
	if err := json.Unmarshal(got.Body, &said); err != nil {
		return id, []string{"its answer is no JSON object: " + err.Error()}
	}
	values := flatten("", said)
	found := c.file.Identity.checkFields(values)
	if err := json.Unmarshal(got.Body, &id); err != nil {
		return id, append(found, "its answer cannot be read: "+err.Error())
	}
	return id, append(found, want.checkIdentity(id)...)
}

// flatten lists the fields of an object by their paths. The object under
// build is a value, not structure: its names are the runtime's to choose.
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
			found = append(found, says(f.Field, value)+", the lab requires "+required)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		found = append(found, says(name, values[name])+", which is not a field of the contract")
	}
	return found
}

// requirement returns what a value must be, or nothing if it is that.
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

func (want ExpectedIdentity) checkIdentity(id lab.Identity) (found []string) {
	differ := func(field string, got any, why string, expected any) {
		found = append(found, says(field, got)+", "+why+" "+formatValue(expected))
	}
	if want.Runtime != "" && id.Runtime != want.Runtime {
		differ("runtime", id.Runtime, "the variant runs the application of", want.Runtime)
	}
	if want.Model != "" && id.Model != want.Model {
		differ("model", id.Model, "the variant's model is", want.Model)
	}
	if want.GIL != nil && (id.GIL == nil || *id.GIL != *want.GIL) {
		differ("gil", id.GIL, "the variant's gil is", *want.GIL)
	}
	if want.MemoryLimit != 0 && id.Process.MemoryLimitBytes != want.MemoryLimit {
		differ("process.memory_limit", id.Process.MemoryLimitBytes, "the lab gave it", want.MemoryLimit)
	}
	if want.Nofile != 0 && id.Process.NofileSoft != want.Nofile {
		differ("process.nofile_soft", id.Process.NofileSoft, "the lab gave it", want.Nofile)
	}
	if want.Nofile != 0 && id.Process.NofileHard != want.Nofile {
		differ("process.nofile_hard", id.Process.NofileHard, "the lab gave it", want.Nofile)
	}
	if cpus := lab.CPUList(want.CPUs); cpus != "" && id.Process.CPUsAllowed != cpus {
		differ("process.cpus_allowed", id.Process.CPUsAllowed, "the lab gave it", cpus)
	}
	return found
}

// says tells what a server said, for a sentence to go on.
func says(field string, value any) string { return "it says " + field + " " + formatValue(value) }

// formatValue writes a value as JSON in one line, and only the beginning of a long one.
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
